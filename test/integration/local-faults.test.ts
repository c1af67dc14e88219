/** The embedded data when the disk is full, when its files are damaged, and when the sidecar that owns it goes. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Client, createClient } from '@outrigger/sdk';
import { ANY_PORTS, component, runCommand } from '../harness/command.js';
import { type Sidecar, type SidecarSetup, scratchDir, startSidecar } from '../harness/sidecar.js';
import { traffic } from '../harness/traffic.js';

const dataOf = (home: string): string => join(home, 'local', 'default');
const clientOf = (sidecar: Sidecar, timeoutMs = 20_000): Client =>
  createClient({ address: `127.0.0.1:${sidecar.grpcPort}`, timeoutMs });

describe('a full disk', () => {
  const home = scratchDir('home');
  let mounted = false;
  let reason = '';
  let owner: Sidecar;
  let other: Sidecar;
  before(async () => {
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m,mode=0700', 'tmpfs', home], { stdio: 'pipe' });
      mounted = true;
    } catch (error) {
      reason = `a small file system cannot be mounted here: ${(error as Error).message.split('\n').at(-2)}`;
      return;
    }
    owner = await startSidecar({ appId: 'one', home });
    other = await startSidecar({ appId: 'one', home });
  });
  after(async () => {
    await Promise.all([owner?.stop(), other?.stop()]);
    if (mounted) execFileSync('umount', [home]);
  });

  it('fails writes with the reason, loses nothing that was acknowledged, and is over when there is room', async (t) => {
    if (!mounted) return t.skip(reason);
    const ballast = join(home, 'ballast');
    const value = 'x'.repeat(4_000);
    const saved: string[] = [];
    for (const [name, sidecar] of [
      ['owner', owner],
      ['other', other],
    ] as const) {
      // Somebody else takes the room, as far as it goes.
      const fd = openSync(ballast, 'w');
      assert.throws(() => {
        for (;;) writeSync(fd, Buffer.alloc(64 * 1024));
      }, /ENOSPC/);
      closeSync(fd);
      const client = clientOf(sidecar);
      let refused: Error | undefined;
      for (let i = 0; refused === undefined && i < 5_000; i++) {
        await client
          .state()
          .save(`${name}-${i}`, value)
          .then(
            () => saved.push(`${name}-${i}`),
            (error: Error) => {
              refused = error;
            },
          );
      }
      assert.match(refused?.message ?? '', /disk.*full|no space/i);
      const answer = await fetch(`${sidecar.http}/v1.0/state/statestore`, {
        method: 'POST',
        body: JSON.stringify([{ key: 'refused', value }]),
      });
      assert.ok(answer.status >= 500, `${answer.status}`);
      assert.match(await answer.text(), /disk.*full|no space/i);
      await assert.rejects(client.pubsub().publish('t', value), /disk.*full|no space/i);
      // Reading goes on.
      for (const key of saved) assert.equal((await client.state().get(key))?.value, value);
      assert.equal(await client.state().get('refused'), undefined);
      // A sidecar that starts now takes part.
      const late = await startSidecar({ appId: 'one', home });
      const lateClient = clientOf(late);
      for (const key of saved.slice(-2)) assert.equal((await lateClient.state().get(key))?.value, value);
      await lateClient.close();
      assert.deepEqual(await late.stop(), { code: 0, signal: null });

      rmSync(ballast);
      await client.state().save(`${name}-after`, value);
      saved.push(`${name}-after`);
      await client.close();
    }
    for (const { actor } of [owner, other]) actor.kill('SIGKILL');
    await Promise.all([owner.actor.exited, other.actor.exited]);
    owner = await startSidecar({ appId: 'one', home });
    const client = clientOf(owner);
    for (const key of saved) assert.equal((await client.state().get(key))?.value, value, key);
    await client.close();
  });
});

/** As the header of a log file has it. */
function crc32(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

describe('damaged files', () => {
  /** Saves twenty keys in files of their own kind, ends by SIGKILL, and gives the newest segment that holds records. */
  const written = async (): Promise<{ home: string; segment: string }> => {
    const home = scratchDir('home');
    const sidecar = await startSidecar({ appId: 'one', home });
    const client = clientOf(sidecar);
    for (let i = 0; i < 20; i++) await client.state().save(`k${i}`, `value ${i} ${'x'.repeat(200)}`);
    await client.close();
    sidecar.actor.kill('SIGKILL');
    await sidecar.actor.exited;
    const [segment] = readdirSync(dataOf(home))
      .filter((name) => name.endsWith('.log'))
      .sort((a, b) => statSync(join(dataOf(home), b)).size - statSync(join(dataOf(home), a)).size);
    return { home, segment: join(dataOf(home), segment as string) };
  };
  const keysOf = async (client: Client): Promise<string[]> => {
    const keys = Array.from({ length: 20 }, (_, i) => `k${i}`);
    const found = await client.state().getMany(keys);
    return keys.filter((_, i) => found[i] !== undefined);
  };
  const startOn = (home: string, more: SidecarSetup = {}): Promise<Sidecar> =>
    startSidecar({ appId: 'one', home, ...more });

  it('an end that is cut off: said, and everything before it is there', async () => {
    const { home, segment } = await written();
    truncateSync(segment, statSync(segment).size - 7);
    const sidecar = await startOn(home);
    await sidecar.actor.line(
      /the local log ended in a write that was never acknowledged; it is ignored .*offset=\d+ length=\d+/,
    );
    const client = clientOf(sidecar);
    assert.deepEqual(
      await keysOf(client),
      Array.from({ length: 19 }, (_, i) => `k${i}`),
    );
    await client.state().save('k19', 'again');
    await client.close();
    await sidecar.stop();
  });

  it('a byte that has changed: said with file and place, the file is kept, the rest is there', async () => {
    const { home, segment } = await written();
    const bytes = readFileSync(segment);
    const at = bytes.indexOf('value 7 ');
    assert.ok(at > 0);
    bytes[at] = (bytes[at] as number) ^ 1;
    writeFileSync(segment, bytes);
    const sidecar = await startOn(home);
    await sidecar.actor.line(
      new RegExp(`ERROR .*damage.*${segment.split('/').at(-1)}|ERROR .*${segment.split('/').at(-1)}.*damage`),
    );
    const client = clientOf(sidecar);
    assert.deepEqual(
      await keysOf(client),
      Array.from({ length: 20 }, (_, i) => `k${i}`).filter((key) => key !== 'k7'),
    );
    await client.close();
    await sidecar.stop();
    assert.ok(readFileSync(segment).subarray(0, bytes.length).equals(bytes), 'the damaged file was changed');
  });

  it('a file that holds something else: said, and the sidecar serves', async () => {
    const { home, segment } = await written();
    writeFileSync(segment, 'not a log at all\n'.repeat(50));
    const sidecar = await startOn(home);
    await sidecar.actor.line(/ERROR .*damage/);
    const client = clientOf(sidecar);
    await client.state().save('k0', 'again');
    assert.equal((await client.state().get('k0'))?.value, 'again');
    await client.close();
    await sidecar.stop();
  });

  it('the number of the last owner: nobody guesses; calls say the cure, and all is there after it', async () => {
    const { home } = await written();
    const generation = join(dataOf(home), 'generation');
    writeFileSync(generation, 'seven\n');
    const resources = { 'store.yaml': component('statestore', 'state.local', 'initTimeout: 500ms\n') };
    const sidecar = await startOn(home, { resources, noWait: true });
    await sidecar.actor.line(/Component statestore .* is not ready/);
    const answer = await fetch(`${sidecar.http}/v1.0/state/statestore/k0`);
    assert.equal(answer.status, 503);
    assert.match(
      await answer.text(),
      /generation is damaged; stop every sidecar of this namespace and delete that file/,
    );
    rmSync(generation);
    await sidecar.actor.line(/Component loaded: statestore/);
    const client = clientOf(sidecar);
    assert.equal((await keysOf(client)).length, 20);
    await client.close();
    await sidecar.stop();
  });

  it('of another version: left alone, and the start says which', async () => {
    const { home, segment } = await written();
    const bytes = readFileSync(segment);
    for (const copy of [bytes.subarray(0, 64), bytes.subarray(64, 128)]) {
      copy.writeUInt32LE(99, 8);
      copy.writeUInt32LE(crc32(copy.subarray(0, 60)), 60);
    }
    writeFileSync(segment, bytes);
    const { code, last } = await runCommand('outrigger', ['start', ...ANY_PORTS], { env: { OUTRIGGER_HOME: home } });
    assert.equal(code, 1);
    assert.match(
      last,
      /FATAL component .* cannot work: .*\.log was written by another version of Outrigger; use that version/,
    );
    assert.ok(readFileSync(segment).equals(bytes));
  });
});

describe('the owner of the data', () => {
  it('that is killed under traffic: another takes over within a second, and no call fails', async () => {
    const home = scratchDir('home');
    const owner = await startSidecar({ appId: 'one', home });
    await owner.actor.line(/this sidecar owns the local data/);
    const others = await Promise.all([startSidecar({ appId: 'one', home }), startSidecar({ appId: 'one', home })]);
    const clients = others.map((sidecar) => clientOf(sidecar));
    const saved = new Map<string, number>();
    let longestMs = 0;
    const calls = traffic(4, async (lane, count) => {
      const began = performance.now();
      const client = clients[lane % 2] as Client;
      await client.state().save(`lane-${lane}`, count);
      saved.set(`lane-${lane}`, count);
      longestMs = Math.max(longestMs, performance.now() - began);
    });
    await calls.round();
    const killed = performance.now();
    owner.actor.kill('SIGKILL');
    await Promise.race(others.map(({ actor }) => actor.line(/this sidecar owns the local data/)));
    const takeoverMs = performance.now() - killed;
    await calls.round();
    await calls.stop();
    assert.deepEqual(calls.failures, []);
    assert.ok(takeoverMs < 1_000, `the takeover took ${takeoverMs} ms`);
    assert.ok(longestMs < 1_500, `a call took ${longestMs} ms`);
    for (const [key, value] of saved) {
      for (const client of clients) assert.equal((await client.state().get(key))?.value, value);
    }
    await Promise.all(clients.map((client) => client.close()));
    await Promise.all(others.map((sidecar) => sidecar.stop()));
  });

  it('that is stopped and does not answer: calls elsewhere keep their deadlines, and go on when it does', async () => {
    const home = scratchDir('home');
    const owner = await startSidecar({ appId: 'one', home });
    const other = await startSidecar({ appId: 'one', home });
    const client = clientOf(other);
    await client.state().save('k', 1);
    owner.actor.child.kill('SIGSTOP');
    await assert.rejects(client.state().save('k', 2, { timeoutMs: 300 }), { code: 4 });
    const waiting = client.state().save('k', 3);
    owner.actor.child.kill('SIGCONT');
    await waiting;
    assert.equal((await client.state().get('k'))?.value, 3);

    owner.actor.child.kill('SIGSTOP');
    const began = performance.now();
    assert.deepEqual(await other.stop(), { code: 0, signal: null }, other.actor.output);
    assert.ok(performance.now() - began < 9_000, other.actor.output);
    owner.actor.child.kill('SIGCONT');
    await client.close();
    assert.deepEqual(await owner.stop(), { code: 0, signal: null });
  });
});
