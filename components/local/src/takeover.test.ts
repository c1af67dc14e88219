/** What users of the components see when the owner of the data goes. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type {
  AppEndpoint,
  Component,
  ComponentDefinition,
  ComponentDeps,
  Disposition,
} from '@outrigger/components-core';
import { bytes, createCollector, testConfig, testDeps, textOf } from '@outrigger/components-core/conformance';
import { configurationLocal, nameresolutionLocal, pubsubLocal, stateLocal } from './index.js';
import { createCrashFs } from './log/crash-fs.test.support.js';
import { acquireNode } from './node/acquire.js';
import { realClock } from './real-clock.test.support.js';

let sharedDir = '';
let opened: Component[] = [];

beforeEach(async () => {
  sharedDir = await mkdtemp(join(tmpdir(), 'outrigger-takeover-'));
  opened = [];
});
afterEach(async () => {
  for (const component of opened.reverse()) await component.close();
  await rm(sharedDir, { recursive: true });
});

/** As another sidecar would have it, unless `deps` are given. */
async function open<C extends Component>(
  definition: ComponentDefinition<C>,
  deps: ComponentDeps = testDeps(realClock, { sharedDir }),
): Promise<C> {
  const component = definition.create(testConfig(definition.type), deps);
  await component.open(new AbortController().signal);
  opened.push(component);
  return component;
}

const publication = (data: string) => ({ topic: 't', data: bytes(data), metadata: {} });
const request = (inFlightMax: number) => ({ topic: 't', consumerId: 'c', metadata: {}, inFlightMax });

describe('when the owner goes', () => {
  it('a message stays with the consumer that has it in hand', async () => {
    const owner = await open(pubsubLocal);
    const [one, two] = [await open(pubsubLocal), await open(pubsubLocal)];
    let answer!: (disposition: Disposition) => void;
    const slow = createCollector(({ data }) =>
      textOf(data) === 'held' ? new Promise((resolve) => (answer = resolve)) : { outcome: 'ack' },
    );
    const quick = createCollector();
    await one.subscribe(request(1), slow.deliver);
    await owner.publish(publication('held'));
    await slow.received(1);
    await two.subscribe(request(10), quick.deliver);
    await owner.close();
    for (const data of ['1', '2', '3']) await two.publish(publication(data));
    await quick.received(3);
    answer({ outcome: 'ack' });
    await one.publish(publication('4'));
    while (slow.messages.length + quick.messages.length < 5) await Promise.race([slow.received(2), quick.received(4)]);
    const all = [...slow.messages, ...quick.messages].map(({ data }) => textOf(data)).sort();
    assert.deepEqual(all, ['1', '2', '3', '4', 'held'], 'each once');
  });

  it('a subscription that is being closed ends well', async () => {
    const owner = await open(pubsubLocal);
    const [one, two] = [await open(pubsubLocal), await open(pubsubLocal)];
    let answer!: (disposition: Disposition) => void;
    const held = createCollector(() => new Promise((resolve) => (answer = resolve)));
    const subscription = await one.subscribe(request(1), held.deliver);
    await owner.publish(publication('held'));
    await held.received(1);
    const closing = subscription.close();
    await owner.close();
    await two.publish(publication('next'));
    answer({ outcome: 'ack' });
    await closing;
    const next = createCollector();
    await two.subscribe(request(10), next.deliver);
    await next.received(1);
    assert.deepEqual(
      [...held.messages, ...next.messages].map(({ data }) => textOf(data)),
      ['held', 'next'],
    );
  });

  it('a watcher of configuration misses nothing', async () => {
    const deps = testDeps(realClock, { sharedDir });
    const owner = await open(configurationLocal, deps);
    const [watching, writing] = [await open(configurationLocal), await open(configurationLocal)];
    const seen: string[] = [];
    let onLast!: () => void;
    const last = new Promise<void>((resolve) => (onLast = resolve));
    await watching.subscribe({ keys: [], metadata: {} }, (items) => {
      for (const { key, value, deleted } of items) seen.push(deleted === true ? `-${key}` : `${key}=${value}`);
      if (seen.includes('last=1')) onLast();
    });
    const save = (key: string, value: string): unknown => writing.save!({ metadata: {} }, [{ key, value }]);
    await save('a', '1');
    const changes = [save('a', '2'), save('b', '1')];
    const closing = owner.close();
    changes.push(save('c', '1'), writing.remove!({ keys: ['a'], metadata: {} }));
    await Promise.all([...changes, closing]);
    await save('last', '1');
    await last;
    assert.equal(seen.at(-1), 'last=1');
    for (const change of ['a=1', 'b=1', 'c=1', '-a']) assert.ok(seen.includes(change), `${change} in ${seen}`);
    assert.equal(new Set(seen).size, seen.length, 'each once');
  });

  it('names that live stay known, and that of the owner goes', async () => {
    const endpoint = (appId: string): AppEndpoint => ({
      appId,
      instanceId: `${appId}-1`,
      address: '127.0.0.1:1',
      metadata: {},
    });
    const owner = await open(nameresolutionLocal);
    const [one, two] = [await open(nameresolutionLocal), await open(nameresolutionLocal)];
    await owner.register(endpoint('owner'));
    await one.register(endpoint('one'));
    const lists: string[] = [];
    let onGone!: () => void;
    const gone = new Promise<void>((resolve) => (onGone = resolve));
    await two.watch('one', (endpoints) => lists.push(endpoints.map(({ appId }) => appId).join()));
    await two.watch('owner', (endpoints) => {
      if (endpoints.length === 0 && lists.length > 0) onGone();
    });
    await owner.close();
    await gone;
    await two.register(endpoint('two'));
    let onTwo!: () => void;
    const found = new Promise<void>((resolve) => (onTwo = resolve));
    await one.watch('two', (endpoints) => {
      if (endpoints.length === 1) onTwo();
    });
    await found;
    assert.deepEqual(lists, ['one'], 'the list was never empty in between');
    assert.deepEqual((await one.list()).map(({ appId }) => appId).sort(), ['one', 'two']);
  });
});

describe('when the disk is full', () => {
  it('a message that cannot be settled stays in hand, and is settled when there is room', async () => {
    const fs = createCrashFs();
    const deps = testDeps(realClock, { sharedDir });
    const held = acquireNode(deps, fs);
    const bus = await open(pubsubLocal, deps);
    const collector = createCollector();
    const subscription = await bus.subscribe(request(1), collector.deliver);
    await bus.publish(publication('first'));
    await bus.publish(publication('second'));
    await collector.received(2);
    await subscription.close();
    const stuck = createCollector(() => {
      fs.capacityBytes = 0;
      return { outcome: 'ack' };
    });
    const again = await bus.subscribe(request(1), stuck.deliver);
    await bus.publish(publication('third'));
    await stuck.received(1);
    const closing = again.close();
    await assert.rejects(async () => bus.publish(publication('fourth')), { kind: 'disk-full' });
    assert.equal((await bus.health()).ok, false);
    fs.capacityBytes = Number.POSITIVE_INFINITY;
    await closing;
    assert.equal((await bus.health()).ok, true);
    const { engine } = held.node;
    assert.equal(engine!.tables.topic('test', 't').messages.size, 0, 'settled');
    await held.release();
  });
});

describe('components of one process', () => {
  it('share a node, and those of one name their data', async () => {
    const deps = testDeps(realClock, { sharedDir });
    const [one, same] = [await open(stateLocal, deps), await open(stateLocal, deps)];
    const other = stateLocal.create(testConfig('state.local', {}, 'other'), deps);
    const alias = stateLocal.create(testConfig('state.local', { store: 'test' }, 'alias'), deps);
    for (const component of [other, alias]) {
      await component.open(new AbortController().signal);
      opened.push(component);
    }
    const read = { key: 'k', consistency: 'unspecified', metadata: {} } as const;
    await one.set({ ...read, value: bytes('v'), concurrency: 'unspecified' });
    const found = [same, other, alias].map((store) => store.get(read));
    assert.ok(!found.some((item) => item instanceof Promise), 'the owner answers at once');
    assert.deepEqual(
      found.map((item) => textOf((item as { value: Uint8Array } | undefined)?.value)),
      ['v', undefined, 'v'],
    );
  });
});
