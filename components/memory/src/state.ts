/**
 * `state.in-memory`: Dapr's semantics (components-contrib state/in-memory). Features are Dapr's as well: it has no query
 * API, and a query to it is answered with Dapr's "not supported"; metadata `query: true` adds it.
 */
import {
  type ComponentConfig,
  type ComponentDefinition,
  type ComponentDeps,
  ComponentError,
  type Concurrency,
  type StateDeleteRequest,
  type StateFeature,
  type StateGetRequest,
  type StateItem,
  type StateKeysLike,
  type StateKeysLikeResult,
  type StateOperation,
  type StateQuery,
  type StateQueryResult,
  type StateSetRequest,
  type StateStore,
} from '@outrigger/components-core';
import {
  boolSetting,
  createExpiryQueue,
  type ExpiryQueue,
  likeMatcher,
  numberSetting,
  queryItems,
} from '@outrigger/components-core/support';

/** What an item is counted with beyond its key and value. */
const itemOverheadBytes = 200;
const bytesMaxDefault = 1024 * 1024 * 1024;
const keysPageMax = 10_000;

/** An entry is the answer itself, never changed once stored: `get` hands it out without making anything. */
interface Entry extends StateItem {
  readonly version: number;
}

class InMemoryState implements StateStore {
  readonly features: ReadonlySet<StateFeature>;
  readonly #items = new Map<string, Entry>();
  readonly #deps: ComponentDeps;
  readonly #name: string;
  readonly #bytesMax: number;
  readonly #etagPrefix: string;
  readonly #expiry: ExpiryQueue<string>;
  #version = 0;
  #bytes = 0;
  #closed = false;

  constructor(config: ComponentConfig, deps: ComponentDeps) {
    const features: StateFeature[] = ['ETAG', 'TRANSACTIONAL', 'TTL', 'DELETE_WITH_PREFIX', 'KEYS_LIKE'];
    if (boolSetting(config, 'query')) features.push('QUERY_API');
    this.features = new Set(features);
    this.#deps = deps;
    this.#name = config.name;
    this.#bytesMax = numberSetting(config, 'bytesMax', bytesMaxDefault, 1024, Number.MAX_SAFE_INTEGER);
    // An etag of an earlier life of the process must not match by accident.
    this.#etagPrefix = Math.floor(deps.clock.random() * 2 ** 32).toString(36) + '-';
    this.#expiry = createExpiryQueue<string>({
      clock: deps.clock,
      expiresAtMs: (key) => this.#items.get(key)?.expiresAtMs,
      expire: (key) => this.#remove(key),
    });
  }

  open(): void {
    this.#closed = false;
  }

  drain(): void {}

  close(): void {
    this.#closed = true;
    this.#items.clear();
    this.#bytes = 0;
    this.#expiry.close();
  }

  health(): { ok: boolean } {
    return { ok: !this.#closed };
  }

  get(request: StateGetRequest): StateItem | undefined {
    return this.#live(request.key);
  }

  bulkGet(requests: readonly StateGetRequest[]): (StateItem | undefined)[] {
    return requests.map((request) => this.#live(request.key));
  }

  set(request: StateSetRequest): void {
    this.#mustBeOpen();
    this.#check(request.key, request.etag, request.concurrency);
    this.#mustFit(this.#cost(request.key, request.value) - this.#costOf(request.key));
    this.#put(request);
  }

  delete(request: StateDeleteRequest): void {
    this.#mustBeOpen();
    this.#check(request.key, request.etag, request.concurrency);
    this.#remove(request.key);
  }

  /** Every etag is checked against the state before the transaction, as by Dapr; then nothing can fail. */
  transact(operations: readonly StateOperation[]): void {
    this.#mustBeOpen();
    let growth = 0;
    for (const operation of operations) {
      this.#check(operation.key, operation.etag, operation.concurrency);
      if (operation.operation === 'upsert') growth += this.#cost(operation.key, operation.value);
    }
    this.#mustFit(growth);
    for (const operation of operations) {
      if (operation.operation === 'upsert') this.#put(operation);
      else this.#remove(operation.key);
    }
  }

  query(query: StateQuery): StateQueryResult {
    if (!this.features.has('QUERY_API')) {
      throw new ComponentError(
        'unsupported',
        `component ${this.#name} (state.in-memory) does not support querying; set metadata query: 'true'`,
      );
    }
    return queryItems(this.#under(query.keyPrefix), query);
  }

  deleteWithPrefix(prefix: string): number {
    this.#mustBeOpen();
    if (prefix === '' || prefix === '||') {
      throw new ComponentError('invalid', 'a prefix is required for deleteWithPrefix request');
    }
    const whole = prefix.endsWith('||') ? prefix : `${prefix}||`;
    let count = 0;
    for (const key of this.#items.keys()) {
      if (!key.startsWith(whole) || key.includes('||', whole.length)) continue;
      if (this.#live(key) !== undefined) count++;
      this.#remove(key);
    }
    return count;
  }

  keysLike(request: StateKeysLike): StateKeysLikeResult {
    if (request.pattern === '') throw new ComponentError('invalid', 'keys like pattern cannot be empty');
    const from = request.token === undefined ? 0 : Number(request.token);
    if (request.token !== undefined && !/^\d{1,15}$/.test(request.token)) {
      throw new ComponentError('invalid', `invalid continue token: ${request.token.slice(0, 40)}`);
    }
    const isLike = likeMatcher(request.pattern);
    const found: { key: string; version: number }[] = [];
    for (const key of this.#items.keys()) {
      const item = this.#live(key);
      if (item !== undefined && item.version >= from && isLike(key)) found.push({ key, version: item.version });
    }
    found.sort((left, right) => left.version - right.version);
    const size = Math.min(request.pageSize || keysPageMax, keysPageMax);
    const next = found[size];
    return { keys: found.slice(0, size).map(({ key }) => key), token: next && String(next.version) };
  }

  *#under(prefix: string): Generator<StateItem & { key: string }> {
    for (const key of this.#items.keys()) {
      const item = key.startsWith(prefix) ? this.#live(key) : undefined;
      if (item !== undefined) yield { ...item, key };
    }
  }

  #live(key: string): Entry | undefined {
    const item = this.#items.get(key);
    if (item?.expiresAtMs === undefined || item.expiresAtMs > this.#deps.clock.wallMs()) return item;
    return undefined;
  }

  #check(key: string, etag: string | undefined, concurrency: Concurrency): void {
    if (etag === undefined) {
      if (concurrency !== 'first-write' || this.#live(key) === undefined) return;
      throw new ComponentError('etag-mismatch', 'item already exists and no etag was passed');
    }
    const item = this.#live(key);
    if (item === undefined) throw new ComponentError('etag-mismatch', `state not exist or expired for key=${key}`);
    if (item.etag !== etag) {
      throw new ComponentError(
        'etag-mismatch',
        `state etag not match for key=${key}: current=${item.etag}, expect=${etag}`,
      );
    }
  }

  #put(request: StateSetRequest): void {
    const { key, value, ttlSeconds } = request;
    const expiresAtMs =
      ttlSeconds !== undefined && ttlSeconds > 0 ? this.#deps.clock.wallMs() + ttlSeconds * 1000 : undefined;
    const version = ++this.#version;
    this.#bytes += this.#cost(key, value) - this.#costOf(key);
    this.#items.set(key, {
      value,
      etag: this.#etagPrefix + version.toString(36),
      expiresAtMs,
      contentType: request.contentType,
      version,
    });
    if (expiresAtMs !== undefined) this.#expiry.note(key, expiresAtMs);
  }

  #remove(key: string): void {
    this.#bytes -= this.#costOf(key);
    this.#items.delete(key);
  }

  #cost(key: string, value: Uint8Array): number {
    return key.length + value.length + itemOverheadBytes;
  }

  #costOf(key: string): number {
    const item = this.#items.get(key);
    return item === undefined ? 0 : this.#cost(key, item.value);
  }

  #mustFit(growth: number): void {
    if (growth <= 0 || this.#bytes + growth <= this.#bytesMax) return;
    throw new ComponentError(
      'too-large',
      `component ${this.#name} (state.in-memory) holds ${this.#bytes} bytes and may hold ${this.#bytesMax}; delete items or raise metadata bytesMax`,
    );
  }

  #mustBeOpen(): void {
    if (this.#closed) throw new ComponentError('closed', `component ${this.#name} (state.in-memory) is closed`);
  }
}

export const stateInMemory: ComponentDefinition<StateStore> = {
  type: 'state.in-memory',
  kind: 'state',
  versions: ['v1'],
  status: 'stable',
  description: 'State in the memory of this sidecar; gone when it ends.',
  metadata: [
    {
      name: 'bytesMax',
      type: 'number',
      default: String(bytesMaxDefault),
      description: 'Most bytes of keys and values held.',
    },
    {
      name: 'query',
      type: 'bool',
      default: 'false',
      description: "Offers Dapr's alpha query API, which Dapr's own in-memory store lacks.",
    },
  ],
  create: (config, deps) => new InMemoryState(config, deps),
};
