/** What every name resolver does. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { AppEndpoint, NameResolver } from '../names.js';
import { type ConformanceSubject, conformanceTimeoutMs, type OpenSubject } from './fixture.js';

const endpoint = (appId: string, instanceId: string, address = '127.0.0.1:4100'): AppEndpoint => ({
  appId,
  instanceId,
  address,
  metadata: { protocol: 'h2c' },
});

/** Remembers the lists of a watch; `until` resolves with the first, past ones included, that fits. */
function createListWatcher(): {
  onChange: (endpoints: readonly AppEndpoint[]) => void;
  until(instances: readonly string[]): Promise<void>;
} {
  const lists: string[] = [];
  const waiting = new Map<string, () => void>();
  const nameOf = (instances: readonly string[]): string => [...instances].sort().join(' ');
  return {
    onChange: (endpoints) => {
      const list = nameOf(endpoints.map(({ instanceId }) => instanceId));
      lists.push(list);
      waiting.get(list)?.();
    },
    until: (instances) =>
      new Promise((resolve) => {
        const list = nameOf(instances);
        if (lists.at(-1) === list) resolve();
        else waiting.set(list, resolve);
      }),
  };
}

export function namesConformance(name: string, open: OpenSubject<NameResolver>): void {
  describe(`${name} resolves names`, { timeout: conformanceTimeoutMs }, () => {
    let subject: ConformanceSubject<NameResolver>;
    let names: NameResolver;
    let apps = 0;
    const fresh = (): string => `conformance-app-${++apps}`;
    const found = async (appId: string, from = names): Promise<string[]> =>
      (await from.resolve(appId)).map(({ instanceId }) => instanceId).sort();
    before(async () => {
      subject = await open();
      names = subject.component;
    });
    after(() => subject.close());

    it('answers an empty list for an app it does not know', async () => {
      assert.deepEqual(await names.resolve(fresh()), []);
    });

    it('finds what was registered, as it was registered, until it is unregistered', async () => {
      const app = fresh();
      await names.register(endpoint(app, `${app}-1`, 'unix:/tmp/one'));
      await names.register(endpoint(app, `${app}-2`));
      assert.deepEqual(await found(app), [`${app}-1`, `${app}-2`]);
      const one = (await names.resolve(app)).find(({ instanceId }) => instanceId === `${app}-1`);
      assert.deepEqual({ ...one, metadata: { ...one?.metadata } }, endpoint(app, `${app}-1`, 'unix:/tmp/one'));
      await names.unregister(`${app}-1`);
      assert.deepEqual(await found(app), [`${app}-2`]);
      await names.unregister(`${app}-1`);
      await names.unregister(`${app}-2`);
      assert.deepEqual(await found(app), []);
    });

    it('replaces the address of an instance that registers again', async () => {
      const app = fresh();
      await names.register(endpoint(app, app, '127.0.0.1:1'));
      await names.register(endpoint(app, app, '127.0.0.1:2'));
      assert.deepEqual(
        (await names.resolve(app)).map(({ address }) => address),
        ['127.0.0.1:2'],
      );
    });

    it('lists every app', async () => {
      const [one, other] = [fresh(), fresh()];
      await names.register(endpoint(one, one));
      await names.register(endpoint(other, other));
      const all = (await names.list()).map(({ appId }) => appId);
      assert.ok(all.includes(one) && all.includes(other));
    });

    it('calls a watcher with the list at first and after every change', async () => {
      const app = fresh();
      await names.register(endpoint(app, `${app}-1`));
      const watcher = createListWatcher();
      const watch = await names.watch(app, watcher.onChange);
      await watcher.until([`${app}-1`]);
      await names.register(endpoint(app, `${app}-2`));
      await watcher.until([`${app}-1`, `${app}-2`]);
      await names.unregister(`${app}-1`);
      await watcher.until([`${app}-2`]);
      await watch.close();
    });

    it('shows another instance, and its going', async (t) => {
      if (subject.another === undefined) return t.skip('names are not shared');
      const other = await subject.another();
      const app = fresh();
      const watcher = createListWatcher();
      const watch = await names.watch(app, watcher.onChange);
      await other.register(endpoint(app, app));
      await watcher.until([app]);
      assert.deepEqual(await found(app), [app]);
      await other.close();
      await watcher.until([]);
      assert.deepEqual(await found(app), []);
      await watch.close();
    });
  });
}
