// Makes a fresh clone runnable: dependencies, generated code, compiled TypeScript. Does only what changed.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { install, root, step } from './workspace.mjs';

export async function build() {
  await install();
  const codegen = join(root, '.ci', 'codegen.mjs');
  if (existsSync(codegen)) await step('code generated from .proto', process.execPath, [codegen]);
  await step('TypeScript compiled', process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-b']);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  console.log('Building Outrigger');
  await build();
}
