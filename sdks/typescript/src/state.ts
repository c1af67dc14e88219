/** Key/value state with etags, expiry and transactions. */
import type { StateItem as ItemMessage } from '@outrigger/proto/dapr/common/v1';
import {
  StateOptions_StateConcurrency as Concurrency,
  StateOptions_StateConsistency as Consistency,
} from '@outrigger/proto/dapr/common/v1/enums';
import type {
  DeleteStateRequest,
  ExecuteStateTransactionRequest,
  GetBulkStateRequest,
  GetStateRequest,
  QueryStateRequest,
} from '@outrigger/proto/dapr/runtime/v1';
import * as Dapr from '@outrigger/proto/dapr/runtime/v1/dapr';
import type { Connection, RequestOptions } from './connection.js';
import { Body, encodeState, type Payload } from './value.js';

export interface WriteOptions extends RequestOptions {
  /** Write only when the stored etag is this one; otherwise the call fails and `isConflict(error)` is true. */
  readonly etag?: string;
  /** Without an etag: write only when the key does not exist yet. */
  readonly firstWrite?: boolean;
  readonly strong?: boolean;
  /** Seconds until the item expires; -1 removes an expiry. */
  readonly ttlSeconds?: number;
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface ReadOptions extends RequestOptions {
  readonly strong?: boolean;
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface StoredItem<T> {
  readonly key: string;
  /** Parsed JSON; use `body.bytes` for what was saved as bytes. */
  readonly value: T;
  readonly body: Body;
  readonly etag: string;
  readonly metadata: Readonly<Record<string, string>>;
}

export type StateOperation =
  | ({ readonly upsert: string; readonly value: Payload } & WriteOptions)
  | ({ readonly delete: string } & WriteOptions);

class Item<T> implements StoredItem<T> {
  readonly key: string;
  readonly body: Body;
  readonly etag: string;
  readonly metadata: Readonly<Record<string, string>>;

  constructor(key: string, data: Uint8Array, etag: string, metadata: Readonly<Record<string, string>>) {
    this.key = key;
    this.body = new Body(data, metadata['contentType'] ?? 'application/json');
    this.etag = etag;
    this.metadata = metadata;
  }

  get value(): T {
    return this.body.json<T>();
  }
}

export class State {
  readonly #connection: Connection;
  readonly #storeName: string;

  constructor(connection: Connection, storeName: string) {
    this.#connection = connection;
    this.#storeName = storeName;
  }

  /** undefined: no such key, or it expired. */
  async get<T = unknown>(key: string, options: ReadOptions = {}): Promise<StoredItem<T> | undefined> {
    const request: GetStateRequest = {
      $typeName: 'dapr.proto.runtime.v1.GetStateRequest',
      storeName: this.#storeName,
      key,
      consistency: consistencyOf(options),
      metadata: { ...options.metadata },
    };
    const { data, etag, metadata } = await this.#connection.call(Dapr.getState, request, options);
    return data.length === 0 && etag === '' ? undefined : new Item<T>(key, data, etag, metadata);
  }

  /** One answer per key, in order; undefined for a missing key. A key that could not be read throws its error. */
  async getMany<T = unknown>(
    keys: readonly string[],
    options: ReadOptions = {},
  ): Promise<(StoredItem<T> | undefined)[]> {
    const request: GetBulkStateRequest = {
      $typeName: 'dapr.proto.runtime.v1.GetBulkStateRequest',
      storeName: this.#storeName,
      keys: [...keys],
      parallelism: 0,
      metadata: { ...options.metadata },
    };
    const { items } = await this.#connection.call(Dapr.getBulkState, request, options);
    const byKey = new Map(items.map((item) => [item.key, item]));
    return keys.map((key) => {
      const item = byKey.get(key);
      if (item === undefined || (item.error === '' && item.data.length === 0 && item.etag === '')) return undefined;
      if (item.error !== '') throw new Error(`state of key '${key}' could not be read: ${item.error}`);
      return new Item<T>(key, item.data, item.etag, item.metadata);
    });
  }

  save(key: string, value: Payload, options: WriteOptions = {}): Promise<void> {
    return this.#save([itemOf(key, value, options)], options);
  }

  saveMany(
    items: readonly { readonly key: string; readonly value: Payload; readonly options?: WriteOptions }[],
  ): Promise<void> {
    return this.#save(
      items.map(({ key, value, options }) => itemOf(key, value, options ?? {})),
      {},
    );
  }

  async #save(states: ItemMessage[], options: RequestOptions): Promise<void> {
    const request = {
      $typeName: 'dapr.proto.runtime.v1.SaveStateRequest',
      storeName: this.#storeName,
      states,
    } as const;
    await this.#connection.call(Dapr.saveState, request, options);
  }

  /** A missing key is no error unless an etag was given. */
  async delete(key: string, options: WriteOptions = {}): Promise<void> {
    const item = itemOf(key, new Uint8Array(0), options);
    const request: DeleteStateRequest = {
      $typeName: 'dapr.proto.runtime.v1.DeleteStateRequest',
      storeName: this.#storeName,
      key,
      metadata: item.metadata,
    };
    if (item.etag !== undefined) request.etag = item.etag;
    if (item.options !== undefined) request.options = item.options;
    await this.#connection.call(Dapr.deleteState, request, options);
  }

  async deleteMany(keys: readonly string[], options: RequestOptions = {}): Promise<void> {
    const states = keys.map((key) => itemOf(key, new Uint8Array(0), {}));
    const request = {
      $typeName: 'dapr.proto.runtime.v1.DeleteBulkStateRequest',
      storeName: this.#storeName,
      states,
    } as const;
    await this.#connection.call(Dapr.deleteBulkState, request, options);
  }

  /** All operations or none. */
  async transaction(operations: readonly StateOperation[], options: RequestOptions = {}): Promise<void> {
    const request: ExecuteStateTransactionRequest = {
      $typeName: 'dapr.proto.runtime.v1.ExecuteStateTransactionRequest',
      storeName: this.#storeName,
      operations: operations.map((operation) => ({
        $typeName: 'dapr.proto.runtime.v1.TransactionalStateOperation',
        operationType: 'upsert' in operation ? 'upsert' : 'delete',
        request:
          'upsert' in operation
            ? itemOf(operation.upsert, operation.value, operation)
            : itemOf(operation.delete, new Uint8Array(0), operation),
      })),
      metadata: {},
    };
    await this.#connection.call(Dapr.executeStateTransaction, request, options);
  }

  /** Dapr's query language (alpha), where the store can: `{ filter: { EQ: { 'person.org': 'A' } }, sort: […], page: { limit: 10 } }`. */
  async query<T = unknown>(
    query: object,
    options: ReadOptions = {},
  ): Promise<{ items: StoredItem<T>[]; token: string }> {
    const request: QueryStateRequest = {
      $typeName: 'dapr.proto.runtime.v1.QueryStateRequest',
      storeName: this.#storeName,
      query: JSON.stringify(query),
      metadata: { ...options.metadata },
    };
    const { results, token } = await this.#connection.call(Dapr.queryStateAlpha1, request, options);
    return { items: results.map((item) => new Item<T>(item.key, item.data, item.etag, {})), token };
  }
}

const consistencyOf = ({ strong }: { readonly strong?: boolean }): Consistency =>
  strong ? Consistency.CONSISTENCY_STRONG : Consistency.CONSISTENCY_UNSPECIFIED;

function itemOf(key: string, value: Payload, options: WriteOptions): ItemMessage {
  const metadata: Record<string, string> = { ...options.metadata };
  if (options.ttlSeconds !== undefined) metadata['ttlInSeconds'] = String(options.ttlSeconds);
  const item: ItemMessage = { $typeName: 'dapr.proto.common.v1.StateItem', key, value: encodeState(value), metadata };
  if (options.etag !== undefined) item.etag = { $typeName: 'dapr.proto.common.v1.Etag', value: options.etag };
  if (options.etag !== undefined || options.firstWrite || options.strong) {
    item.options = {
      $typeName: 'dapr.proto.common.v1.StateOptions',
      concurrency:
        options.etag !== undefined || options.firstWrite
          ? Concurrency.CONCURRENCY_FIRST_WRITE
          : Concurrency.CONCURRENCY_UNSPECIFIED,
      consistency: consistencyOf(options),
    };
  }
  return item;
}
