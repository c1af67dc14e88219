/** A state store as the block uses it: its key prefix, counters and policy, bound once and kept while its instance lives. */
import type { StateStore } from '@outrigger/components-core';
import type { ComponentEntry } from '../component/registry.js';
import { fail } from '../errors.js';
import { type ComponentMeters, createComponentMeters, type OperationMeter } from './component-meter.js';
import type { MaybePromise } from './context.js';
import type { BlockDeps } from './deps.js';
import { isIllegalKey, metadataText, prefixStrategy, statePrefix } from './key-prefix.js';
import type { ComponentPolicy } from './policy.js';

export class BoundStateStore {
  readonly name: string;
  readonly component: StateStore;
  /** What stands before each key: `app||`. */
  readonly prefix: string;
  readonly policy: ComponentPolicy | undefined;
  readonly policyVersion: number;
  /** Transactions of this store are to be published as well. */
  readonly hasOutbox: boolean;
  readonly get: OperationMeter;
  readonly set: OperationMeter;
  readonly delete: OperationMeter;
  readonly bulkGet: OperationMeter;
  readonly bulkDelete: OperationMeter;
  readonly transaction: OperationMeter;
  readonly query: OperationMeter;

  /** `entry` is ready: before that it does not know its metadata. */
  constructor(entry: ComponentEntry<StateStore>, component: StateStore, deps: BlockDeps, meters: ComponentMeters) {
    const { name } = entry;
    this.name = name;
    this.component = component;
    const strategy = prefixStrategy(entry, entry.dialect === 'layotto' ? 'none' : 'appid');
    if (isIllegalKey(strategy)) throw illegalKey(name, strategy);
    // Dapr encrypts such values; storing them in clear text instead would break a promise that nobody sees broken.
    if (metadataText(entry, 'primaryEncryptionKey') !== undefined) throw fail('STATE_ENCRYPTION_UNSUPPORTED', { name });
    this.hasOutbox = metadataText(entry, 'outboxPublishPubsub') !== undefined;
    this.prefix = statePrefix(strategy, entry, deps);
    this.policyVersion = deps.policies.version;
    this.policy = deps.policies.outbound('state', name);
    this.get = meters.of(name, 'get');
    this.set = meters.of(name, 'set');
    this.delete = meters.of(name, 'delete');
    this.bulkGet = meters.of(name, 'bulk_get');
    this.bulkDelete = meters.of(name, 'bulk_delete');
    this.transaction = meters.of(name, 'transaction');
    this.query = meters.of(name, 'query');
  }

  /** The key as the component sees it. */
  keyOf(key: string): string {
    if (isIllegalKey(key)) throw illegalKey(this.name, key);
    return this.prefix + key;
  }
}

function illegalKey(name: string, key: string): Error {
  return fail(
    'STATE_KEY_ILLEGAL',
    { key },
    {
      details: [{ type: 'BadRequest', fieldViolations: [{ field: key, description: '{text}' }] }, stateResource(name)],
    },
  );
}

/** The ResourceInfo that Dapr attaches to errors of a state store. */
export function stateResource(name: string): {
  readonly type: 'ResourceInfo';
  readonly resourceType: string;
  readonly resourceName: string;
  readonly owner: string;
  readonly description: string;
} {
  return { type: 'ResourceInfo', resourceType: 'state', resourceName: name, owner: '', description: '' };
}

export interface StateStores {
  /** Throws STATE_STORES_NOT_CONFIGURED, STATE_STORE_NOT_FOUND. */
  check(name: string): void;
  /**
   * The store, at once when it is ready. Throws what `check` throws, what the registry says of a component that is not
   * there to answer, STATE_KEY_ILLEGAL (its prefix), STATE_ENCRYPTION_UNSUPPORTED.
   */
  open(name: string): MaybePromise<BoundStateStore>;
}

export function createStateStores(deps: BlockDeps): StateStores {
  const meters = createComponentMeters('state', deps);
  /** Never more than the stores that are declared. */
  const bound = new Map<string, BoundStateStore>();
  deps.registry.onChange((change) => {
    if (change.kind === 'state' && change.what === 'removed') bound.delete(change.name);
  });

  function find(name: string): ComponentEntry<StateStore> {
    const entry = deps.registry.find('state', name);
    if (entry !== undefined) return entry;
    const none = deps.registry.listKind('state').length === 0;
    throw fail(none ? 'STATE_STORES_NOT_CONFIGURED' : 'STATE_STORE_NOT_FOUND', { name, appID: deps.appId });
  }

  /** An entry outlives its instances, and its metadata changes with them: the instance is what a binding belongs to. */
  function bind(entry: ComponentEntry<StateStore>, component: StateStore): BoundStateStore {
    let store = bound.get(entry.name);
    if (store?.component !== component || store.policyVersion !== deps.policies.version) {
      store = new BoundStateStore(entry, component, deps, meters);
      bound.set(entry.name, store);
    }
    return store;
  }

  return {
    check: (name) => void find(name),
    open(name) {
      const entry = find(name);
      const component = entry.ready();
      return component instanceof Promise ? component.then((ready) => bind(entry, ready)) : bind(entry, component);
    },
  };
}
