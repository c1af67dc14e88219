/** What every configuration store does; writing only where the store offers it. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type {
  ConfigurationChange,
  ConfigurationItem,
  ConfigurationSelector,
  ConfigurationStore,
} from '../configuration.js';
import { type ConformanceSubject, conformanceTimeoutMs, type OpenSubject } from './fixture.js';

/** Remembers changes; `until` resolves when one fits. */
function createWatcher(): {
  changes: ConfigurationChange[];
  onChange: (items: readonly ConfigurationChange[]) => void;
  until(fits: (change: ConfigurationChange) => boolean): Promise<ConfigurationChange>;
} {
  const changes: ConfigurationChange[] = [];
  const waiting = new Set<{
    fits: (change: ConfigurationChange) => boolean;
    resolve: (change: ConfigurationChange) => void;
  }>();
  return {
    changes,
    onChange: (items) => {
      for (const item of items) {
        changes.push(item);
        for (const waiter of waiting) {
          if (!waiter.fits(item)) continue;
          waiting.delete(waiter);
          waiter.resolve(item);
        }
      }
    },
    until: (fits) =>
      new Promise((resolve) => {
        const seen = changes.find(fits);
        if (seen !== undefined) resolve(seen);
        else waiting.add({ fits, resolve });
      }),
  };
}

export function configurationConformance(name: string, open: OpenSubject<ConfigurationStore>): void {
  describe(`${name} is a configuration store`, { timeout: conformanceTimeoutMs }, () => {
    let subject: ConformanceSubject<ConfigurationStore>;
    let store: ConfigurationStore;
    let keys = 0;
    const fresh = (): string => `conformance-${++keys}`;
    const where = (wanted: readonly string[], more: Partial<ConfigurationSelector> = {}): ConfigurationSelector => ({
      keys: wanted,
      metadata: {},
      ...more,
    });
    const get = async (...wanted: string[]): Promise<Record<string, string>> =>
      Object.fromEntries((await store.get(where(wanted))).map((item) => [item.key, item.value]));
    const writes = (t: { skip(why: string): void }): boolean => {
      if (store.save === undefined || store.remove === undefined) t.skip('this store is read-only');
      return store.save !== undefined && store.remove !== undefined;
    };
    before(async () => {
      subject = await open();
      store = subject.component;
    });
    after(() => subject.close());

    it('leaves keys out that it does not have', async () => {
      assert.deepEqual(await store.get(where([fresh()])), []);
    });

    it('reads what was saved, and a version that changes', async (t) => {
      if (!writes(t)) return;
      const [one, other] = [fresh(), fresh()];
      await store.save!({ metadata: {} }, [
        { key: one, value: '1' },
        { key: other, value: '2' },
      ]);
      assert.deepEqual(await get(one, other, fresh()), { [one]: '1', [other]: '2' });
      const first = (await store.get(where([one])))[0]!.version;
      await store.save!({ metadata: {} }, [{ key: one, value: '1b' }]);
      const [item] = (await store.get(where([one]))) as [ConfigurationItem];
      assert.equal(item.value, '1b');
      assert.notEqual(item.version, first);
      await store.remove!(where([one]));
      assert.deepEqual(await get(one, other), { [other]: '2' });
    });

    it('keeps tags and metadata of an item', async (t) => {
      if (!writes(t)) return;
      const key = fresh();
      await store.save!({ metadata: {} }, [{ key, value: 'v', tags: { release: '1.0' }, metadata: { by: 'test' } }]);
      const [item] = (await store.get(where([key]))) as [ConfigurationItem];
      assert.deepEqual({ ...item.tags }, { release: '1.0' });
      assert.equal(item.metadata['by'], 'test');
    });

    it('keeps apps, groups and labels apart', async (t) => {
      if (!writes(t)) return;
      const key = fresh();
      const places = [
        { appId: 'one' },
        { appId: 'two' },
        { appId: 'one', group: 'g' },
        { appId: 'one', group: 'g', label: 'l' },
        {},
      ];
      for (const [index, place] of places.entries()) {
        await store.save!({ ...place, metadata: {} }, [{ key, value: String(index) }]);
      }
      for (const [index, place] of places.entries()) {
        const items = await store.get(where([key], place));
        assert.deepEqual(
          items.map((item) => item.value),
          [String(index)],
        );
      }
      const all = await store.get(where([], { appId: 'one' }));
      assert.deepEqual(all.map((item) => item.value).sort(), ['0', '2', '3']);
      const group = await store.get(where([], { appId: 'one', group: 'g' }));
      assert.deepEqual(group.map((item) => item.value).sort(), ['2', '3']);
    });

    it('reports changes and removals of the watched keys, from when the watch is in place', async (t) => {
      if (!writes(t)) return;
      const [watched, other] = [fresh(), fresh()];
      await store.save!({ metadata: {} }, [{ key: watched, value: 'before' }]);
      const watcher = createWatcher();
      const watch = await store.subscribe(where([watched]), watcher.onChange);
      await store.save!({ metadata: {} }, [{ key: other, value: 'not watched' }]);
      await store.save!({ metadata: {} }, [{ key: watched, value: 'after' }]);
      assert.equal((await watcher.until((change) => change.value === 'after')).key, watched);
      await store.remove!(where([watched]));
      const gone = await watcher.until((change) => change.deleted === true);
      assert.deepEqual([gone.key, gone.value], [watched, '']);
      assert.deepEqual([...new Set(watcher.changes.map(({ key }) => key))], [watched]);
      assert.ok(!watcher.changes.some(({ value }) => value === 'before'));
      await watch.close();
    });

    it('watches every key where none is named', async (t) => {
      if (!writes(t)) return;
      const watcher = createWatcher();
      const watch = await store.subscribe(where([], { appId: 'watch-all' }), watcher.onChange);
      const key = fresh();
      await store.save!({ appId: 'elsewhere', metadata: {} }, [{ key, value: 'x' }]);
      await store.save!({ appId: 'watch-all', metadata: {} }, [{ key, value: 'y' }]);
      assert.equal((await watcher.until((change) => change.key === key)).value, 'y');
      await watch.close();
    });

    it('reports nothing after the watch is closed', async (t) => {
      if (!writes(t)) return;
      const key = fresh();
      const [closed, open] = [createWatcher(), createWatcher()];
      const watch = await store.subscribe(where([key]), closed.onChange);
      const still = await store.subscribe(where([key]), open.onChange);
      await watch.close();
      await store.save!({ metadata: {} }, [{ key, value: 'late' }]);
      await open.until((change) => change.value === 'late');
      assert.deepEqual(closed.changes, []);
      await still.close();
    });

    it('reports to another instance', async (t) => {
      if (!writes(t) || subject.another === undefined) return;
      const other = await subject.another();
      const key = fresh();
      const watcher = createWatcher();
      const watch = await other.subscribe(where([key]), watcher.onChange);
      await store.save!({ metadata: {} }, [{ key, value: 'seen there' }]);
      await watcher.until((change) => change.value === 'seen there');
      await watch.close();
    });

    it('has what it acknowledged when it is opened anew', async (t) => {
      if (!writes(t) || subject.reopen === undefined) return;
      const [kept, removed] = [fresh(), fresh()];
      await store.save!({ metadata: {} }, [
        { key: kept, value: 'kept' },
        { key: removed, value: 'x' },
      ]);
      await store.remove!(where([removed]));
      store = await subject.reopen();
      assert.deepEqual(await get(kept, removed), { [kept]: 'kept' });
    });
  });
}
