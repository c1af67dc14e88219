/** The README's first command, as a newcomer runs it. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { type Actor, startProcess } from '../harness/process.js';
import { repositoryRoot } from '../harness/sidecar.js';

/** Processes of a group that are still there. */
function groupMembers(group: number): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
        const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        return Number(fields[2]) === group && fields[0] !== 'Z' ? [stat.slice(0, 60)] : [];
      } catch {
        return [];
      }
    });
}

async function story(actor: Actor): Promise<void> {
  await actor.line(/state .*saved .*paddle.* etag/, 90_000);
  await actor.line(/event out .*published order 42/);
  await actor.line(/event in .*order 42 \(paddle\) arrived/);
  await actor.line(/invoke in .*where order 42 is/);
  await actor.line(/invoke out .*on the truck/);
  await actor.line(/configuration .*greeting is 'hello'/);
  await actor.line(/configuration .*changed while watched: greeting is now 'ahoy'/);
  await actor.line(/done /);
}

describe('npm start', () => {
  it('tells the story of two apps, and Ctrl-C ends everything with exit code 0', async () => {
    const actor = startProcess('npm', ['start'], { cwd: repositoryRoot, name: 'npm start' });
    try {
      await story(actor);
      const began = performance.now();
      // A terminal's Ctrl-C reaches every process of the group at once.
      actor.kill('SIGINT');
      const { code, signal } = await actor.exited;
      assert.deepEqual({ code, signal }, { code: 0, signal: null }, actor.output);
      assert.ok(performance.now() - began < 15_000, 'it took too long to end');
      assert.deepEqual(groupMembers(actor.pid), []);
    } finally {
      actor.kill('SIGKILL');
    }
  });
});
