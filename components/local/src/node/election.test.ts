import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, chown, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { ComponentError } from '@outrigger/components-core';
import { createManualClock } from '@outrigger/components-core/conformance';
import { openSharedDirectory, readGeneration, type SharedDirectory, writeGeneration } from './directory.js';
import { type ElectionResult, elect, settle } from './election.js';

let folder = '';
let directory: SharedDirectory;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'outrigger-elect-'));
  directory = await openSharedDirectory(join(folder, 'data'));
});
afterEach(async () => {
  await directory.close();
  await rm(folder, { recursive: true });
});

const drop = (socket: Socket): void => void socket.destroy();
const names = async (): Promise<string[]> => (await readdir(directory.path)).sort();

async function retire(result: ElectionResult): Promise<void> {
  if (result.role === 'participant') result.socket.destroy();
  else await new Promise((resolve) => result.server.close(resolve));
}

describe('an election', () => {
  it('makes the first one owner, and the others its participants', async () => {
    const results = await Promise.all(Array.from({ length: 12 }, () => elect(directory, drop)));
    const owners = results.filter(({ role }) => role === 'owner');
    assert.equal(owners.length, 1);
    for (const { generation } of results) assert.equal(generation, 1);
    for (const result of results) await retire(result);
    assert.deepEqual(await names(), ['owner.1'], 'no candidate is left');
  });

  it('takes over from an owner that is gone, with the next number, and tidies up', async () => {
    for (let generation = 1; generation <= 5; generation++) {
      const result = await elect(directory, drop);
      assert.deepEqual([result.role, result.generation], ['owner', generation]);
      await settle(directory, generation);
      assert.deepEqual(await names(), ['generation', `owner.${generation}`]);
      await retire(result);
    }
  });

  /** Another process that takes part and says what it became. */
  async function participate(command: readonly string[]): Promise<{ child: ChildProcess; said: string }> {
    const script = `
      import { elect } from ${JSON.stringify(new URL('./election.js', import.meta.url).href)};
      import { openSharedDirectory } from ${JSON.stringify(new URL('./directory.js', import.meta.url).href)};
      const { role } = await elect(await openSharedDirectory(${JSON.stringify(directory.path)}), () => {});
      console.log(process.pid === 1 ? 'first' : 'other', role);
    `;
    const [program, ...before] = command;
    const child = spawn(program!, [...before, '--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const said = await new Promise<string>((resolve) => {
      let text = '';
      for (const stream of [child.stdout!, child.stderr!]) {
        stream.on('data', (chunk: Buffer) => {
          text += chunk.toString();
          if (text.endsWith('\n')) resolve(text.trim());
        });
      }
      child.once('close', () => resolve(text.trim()));
    });
    return { child, said };
  }

  async function kill(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    // Its output closes when its own child is gone as well.
    const gone = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  it('takes over from a process that was killed', async () => {
    const { child, said } = await participate([process.execPath]);
    assert.equal(said, 'other owner');
    const found = await elect(directory, drop);
    assert.equal(found.role, 'participant');
    await kill(child);
    await retire(found);
    const next = await elect(directory, drop);
    assert.deepEqual([next.role, next.generation], ['owner', 2]);
    await retire(next);
  });

  it('tells processes apart that are both number 1 of their process namespaces', async (t) => {
    // --kill-child: unshare takes its child along when it is killed.
    const command = ['unshare', '--pid', '--fork', '--kill-child', process.execPath];
    const one = await participate(command).catch((error: Error) => error);
    if (one instanceof Error || !one.said.startsWith('first'))
      return t.skip(`no process namespaces here: ${one instanceof Error ? one.message : one.said}`);
    const other = await participate(command);
    assert.deepEqual([one.said, other.said], ['first owner', 'first participant']);
    await kill(one.child);
    await kill(other.child);
    const next = await elect(directory, drop);
    assert.deepEqual([next.role, next.generation], ['owner', 2]);
    await retire(next);
  });

  it('is not fooled when a number comes free a second time', async () => {
    // A candidate looks, finds that 1 is the number to take, and is slow.
    let goOn!: () => void;
    const slow = elect(directory, drop, (generation) =>
      generation === 1 ? new Promise<void>((resolve) => (goOn = () => resolve())) : Promise.resolve(),
    );
    while (goOn === undefined) await new Promise((resolve) => setImmediate(resolve));
    // Meanwhile two owners come and go, a third lives, and the names of the first two are removed.
    for (const generation of [1, 2]) {
      const result = await elect(directory, drop);
      assert.equal(result.generation, generation);
      await settle(directory, generation);
      await retire(result);
    }
    const living = await elect(directory, drop);
    await settle(directory, 3);
    assert.deepEqual(await names(), ['generation', 'owner.3']);
    goOn();
    const late = await slow;
    assert.deepEqual([late.role, late.generation], ['participant', 3]);
    assert.deepEqual(await names(), ['generation', 'owner.3']);
    await retire(late);
    await retire(living);
  });

  it('finds the owner also when the file with its number was lost', async () => {
    await writeGeneration(directory, 7);
    const living = await elect(directory, drop);
    assert.deepEqual([living.role, living.generation], ['owner', 8]);
    await settle(directory, 8);
    await rm(join(directory.path, 'generation'));
    const found = await elect(directory, drop);
    assert.deepEqual([found.role, found.generation], ['participant', 8]);
    await retire(found);
    await retire(living);
  });

  it('never has two owners, however many come and go at once', async () => {
    const { random } = createManualClock(0, 42);
    let owners = 0;
    let terms = 0;
    const candidate = async (): Promise<void> => {
      while (terms < 150) {
        const result = await elect(directory, drop, async () => {
          for (let turns = random() * 30; turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
        });
        if (result.role === 'owner') {
          assert.equal(++owners, 1, `two owners in generation ${result.generation}`);
          terms++;
          await settle(directory, result.generation);
          for (let turns = random() * 10; turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
          assert.equal(owners, 1);
          owners--;
          await retire(result);
        } else {
          const ended = new Promise((resolve) => result.socket.once('close', resolve));
          result.socket.resume();
          result.socket.on('error', () => {});
          await ended;
        }
      }
    };
    await Promise.all(Array.from({ length: 8 }, candidate));
    assert.ok((await readGeneration(directory)) >= 150);
  });
});

describe('the directory', () => {
  const refused = (reason: RegExp) => (error: unknown) => error instanceof ComponentError && reason.test(error.message);

  it('is made with mode 0700, parents too', async () => {
    const deep = await openSharedDirectory(join(folder, 'a', 'b'));
    for (const path of ['a', 'a/b']) assert.equal((await stat(join(folder, path))).mode & 0o777, 0o700);
    await deep.close();
  });

  it('is refused when others may look into it or own it', async (t) => {
    const open = join(folder, 'open');
    await mkdir(open);
    await chmod(open, 0o755);
    await assert.rejects(openSharedDirectory(open), refused(/open to other users.*chmod 700/));
    await chmod(open, 0o700);
    if (process.getuid?.() !== 0) return t.diagnostic('not root: the owner was not tried');
    await chown(open, 12345, 12345);
    await assert.rejects(openSharedDirectory(open), refused(/belongs to user 12345/));
  });

  it('is refused with a number file that cannot be read, rather than guessed at', async () => {
    await writeFile(join(directory.path, 'generation'), 'garbage');
    await assert.rejects(elect(directory, drop), refused(/is damaged; stop every sidecar/));
  });

  it('may have a path that is longer than a socket address', async (t) => {
    if (process.platform !== 'linux') return t.skip('paths that long are refused here');
    const long = await openSharedDirectory(join(folder, 'x'.repeat(100), 'y'.repeat(100)));
    const owner = await elect(long, drop);
    assert.equal(owner.role, 'owner');
    const other = await elect(long, drop);
    assert.equal(other.role, 'participant');
    assert.deepEqual(await readdir(long.path), ['owner.1']);
    await retire(other);
    await retire(owner);
    await long.close();
  });
});
