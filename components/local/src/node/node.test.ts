import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { ComponentError } from '@outrigger/components-core';
import { createManualClock, quietLog } from '@outrigger/components-core/conformance';
import fc from 'fast-check';
import { message, upsert } from '../engine/engine.test.support.js';
import { realClock } from '../real-clock.test.support.js';
import { frameTypes, protocolMagic } from '../wire/frame.js';
import { Writer } from '../wire/writer.js';
import { openSharedDirectory } from './directory.js';
import { elect } from './election.js';
import { LocalNode } from './node.js';

let directory = '';
let nodes: LocalNode[] = [];
const { signal } = new AbortController();
const store = 's';

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'outrigger-node-'));
  nodes = [];
});
afterEach(async () => {
  for (const node of nodes) await node.close();
  await rm(directory, { recursive: true });
});

function made(clock = realClock, at = directory): LocalNode {
  const node = new LocalNode({ directory: at, clock, log: quietLog });
  nodes.push(node);
  return node;
}

async function opened(clock = realClock, at = directory): Promise<LocalNode> {
  const node = made(clock, at);
  await node.open(signal);
  return node;
}

const set = async (node: LocalNode, key: string, value: string): Promise<void> => {
  await node.call('state.change', { store, changes: [upsert(key, value)] });
};
const get = async (node: LocalNode, key: string): Promise<string | undefined> => {
  const [item] = await node.call('state.get', { store, keys: [key] });
  return item && Buffer.from(item.value).toString();
};
const failsWith =
  (kind: string, text = /./) =>
  (error: unknown) =>
    error instanceof ComponentError && error.kind === kind && text.test(error.message);

describe('the processes of a namespace', () => {
  it('that start at once have one owner, and all see the same data', async () => {
    const all = Array.from({ length: 8 }, () => made());
    await Promise.all(all.map((node) => node.open(signal)));
    assert.deepEqual(all.map(({ role }) => role).sort(), ['owner', ...Array.from({ length: 7 }, () => 'participant')]);
    await Promise.all(all.map((node, index) => set(node, `key ${index}`, `value ${index}`)));
    for (const node of all) {
      for (let index = 0; index < 8; index++) assert.equal(await get(node, `key ${index}`), `value ${index}`);
    }
  });

  it('lose no request when the owner leaves, and apply none twice', async () => {
    const all = [await opened(), await opened(), await opened(), await opened()];
    await set(all[3]!, 'count', '0');
    let total = 0;
    for (let round = 0; round < 3; round++) {
      const leaving = all.find(({ role }) => role === 'owner')!;
      const rest = all.filter((node) => node !== leaving);
      // Appends through publish: a message that is applied twice would be seen.
      const publishing = rest.flatMap((node, index) =>
        Array.from({ length: 50 }, (_, each) =>
          node.call('pubsub.publish', { bus: 'b', topic: 't', messages: [message(`${round} ${index} ${each}`)] }),
        ),
      );
      total += publishing.length;
      const closing = leaving.close();
      await Promise.all(publishing);
      await closing;
      all.splice(all.indexOf(leaving), 1, await opened());
    }
    const reader = all.find(({ role }) => role === 'owner')!;
    const topic = reader.engine!.tables.topic('b', 't');
    assert.equal(topic.messages.size, total);
    assert.equal(topic.nextOffset, total + 1);
  });

  it('apply nothing twice when a connection breaks and the owner lives', async () => {
    const [owner, participant] = [await opened(), await opened()];
    const publishing = Array.from({ length: 500 }, (_, each) => {
      if (each % 100 === 50) participant.breakConnection();
      return participant.call('pubsub.publish', { bus: 'b', topic: 't', messages: [message(String(each))] });
    });
    await Promise.all(publishing);
    assert.equal(owner.role, 'owner');
    assert.equal(owner.engine!.tables.topic('b', 't').messages.size, 500);
  });

  it('hold the directory once, however many components open at the same time', {
    skip: !existsSync('/proc/self/fd') && 'open files cannot be listed here',
  }, async () => {
    const node = made();
    await Promise.all(Array.from({ length: 6 }, () => node.open(signal)));
    const targets = await Promise.all(
      (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
    );
    assert.equal(targets.filter((target) => target === directory).length, 1);
  });

  it('see nothing of another namespace', async () => {
    const [one, other] = [
      await opened(realClock, join(directory, 'one')),
      await opened(realClock, join(directory, 'two')),
    ];
    assert.deepEqual([one.role, other.role], ['owner', 'owner']);
    await set(one, 'key', 'of one');
    await one.call('pubsub.publish', { bus: 'b', topic: 't', messages: [message('of one')] });
    assert.equal(await get(other, 'key'), undefined);
    assert.equal(other.engine!.tables.topic('b', 't').messages.size, 0);
    const files = await readFile(join(directory, 'two', 'generation'), 'utf8');
    assert.equal(files, '1\n');
  });

  it('have no timer and no work when they are idle', async () => {
    const clock = createManualClock();
    const [owner, participant] = [await opened(clock), await opened(clock)];
    await set(owner, 'key', 'value');
    await set(participant, 'key', 'value');
    clock.advance(15_000);
    assert.equal(clock.pending, 0);
  });
});

describe('a participant', () => {
  it('waits for an owner that does not answer, for a time, and says so', async () => {
    const shared = await openSharedDirectory(directory);
    const sockets: Socket[] = [];
    // An owner that is stopped: its kernel accepts, it does nothing.
    const stopped = await elect(shared, (socket) => sockets.push(socket));
    assert.equal(stopped.role, 'owner');
    const clock = createManualClock();
    const node = made(clock);
    const opening = node.open(signal);
    const call = set(node, 'key', 'value');
    clock.advance(15_000);
    await assert.rejects(call, failsWith('unavailable', /did not answer state.change within 15 s/));
    assert.equal(node.health().ok, false);
    // Continued: it closes, and the participant takes over.
    for (const socket of sockets) socket.destroy();
    if (stopped.role === 'owner') stopped.server.close();
    await opening;
    assert.equal(node.role, 'owner');
    await set(node, 'key', 'value');
    await shared.close();
  });

  it('takes no more requests than it can hold', async () => {
    const shared = await openSharedDirectory(directory);
    const stopped = await elect(shared, (socket) => socket.pause());
    const node = made(createManualClock());
    const opening = node.open(signal);
    opening.catch(() => {});
    const calls = Array.from({ length: 10 }, () => {
      const call = (async () => node.call('state.change', { store, changes: [] }, 13 * 1024 * 1024))();
      call.catch(() => {});
      return call;
    });
    await assert.rejects(calls[9]!, failsWith('unavailable', /wait for the owner/));
    await node.close();
    await assert.rejects(calls[0]!, failsWith('closed'));
    await assert.rejects(opening, failsWith('closed'));
    if (stopped.role === 'owner') stopped.server.close();
    await shared.close();
  });

  it('does not take over from an owner that refuses its version', async () => {
    const shared = await openSharedDirectory(directory);
    const other = await elect(shared, (socket) => {
      const writer = new Writer();
      writer.u8(frameTypes.refused);
      writer.text('speaks version 9');
      const head = Buffer.alloc(4);
      head.writeUInt32LE(writer.position);
      socket.end(Buffer.concat([head, writer.buffer.subarray(0, writer.position)]));
    });
    const node = made();
    await assert.rejects(node.open(signal), failsWith('unsupported', /speaks version 9/));
    assert.equal(other.role, 'owner');
    if (other.role === 'owner') other.server.close();
    await shared.close();
  });
});

describe('the owner', () => {
  /** Sends bytes to the owner; resolves with what it answers when it closes the connection. */
  function talk(bytes: Buffer): Promise<Buffer> {
    return new Promise((resolve) => {
      const socket = connect(join(directory, 'owner.1'));
      const got: Buffer[] = [];
      socket.on('data', (chunk) => got.push(chunk));
      socket.on('error', () => {});
      socket.on('close', () => resolve(Buffer.concat(got)));
      // Half-closed is closed: nothing more can come.
      socket.end(bytes);
    });
  }

  function hello(version: number, participant = '0123456789abcdef'): Buffer {
    const writer = new Writer();
    writer.u32(0);
    writer.u8(frameTypes.hello);
    writer.u32(protocolMagic);
    writer.u8(version);
    writer.text(participant);
    writer.buffer.writeUInt32LE(writer.position - 4, 0);
    return Buffer.from(writer.buffer.subarray(0, writer.position));
  }

  it('refuses a participant of another version with a sentence', async () => {
    await opened();
    const answer = await talk(hello(9));
    assert.equal(answer[4], frameTypes.refused);
    assert.match(answer.toString(), /version 1 of the local protocol, this sidecar version 9/);
  });

  it('closes the connection on anything it cannot read, and goes on for the others', async () => {
    const owner = await opened();
    await set(owner, 'key', 'value');
    const frame = fc
      .record({ type: fc.integer({ min: 0, max: 9 }), body: fc.uint8Array({ maxLength: 60 }) })
      .map(({ type, body }) => {
        const buffer = Buffer.alloc(5 + body.length);
        buffer.writeUInt32LE(1 + body.length, 0);
        buffer[4] = type;
        buffer.set(body, 5);
        return buffer;
      });
    await fc.assert(
      fc.asyncProperty(
        fc.boolean(),
        fc.array(
          fc.oneof(
            frame,
            fc.uint8Array().map((bytes) => Buffer.from(bytes)),
          ),
          { maxLength: 5 },
        ),
        async (greets, parts) => {
          await talk(Buffer.concat([...(greets ? [hello(1)] : []), ...parts]));
        },
      ),
      { numRuns: 200 },
    );
    const participant = await opened();
    assert.equal(await get(participant, 'key'), 'value');
    assert.equal(owner.engine!.sessions.size, 2);
  });
});
