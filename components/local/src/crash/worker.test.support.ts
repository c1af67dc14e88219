/**
 * One process of the crash test: uses every local component as fast as it can and says on stdout what it asks for (`try`)
 * and what it was told (`ack`). Ends when stdin ends.
 */
import { ComponentError, type StateSetRequest } from '@outrigger/components-core';
import { bytes, quietLog, testConfig, testDeps, textOf } from '@outrigger/components-core/conformance';
import { lockLocal, pubsubLocal, sequencerLocal, stateLocal } from '../index.js';
import { acquireNode } from '../node/acquire.js';
import { realClock } from '../real-clock.test.support.js';

const [sharedDir, slot, life] = process.argv.slice(2) as [string, string, string];
const log = {
  ...quietLog,
  error: (...line: unknown[]) => void process.stderr.write(`${slot}.${life} ${JSON.stringify(line)}\n`),
};
const deps = testDeps(realClock, { sharedDir, log, instanceId: `worker-${slot}-${life}` });
const { signal } = new AbortController();

/** Synchronous for pipes: what is said before a request is said before the kill. */
function say(...words: (string | number | bigint)[]): void {
  process.stdout.write(`${words.join(' ')}\n`);
}

const held = acquireNode(deps);
await held.node.open(signal);
held.node.stand({ establish: () => say('role', held.node.role, held.node.generation) });

const state = stateLocal.create(testConfig('state.local', {}, 'state'), deps);
const pubsub = pubsubLocal.create(testConfig('pubsub.local', {}, 'pubsub'), deps);
const sequencer = sequencerLocal.create(testConfig('sequencer.local', {}, 'sequencer'), deps);
const lock = lockLocal.create(testConfig('lock.local', {}, 'lock'), deps);
const components = [state, pubsub, sequencer, lock];
for (const component of components) await component.open(signal);

const write = (key: string, value: string, etag?: string): StateSetRequest => ({
  key,
  value: bytes(value),
  etag,
  concurrency: 'unspecified',
  consistency: 'unspecified',
  metadata: {},
});
const read = (key: string) => ({ key, consistency: 'unspecified', metadata: {} }) as const;

let isStopping = false;
process.stdin.on('end', () => {
  isStopping = true;
});
process.stdin.resume();

/** Runs `step` again and again; a turn in between lets the others run. */
async function loop(step: (count: number) => Promise<void>): Promise<void> {
  for (let count = 1; !isStopping; count++) {
    await step(count);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const subscription = await pubsub.subscribe(
  { topic: 'work', consumerId: 'workers', metadata: {}, inFlightMax: 8 },
  async (message) => {
    say('got', textOf(message.data)!.split(' ')[0]!, message.attempt);
    return { outcome: 'ack' };
  },
);

const own = `register||${slot}`;
const first = Number(textOf((await state.get(read(own)))?.value)?.split(' ')[0] ?? 0);

const loops = [
  // A value of its own; some are large, so that they are read from the disk and the log is rewritten now and then.
  loop(async (count) => {
    const value = first + count;
    say('try', 'register', slot, value);
    await state.set(write(own, `${value} ${'x'.repeat(count % 5 === 0 ? 100_000 : 10)}`));
    say('ack', 'register', slot, value);
  }),
  // A counter of all, by etag: each `ack` is exactly one more.
  loop(async () => {
    const item = await state.get(read('counter'));
    const next = Number(textOf(item?.value) ?? 0) + 1;
    say('try', 'counter');
    try {
      await state.set({
        ...write('counter', String(next), item?.etag),
        ...(item === undefined && { concurrency: 'first-write' as const }),
      });
      say('ack', 'counter');
    } catch (error) {
      if (!(error instanceof ComponentError) || error.kind !== 'etag-mismatch') throw error;
      say('not', 'counter');
    }
  }),
  // Two values that are always the same.
  loop(async (count) => {
    const value = `${slot} ${life} ${count}`;
    await state.transact!(['pair||1', 'pair||2'].map((key) => ({ operation: 'upsert', ...write(key, value) })));
  }),
  loop(async (count) => {
    const id = `${slot}.${life}.${count}`;
    say('try', 'publish', id);
    await pubsub.publish({
      topic: 'work',
      data: bytes(`${id} ${'y'.repeat(count % 40 === 0 ? 80_000 : 20)}`),
      metadata: {},
    });
    say('ack', 'publish', id);
  }),
  // Mostly from what is reserved, hence much faster than the others.
  loop(async (count) => {
    if (count % 20 === 0) say('id', await sequencer.nextId('ids', 'strong', {}));
  }),
  // Each slot is won by one.
  loop(async (count) => {
    const won = await lock.tryLock(`slot-${count}`, `${slot}.${life}`, 3600);
    if (won) say('won', count, `${slot}.${life}`);
  }),
];
say('ready');
await Promise.all(loops);
await subscription.close();
for (const component of components) await component.close();
await held.release();
say('bye');
