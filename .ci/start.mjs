// The README's first command: builds what is not built yet, then runs the quick start, its two apps and their sidecars, in
// this process until Ctrl-C.
import { join } from 'node:path';
import { build } from './build.mjs';
import { root } from './workspace.mjs';

console.log('Building Outrigger');
await build(['runtime/sidecar', 'examples/quickstart']);
console.log('\nStarting two apps, each with its own sidecar: examples/quickstart/src/orders.ts and shipping.ts\n');
process.chdir(join(root, 'examples', 'quickstart'));
process.argv.splice(2, Infinity, 'run', '-f', 'dapr.yaml');
await import('../runtime/sidecar/bin/outrigger.mjs');
