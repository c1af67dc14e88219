import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ConfigurationChange, ConfigurationStore } from '@outrigger/components-core';
import { configurationInMemory } from '@outrigger/components-memory';
import { FakeClock, OutriggerError } from '@outrigger/engine';
import { createConfigurationBlock } from './configuration.js';
import { open, TestRegistry, testBlockDeps, testContext } from './testing/registry.js';

const context = testContext();
const dapr = { keys: ['color'], metadata: {} };

function setup() {
  const clock = new FakeClock();
  const store = open(configurationInMemory, 'store', clock) as ConfigurationStore;
  const registry = new TestRegistry([{ kind: 'configuration', name: 'store', component: store }]);
  const deps = testBlockDeps({ registry, clock });
  const put = (key: string, value: string, into = store) => into.save?.({ metadata: {} }, [{ key, value }]);
  return { block: createConfigurationBlock(deps), registry, store, put, clock, deps };
}

/** A subscriber that remembers, with a way to wait for what comes. */
function subscriber() {
  const seen: string[] = [];
  let endings = 0;
  let wake = (): void => {};
  return {
    seen,
    get endings() {
      return endings;
    },
    deliver: (changes: readonly ConfigurationChange[]) => {
      for (const { key, value } of changes) seen.push(`${key}=${value}`);
      wake();
    },
    ended: () => {
      endings++;
    },
    async until(count: number): Promise<void> {
      while (seen.length < count) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

const code =
  (expected: string, message?: string) =>
  (error: unknown): boolean =>
    error instanceof OutriggerError && error.code === expected && (message === undefined || error.message === message);

describe('configuration block', () => {
  it('reads items at once where the store does', async () => {
    const { block, put } = setup();
    await put('color', 'red');
    await put('size', 'XL');
    const items = block.get('store', { keys: ['color'], metadata: {} }, context) as readonly ConfigurationChange[];
    assert.deepEqual(
      items.map(({ key, value }) => [key, value]),
      [['color', 'red']],
    );
    assert.equal((await block.get('store', { keys: [], metadata: {} }, context)).length, 2);
  });

  it('tells a store that does not exist from no stores at all', () => {
    assert.throws(
      () => setup().block.check('nope'),
      code('CONFIGURATION_STORE_NOT_FOUND', 'configuration store nope not found'),
    );
    const none = createConfigurationBlock(testBlockDeps());
    assert.throws(
      () => none.check('store'),
      code('CONFIGURATION_STORES_NOT_CONFIGURED', 'configuration stores not configured'),
    );
  });

  it('saves and deletes by app, group and label; blank ones count as none', async () => {
    const { block } = setup();
    const target = { appId: 'shop', group: '  ', label: '', metadata: {} };
    await block.save('store', target, [{ key: 'a', value: '1', group: ' ', tags: { t: 'x' } }], context);
    const [found] = await block.get('store', { ...target, keys: ['a'] }, context);
    assert.equal(found?.value, '1');
    assert.deepEqual(found?.tags, { t: 'x' });
    await block.remove('store', { ...target, keys: ['a'] }, context);
    assert.deepEqual(await block.get('store', { ...target, keys: ['a'] }, context), []);
  });

  it('names the store and keys when the component fails', async () => {
    const { block, registry, store } = setup();
    const broken = {
      get: () => {
        throw new Error('boom');
      },
      subscribe: () => Promise.reject(new Error('bang')),
    };
    registry.declare({ kind: 'configuration', name: 'store', component: Object.assign(Object.create(store), broken) });
    assert.throws(
      () => block.get('store', { keys: ['a', 'b'], metadata: {} }, context),
      code('CONFIGURATION_GET_FAILED', 'failed to get [a b] from Configuration store store: boom'),
    );
    await assert.rejects(
      block.subscribe('store', dapr, subscriber(), context),
      code('CONFIGURATION_SUBSCRIBE_FAILED', 'failed to subscribe [color] from Configuration store store: bang'),
    );
  });

  describe('subscriptions', () => {
    it('report changes of their keys until they are ended, by whomever', async () => {
      const { block, put } = setup();
      const one = subscriber();
      const two = subscriber();
      const first = await block.subscribe('store', dapr, one, context);
      const second = await block.subscribe('store', dapr, two, context);
      assert.notEqual(first.id, second.id);
      put('color', 'red');
      put('size', 'XL');
      await one.until(1);
      await two.until(1);
      await first.close();
      assert.equal(await block.unsubscribe(second.id, 'other'), false);
      assert.equal(await block.unsubscribe(second.id), true);
      assert.equal(await block.unsubscribe(second.id), false);
      put('color', 'blue');
      assert.deepEqual(one.seen, ['color=red']);
      assert.deepEqual([one.endings, two.endings], [1, 1]);
    });

    it('keep the newest change of each item while the subscriber is busy', async () => {
      const { block, put } = setup();
      const batches: string[][] = [];
      let release = (): void => {};
      const busy = {
        deliver: (changes: readonly ConfigurationChange[]) => {
          batches.push(changes.map(({ key, value }) => `${key}=${value}`));
          return new Promise<void>((resolve) => {
            release = resolve;
          });
        },
        ended: () => {},
      };
      await block.subscribe('store', { keys: ['a', 'b'], metadata: {} }, busy, context);
      put('a', '0');
      for (let i = 1; i <= 100; i++) {
        put('b', String(i));
        put('a', String(i));
      }
      release();
      await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(batches, [['a=0'], ['b=100', 'a=100']]);
    });

    it('go on after a delivery that failed', async () => {
      const { block, put } = setup();
      const seen = subscriber();
      let failures = 1;
      await block.subscribe(
        'store',
        dapr,
        {
          ...seen,
          deliver: (changes) => {
            if (failures-- > 0) throw new Error('the app is down');
            seen.deliver(changes);
          },
        },
        context,
      );
      put('color', 'red');
      put('color', 'blue');
      await seen.until(1);
      assert.deepEqual(seen.seen, ['color=blue']);
    });

    it('move to the new instance when the store is replaced', async () => {
      const { block, put, registry, clock } = setup();
      const seen = subscriber();
      const held = await block.subscribe('store', dapr, seen, context);
      const fresh = open(configurationInMemory, 'store', clock) as ConfigurationStore;
      registry.declare({ kind: 'configuration', name: 'store', component: fresh });
      await new Promise((resolve) => setImmediate(resolve));
      put('color', 'stale');
      put('color', 'new', fresh);
      await seen.until(1);
      assert.deepEqual(seen.seen, ['color=new']);
      await held.close();
      put('color', 'later', fresh);
      assert.equal(seen.endings, 1);
    });

    it('end with the block', async () => {
      const { block } = setup();
      const seen = subscriber();
      await block.subscribe('store', dapr, seen, context);
      await block.close();
      assert.equal(seen.endings, 1);
    });
  });

  it('counts each call by store, operation and success', async () => {
    const { block, deps } = setup();
    await block.get('store', dapr, context);
    const held = await block.subscribe('store', dapr, subscriber(), context);
    await held.close();
    const metrics = deps.metrics.text();
    for (const operation of ['get', 'subscribe', 'unsubscribe']) {
      const line = `dapr_component_configuration_count{app_id="app",component="store",namespace="",operation="${operation}",success="true"} 1\n`;
      assert.ok(metrics.includes(line), metrics);
    }
  });
});
