// The one test command: set-up, build, lint, then every suite; ends with the summary line `N passed, N failed, N skipped`.
// --long adds the long runs. --only=NAME runs one suite (see `suites`).
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from './build.mjs';
import { clearMatrix } from './interop-matrix.mjs';
import { cacheDir, root, run } from './workspace.mjs';

const started = performance.now();
const long = process.argv.includes('--long');
const only = process.argv.find((arg) => arg.startsWith('--only='))?.slice('--only='.length);

const testFiles = (folder) => {
  const dist = join(root, folder);
  if (!existsSync(dist)) return [];
  return readdirSync(dist, { recursive: true })
    .map((file) => join(folder, file))
    .filter((file) => file.endsWith('.test.js'))
    .sort();
};
const isolated = (folder) => testFiles(folder).filter((file) => file.endsWith('.isolated.test.js'));

const packages = [
  'proto',
  'components/core',
  'components/memory',
  'components/local',
  'runtime/engine',
  'runtime/sidecar',
  'sdks/typescript',
];

/** name → command lines. `parallel` files of one suite run two at a time; suites run one after another. */
const suitesOf = () => [
  ...packages.flatMap((name) => {
    const dist = `${name}/dist`;
    const alone = isolated(dist);
    return [
      { name: `unit ${name}`, args: testFiles(dist).length > alone.length ? ['.ci/unit.mjs', dist] : [] },
      { name: `unit ${name}, isolated`, args: alone.length > 0 ? ['--test', '--test-concurrency=1', ...alone] : [] },
    ];
  }),
  ...['tidy', 'integration', 'conformance', 'interop', 'fuzz', 'simulation', ...(long ? ['long'] : [])].map((name) => {
    const files = name === 'tidy' ? ['test/dist/tidy.test.js'] : testFiles(`test/dist/${name}`);
    return {
      name,
      args: files.length > 0 ? ['--test', `--test-concurrency=${name === 'interop' ? 2 : 1}`, ...files] : [],
    };
  }),
];

console.log('Building Outrigger');
await build();

const countsFile = join(cacheDir, 'test-counts.jsonl');
mkdirSync(cacheDir, { recursive: true });
rmSync(countsFile, { force: true });
const total = { passed: 0, failed: 0, skipped: 0 };

async function check(title, command, args) {
  console.log(`\n${title}`);
  if ((await run(command, args)) === 0) total.passed++;
  else {
    total.failed++;
    console.error(`  FAILED: ${title}`);
  }
}

if (only === undefined || only === 'lint') {
  await check('lint: biome', join(root, 'node_modules', '.bin', 'biome'), ['check', '--error-on-warnings', '.']);
  if (existsSync(join(root, 'buf.yaml'))) await check('lint: buf', join(root, 'node_modules', '.bin', 'buf'), ['lint']);
}

for (const { name, args } of suitesOf()) {
  if (args.length === 0 || (only !== undefined && !name.includes(only))) continue;
  console.log(`\n${name}`);
  if (name === 'interop') clearMatrix();
  const code = await run(
    process.execPath,
    ['--test-reporter=./.ci/reporter.mjs', '--test-reporter-destination=stdout', '--enable-source-maps', ...args],
    { env: { ...process.env, OUTRIGGER_TEST_COUNTS: countsFile } },
  );
  const lines = existsSync(countsFile) ? readFileSync(countsFile, 'utf8').trim().split('\n') : [];
  rmSync(countsFile, { force: true });
  let failed = 0;
  for (const line of lines) {
    const counts = JSON.parse(line);
    failed += counts.failed;
    for (const key of Object.keys(total)) total[key] += counts[key];
  }
  // A suite that ended badly without naming a failed test (a crash, a hang that was killed) is a failure all the same.
  if (code !== 0 && failed === 0) {
    total.failed++;
    console.error(`  FAILED: suite ${name} ended with code ${code}`);
  }
  if (name === 'interop') await check('interop matrix, SDK × block', process.execPath, ['.ci/interop-matrix.mjs']);
}

console.log(`\n${((performance.now() - started) / 1000).toFixed(0)} s`);
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(total.failed > 0 || total.passed === 0 ? 1 : 0);
