/** A state store as the block uses it: its key prefix, counters and policy, bound once and kept while its entry lives. */
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
  readonly entry: ComponentEntry<StateStore>;
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

  constructor(name: string, entry: ComponentEntry<StateStore>, deps: BlockDeps, meters: ComponentMeters) {
    this.name = name;
    this.entry = entry;
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

  component(): MaybePromise<StateStore> {
    return this.entry.ready();
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
  /** Throws STATE_STORES_NOT_CONFIGURED, STATE_STORE_NOT_FOUND, STATE_KEY_ILLEGAL (its prefix). */
  find(name: string): BoundStateStore;
}

export function createStateStores(deps: BlockDeps): StateStores {
  const meters = createComponentMeters('state', deps);
  /** Never more than the stores that are declared. */
  const bound = new Map<string, BoundStateStore>();
  deps.registry.onChange((change) => {
    if (change.kind === 'state' && change.what === 'removed') bound.delete(change.name);
  });
  return {
    find(name) {
      const entry = deps.registry.find('state', name);
      if (entry === undefined) {
        const none = deps.registry.listKind('state').length === 0;
        throw fail(none ? 'STATE_STORES_NOT_CONFIGURED' : 'STATE_STORE_NOT_FOUND', { name, appID: deps.appId });
      }
      let store = bound.get(name);
      if (store === undefined || store.entry !== entry || store.policyVersion !== deps.policies.version) {
        store = new BoundStateStore(name, entry, deps, meters);
        bound.set(name, store);
      }
      return store;
    },
  };
}
