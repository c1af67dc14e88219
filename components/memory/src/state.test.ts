import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ComponentError, type StateSetRequest } from '@outrigger/components-core';
import { bytes, createManualClock, testConfig, testDeps } from '@outrigger/components-core/conformance';
import { stateInMemory } from './state.js';

const write = (key: string, more: Partial<StateSetRequest> = {}): StateSetRequest => ({
  key,
  value: bytes('value'),
  concurrency: 'unspecified',
  consistency: 'unspecified',
  metadata: {},
  ...more,
});
const read = (key: string) => ({ key, consistency: 'unspecified', metadata: {} }) as const;

describe('state.in-memory', () => {
  it("has the features of Dapr's store, in Dapr's order", () => {
    const store = stateInMemory.create(testConfig('state.in-memory'), testDeps(createManualClock()));
    assert.deepEqual([...store.features], ['ETAG', 'TRANSACTIONAL', 'TTL', 'DELETE_WITH_PREFIX', 'KEYS_LIKE']);
    const kind = (error: unknown): boolean => error instanceof ComponentError && error.kind === 'unsupported';
    assert.throws(() => store.query?.({ sort: [], page: { limit: 0, token: '' }, keyPrefix: '' }), kind);
  });

  it('answers at once, without a promise, and with the stored object itself', () => {
    const store = stateInMemory.create(testConfig('state.in-memory'), testDeps(createManualClock()));
    assert.equal(store.set(write('key')), undefined);
    const item = store.get(read('key'));
    assert.ok(item !== undefined && !(item instanceof Promise));
    assert.equal(store.get(read('key')), item);
  });

  it('gives the memory of expired items back, also when nobody reads them', () => {
    const clock = createManualClock();
    const store = stateInMemory.create(testConfig('state.in-memory', { bytesMax: '100000' }), testDeps(clock));
    for (let round = 0; round < 20; round++) {
      for (let index = 0; index < 400; index++) store.set(write(`round ${round} key ${index}`, { ttlSeconds: 1 }));
      clock.advance(2500);
    }
    assert.equal(clock.pending, 0, 'no timer when nothing is left to expire');
  });

  it('refuses what exceeds bytesMax, and takes it when there is room again', () => {
    const store = stateInMemory.create(
      testConfig('state.in-memory', { bytesMax: '2000' }),
      testDeps(createManualClock()),
    );
    store.set(write('one', { value: new Uint8Array(1500) }));
    const tooLarge = (error: unknown): boolean => error instanceof ComponentError && error.kind === 'too-large';
    assert.throws(() => store.set(write('two', { value: new Uint8Array(1500) })), tooLarge);
    store.set(write('one', { value: new Uint8Array(1600) }));
    store.delete({ key: 'one', concurrency: 'unspecified', consistency: 'unspecified', metadata: {} });
    store.set(write('two', { value: new Uint8Array(1500) }));
  });

  it('does not accept an etag of an earlier life of the process', () => {
    const etagOf = (seed: number): string | undefined => {
      const store = stateInMemory.create(testConfig('state.in-memory'), testDeps(createManualClock(0, seed)));
      store.set(write('key'));
      return (store.get(read('key')) as { etag: string }).etag;
    };
    assert.notEqual(etagOf(1), etagOf(2));
  });
});
