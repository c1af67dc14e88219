// The matrix SDK × block: prints what passed in the last run of the interop suite (test/interop writes it to .cache/interop)
// and fails when a number is lower than test/interop/matrix.json has it. `--record` raises the numbers of that file.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { cacheDir, root } from './workspace.mjs';

const resultsDir = join(cacheDir, 'interop');
const recordFile = join(root, 'test', 'interop', 'matrix.json');

/** Before a run: an SDK that does not run this time must not be shown with old numbers. */
export function clearMatrix() {
  rmSync(resultsDir, { recursive: true, force: true });
}

/** SDK → block → number of passed cases. */
function passedCases() {
  const counts = new Map();
  if (!existsSync(resultsDir)) return counts;
  for (const file of readdirSync(resultsDir).sort()) {
    const { sdk, passed } = JSON.parse(readFileSync(join(resultsDir, file), 'utf8'));
    const blocks = new Map();
    for (const name of passed) {
      const block = name.slice(0, name.indexOf('/'));
      blocks.set(block, (blocks.get(block) ?? 0) + 1);
    }
    counts.set(sdk, blocks);
  }
  return counts;
}

function recordedCases() {
  if (!existsSync(recordFile)) return new Map();
  const recorded = JSON.parse(readFileSync(recordFile, 'utf8'));
  return new Map(Object.entries(recorded).map(([sdk, blocks]) => [sdk, new Map(Object.entries(blocks))]));
}

const sum = (blocks) => [...blocks.values()].reduce((total, count) => total + count, 0);

function table(counts) {
  const columns = [...new Set([...counts.values()].flatMap((blocks) => [...blocks.keys()]))];
  const head = ['SDK', ...columns, 'all'];
  const rows = [...counts].map(([sdk, blocks]) => [
    sdk,
    ...columns.map((block) => blocks.get(block) ?? ''),
    sum(blocks),
  ]);
  const total = columns.map((block) => [...counts.values()].reduce((all, blocks) => all + (blocks.get(block) ?? 0), 0));
  rows.push(['all', ...total, total.reduce((all, count) => all + count, 0)]);
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => String(row[column]).length)));
  return [head, ...rows]
    .map((row) => row.map((cell, i) => (i === 0 ? String(cell).padEnd(widths[i]) : String(cell).padStart(widths[i]))))
    .map((cells) => `  ${cells.join('  ')}`)
    .join('\n');
}

/** What is recorded and did not pass this time, as sentences. An SDK that did not run at all is only named. */
function compare(counts, recorded) {
  const lower = [];
  const absent = [];
  let more = 0;
  for (const [sdk, blocks] of recorded) {
    const now = counts.get(sdk);
    if (now === undefined) absent.push(sdk);
    else
      for (const [block, count] of blocks)
        if ((now.get(block) ?? 0) < count) lower.push(`${sdk}, ${block}: ${now.get(block) ?? 0} of ${count}`);
  }
  for (const [sdk, blocks] of counts)
    for (const [block, count] of blocks) if (count > (recorded.get(sdk)?.get(block) ?? 0)) more++;
  return { lower, absent, more };
}

function raise(counts, recorded) {
  const raised = {};
  for (const sdk of [...new Set([...recorded.keys(), ...counts.keys()])].sort()) {
    const before = recorded.get(sdk) ?? new Map();
    const now = counts.get(sdk) ?? new Map();
    const blocks = [...new Set([...before.keys(), ...now.keys()])];
    raised[sdk] = Object.fromEntries(
      blocks.map((block) => [block, Math.max(before.get(block) ?? 0, now.get(block) ?? 0)]),
    );
  }
  writeFileSync(recordFile, `${JSON.stringify(raised, null, 2)}\n`);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const counts = passedCases();
  const recorded = recordedCases();
  if (counts.size > 0) console.log(table(counts));
  const { lower, absent, more } = compare(counts, recorded);
  for (const sdk of absent) console.log(`  did not run: ${sdk}`);
  for (const sentence of lower) console.error(`  fewer than recorded: ${sentence}`);
  if (process.argv.includes('--record')) raise(counts, recorded);
  else if (more > 0) console.log(`  ${more} numbers are higher than recorded: node .ci/interop-matrix.mjs --record`);
  process.exit(lower.length > 0 || (absent.length > 0 && process.env.CI === 'true') ? 1 : 0);
}
