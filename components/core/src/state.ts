/** Key/value state. Keys arrive with their prefix already applied; values are opaque bytes. */
import type { Component, MaybePromise } from './component.js';

/** Dapr's feature names, as they appear in metadata `capabilities`. */
export type StateFeature = 'ETAG' | 'TRANSACTIONAL' | 'QUERY_API' | 'TTL' | 'DELETE_WITH_PREFIX' | 'KEYS_LIKE';

export type Concurrency = 'unspecified' | 'first-write' | 'last-write';
export type Consistency = 'unspecified' | 'eventual' | 'strong';

export interface StateGetRequest {
  readonly key: string;
  readonly consistency: Consistency;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface StateItem {
  readonly value: Uint8Array;
  readonly etag: string | undefined;
  /** Wall-clock milliseconds when the item expires. */
  readonly expiresAtMs?: number | undefined;
  readonly contentType?: string | undefined;
}

export interface StateSetRequest {
  readonly key: string;
  readonly value: Uint8Array;
  /** Expected etag; '' never arrives here (blocks turn it into undefined). */
  readonly etag?: string | undefined;
  readonly concurrency: Concurrency;
  readonly consistency: Consistency;
  /** Seconds from now; -1 removes an expiry; undefined takes the store's default, else keeps none. */
  readonly ttlSeconds?: number | undefined;
  readonly contentType?: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface StateDeleteRequest {
  readonly key: string;
  readonly etag?: string | undefined;
  readonly concurrency: Concurrency;
  readonly consistency: Consistency;
  readonly metadata: Readonly<Record<string, string>>;
}

export type StateOperation =
  | ({ readonly operation: 'upsert' } & StateSetRequest)
  | ({ readonly operation: 'delete' } & StateDeleteRequest);

/** Dapr's query object (alpha), parsed: https://docs.dapr.io/developing-applications/building-blocks/state-management/howto-state-query-api/ */
export type StateFilter =
  | { readonly op: 'EQ' | 'NEQ' | 'GT' | 'GTE' | 'LT' | 'LTE'; readonly path: string; readonly value: unknown }
  | { readonly op: 'IN'; readonly path: string; readonly values: readonly unknown[] }
  | { readonly op: 'AND' | 'OR'; readonly filters: readonly StateFilter[] };

export interface StateQuery {
  readonly filter?: StateFilter | undefined;
  readonly sort: readonly { readonly path: string; readonly order: 'ASC' | 'DESC' }[];
  readonly page: { readonly limit: number; readonly token: string };
  /** Only keys with this prefix are seen. */
  readonly keyPrefix: string;
}

export interface StateQueryResult {
  readonly items: readonly (StateItem & { readonly key: string })[];
  readonly token: string;
}

export interface StateKeysLike {
  /** SQL LIKE: `%` any run, `_` any one character, `\\` takes the next literally. Never empty. */
  readonly pattern: string;
  readonly pageSize?: number | undefined;
  /** From the page before; undefined for the first. */
  readonly token?: string | undefined;
}

export interface StateKeysLikeResult {
  /** In the order of their last write. */
  readonly keys: readonly string[];
  /** undefined: this was the last page. */
  readonly token: string | undefined;
}

/** Throws ComponentError; `etag-mismatch` and `etag-invalid` leave the store unchanged. */
export interface StateStore extends Component {
  readonly features: ReadonlySet<StateFeature>;
  /** Most operations one transaction may have; undefined: no limit of its own. */
  readonly transactionOperationsMax?: number;
  /** undefined: no such key, or expired. The returned bytes must not change later. */
  get(request: StateGetRequest): MaybePromise<StateItem | undefined>;
  /** Returns when the write is as durable as the store makes it. `value` belongs to the store from now on. */
  set(request: StateSetRequest): MaybePromise<void>;
  /** A missing key is no error unless an etag was given. */
  delete(request: StateDeleteRequest): MaybePromise<void>;
  bulkGet?(requests: readonly StateGetRequest[]): MaybePromise<readonly (StateItem | undefined)[]>;
  /** All or nothing; absent when `features` lacks TRANSACTIONAL. */
  transact?(operations: readonly StateOperation[]): MaybePromise<void>;
  query?(query: StateQuery): MaybePromise<StateQueryResult>;
  /** Deletes the keys that begin with `prefix` and have no further `||` behind it; returns how many (actors use it). */
  deleteWithPrefix?(prefix: string): MaybePromise<number>;
  /** Workflow uses it. */
  keysLike?(request: StateKeysLike): MaybePromise<StateKeysLikeResult>;
}
