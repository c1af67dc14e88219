// Bundles the commands: Node then loads a dozen files instead of some 500 modules, which takes half the time and 10 MiB
// less. What is loaded by import() stays apart and is loaded as late. Run after `tsc -b`; the bins (runtime/sidecar/bin)
// take the bundle unless something was compiled since.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { root } from './workspace.mjs';

const sidecar = join(root, 'runtime', 'sidecar');
const outdir = join(sidecar, 'dist', 'bundle');
const manifestFile = join(outdir, 'manifest.json');
const commands = ['daprd', 'layotto', 'outrigger'];

/** What every start needs of others. All other packages of others stay outside, and so does what they bring along. */
const inlined = new Set(['commander', 'pino', 'yaml']);

/** Shared with components that are installed apart: its classes must be there once. */
const shared = '@outrigger/components-core';

const require = createRequire(join(sidecar, 'package.json'));

function packageOf(specifier) {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/** A component package that stands on packages of others is loaded from where these are installed. */
function standsAlone(name) {
  const { dependencies = {} } = JSON.parse(readFileSync(join(packageFolder(require.resolve(name)), 'package.json')));
  return Object.keys(dependencies).every((dependency) => dependency.startsWith('@outrigger/'));
}

/** The nearest folder above with a package.json that names a package: some only say `type`. */
function packageFolder(file) {
  const folder = dirname(file);
  const found = join(folder, 'package.json');
  return existsSync(found) && JSON.parse(readFileSync(found)).name !== undefined ? folder : packageFolder(folder);
}

const externals = {
  name: 'externals',
  setup(bundler) {
    bundler.onResolve({ filter: /^[^./]/ }, ({ path, kind, importer }) => {
      const name = packageOf(path);
      if (kind === 'entry-point') return undefined;
      if (name === shared || path.startsWith('node:')) return { path, external: true };
      if (name.startsWith('@outrigger/'))
        return name.startsWith('@outrigger/components-') && !standsAlone(name) ? { path, external: true } : undefined;
      // Its CommonJS form would be one chunk that nothing can be left out of, without names for import().
      if (path === 'yaml')
        return { path: join(dirname(require.resolve('yaml/package.json')), 'browser/dist/index.js') };
      const byInlined = importer.includes('/node_modules/');
      return inlined.has(name) || byInlined ? undefined : { path, external: true };
    });
  },
};

const licenceNames = /^(licen[cs]e|copying)/i;

/** The licences of what is inlined, which have to go with it. */
function licences(inputs) {
  const folders = inputs
    .filter((input) => input.includes('node_modules/'))
    .map((input) => packageFolder(join(root, input)));
  const texts = [...new Set(folders)].sort().map((folder) => {
    const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json')));
    const file = readdirSync(folder).find((entry) => licenceNames.test(entry));
    if (file === undefined) throw new Error(`bundle: ${name} comes without a licence`);
    return `${name} ${version}\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
  });
  return `These packages are part of the files in this folder.\n\n${texts.join(`\n${'-'.repeat(80)}\n\n`)}`;
}

const mtimeOf = (file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;

function isCurrent() {
  if (!existsSync(manifestFile)) return false;
  const { builtFrom } = JSON.parse(readFileSync(manifestFile));
  const own = [fileURLToPath(import.meta.url), join(root, 'package-lock.json')];
  const built = mtimeOf(manifestFile);
  return [...builtFrom.map((file) => join(outdir, file)), ...own].every((file) => mtimeOf(file) <= built);
}

/** What `tsc -b` touches when it has compiled one of the packages that are in the bundle. */
function buildInfos(inputs) {
  const own = inputs.filter((input) => !input.includes('node_modules/') && !input.startsWith('..'));
  const folders = new Set(own.map((input) => packageFolder(join(root, input))));
  return [...folders].map((folder) => relative(outdir, join(folder, 'dist', '.tsbuildinfo'))).sort();
}

/** What a start loads whatever it is told to do: 11 MB of descriptors and their like are not among it. */
function checkStart({ inputs, outputs }) {
  const starts = [...commands.map((name) => `cli/${name}.js`), 'sidecar/create-sidecar.js'];
  const reached = new Set();
  const visit = (path) => {
    if (reached.has(path) || outputs[path] === undefined) return;
    reached.add(path);
    for (const { kind, path: imported } of outputs[path].imports) if (kind === 'import-statement') visit(imported);
  };
  for (const [path, { entryPoint }] of Object.entries(outputs))
    if (starts.some((start) => entryPoint?.endsWith(`/dist/${start}`))) visit(path);
  for (const path of reached) {
    for (const input of Object.keys(outputs[path].inputs)) {
      const late = inputs[input].imports.find(
        ({ kind, path: imported }) => kind === 'import-statement' && /^@(bufbuild|connectrpc)\//.test(imported),
      );
      if (late !== undefined)
        throw new Error(
          `bundle: every start loads ${late.path}, for ${input}: take codecs, methods and enums (proto/README.md), or import()`,
        );
    }
  }
}

async function bundle() {
  const { outputFiles, metafile } = await build({
    entryPoints: commands.map((name) => join(sidecar, 'dist', 'cli', `${name}.js`)),
    outdir,
    absWorkingDir: root,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    // Names stay, for the sake of stack traces; NODE_OPTIONS=--enable-source-maps shows the sources.
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    sourcemap: true,
    sourcesContent: false,
    chunkNames: '[name]-[hash]',
    plugins: [externals],
    // For what is CommonJS among the inlined.
    banner: {
      js: "import{createRequire as createRequireOfBundle}from'node:module';const require=createRequireOfBundle(import.meta.url);",
    },
    write: false,
    metafile: true,
    logLevel: 'warning',
  });
  checkStart(metafile);
  const inputs = Object.keys(metafile.inputs);
  const files = new Map(outputFiles.map(({ path, contents }) => [relative(outdir, path), contents]));
  files.set('LICENSES.txt', licences(inputs));
  mkdirSync(outdir, { recursive: true });
  rmSync(manifestFile, { force: true });
  // Entries come last: whoever starts one meanwhile finds its chunks.
  const isEntry = (name) => commands.includes(name.replace(/\.js$/, ''));
  const ordered = [...files].sort(([a], [b]) => Number(isEntry(a)) - Number(isEntry(b)));
  for (const [name, contents] of ordered) writeFileSync(join(outdir, name), contents);
  for (const name of readdirSync(outdir)) if (!files.has(name)) rmSync(join(outdir, name), { force: true });
  writeFileSync(manifestFile, JSON.stringify({ builtFrom: buildInfos(inputs) }, null, 2));
}

if (!isCurrent()) await bundle();
