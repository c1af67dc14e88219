#!/usr/bin/env node
import { main } from '../dist/cli/outrigger.js';

await main();
