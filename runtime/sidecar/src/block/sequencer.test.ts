import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { IdSegment, Sequencer } from '@outrigger/components-core';
import { sequencerInMemory } from '@outrigger/components-memory';
import { FakeClock, OutriggerError } from '@outrigger/engine';
import { createSequencerBlock, type NextIdRequest, SEQUENCER_KEYS_MAX, SEQUENCER_SEGMENT_SIZE } from './sequencer.js';
import { type DeclaredComponent, open, TestRegistry, testBlockDeps, testContext } from './testing/registry.js';

const context = testContext();
const weak: NextIdRequest = { storeName: 'ids', key: 'order', increment: 'weak', metadata: {} };
const strong: NextIdRequest = { ...weak, increment: 'strong' };

/** Reserves segments, later if asked to, and counts how often it is asked. */
function segmentStore(later = false) {
  const calls: string[] = [];
  let next = 1n;
  let failures = 0;
  const store = {
    nextId: (key: string) => {
      calls.push(`next ${key}`);
      return next++;
    },
    segment: (key: string, size: number): IdSegment | Promise<IdSegment> => {
      calls.push(`segment ${key} ${size}`);
      if (failures > 0) {
        failures--;
        throw new Error('store is down');
      }
      const segment = { from: next, to: next + BigInt(size) - 1n };
      next += BigInt(size);
      return later ? new Promise((resolve) => setImmediate(() => resolve(segment))) : segment;
    },
  } as unknown as Sequencer;
  return {
    calls,
    store,
    failNext: (count: number) => {
      failures = count;
    },
  };
}

function setup(component: Sequencer, declared: Partial<DeclaredComponent> = {}) {
  const registry = new TestRegistry([{ kind: 'sequencer', name: 'ids', component, ...declared }]);
  return { block: createSequencerBlock(testBlockDeps({ registry })), registry };
}

const code =
  (expected: string, message?: string) =>
  (error: unknown): boolean =>
    error instanceof OutriggerError && error.code === expected && (message === undefined || error.message === message);

describe('sequencer block', () => {
  it('takes strong ids from the store one by one', async () => {
    const { calls, store } = segmentStore();
    const { block } = setup(store);
    assert.equal(await block.nextId(strong, context), 1n);
    assert.equal(await block.nextId(strong, context), 2n);
    assert.deepEqual(calls, ['next sequencer|||app||order', 'next sequencer|||app||order']);
  });

  it('takes weak ids from a segment, fetching the next one ahead', () => {
    const { calls, store } = segmentStore();
    const { block } = setup(store);
    const count = SEQUENCER_SEGMENT_SIZE * 2;
    for (let id = 1; id <= count; id++) assert.equal(block.nextId(weak, context), BigInt(id));
    assert.equal(calls.length, 3);
    assert.equal(calls[0], `segment sequencer|||app||order ${SEQUENCER_SEGMENT_SIZE}`);
  });

  it('fetches one segment for all that wait', async () => {
    const { calls, store } = segmentStore(true);
    const { block } = setup(store);
    const ids = await Promise.all(Array.from({ length: 500 }, async () => block.nextId(weak, context)));
    assert.equal(new Set(ids).size, 500);
    assert.equal(calls.length, 1);
  });

  it('asks again after a failure, and fails only who needs the segment', () => {
    const { store, failNext } = segmentStore();
    const { block } = setup(store);
    failNext(1);
    assert.throws(() => block.nextId(weak, context), code('SEQUENCER_FAILED', 'store is down'));
    for (let id = 1; id < SEQUENCER_SEGMENT_SIZE - 1_001; id++) block.nextId(weak, context);
    failNext(3);
    const seen = new Set<bigint>();
    for (let i = 0; i < 1_500; i++) seen.add(block.nextId(weak, context) as bigint);
    assert.equal(seen.size, 1_500);
  });

  it('takes weak ids one by one from a store that reserves no segments', async () => {
    const { block } = setup({ nextId: () => 7n, segment: () => undefined } as unknown as Sequencer);
    assert.equal(await block.nextId(weak, context), 7n);
    const { block: other } = setup({ nextId: () => 8n } as unknown as Sequencer);
    assert.equal(await other.nextId(weak, context), 8n);
  });

  it('begins anew when the store is replaced', async () => {
    const { block, registry } = setup(segmentStore().store);
    await block.nextId(weak, context);
    await block.nextId(weak, context);
    registry.declare({ kind: 'sequencer', name: 'ids', component: segmentStore().store });
    assert.equal(await block.nextId(weak, context), 1n);
  });

  it('holds segments of a bounded number of keys; the one unused longest goes first', () => {
    const { calls, store } = segmentStore();
    const { block } = setup(store);
    for (let i = 0; i < SEQUENCER_KEYS_MAX; i++) block.nextId({ ...weak, key: `k${i}` }, context);
    block.nextId({ ...weak, key: 'k0' }, context);
    block.nextId({ ...weak, key: 'one more' }, context);
    const before = calls.length;
    block.nextId({ ...weak, key: 'k0' }, context);
    assert.equal(calls.length, before);
    block.nextId({ ...weak, key: 'k1' }, context);
    assert.equal(calls.length, before + 1);
  });

  it('checks what it is asked', () => {
    const { block } = setup(segmentStore().store);
    assert.throws(
      () => block.nextId({ ...weak, key: '' }, context),
      code('SEQUENCER_KEY_EMPTY', 'Key is empty in sequencer store ids'),
    );
    assert.throws(
      () => block.nextId({ ...weak, storeName: 'x' }, context),
      code('SEQUENCER_STORE_NOT_FOUND', 'Sequencer store x not found'),
    );
    assert.throws(
      () => block.nextId({ ...weak, key: 'a||b' }, context),
      code('SEQUENCER_FAILED', "input key/keyPrefix 'a||b' can't contain '||'"),
    );
    assert.throws(
      () => createSequencerBlock(testBlockDeps()).nextId(weak, context),
      code('SEQUENCER_STORES_NOT_CONFIGURED'),
    );
  });

  it('works with the in-memory component', async () => {
    const { block } = setup(open(sequencerInMemory, 'ids', new FakeClock()));
    const first = await block.nextId(strong, context);
    const second = await block.nextId(strong, context);
    assert.ok(second > first);
    const ids = new Set<bigint>();
    for (let i = 0; i < 100; i++) ids.add(await block.nextId(weak, context));
    assert.equal(ids.size, 100);
  });
});
