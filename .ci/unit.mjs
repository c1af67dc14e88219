// Runs the unit tests of one package in one process: `node --test` starts a process per file, which costs more than the
// tests do. Usage: node --test-reporter=… .ci/unit.mjs DIST [SUBSTRING]. Files named *.isolated.test.js (they measure
// memory, or end processes) are left to `node --test`.
import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [dist, substring = ''] = process.argv.slice(2);
const files = readdirSync(dist, { recursive: true })
  .map((file) => join(dist, file))
  .filter((file) => file.endsWith('.test.js') && !file.endsWith('.isolated.test.js') && file.includes(substring))
  .sort();
for (const file of files) await import(pathToFileURL(resolve(file)).href);
