import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LockStore } from '@outrigger/components-core';
import { lockInMemory } from '@outrigger/components-memory';
import { FakeClock, OutriggerError } from '@outrigger/engine';
import { createLockBlock } from './lock.js';
import { type DeclaredComponent, open, TestRegistry, testBlockDeps, testContext } from './testing/registry.js';

const context = testContext();
const request = { storeName: 'locks', resourceId: 'r', owner: 'me', expirySeconds: 10 };

function setup(declared: Partial<DeclaredComponent> = {}) {
  const clock = new FakeClock();
  const store = open(lockInMemory, 'locks', clock) as LockStore;
  const registry = new TestRegistry([{ kind: 'lock', name: 'locks', component: store, ...declared }]);
  return { block: createLockBlock(testBlockDeps({ registry, clock })), clock, store };
}

const code =
  (expected: string, message?: string) =>
  (error: unknown): boolean =>
    error instanceof OutriggerError && error.code === expected && (message === undefined || error.message === message);

describe('lock block', () => {
  it('gives a lock to one owner until it is unlocked or expires', async () => {
    const { block, clock } = setup();
    assert.equal(await block.tryLock(request, context), true);
    assert.equal(await block.tryLock({ ...request, owner: 'you' }, context), false);
    assert.equal(await block.unlock({ ...request, owner: 'you' }, context), 'belongs-to-others');
    assert.equal(await block.unlock(request, context), 'success');
    assert.equal(await block.unlock(request, context), 'does-not-exist');
    assert.equal(await block.tryLock({ ...request, owner: 'you' }, context), true);
    clock.advance(10_001);
    assert.equal(await block.tryLock(request, context), true);
  });

  it('keeps a lock alive for its owner', async () => {
    const { block, clock } = setup();
    await block.tryLock(request, context);
    clock.advance(8_000);
    assert.equal(await block.keepAlive(request, context), 'success');
    clock.advance(8_000);
    assert.equal(await block.tryLock({ ...request, owner: 'you' }, context), false);
    assert.equal(await block.keepAlive({ ...request, owner: 'you' }, context), 'belongs-to-others');
  });

  it('says when the store cannot keep locks alive', () => {
    const { store } = setup();
    const component = Object.assign(Object.create(store), { keepAlive: undefined }) as LockStore;
    assert.throws(() => setup({ component }).block.keepAlive(request, context), code('LOCK_KEEP_ALIVE_UNSUPPORTED'));
  });

  it('checks what it is asked', () => {
    const { block } = setup();
    assert.throws(
      () => block.tryLock({ ...request, expirySeconds: 0 }, context),
      code('LOCK_EXPIRY_NOT_POSITIVE', 'ExpiryInSeconds is not positive in lock store locks'),
    );
    assert.throws(
      () => block.tryLock({ ...request, resourceId: '' }, context),
      code('LOCK_RESOURCE_EMPTY', 'ResourceId is empty in lock store locks'),
    );
    assert.throws(
      () => block.unlock({ ...request, owner: '' }, context),
      code('LOCK_OWNER_EMPTY', 'LockOwner is empty in lock store locks'),
    );
    assert.throws(
      () => block.tryLock({ ...request, storeName: 'x' }, context),
      code('LOCK_STORE_NOT_FOUND', 'lock store x not found'),
    );
    assert.throws(
      () => createLockBlock(testBlockDeps()).tryLock(request, context),
      code('LOCK_STORES_NOT_CONFIGURED', 'lock store is not configured'),
    );
    assert.throws(
      () => block.tryLock({ ...request, resourceId: 'a||b' }, context),
      code('LOCK_TRY_FAILED', "failed to try acquiring lock: input key/keyPrefix 'a||b' can't contain '||'"),
    );
  });

  it('prefixes resources as the dialect that declared the store does', async () => {
    const resources: string[] = [];
    const spy = { tryLock: (resource: string) => resources.push(resource) > 0 } as unknown as LockStore;
    for (const [dialect, keyPrefix] of [
      ['dapr', ''],
      ['dapr', 'name'],
      ['dapr', 'none'],
      ['dapr', 'Team'],
      ['layotto', ''],
      ['layotto', 'none'],
    ] as const) {
      await setup({ component: spy, dialect, metadata: { keyPrefix } }).block.tryLock(request, context);
    }
    assert.deepEqual(resources, [
      'lock||app||r',
      'lock||locks||r',
      'lock||r',
      'lock||team||r',
      'lock|||app||r',
      'lock|||r',
    ]);
  });

  it('awaits a store that is still opening, and knows its prefix only then', async () => {
    const resources: string[] = [];
    const spy = { tryLock: (resource: string) => resources.push(resource) > 0 } as unknown as LockStore;
    await setup({ component: Promise.resolve(spy), metadata: { keyPrefix: 'name' } }).block.tryLock(request, context);
    assert.deepEqual(resources, ['lock||locks||r']);
  });

  it('passes on what the component says', async () => {
    const broken = { unlock: async () => Promise.reject(new Error('gone')) } as unknown as LockStore;
    await assert.rejects(
      async () => setup({ component: broken }).block.unlock(request, context),
      code('LOCK_UNLOCK_FAILED', 'failed to release lock: gone'),
    );
  });
});
