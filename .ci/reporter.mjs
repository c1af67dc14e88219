// A node:test reporter: prints failures in full, skipped tests with their reason, the slowest tests, and one line of
// counts. With OUTRIGGER_TEST_COUNTS it appends the counts to that file, so that .ci/test.mjs can add them up.
import { appendFileSync } from 'node:fs';
import { inspect } from 'node:util';

export default async function* reporter(source) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const slow = [];
  for await (const { type, data } of source) {
    if (type === 'test:stdout' || type === 'test:stderr') {
      yield data.message;
      continue;
    }
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    if (data.details?.type === 'suite' && type === 'test:pass') continue;
    // A suite fails because a test in it failed, which has been counted; a hook or a file that fails counts itself.
    const kind = data.details?.error?.failureType;
    if (type === 'test:fail' && kind === 'subtestsFailed') continue;
    if (data.skip !== undefined || data.todo !== undefined) {
      counts.skipped++;
      yield `  skipped: ${data.name}: ${data.skip || data.todo || 'no reason given'}\n`;
    } else if (type === 'test:pass') {
      counts.passed++;
      if (data.details.duration_ms > 2000) slow.push([data.details.duration_ms, data.name]);
    } else {
      counts.failed++;
      const error = data.details.error?.cause ?? data.details.error;
      yield `\n  FAILED: ${data.name}  (${data.file ?? ''}:${data.line ?? ''})\n${inspect(error, { depth: 6 }).replace(/^/gm, '    ')}\n`;
    }
  }
  slow.sort((a, b) => b[0] - a[0]);
  for (const [ms, name] of slow.slice(0, 5)) yield `  slow: ${(ms / 1000).toFixed(1)} s ${name}\n`;
  yield `  ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`;
  if (process.env.OUTRIGGER_TEST_COUNTS) {
    appendFileSync(process.env.OUTRIGGER_TEST_COUNTS, `${JSON.stringify(counts)}\n`);
  }
}
