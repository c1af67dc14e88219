#!/usr/bin/env node
import { main } from '../dist/cli/daprd.js';

await main();
