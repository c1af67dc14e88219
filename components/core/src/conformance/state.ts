/** What every state store does, by its features. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ComponentError, type ComponentErrorKind } from '../errors.js';
import type { StateDeleteRequest, StateFeature, StateItem, StateQuery, StateSetRequest, StateStore } from '../state.js';
import { bytes, type ConformanceSubject, conformanceTimeoutMs, type OpenSubject, textOf } from './fixture.js';

const plain = { concurrency: 'unspecified', consistency: 'unspecified', metadata: {} } as const;

const read = (key: string): { key: string; consistency: 'unspecified'; metadata: Record<string, string> } => ({
  key,
  consistency: 'unspecified',
  metadata: {},
});
const write = (key: string, value: string | Uint8Array, more: Partial<StateSetRequest> = {}): StateSetRequest => ({
  ...plain,
  key,
  value: typeof value === 'string' ? bytes(value) : value,
  ...more,
});
const removal = (key: string, more: Partial<StateDeleteRequest> = {}): StateDeleteRequest => ({
  ...plain,
  key,
  ...more,
});

/** Runs `action`, which may throw at once or reject, and checks the kind of the error. */
async function refused(kind: ComponentErrorKind, action: () => unknown): Promise<void> {
  await assert.rejects(
    async () => action(),
    (error) => {
      assert.ok(error instanceof ComponentError, `a ComponentError was expected, not ${String(error)}`);
      assert.equal(error.kind, kind);
      return true;
    },
  );
}

export function stateConformance(name: string, open: OpenSubject<StateStore>): void {
  describe(`${name} is a state store`, { timeout: conformanceTimeoutMs }, () => {
    let subject: ConformanceSubject<StateStore>;
    let store: StateStore;
    let keys = 0;
    const fresh = (): string => `conformance||key-${++keys}`;
    const get = async (key: string): Promise<StateItem | undefined> => store.get(read(key));
    const value = async (key: string): Promise<string | undefined> => textOf((await get(key))?.value);
    const has = (feature: StateFeature): boolean => store.features.has(feature);

    before(async () => {
      subject = await open();
      store = subject.component;
    });
    after(() => subject.close());

    it('answers undefined for a key it does not have', async () => {
      assert.equal(await get(fresh()), undefined);
    });

    it('gives back the bytes it was given, whatever they are', async () => {
      const values = [
        new Uint8Array(),
        bytes('text'),
        Uint8Array.from({ length: 256 }, (_, index) => index),
        new Uint8Array(300_000).fill(7),
      ];
      for (const given of values) {
        const key = fresh();
        await store.set(write(key, given.slice()));
        assert.deepEqual(Buffer.from((await get(key))!.value), Buffer.from(given));
      }
    });

    it('keeps keys of any characters apart', async () => {
      const odd = ['a||b', 'a', 'ä ö 漢字 🛶', 'x'.repeat(1000), '__proto__', 'with\nnewline'];
      for (const key of odd) await store.set(write(`odd||${key}`, key));
      for (const key of odd) assert.equal(await value(`odd||${key}`), key);
    });

    it('replaces a value and keeps the last one', async () => {
      const key = fresh();
      await store.set(write(key, 'first'));
      await store.set(write(key, 'second'));
      assert.equal(await value(key), 'second');
    });

    it('leaves an item that was read as it was when the key is written again', async () => {
      const key = fresh();
      await store.set(write(key, 'before'));
      const item = await get(key);
      await store.set(write(key, 'after!'));
      assert.equal(textOf(item?.value), 'before');
    });

    it('deletes, and a missing key is no error', async () => {
      const key = fresh();
      await store.set(write(key, 'value'));
      await store.delete(removal(key));
      assert.equal(await get(key), undefined);
      await store.delete(removal(key));
    });

    it('reads in bulk in the order of the request', async (t) => {
      if (store.bulkGet === undefined) return t.skip('bulkGet is left to the block');
      const [first, missing, last] = [fresh(), fresh(), fresh()];
      await store.set(write(first, '1'));
      await store.set(write(last, '3'));
      const items = await store.bulkGet([first, missing, last].map(read));
      assert.deepEqual(
        items.map((item) => textOf(item?.value)),
        ['1', undefined, '3'],
      );
    });

    it('applies concurrent writes each as a whole', async () => {
      const key = fresh();
      const writes = Array.from({ length: 20 }, (_, index) => String(index).repeat(50));
      await Promise.all(writes.map(async (text) => store.set(write(key, text))));
      assert.ok(writes.includes((await value(key))!));
    });

    describe('etags', () => {
      const only = (t: { skip(why: string): void }): boolean => {
        if (!has('ETAG')) t.skip('no ETAG feature');
        return has('ETAG');
      };

      it('changes the etag with every write, also of the same value', async (t) => {
        if (!only(t)) return;
        const key = fresh();
        await store.set(write(key, 'same'));
        const first = (await get(key))?.etag;
        await store.set(write(key, 'same'));
        const second = (await get(key))?.etag;
        assert.ok(first !== undefined && first !== '');
        assert.notEqual(first, second);
      });

      it('writes and deletes with the current etag, and refuses an older one', async (t) => {
        if (!only(t)) return;
        const key = fresh();
        await store.set(write(key, 'one'));
        const old = (await get(key))!.etag;
        await store.set(write(key, 'two', { etag: old }));
        await refused('etag-mismatch', () => store.set(write(key, 'three', { etag: old })));
        await refused('etag-mismatch', () => store.delete(removal(key, { etag: old })));
        assert.equal(await value(key), 'two');
        await store.delete(removal(key, { etag: (await get(key))!.etag }));
        assert.equal(await get(key), undefined);
      });

      it('refuses an etag for a key that does not exist', async (t) => {
        if (!only(t)) return;
        const key = fresh();
        await store.set(write(key, 'gone soon'));
        const { etag } = (await get(key))!;
        await store.delete(removal(key));
        await refused('etag-mismatch', () => store.set(write(key, 'again', { etag })));
        await refused('etag-mismatch', () => store.delete(removal(key, { etag })));
        assert.equal(await get(key), undefined);
      });

      it('lets first-write without an etag create, and never replace or delete', async (t) => {
        if (!only(t)) return;
        const key = fresh();
        await store.set(write(key, 'created', { concurrency: 'first-write' }));
        await refused('etag-mismatch', () => store.set(write(key, 'replaced', { concurrency: 'first-write' })));
        await refused('etag-mismatch', () => store.delete(removal(key, { concurrency: 'first-write' })));
        assert.equal(await value(key), 'created');
        await store.set(write(key, 'by etag', { concurrency: 'first-write', etag: (await get(key))!.etag }));
        assert.equal(await value(key), 'by etag');
      });

      it('lets last-write replace without an etag', async (t) => {
        if (!only(t)) return;
        const key = fresh();
        await store.set(write(key, 'one'));
        await store.set(write(key, 'two', { concurrency: 'last-write' }));
        assert.equal(await value(key), 'two');
      });

      it('lets exactly one of many writers with the same etag win', async (t) => {
        if (!only(t)) return;
        const key = fresh();
        await store.set(write(key, 'start'));
        const { etag } = (await get(key))!;
        const results = await Promise.allSettled(
          Array.from({ length: 10 }, async (_, index) => store.set(write(key, `writer ${index}`, { etag }))),
        );
        const won = results.flatMap(({ status }, index) => (status === 'fulfilled' ? [index] : []));
        assert.equal(won.length, 1);
        assert.equal(await value(key), `writer ${won[0]}`);
      });
    });

    describe('expiry', () => {
      const only = (t: { skip(why: string): void }): boolean => {
        if (!has('TTL')) t.skip('no TTL feature');
        return has('TTL');
      };

      it('forgets an item when its time is over, and says when that is', async (t) => {
        if (!only(t)) return;
        const key = fresh();
        await store.set(write(key, 'short', { ttlSeconds: 2 }));
        assert.equal(typeof (await get(key))?.expiresAtMs, 'number');
        await subject.advance(3000);
        assert.equal(await get(key), undefined);
        if (store.bulkGet !== undefined) assert.deepEqual(await store.bulkGet([read(key)]), [undefined]);
      });

      it('takes an expired item for missing when etags are compared', async (t) => {
        if (!only(t) || !has('ETAG')) return;
        const key = fresh();
        await store.set(write(key, 'short', { ttlSeconds: 1 }));
        const { etag } = (await get(key))!;
        await subject.advance(2000);
        await refused('etag-mismatch', () => store.set(write(key, 'late', { etag })));
        await store.set(write(key, 'anew', { concurrency: 'first-write' }));
        assert.equal(await value(key), 'anew');
      });

      it('drops the expiry with a write that has none, and with -1', async (t) => {
        if (!only(t)) return;
        for (const more of [{}, { ttlSeconds: -1 }]) {
          const key = fresh();
          await store.set(write(key, 'short', { ttlSeconds: 1 }));
          await store.set(write(key, 'kept', more));
          assert.equal((await get(key))?.expiresAtMs, undefined);
          await subject.advance(2000);
          assert.equal(await value(key), 'kept');
        }
      });
    });

    describe('transactions', () => {
      const only = (t: { skip(why: string): void }): boolean => {
        if (!has('TRANSACTIONAL')) t.skip('no TRANSACTIONAL feature');
        return has('TRANSACTIONAL');
      };

      it('applies every operation, in order', async (t) => {
        if (!only(t)) return;
        const [set, deleted, both] = [fresh(), fresh(), fresh()];
        await store.set(write(deleted, 'old'));
        await store.transact!([
          { operation: 'upsert', ...write(set, 'set') },
          { operation: 'delete', ...removal(deleted) },
          { operation: 'upsert', ...write(both, 'first') },
          { operation: 'delete', ...removal(both) },
          { operation: 'upsert', ...write(both, 'last') },
        ]);
        assert.deepEqual([await value(set), await value(deleted), await value(both)], ['set', undefined, 'last']);
      });

      it('applies nothing when one etag does not match', async (t) => {
        if (!only(t) || !has('ETAG')) return;
        const [first, guarded, kept] = [fresh(), fresh(), fresh()];
        await store.set(write(guarded, 'guarded'));
        await store.set(write(kept, 'kept'));
        const { etag } = (await get(guarded))!;
        await store.set(write(guarded, 'changed'));
        await refused('etag-mismatch', () =>
          store.transact!([
            { operation: 'upsert', ...write(first, 'never') },
            { operation: 'delete', ...removal(kept) },
            { operation: 'upsert', ...write(guarded, 'never', { etag }) },
          ]),
        );
        assert.deepEqual([await value(first), await value(guarded), await value(kept)], [undefined, 'changed', 'kept']);
      });

      it('accepts no operations at all', async (t) => {
        if (!only(t)) return;
        await store.transact!([]);
      });
    });

    it('deletes by prefix what has no further separator', async (t) => {
      if (!has('DELETE_WITH_PREFIX')) return t.skip('no DELETE_WITH_PREFIX feature');
      for (const key of ['p||a', 'p||b', 'p||b||c', 'pp||a']) await store.set(write(key, key));
      assert.equal(await store.deleteWithPrefix!('p||'), 2);
      assert.deepEqual(await Promise.all(['p||a', 'p||b', 'p||b||c', 'pp||a'].map(value)), [
        undefined,
        undefined,
        'p||b||c',
        'pp||a',
      ]);
      assert.equal(await store.deleteWithPrefix!('pp'), 1);
      await refused('invalid', () => store.deleteWithPrefix!(''));
    });

    it('lists keys by pattern, in pages', async (t) => {
      if (!has('KEYS_LIKE')) return t.skip('no KEYS_LIKE feature');
      for (const key of ['like||1', 'like||2', 'like||3', 'like||10', 'unlike']) await store.set(write(key, key));
      const all: string[] = [];
      let token: string | undefined;
      do {
        const page = await store.keysLike!({ pattern: 'like||_', pageSize: 2, token });
        assert.ok(page.keys.length <= 2);
        all.push(...page.keys);
        token = page.token;
      } while (token !== undefined);
      assert.deepEqual(all.sort(), ['like||1', 'like||2', 'like||3']);
      assert.equal((await store.keysLike!({ pattern: 'like||%' })).keys.length, 4);
      await refused('invalid', () => store.keysLike!({ pattern: '' }));
    });

    it('answers queries by filter, sort and page', async (t) => {
      if (!has('QUERY_API')) return t.skip('no QUERY_API feature');
      const people = [
        { name: 'Ann', age: 31, place: { state: 'CA' } },
        { name: 'Bob', age: 45, place: { state: 'WA' } },
        { name: 'Cid', age: 28, place: { state: 'CA' } },
        { name: 'Dee', age: 52, place: { state: 'OR' } },
      ];
      for (const person of people) {
        await store.set(write(`query||${person.name}`, JSON.stringify(person), { contentType: 'application/json' }));
      }
      await store.set(write('query||text', 'not JSON'));
      await store.set(write('other||Eve', JSON.stringify({ name: 'Eve', age: 40, place: { state: 'CA' } })));
      const names = async (query: Partial<StateQuery>): Promise<[string[], string]> => {
        const result = await store.query!({ sort: [], page: { limit: 0, token: '' }, keyPrefix: 'query||', ...query });
        return [result.items.map((item) => JSON.parse(textOf(item.value)!).name as string), result.token];
      };
      const byAge = [{ path: 'age', order: 'ASC' }] as const;
      const filter = { op: 'EQ', path: 'place.state', value: 'CA' } as const;
      assert.deepEqual(await names({ filter, sort: byAge }), [['Cid', 'Ann'], '']);
      assert.deepEqual((await names({ filter, sort: [{ path: 'age', order: 'DESC' }] }))[0], ['Ann', 'Cid']);
      const either = {
        op: 'OR',
        filters: [
          { op: 'IN', path: 'place.state', values: ['WA', 'OR'] },
          { op: 'AND', filters: [filter, { op: 'GTE', path: 'age', value: 31 }] },
        ],
      } as const;
      const [firstPage, token] = await names({ filter: either, sort: byAge, page: { limit: 2, token: '' } });
      assert.deepEqual(firstPage, ['Ann', 'Bob']);
      assert.deepEqual(await names({ filter: either, sort: byAge, page: { limit: 2, token } }), [['Dee'], '']);
      assert.deepEqual((await names({ filter: { op: 'LT', path: 'age', value: 31 } }))[0], ['Cid']);
    });

    it('shows another instance what this one wrote', async (t) => {
      if (subject.another === undefined) return t.skip('data is not shared');
      const other = await subject.another();
      const key = fresh();
      await store.set(write(key, 'shared'));
      assert.equal(textOf((await other.get(read(key)))?.value), 'shared');
      await other.set(write(key, 'back', { etag: (await other.get(read(key)))!.etag }));
      assert.equal(await value(key), 'back');
    });

    it('has everything it acknowledged when it is opened anew', async (t) => {
      if (subject.reopen === undefined) return t.skip('nothing outlives the process');
      const [kept, deleted, short] = [fresh(), fresh(), fresh()];
      await store.set(write(kept, 'kept', { contentType: 'text/plain' }));
      const { etag } = (await get(kept))!;
      await store.set(write(deleted, 'deleted'));
      await store.delete(removal(deleted));
      if (has('TTL')) await store.set(write(short, 'short', { ttlSeconds: 5 }));
      store = await subject.reopen();
      const item = await get(kept);
      assert.equal(textOf(item?.value), 'kept');
      if (has('ETAG')) assert.equal(item?.etag, etag);
      assert.equal(await get(deleted), undefined);
      if (!has('TTL')) return;
      assert.equal(await value(short), 'short');
      await subject.advance(6000);
      assert.equal(await get(short), undefined);
    });

    it('reports that it is healthy', async () => {
      assert.equal((await store.health()).ok, true);
    });
  });
}
