// The commands come as a bundle, which starts in half the time that the modules take (.ci/bundle.mjs makes it). In a
// checkout the modules themselves are run when something was compiled after the last bundle.
import { readFileSync, statSync } from 'node:fs';

const bundle = new URL('../dist/bundle/', import.meta.url);

function mtimeOf(url) {
  return statSync(url, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function isCurrent() {
  const manifest = new URL('manifest.json', bundle);
  const built = mtimeOf(manifest);
  if (built === 0) return false;
  // In an installed package there are no such files, and the bundle is always current.
  return JSON.parse(readFileSync(manifest, 'utf8')).builtFrom.every((file) => mtimeOf(new URL(file, bundle)) <= built);
}

/** Runs the command `name` to its end. */
export async function run(name) {
  const { main } = await import(isCurrent() ? `../dist/bundle/${name}.js` : `../dist/cli/${name}.js`);
  await main();
}
