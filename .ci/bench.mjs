// Prints the cost tables, each ratio against a peer measured in the same run. Keep the machine quiet meanwhile.
// `npm run bench`, or `npm run bench -- state` for one.
import { join } from 'node:path';
import { build } from './build.mjs';
import { root, run } from './workspace.mjs';

console.log('Building Outrigger');
await build();
const wanted = process.argv.slice(2);
let failed = 0;
for (const name of ['codec', 'state', 'invoke', 'footprint', 'sdk']) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  if ((await run(process.execPath, [join(root, 'test', 'dist', 'bench', `${name}.js`)])) !== 0) failed++;
}
process.exit(failed === 0 ? 0 : 1);
