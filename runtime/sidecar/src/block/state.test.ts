import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ComponentError, type StateGetRequest, type StateItem, type StateStore } from '@outrigger/components-core';
import { stateInMemory } from '@outrigger/components-memory';
import { FakeClock, OutriggerError } from '@outrigger/engine';
import { fail } from '../errors.js';
import { BULK_PARALLELISM_MAX } from './component-call.js';
import type { ComponentPolicy } from './policy.js';
import { createStateBlock, type StateBlock, type StateDelete, type StateSave, stateItemMetadata } from './state.js';
import {
  type DeclaredComponent,
  open,
  type TestBlockDeps,
  TestRegistry,
  testBlockDeps,
  testContext,
} from './testing/registry.js';

const context = testContext();
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (item: StateItem | undefined): string | undefined => item && new TextDecoder().decode(item.value);

function item(key: string, value: string, more: Partial<StateSave> = {}): StateSave {
  return {
    key,
    value: bytes(value),
    etag: undefined,
    concurrency: 'unspecified',
    consistency: 'unspecified',
    metadata: {},
    ...more,
  };
}
function removal(key: string, more: Partial<StateDelete> = {}): StateDelete {
  return { key, etag: undefined, concurrency: 'unspecified', consistency: 'unspecified', metadata: {}, ...more };
}
const at = (key: string, storeName = 'store') => ({
  storeName,
  key,
  consistency: 'unspecified' as const,
  metadata: {},
});

interface Setup {
  readonly block: StateBlock;
  readonly deps: TestBlockDeps;
  readonly store: StateStore;
}

function setup(declared: Partial<DeclaredComponent> = {}, overrides: Partial<TestBlockDeps> = {}): Setup {
  const clock = new FakeClock();
  const store = open(stateInMemory, 'store', clock, { query: 'true' });
  const registry = new TestRegistry([{ kind: 'state', name: 'store', component: store, ...declared }]);
  const deps = testBlockDeps({ registry, clock, ...overrides });
  return { block: createStateBlock(deps), deps, store };
}

/** A store whose answers come later, as those of every networked one. */
function deferred(store: StateStore): StateStore {
  const later =
    <A extends readonly unknown[], R>(run: (...args: A) => R) =>
    (...args: A): Promise<R> =>
      new Promise((resolve, reject) =>
        setImmediate(() => {
          try {
            resolve(run(...args));
          } catch (error) {
            reject(error);
          }
        }),
      );
  return {
    features: store.features,
    open: () => {},
    drain: () => {},
    close: () => {},
    health: () => ({ ok: true }),
    get: later((request) => store.get(request) as StateItem | undefined),
    set: later((request) => store.set(request) as undefined),
    delete: later((request) => store.delete(request) as undefined),
    transact: later((operations) => store.transact?.(operations) as undefined),
  };
}

const failsWith =
  (code: string, message?: string | RegExp) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof OutriggerError, String(error));
    assert.equal(error.code, code);
    if (message instanceof RegExp) assert.match(error.message, message);
    else if (message !== undefined) assert.equal(error.message, message);
    return true;
  };

describe('state block', () => {
  it('answers at once what the component answers at once', () => {
    const { block } = setup();
    assert.equal(block.save('store', [item('k', 'v')], context), undefined);
    assert.equal(text(block.get(at('k'), context) as StateItem), 'v');
    assert.equal(block.delete('store', removal('k'), context), undefined);
    assert.equal(block.get(at('k'), context), undefined);
  });

  it('awaits a component that is still opening, and knows its metadata only then', async () => {
    const { store } = setup();
    const { block } = setup({ component: Promise.resolve(store), metadata: { keyPrefix: 'none' } });
    await block.save('store', [item('k', 'v')], context);
    assert.equal(text(await block.get(at('k'), context)), 'v');
    assert.equal(text(await store.get({ key: 'k', consistency: 'unspecified', metadata: {} })), 'v');
  });

  it('follows a store whose document changed', () => {
    const { block, deps } = setup();
    const fresh = open(stateInMemory, 'store', deps.clock);
    block.save('store', [item('k', 'old')], context);
    deps.registry.declare({ kind: 'state', name: 'store', component: fresh, metadata: { keyPrefix: 'none' } });
    block.save('store', [item('k', 'new')], context);
    assert.equal(text(fresh.get({ key: 'k', consistency: 'unspecified', metadata: {} }) as StateItem), 'new');
  });

  it('passes on what the registry says of a component that cannot open', () => {
    const { block } = setup({
      component: () => {
        throw fail('STATE_GET_FAILED', { key: 'k', name: 'store', error: 'not open' });
      },
    });
    assert.throws(() => block.save('store', [item('k', 'v')], context), failsWith('STATE_GET_FAILED'));
  });

  it('tells a store that does not exist from no stores at all', () => {
    const { block } = setup();
    assert.throws(
      () => block.get(at('k', 'nope'), context),
      failsWith('STATE_STORE_NOT_FOUND', 'state store nope is not found'),
    );
    const none = createStateBlock(testBlockDeps());
    assert.throws(
      () => none.check('store'),
      failsWith('STATE_STORES_NOT_CONFIGURED', 'state store store is not configured'),
    );
  });

  it('uses a store that replaced another one', () => {
    const { block, deps } = setup();
    block.save('store', [item('k', 'old')], context);
    deps.registry.declare({ kind: 'state', name: 'store', component: open(stateInMemory, 'store', deps.clock) });
    assert.equal(block.get(at('k'), context), undefined);
    deps.registry.remove('state', 'store');
    assert.throws(() => block.get(at('k'), context), failsWith('STATE_STORES_NOT_CONFIGURED'));
  });

  describe('keys', () => {
    const rawKey = (declared: Partial<DeclaredComponent>, overrides: Partial<TestBlockDeps> = {}): string => {
      const keys: string[] = [];
      const { store } = setup();
      const spy = {
        ...deferred(store),
        get: (request: StateGetRequest) => {
          keys.push(request.key);
          return undefined;
        },
      };
      const { block } = setup({ component: spy, ...declared }, overrides);
      block.get(at('k'), context);
      return keys[0] as string;
    };

    it("begin with the app id in a store declared in Dapr's dialect, stay as they are in Layotto's", () => {
      assert.equal(rawKey({}), 'app||k');
      assert.equal(rawKey({ dialect: 'layotto' }), 'k');
    });

    it('follow the strategy of the store, named without regard to case', () => {
      assert.equal(rawKey({ metadata: { KeyPrefix: 'none' } }), 'k');
      assert.equal(rawKey({ metadata: { keyprefix: 'Name' } }), 'store||k');
      assert.equal(rawKey({ metadata: { keyPrefix: 'appid' }, dialect: 'layotto' }), 'app||k');
      assert.equal(rawKey({ metadata: { keyPrefix: 'Shared' } }), 'shared||k');
      assert.equal(rawKey({ metadata: { keyPrefix: 'namespace' } }), 'app||k');
      assert.equal(rawKey({ metadata: { keyPrefix: 'namespace' } }, { namespace: 'prod' }), 'prod.app||k');
    });

    it('with the separator are refused, as is such a strategy', () => {
      const { block } = setup();
      assert.throws(
        () => block.get(at('a||b'), context),
        failsWith('STATE_KEY_ILLEGAL', "input key/keyPrefix 'a||b' can't contain '||'"),
      );
      assert.throws(() => block.save('store', [item('a||b', '')], context), failsWith('STATE_KEY_ILLEGAL'));
      const other = setup({ metadata: { keyPrefix: 'x||y' } });
      assert.throws(() => other.block.get(at('k'), context), failsWith('STATE_KEY_ILLEGAL'));
    });

    it('must not be empty when saved', () => {
      const { block } = setup();
      assert.throws(() => block.save('store', [item('', 'v')], context), failsWith('STATE_KEY_EMPTY'));
    });
  });

  describe('etags', () => {
    it('guard a save and a delete; an empty one counts as none', async () => {
      const { block } = setup();
      await block.save('store', [item('k', '1')], context);
      const first = (await block.get(at('k'), context))?.etag;
      await block.save('store', [item('k', '2', { etag: first })], context);
      assert.throws(
        () => block.save('store', [item('k', '3', { etag: first })], context),
        failsWith(
          'STATE_SAVE_ETAG_MISMATCH',
          /^failed saving state in state store store: possible etag mismatch\. error from state store: /,
        ),
      );
      assert.throws(
        () => block.delete('store', removal('k', { etag: first }), context),
        failsWith('STATE_DELETE_ETAG_MISMATCH', /^failed deleting state with key k: possible etag mismatch/),
      );
      await block.save('store', [item('k', '3', { etag: '' })], context);
      await block.delete('store', removal('k', { etag: '' }), context);
    });

    it('first-write without an etag fails on an item that exists', () => {
      const { block } = setup();
      block.save('store', [item('k', '1', { concurrency: 'first-write' })], context);
      assert.throws(
        () => block.save('store', [item('k', '2', { concurrency: 'first-write' })], context),
        failsWith('STATE_SAVE_ETAG_MISMATCH'),
      );
      block.save('store', [item('k', '2', { concurrency: 'last-write' })], context);
    });

    it('that the store cannot read are said so', () => {
      const { store } = setup();
      const { block } = setup({
        component: {
          ...deferred(store),
          set: () => {
            throw new ComponentError('etag-invalid', 'x is no number');
          },
        } as StateStore,
      });
      assert.throws(
        () => block.save('store', [item('k', '1', { etag: 'x' })], context),
        failsWith(
          'STATE_SAVE_ETAG_INVALID',
          'failed saving state in state store store: invalid etag value: x is no number',
        ),
      );
    });
  });

  describe('expiry', () => {
    it('is told as ttlExpireTime and ends the item', () => {
      const { block, deps } = setup();
      block.save('store', [item('k', 'v', { metadata: { ttlInSeconds: '10' } })], context);
      const found = block.get(at('k'), context) as StateItem;
      assert.deepEqual(stateItemMetadata(found), { ttlExpireTime: '2026-01-01T00:00:10Z' });
      deps.clock.advance(10_000);
      assert.equal(block.get(at('k'), context), undefined);
    });

    it('of -1 removes an earlier one', () => {
      const { block } = setup();
      block.save('store', [item('k', 'v', { metadata: { ttlInSeconds: '10' } })], context);
      block.save('store', [item('k', 'v', { metadata: { ttlInSeconds: '-1' } })], context);
      assert.deepEqual(stateItemMetadata(block.get(at('k'), context) as StateItem), {});
    });

    it('that is no number fails the save', () => {
      const { block } = setup();
      for (const ttlInSeconds of ['soon', '1.5', '-2', '99999999999']) {
        assert.throws(
          () => block.save('store', [item('k', 'v', { metadata: { ttlInSeconds } })], context),
          failsWith(
            'STATE_SAVE_FAILED',
            /^failed saving state in state store store: incorrect value for metadata 'ttlInSeconds': /,
          ),
        );
      }
    });
  });

  describe('many items', () => {
    it('are saved, read in the order asked for, and deleted', async () => {
      const { block } = setup();
      await block.save('store', [item('a', '1'), item('b', '2')], context);
      const found = await block.bulkGet(
        { storeName: 'store', keys: ['b', 'x', 'a'], parallelism: 0, metadata: {} },
        context,
      );
      assert.deepEqual(
        found.map(({ key, item: each }) => [key, text(each)]),
        [
          ['b', '2'],
          ['x', undefined],
          ['a', '1'],
        ],
      );
      await block.bulkDelete('store', [removal('a'), removal('b')], context);
      assert.equal(await block.get(at('a'), context), undefined);
    });

    it('fail alone: the others are saved', () => {
      const { block } = setup();
      block.save('store', [item('a', '1')], context);
      assert.throws(
        () => block.save('store', [item('a', '2', { etag: 'no' }), item('b', '2')], context),
        failsWith('STATE_SAVE_ETAG_MISMATCH'),
      );
      assert.equal(text(block.get(at('b'), context) as StateItem), '2');
    });

    it('count as an etag error only when every failure is one', async () => {
      const { store } = setup();
      const broken = deferred(store);
      const { block } = setup({
        component: {
          ...broken,
          set: (request) => (request.key === 'app||bad' ? Promise.reject(new Error('disk')) : broken.set(request)),
          delete: () => Promise.reject(new ComponentError('etag-mismatch', 'other')),
        } as StateStore,
      });
      await assert.rejects(
        async () => block.save('store', [item('a', '1', { etag: 'no' }), item('bad', '2')], context),
        failsWith('STATE_SAVE_FAILED', /disk/),
      );
      await assert.rejects(
        async () => block.bulkDelete('store', [removal('a'), removal('b')], context),
        failsWith(
          'STATE_BULK_DELETE_ETAG_MISMATCH',
          /^failed deleting state in state store store: possible etag mismatch/,
        ),
      );
    });

    it('are read side by side, never more than allowed, each failing alone', async () => {
      let running = 0;
      let most = 0;
      const { store } = setup();
      const slow: StateStore = {
        ...deferred(store),
        get: async ({ key }) => {
          most = Math.max(most, ++running);
          await new Promise((resolve) => setImmediate(resolve));
          running--;
          if (key === 'app||k3') throw new Error('unreadable');
          return { value: bytes(key), etag: '1' };
        },
      };
      const { block } = setup({ component: slow });
      const keys = Array.from({ length: 200 }, (_, i) => `k${i}`);
      const found = await block.bulkGet({ storeName: 'store', keys, parallelism: 3, metadata: {} }, context);
      assert.equal(most, 3);
      assert.equal(found[3]?.error, 'unreadable');
      assert.equal(text(found[199]?.item), 'app||k199');
      most = 0;
      await block.bulkGet({ storeName: 'store', keys, parallelism: 1_000_000, metadata: {} }, context);
      assert.equal(most, BULK_PARALLELISM_MAX);
    });
  });

  describe('transactions', () => {
    const upsert = (key: string, value: string, more: Partial<StateSave> = {}) => ({
      operation: 'upsert',
      ...item(key, value, more),
    });
    const remove = (key: string, more: Partial<StateSave> = {}) => ({ operation: 'delete', ...item(key, '', more) });

    it('happen whole', () => {
      const { block } = setup();
      block.save('store', [item('a', '1')], context);
      block.transact({ storeName: 'store', operations: [remove('a'), upsert('b', '2')], metadata: {} }, context);
      assert.equal(block.get(at('a'), context), undefined);
      assert.equal(text(block.get(at('b'), context) as StateItem), '2');
    });

    it('or not at all', () => {
      const { block } = setup();
      block.save('store', [item('a', '1')], context);
      assert.throws(
        () =>
          block.transact(
            { storeName: 'store', operations: [upsert('b', '2'), upsert('a', '3', { etag: 'no' })], metadata: {} },
            context,
          ),
        failsWith('STATE_TRANSACTION_FAILED', /^error while executing state transaction: possible etag mismatch/),
      );
      assert.equal(block.get(at('b'), context), undefined);
    });

    it('need a store that can, no more operations than it takes, and known operations', () => {
      const { store } = setup();
      const run =
        (component: StateStore, operation = 'upsert') =>
        () =>
          setup({ component }).block.transact(
            { storeName: 'store', operations: [{ ...upsert('a', '1'), operation }, upsert('b', '2')], metadata: {} },
            context,
          );
      const { transact: _, ...without } = deferred(store);
      assert.throws(
        run({ ...without, features: new Set() }),
        failsWith('STATE_TRANSACTIONS_UNSUPPORTED', "state store store doesn't support transactions"),
      );
      assert.throws(
        run({ ...deferred(store), transactionOperationsMax: 1 }),
        failsWith(
          'STATE_TRANSACTION_TOO_LARGE',
          'the transaction contains 2 operations, which is more than what the state store supports: 1',
        ),
      );
      assert.throws(
        run(store, 'increment'),
        failsWith('STATE_OPERATION_UNKNOWN', 'operation type increment not supported'),
      );
    });

    it('are refused rather than left unpublished where the store asks for an outbox', () => {
      const { block } = setup({ metadata: { outboxPublishPubsub: 'pubsub' } });
      assert.throws(
        () => block.transact({ storeName: 'store', operations: [], metadata: {} }, context),
        failsWith('STATE_OUTBOX_UNSUPPORTED'),
      );
      block.save('store', [item('k', 'v')], context);
    });
  });

  it('refuses a store that asks for encryption rather than storing clear text', () => {
    const { block } = setup({ metadata: { primaryEncryptionKey: 'abc' } });
    assert.throws(() => block.save('store', [item('k', 'v')], context), failsWith('STATE_ENCRYPTION_UNSUPPORTED'));
  });

  describe('queries', () => {
    const people = (block: StateBlock): void => {
      block.save(
        'store',
        [item('1', '{"name":"Ann","age":30}'), item('2', '{"name":"Bob","age":20}')],
        context,
      ) as undefined;
    };

    it('find items under the own prefix, keys as the app knows them', async () => {
      const { block, store } = setup();
      people(block);
      store.set({
        key: 'other||3',
        value: bytes('{"name":"Cid","age":99}'),
        concurrency: 'unspecified',
        consistency: 'unspecified',
        metadata: {},
      });
      const found = await block.query(
        'store',
        '{"filter":{"GT":{"age":10}},"sort":[{"key":"age","order":"DESC"}]}',
        context,
      );
      assert.deepEqual(
        found.items.map(({ key }) => key),
        ['1', '2'],
      );
    });

    it('that cannot be read are said so', () => {
      const { block } = setup();
      const cases: readonly (readonly [string, string])[] = [
        ['{', 'unexpected end of JSON input'],
        ['{"filter":{"EQ":{"a":1},"GT":{"a":1}}}', 'filter unit must have a single element'],
        ['{"filter":{"LIKE":{"a":1}}}', 'unsupported filter "LIKE"'],
        ['{"filter":{"EQ":{"a":1,"b":2}}}', 'EQ filter must contain a single key/value pair'],
        ['{"filter":{"IN":{"a":1}}}', 'IN filter value must be an array'],
        ['{"filter":{"OR":[{"EQ":{"a":1}}]}}', 'OR filter must contain at least two entries'],
      ];
      for (const [query, reason] of cases) {
        assert.throws(
          () => block.query('store', query, context),
          failsWith('STATE_QUERY_FAILED', `state store store query failed: failed to parse JSON query body: ${reason}`),
        );
      }
    });

    it('need a store that can', () => {
      const { deps } = setup();
      const { block } = setup({ component: open(stateInMemory, 'store', deps.clock) });
      assert.throws(
        () => block.query('store', '{}', context),
        failsWith('STATE_QUERY_UNSUPPORTED', 'state store does not support querying'),
      );
    });
  });

  it('counts each call by store, operation and success', async () => {
    const { block, deps } = setup({}, { namespace: 'prod' });
    block.save('store', [item('a', '1'), item('b', '2')], context);
    block.get(at('a'), context);
    assert.throws(() => block.delete('store', removal('a', { etag: 'no' }), context));
    const metrics = deps.metrics.text();
    const labels = 'app_id="app",component="store",namespace="prod"';
    assert.ok(metrics.includes(`dapr_component_state_count{${labels},operation="set",success="true"} 1\n`), metrics);
    assert.ok(metrics.includes(`dapr_component_state_count{${labels},operation="get",success="true"} 1\n`));
    assert.ok(metrics.includes(`dapr_component_state_count{${labels},operation="delete",success="false"} 1\n`));
    assert.ok(metrics.includes(`dapr_component_state_latencies_count{${labels},operation="set",success="true"} 1\n`));
  });

  it('runs calls under the policy of the store, each item of many by itself', async () => {
    const calls: unknown[] = [];
    const twice: ComponentPolicy = {
      run: (_, call) => {
        calls.push('run');
        try {
          return call();
        } catch {
          return call();
        }
      },
    };
    let failures = 1;
    const { store } = setup();
    const flaky: StateStore = {
      ...deferred(store),
      set: (request) => {
        if (request.key === 'app||b' && failures-- > 0) throw new Error('once');
        return store.set(request);
      },
    };
    const { block } = setup({ component: flaky }, { policies: { version: 1, outbound: () => twice } });
    await block.save('store', [item('a', '1'), item('b', '2')], context);
    assert.deepEqual(calls, ['run', 'run']);
    assert.equal(text(await store.get({ key: 'app||b', consistency: 'unspecified', metadata: {} })), '2');
  });
});
