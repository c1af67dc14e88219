/** Operations on state. */
import { ComponentError, type MaybePromise, type StateItem } from '@outrigger/components-core';
import { likeMatcher, queryItems } from '@outrigger/components-core/support';
import { operationsMax } from '../limits.js';
import type { ItemReply, Operations, StateChange } from '../operation.js';
import type { StateDelete, StateSet } from '../record.js';
import type { StateEntry, StateTable } from '../table/state-table.js';
import { payloadOf } from '../wire/shape.js';
import type { Transaction } from './committer.js';
import type { Engine } from './engine.js';
import { type Handler, mustBeValue, mustName } from './handlers.js';

/** Keys in one page of a listing. */
const keysPageMax = 10_000;
/** Bytes of values that one query may have to look at at a time. */
const queryBytesMax = 64 * 1024 * 1024;
/** What a waiting change weighs beyond its value. */
const changeOverheadBytes = 256;

type StateOperation = 'state.get' | 'state.change' | 'state.delete-prefix' | 'state.keys-like' | 'state.query';

function replyOf(entry: StateEntry, value: Uint8Array): ItemReply {
  const { revision, expiresAtMs, contentType } = entry;
  return { value, etag: String(revision), expiresAtMs, contentType };
}

/** One item; at once when its value is in memory. */
export function readItem(
  engine: Engine,
  store: string,
  key: string,
): MaybePromise<(ItemReply & StateItem) | undefined> {
  const entry = engine.tables.state(store).get(key);
  if (entry === undefined) return undefined;
  const value = engine.tables.context.load(entry.value);
  if (value instanceof Promise) return value.then((loaded) => replyOf(entry, loaded));
  return replyOf(entry, value);
}

export function stateHandlers(engine: Engine): { readonly [O in StateOperation]: Handler<O> } {
  const { context, requests } = engine.tables;

  function recordOf(table: StateTable, change: StateChange): StateSet | StateDelete {
    const { key } = change;
    if (change.operation === 'delete') return { kind: 'state-delete', store: table.name, key };
    const { expiresAtMs, contentType } = change;
    const revision = ++context.revision;
    return {
      kind: 'state-set',
      store: table.name,
      key,
      revision,
      expiresAtMs,
      contentType,
      value: payloadOf(change.value),
    };
  }

  function stage(transaction: Transaction, table: StateTable, records: readonly (StateSet | StateDelete)[]): void {
    // Once per batch and table is enough: it takes everything back.
    if (!transaction.touched.has(`state:${table.name}`)) {
      transaction.touched.add(`state:${table.name}`);
      transaction.onFailure(() => table.rollback());
    }
    for (const record of records) table.stage(record);
  }

  const change: Handler<'state.change'> = ({ store, changes }, session, id) => {
    if (changes.length > operationsMax) {
      throw new ComponentError(
        'too-large',
        `a transaction of ${changes.length} operations has more than the ${operationsMax} that one may have`,
      );
    }
    let bytes = 0;
    for (const one of changes) {
      mustName('key', one.key);
      if (one.operation === 'upsert') {
        mustBeValue(`the value of ${one.key}`, one.value.length);
        bytes += one.value.length;
      }
      bytes += changeOverheadBytes;
    }
    const table = engine.tables.state(store);
    return engine.committer.submit(bytes, (transaction) => {
      const origin = engine.originOf(session, id);
      if (origin !== undefined && requests.result(origin) !== undefined) return () => undefined;
      let growth = 0;
      for (const one of changes) {
        table.check(one.key, one.etag, one.concurrency);
        if (one.operation === 'upsert') growth++;
      }
      table.mustFit(growth);
      // Deleting what is not there needs no record.
      const effective =
        changes.length > 1 ? changes : changes.filter((one) => one.operation === 'upsert' || table.has(one.key));
      if (effective.length === 0) return () => undefined;
      const records = effective.map((one) => recordOf(table, one));
      const [single] = records;
      transaction.add(records.length === 1 ? single! : { kind: 'state-many', changes: records }, origin);
      engine.remember(transaction, origin);
      stage(transaction, table, records);
      return () => table.commit() as undefined;
    });
  };

  const deletePrefix: Handler<'state.delete-prefix'> = ({ store, prefix }, session, id) => {
    if (prefix === '' || prefix === '||') {
      throw new ComponentError('invalid', 'a prefix is required for deleteWithPrefix request');
    }
    const whole = prefix.endsWith('||') ? prefix : `${prefix}||`;
    const table = engine.tables.state(store);
    return engine.committer.submit(changeOverheadBytes, (transaction) => {
      const known = id && requests.result({ participant: session.peer.participant, request: id.request });
      if (known !== undefined) return () => known;
      const records: StateDelete[] = [];
      for (const key of table.keys()) {
        if (!key.startsWith(whole) || key.includes('||', whole.length) || !table.has(key)) continue;
        records.push({ kind: 'state-delete', store, key });
      }
      if (records.length === 0) return () => 0;
      const origin = engine.originOf(session, id, records.length);
      transaction.add({ kind: 'state-many', changes: records }, origin);
      engine.remember(transaction, origin);
      stage(transaction, table, records);
      return () => {
        table.commit();
        return records.length;
      };
    });
  };

  const keysLike: Handler<'state.keys-like'> = ({ store, pattern, pageSize, from }) => {
    if (pattern === '') throw new ComponentError('invalid', 'keys like pattern cannot be empty');
    const isLike = likeMatcher(pattern);
    const found: { key: string; revision: number }[] = [];
    for (const [key, { revision }] of engine.tables.state(store).items()) {
      if (revision >= from && isLike(key)) found.push({ key, revision });
    }
    found.sort((left, right) => left.revision - right.revision);
    const size = Math.min(pageSize || keysPageMax, keysPageMax);
    return { keys: found.slice(0, size).map(({ key }) => key), next: found[size]?.revision };
  };

  const query: Handler<'state.query'> = async ({ store, query: asked }): Promise<Operations['state.query'][1]> => {
    const entries = [...engine.tables.state(store).items()].filter(([key]) => key.startsWith(asked.keyPrefix));
    const bytes = entries.reduce((sum, [, entry]) => sum + entry.value.length, 0);
    if (bytes > queryBytesMax) {
      throw new ComponentError(
        'too-large',
        `a query over ${entries.length} items (${bytes} bytes) is more than the ${queryBytesMax} bytes that state.local looks through; use a key prefix with fewer items, or a database`,
      );
    }
    const items: (ItemReply & StateItem & { key: string })[] = [];
    for (const [key, entry] of entries) items.push({ ...replyOf(entry, await context.load(entry.value)), key });
    const result = queryItems(items, asked);
    return { items: result.items as typeof items, token: result.token };
  };

  return {
    'state.get': ({ store, keys }) => {
      const items = keys.map((key) => readItem(engine, store, key));
      return items.some((item) => item instanceof Promise) ? Promise.all(items) : (items as (ItemReply | undefined)[]);
    },
    'state.change': change,
    'state.delete-prefix': deletePrefix,
    'state.keys-like': keysLike,
    'state.query': query,
  };
}
