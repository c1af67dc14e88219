// Makes a fresh clone runnable: dependencies, generated code, compiled TypeScript. Does only what changed.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { install, root, step } from './workspace.mjs';

/** `projects`: TypeScript projects to compile with what they stand on; all by default. */
export async function build(projects = []) {
  await install();
  const codegen = join(root, '.ci', 'codegen.mjs');
  if (existsSync(codegen)) await step('code generated from .proto', process.execPath, [codegen]);
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  await step('TypeScript compiled', process.execPath, [tsc, '-b', ...projects]);
  await step('commands bundled', process.execPath, [join(root, '.ci', 'bundle.mjs')]);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  console.log('Building Outrigger');
  await build();
}
