/** `state.local`: state on this machine's disk, shared by the sidecars of a namespace. */
import {
  type ComponentConfig,
  type ComponentDefinition,
  type ComponentDeps,
  ComponentError,
  type ComponentHealth,
  type MaybePromise,
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
import { readItem } from './engine/state.js';
import { operationsMax } from './limits.js';
import { NodeHolder, storeField } from './open-node.js';
import type { DeleteChange, SetChange, StateChange } from './operation.js';

const changeOverheadBytes = 256;

class LocalState implements StateStore {
  readonly features: ReadonlySet<StateFeature> = new Set<StateFeature>([
    'ETAG',
    'TRANSACTIONAL',
    'TTL',
    'DELETE_WITH_PREFIX',
    'KEYS_LIKE',
    'QUERY_API',
  ]);
  readonly transactionOperationsMax: number = operationsMax;
  readonly #deps: ComponentDeps;
  readonly #holder: NodeHolder;

  constructor(config: ComponentConfig, deps: ComponentDeps) {
    this.#deps = deps;
    this.#holder = new NodeHolder(config, deps);
  }

  open(signal: AbortSignal): Promise<void> {
    return this.#holder.open(signal);
  }

  drain(): void {}

  close(): Promise<void> {
    return this.#holder.close();
  }

  health(): ComponentHealth {
    return this.#holder.health();
  }

  get(request: StateGetRequest): MaybePromise<StateItem | undefined> {
    const { node, store } = this.#holder;
    // The owner's own reads are the hot path: at once, and without a request.
    if (node.engine !== undefined) return readItem(node.engine, store, request.key);
    return this.#get([request.key]).then(([item]) => item);
  }

  bulkGet(requests: readonly StateGetRequest[]): Promise<readonly (StateItem | undefined)[]> {
    return this.#get(requests.map(({ key }) => key));
  }

  async #get(keys: readonly string[]): Promise<readonly (StateItem | undefined)[]> {
    return this.#holder.node.call('state.get', { store: this.#holder.store, keys });
  }

  set(request: StateSetRequest): Promise<void> {
    return this.#change([this.#upsert(request)]);
  }

  delete(request: StateDeleteRequest): Promise<void> {
    return this.#change([removal(request)]);
  }

  transact(operations: readonly StateOperation[]): Promise<void> {
    return this.#change(operations.map((one) => (one.operation === 'upsert' ? this.#upsert(one) : removal(one))));
  }

  async #change(changes: readonly StateChange[]): Promise<void> {
    let bytes = 0;
    for (const change of changes) {
      bytes += changeOverheadBytes + (change.operation === 'upsert' ? change.value.length : 0);
    }
    await this.#holder.node.call('state.change', { store: this.#holder.store, changes }, bytes);
  }

  #upsert({ key, value, etag, concurrency, contentType, ttlSeconds }: StateSetRequest): SetChange {
    // Absolute from here on, so that sending the request again does not lengthen the life of the item.
    const expiresAtMs =
      ttlSeconds !== undefined && ttlSeconds > 0
        ? Math.round(this.#deps.clock.wallMs() + ttlSeconds * 1000)
        : undefined;
    return { operation: 'upsert', key, value, etag, concurrency, expiresAtMs, contentType };
  }

  async query(query: StateQuery): Promise<StateQueryResult> {
    return this.#holder.node.call('state.query', { store: this.#holder.store, query });
  }

  async deleteWithPrefix(prefix: string): Promise<number> {
    return this.#holder.node.call('state.delete-prefix', { store: this.#holder.store, prefix });
  }

  async keysLike({ pattern, pageSize, token }: StateKeysLike): Promise<StateKeysLikeResult> {
    if (token !== undefined && !/^\d{1,15}$/.test(token)) {
      throw new ComponentError('invalid', `invalid continue token: ${token.slice(0, 40)}`);
    }
    const request = { store: this.#holder.store, pattern, pageSize: pageSize ?? 0, from: Number(token ?? 0) };
    const { keys, next } = await this.#holder.node.call('state.keys-like', request);
    return { keys, token: next === undefined ? undefined : String(next) };
  }
}

function removal({ key, etag, concurrency }: StateDeleteRequest): DeleteChange {
  return { operation: 'delete', key, etag, concurrency };
}

export const stateLocal: ComponentDefinition<StateStore> = {
  type: 'state.local',
  kind: 'state',
  versions: ['v1'],
  status: 'beta',
  description: 'State on the disk of this machine, shared by the sidecars of a namespace; nothing to install.',
  metadata: [storeField],
  create: (config, deps) => new LocalState(config, deps),
};
