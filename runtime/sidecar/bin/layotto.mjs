#!/usr/bin/env node
import { main } from '../dist/cli/layotto.js';

await main();
