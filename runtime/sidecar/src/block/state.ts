/**
 * The state block: what Dapr's and Layotto's state APIs have in common, whichever surface a call comes through. Every
 * method answers without a promise when the component does, and throws errors of the table.
 */
import type { Concurrency, Consistency, StateItem, StateOperation, StateQueryResult } from '@outrigger/components-core';
import { type Clock, OutriggerError } from '@outrigger/engine';
import { fail } from '../errors.js';
import { callComponent, messageOf, ttlSecondsOf, whenReady, wrapError } from './component-call.js';
import type { CallContext, MaybePromise } from './context.js';
import type { BlockDeps } from './deps.js';
import { originalKey } from './key-prefix.js';
import { bulkGet, writeEach } from './state-bulk.js';
import { stateErrorText, stateWriteError, stateWriteErrors } from './state-errors.js';
import { parseStateQuery } from './state-query.js';
import { type BoundStateStore, createStateStores, type StateStores, stateResource } from './state-store.js';

export type Metadata = Readonly<Record<string, string>>;

export interface StateGet {
  readonly storeName: string;
  readonly key: string;
  readonly consistency: Consistency;
  readonly metadata: Metadata;
}

export interface StateBulkGet {
  readonly storeName: string;
  readonly keys: readonly string[];
  /** Items read side by side; 0 or less: as many as allowed. */
  readonly parallelism: number;
  readonly metadata: Metadata;
}

export interface StateBulkItem {
  readonly key: string;
  readonly item: StateItem | undefined;
  /** Why this item could not be read. */
  readonly error: string | undefined;
}

export interface StateDelete {
  readonly key: string;
  /** '' counts as none. */
  readonly etag: string | undefined;
  readonly concurrency: Concurrency;
  readonly consistency: Consistency;
  readonly metadata: Metadata;
}

export interface StateSave extends StateDelete {
  readonly value: Uint8Array;
}

export interface StateTransaction {
  readonly storeName: string;
  /** `operation` is `upsert` or `delete`, else STATE_OPERATION_UNKNOWN. */
  readonly operations: readonly (StateSave & { readonly operation: string })[];
  /** Reaches the component with each operation, under the operation's own; a TTL here has no effect, as in Dapr. */
  readonly metadata: Metadata;
}

export interface StateBlock {
  /** Throws when there is no store of that name; surfaces that must say so before they read a body call it first. */
  check(storeName: string): void;
  /** undefined: no such key. Metadata of the answer: `stateItemMetadata`. */
  get(request: StateGet, context: CallContext): MaybePromise<StateItem | undefined>;
  /** In the order of the keys. */
  bulkGet(request: StateBulkGet, context: CallContext): MaybePromise<readonly StateBulkItem[]>;
  /** Saves each item by itself: some may be saved when others fail. */
  save(storeName: string, items: readonly StateSave[], context: CallContext): MaybePromise<void>;
  delete(storeName: string, item: StateDelete, context: CallContext): MaybePromise<void>;
  bulkDelete(storeName: string, items: readonly StateDelete[], context: CallContext): MaybePromise<void>;
  /** All or nothing. */
  transact(request: StateTransaction, context: CallContext): MaybePromise<void>;
  /** `query` is Dapr's JSON; only items under this store's key prefix are seen. Keys are the app's. */
  query(storeName: string, query: string, context: CallContext): MaybePromise<StateQueryResult>;
}

const noMetadata: Record<string, string> = Object.freeze({});

/** What Dapr tells of an item beside its value: `ttlExpireTime`, RFC 3339 in seconds. Not to be changed. */
export function stateItemMetadata(item: StateItem): Record<string, string> {
  if (item.expiresAtMs === undefined) return noMetadata;
  return { ttlExpireTime: `${new Date(item.expiresAtMs).toISOString().slice(0, 19)}Z` };
}

function etagOf(etag: string | undefined): string | undefined {
  return etag === '' ? undefined : etag;
}

class ComponentStateBlock implements StateBlock {
  readonly #clock: Clock;
  readonly #stores: StateStores;

  constructor(deps: BlockDeps) {
    this.#clock = deps.clock;
    this.#stores = createStateStores(deps);
  }

  check(storeName: string): void {
    this.#stores.check(storeName);
  }

  get(request: StateGet, context: CallContext): MaybePromise<StateItem | undefined> {
    const store = this.#stores.open(request.storeName);
    if (store instanceof Promise) return store.then((ready) => this.#get(ready, request, context));
    return this.#get(store, request, context);
  }

  /** Written out by hand where `callComponent` would do, because most calls are this one. */
  #get(store: BoundStateStore, request: StateGet, context: CallContext): MaybePromise<StateItem | undefined> {
    const { component, name } = store;
    const { consistency, metadata, key: ownKey } = request;
    const key = store.keyOf(ownKey);
    const wrap = (error: unknown): OutriggerError =>
      fail('STATE_GET_FAILED', { key: ownKey, name, error: messageOf(error) }, { cause: error });
    if (store.policy !== undefined) {
      const call = { clock: this.#clock, meter: store.get, policy: store.policy, context };
      return callComponent(call, () => component.get({ key, consistency, metadata }), wrap);
    }
    const start = this.#clock.now();
    try {
      const item = component.get({ key, consistency, metadata });
      if (!(item instanceof Promise)) {
        store.get.succeeded(this.#clock.now() - start);
        return item;
      }
      return item.then(
        (value) => {
          store.get.succeeded(this.#clock.now() - start);
          return value;
        },
        (error) => {
          store.get.failed(this.#clock.now() - start);
          throw wrapError(error, wrap);
        },
      );
    } catch (error) {
      store.get.failed(this.#clock.now() - start);
      throw wrapError(error, wrap);
    }
  }

  bulkGet(request: StateBulkGet, context: CallContext): MaybePromise<readonly StateBulkItem[]> {
    this.#stores.check(request.storeName);
    if (request.keys.length === 0) return [];
    return whenReady(this.#stores.open(request.storeName), (store) => bulkGet(this.#clock, store, request, context));
  }

  save(storeName: string, items: readonly StateSave[], context: CallContext): MaybePromise<void> {
    this.#stores.check(storeName);
    if (items.length === 0) return undefined;
    for (const { key } of items) if (key === '') throw fail('STATE_KEY_EMPTY');
    return whenReady(this.#stores.open(storeName), (store) => this.#save(store, items, context));
  }

  #save(store: BoundStateStore, items: readonly StateSave[], context: CallContext): MaybePromise<void> {
    const { component } = store;
    const keys = items.map(({ key }) => store.keyOf(key));
    const set = (index: number): MaybePromise<void> => {
      const { value, etag, concurrency, consistency, metadata } = items[index] as StateSave;
      return component.set({
        key: keys[index] as string,
        value,
        etag: etagOf(etag),
        concurrency,
        consistency,
        ttlSeconds: ttlSecondsOf(metadata),
        contentType: metadata['contentType'],
        metadata,
      });
    };
    const call = { clock: this.#clock, meter: store.set, policy: store.policy, context };
    const params = { name: store.name, key: '' };
    if (items.length === 1) {
      return callComponent(
        call,
        () => set(0),
        (error) => stateWriteError('SAVE', params, error),
      );
    }
    return this.#writeAll(call, items.length, set, (errors) => stateWriteErrors('SAVE', params, errors));
  }

  delete(storeName: string, item: StateDelete, context: CallContext): MaybePromise<void> {
    return whenReady(this.#stores.open(storeName), (store) => {
      const key = store.keyOf(item.key);
      const { concurrency, consistency, metadata } = item;
      return callComponent(
        { clock: this.#clock, meter: store.delete, policy: store.policy, context },
        () => store.component.delete({ key, etag: etagOf(item.etag), concurrency, consistency, metadata }),
        (error) => stateWriteError('DELETE', { name: store.name, key: item.key }, error),
      );
    });
  }

  bulkDelete(storeName: string, items: readonly StateDelete[], context: CallContext): MaybePromise<void> {
    this.#stores.check(storeName);
    if (items.length === 0) return undefined;
    return whenReady(this.#stores.open(storeName), (store) => {
      const keys = items.map(({ key }) => store.keyOf(key));
      const remove = (index: number): MaybePromise<void> => {
        const { etag, concurrency, consistency, metadata } = items[index] as StateDelete;
        const key = keys[index] as string;
        return store.component.delete({ key, etag: etagOf(etag), concurrency, consistency, metadata });
      };
      const call = { clock: this.#clock, meter: store.bulkDelete, policy: store.policy, context };
      const params = { name: store.name, key: '' };
      if (items.length === 1) {
        return callComponent(
          call,
          () => remove(0),
          (error) => stateWriteError('BULK_DELETE', params, error),
        );
      }
      return this.#writeAll(call, items.length, remove, (errors) => stateWriteErrors('BULK_DELETE', params, errors));
    });
  }

  /** Counted as one call; the policy covers each item by itself, so that a retry repeats only what failed. */
  #writeAll(
    call: Parameters<typeof callComponent>[0],
    count: number,
    write: (index: number) => MaybePromise<void>,
    wrap: (errors: readonly unknown[]) => OutriggerError,
  ): MaybePromise<void> {
    const { policy, context } = call;
    const one =
      policy === undefined ? write : (index: number): MaybePromise<void> => policy.run(context, () => write(index));
    const throwAll = (errors: readonly unknown[]): void => {
      if (errors.length === 0) return;
      const own = errors.find((error) => error instanceof OutriggerError);
      throw own ?? wrap(errors);
    };
    return callComponent(
      { ...call, policy: undefined },
      () => whenReady(writeEach(count, one), throwAll),
      (error) => wrap([error]),
    );
  }

  transact(request: StateTransaction, context: CallContext): MaybePromise<void> {
    return whenReady(this.#stores.open(request.storeName), (store) => {
      const { component } = store;
      if (!component.features.has('TRANSACTIONAL') || component.transact === undefined)
        throw noTransactions(store.name);
      if (store.hasOutbox) throw fail('STATE_OUTBOX_UNSUPPORTED', { name: store.name });
      const failed = (error: unknown): OutriggerError =>
        fail('STATE_TRANSACTION_FAILED', { error: stateErrorText(error) }, { cause: error });
      const operations: StateOperation[] = [];
      try {
        for (const each of request.operations) operations.push(operationOf(store, each, request.metadata));
      } catch (error) {
        throw wrapError(error, failed);
      }
      const max = component.transactionOperationsMax ?? 0;
      if (max > 0 && operations.length > max) throw transactionTooLarge(store.name, operations.length, max);
      if (operations.length === 0) return undefined;
      const transact = component.transact.bind(component);
      const call = { clock: this.#clock, meter: store.transaction, policy: store.policy, context };
      return callComponent(call, () => transact(operations), failed);
    });
  }

  query(storeName: string, query: string, context: CallContext): MaybePromise<StateQueryResult> {
    return whenReady(this.#stores.open(storeName), (store) => {
      const { component } = store;
      const details = [stateResource(store.name)];
      if (component.query === undefined || !component.features.has('QUERY_API')) {
        throw fail('STATE_QUERY_UNSUPPORTED', {}, { details });
      }
      const failed = (text: string, cause: unknown): OutriggerError =>
        fail('STATE_QUERY_FAILED', { name: store.name, error: text }, { cause, details });
      let parsed: ReturnType<typeof parseStateQuery>;
      try {
        parsed = parseStateQuery(query, store.prefix);
      } catch (error) {
        throw failed(`failed to parse JSON query body: ${messageOf(error)}`, error);
      }
      const run = component.query.bind(component);
      const call = { clock: this.#clock, meter: store.query, policy: store.policy, context };
      const found = callComponent(
        call,
        () => run(parsed),
        (error) => failed(messageOf(error), error),
      );
      return whenReady(found, ({ items, token }) => ({
        items: items.map((item) => ({ ...item, key: originalKey(item.key) })),
        token,
      }));
    });
  }
}

function operationOf(
  store: BoundStateStore,
  {
    operation,
    key: ownKey,
    value,
    etag: ownEtag,
    concurrency,
    consistency,
    metadata: own,
  }: StateTransaction['operations'][number],
  shared: Metadata,
): StateOperation {
  const key = store.keyOf(ownKey);
  const etag = etagOf(ownEtag);
  const metadata = { ...shared, ...own };
  if (operation === 'delete') return { operation, key, etag, concurrency, consistency, metadata };
  if (operation !== 'upsert') throw fail('STATE_OPERATION_UNKNOWN', { operation });
  const ttlSeconds = ttlSecondsOf(own);
  const contentType = own['contentType'];
  return { operation, key, value, etag, concurrency, consistency, ttlSeconds, contentType, metadata };
}

function noTransactions(name: string): OutriggerError {
  const url = 'https://docs.dapr.io/reference/components-reference/supported-state-stores/';
  const description = 'Check the list of state stores and the features they support';
  return fail(
    'STATE_TRANSACTIONS_UNSUPPORTED',
    { name },
    { details: [{ type: 'Help', links: [{ url, description }] }, stateResource(name)] },
  );
}

function transactionTooLarge(name: string, count: number, max: number): OutriggerError {
  const params = { currentOpsTransaction: count, maxOpsPerTransaction: max };
  return fail('STATE_TRANSACTION_TOO_LARGE', params, { details: [stateResource(name)] });
}

export function createStateBlock(deps: BlockDeps): StateBlock {
  return new ComponentStateBlock(deps);
}
