/** What every lock store does. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { LockStore } from '../lock.js';
import { type ConformanceSubject, conformanceTimeoutMs, type OpenSubject } from './fixture.js';

export function lockConformance(name: string, open: OpenSubject<LockStore>): void {
  describe(`${name} is a lock store`, { timeout: conformanceTimeoutMs }, () => {
    let subject: ConformanceSubject<LockStore>;
    let store: LockStore;
    let resources = 0;
    const fresh = (): string => `lock||resource-${++resources}`;
    before(async () => {
      subject = await open();
      store = subject.component;
    });
    after(() => subject.close());

    it('gives a lock to one owner, and to the next after unlock', async () => {
      const resource = fresh();
      assert.equal(await store.tryLock(resource, 'ann', 10), true);
      assert.equal(await store.tryLock(resource, 'bob', 10), false);
      assert.equal(await store.unlock(resource, 'ann'), 'success');
      assert.equal(await store.tryLock(resource, 'bob', 10), true);
    });

    it('refuses the owner that holds it already', async () => {
      const resource = fresh();
      assert.equal(await store.tryLock(resource, 'ann', 10), true);
      assert.equal(await store.tryLock(resource, 'ann', 10), false);
    });

    it('lets exactly one of many callers at once have it', async () => {
      const resource = fresh();
      const results = await Promise.all(
        Array.from({ length: 20 }, async (_, index) => store.tryLock(resource, `owner-${index}`, 10)),
      );
      assert.equal(results.filter(Boolean).length, 1);
    });

    it('unlocks for its owner only, and says so', async () => {
      const resource = fresh();
      assert.equal(await store.unlock(resource, 'ann'), 'does-not-exist');
      await store.tryLock(resource, 'ann', 10);
      assert.equal(await store.unlock(resource, 'bob'), 'belongs-to-others');
      assert.equal(await store.tryLock(resource, 'bob', 10), false);
      assert.equal(await store.unlock(resource, 'ann'), 'success');
      assert.equal(await store.unlock(resource, 'ann'), 'does-not-exist');
    });

    it('lets a lock go when its time is over', async () => {
      const resource = fresh();
      await store.tryLock(resource, 'ann', 2);
      await subject.advance(3000);
      assert.equal(await store.unlock(resource, 'ann'), 'does-not-exist');
      assert.equal(await store.tryLock(resource, 'bob', 10), true);
      assert.equal(await store.unlock(resource, 'ann'), 'belongs-to-others');
    });

    it('keeps a lock alive for its owner only', async (t) => {
      if (store.keepAlive === undefined) return t.skip('no keepAlive');
      const resource = fresh();
      assert.equal(await store.keepAlive(resource, 'ann', 10), 'does-not-exist');
      await store.tryLock(resource, 'ann', 2);
      assert.equal(await store.keepAlive(resource, 'bob', 10), 'belongs-to-others');
      assert.equal(await store.keepAlive(resource, 'ann', 10), 'success');
      await subject.advance(3000);
      assert.equal(await store.tryLock(resource, 'bob', 10), false);
      await subject.advance(8000);
      assert.equal(await store.tryLock(resource, 'bob', 10), true);
    });

    it('holds against another instance', async (t) => {
      if (subject.another === undefined) return t.skip('data is not shared');
      const other = await subject.another();
      const resource = fresh();
      assert.equal(await store.tryLock(resource, 'ann', 10), true);
      assert.equal(await other.tryLock(resource, 'bob', 10), false);
      assert.equal(await other.unlock(resource, 'ann'), 'success');
      assert.equal(await other.tryLock(resource, 'bob', 10), true);
    });

    it('holds over a restart', async (t) => {
      if (subject.reopen === undefined) return t.skip('nothing outlives the process');
      const resource = fresh();
      await store.tryLock(resource, 'ann', 10);
      store = await subject.reopen();
      assert.equal(await store.tryLock(resource, 'bob', 10), false);
      assert.equal(await store.unlock(resource, 'ann'), 'success');
    });
  });
}
