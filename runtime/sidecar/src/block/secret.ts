/** The secret block: single and bulk reads, filtered by the scopes of the Configuration document. */
import type { SecretStore } from '@outrigger/components-core';
import type { ComponentEntry } from '../component/registry.js';
import { fail } from '../errors.js';
import { type ComponentCall, callComponent, messageOf, whenReady } from './component-call.js';
import { createComponentMeters } from './component-meter.js';
import type { CallContext, MaybePromise } from './context.js';
import type { BlockDeps } from './deps.js';

/** `secrets.scopes` of Dapr's Configuration kind. */
export interface SecretScope {
  readonly storeName: string;
  readonly defaultAccess: 'allow' | 'deny';
  readonly allowedSecrets: readonly string[];
  readonly deniedSecrets: readonly string[];
}

export interface SecretBlockDeps extends BlockDeps {
  /** The scopes in force now; asked with every call. */
  secretScopes(): readonly SecretScope[];
}

export type SecretValues = Readonly<Record<string, string>>;

export interface SecretBlock {
  /** Throws SECRET_PERMISSION_DENIED without asking the store. */
  get(
    storeName: string,
    key: string,
    metadata: Readonly<Record<string, string>>,
    context: CallContext,
  ): MaybePromise<SecretValues>;
  /** Every secret that the scopes allow, by name. */
  bulkGet(
    storeName: string,
    metadata: Readonly<Record<string, string>>,
    context: CallContext,
  ): MaybePromise<ReadonlyMap<string, SecretValues>>;
}

/** A list of allowed secrets decides alone; else the denied ones are denied, and the default stands for the rest. */
export function isSecretAllowed(scope: SecretScope | undefined, key: string): boolean {
  if (scope === undefined) return true;
  if (scope.allowedSecrets.length > 0) return scope.allowedSecrets.includes(key);
  return !scope.deniedSecrets.includes(key) && scope.defaultAccess === 'allow';
}

export function createSecretBlock(deps: SecretBlockDeps): SecretBlock {
  const meters = createComponentMeters('secret', deps);

  function entryOf(name: string): ComponentEntry<SecretStore> {
    if (deps.registry.listKind('secretstores').length === 0) throw fail('SECRET_STORES_NOT_CONFIGURED', { name });
    const entry = deps.registry.find('secretstores', name);
    if (entry === undefined) throw fail('SECRET_STORE_NOT_FOUND', { name });
    return entry;
  }

  function scopeOf(name: string): SecretScope | undefined {
    return deps.secretScopes().find(({ storeName }) => storeName === name);
  }

  function callOf(name: string, operation: string, context: CallContext): ComponentCall {
    const policy = deps.policies.outbound('secretstores', name);
    return { clock: deps.clock, meter: meters.of(name, operation), policy, context };
  }

  return {
    get(name, key, metadata, context) {
      const entry = entryOf(name);
      if (!isSecretAllowed(scopeOf(name), key)) throw fail('SECRET_PERMISSION_DENIED', { key, name });
      return whenReady(entry.ready(), (store) =>
        callComponent(
          callOf(name, 'get', context),
          () => store.get(key, metadata),
          (error) => fail('SECRET_GET_FAILED', { key, name, error: messageOf(error) }, { cause: error }),
        ),
      );
    },
    bulkGet(name, metadata, context) {
      const entry = entryOf(name);
      return whenReady(entry.ready(), (store) => {
        const found = callComponent(
          callOf(name, 'bulk_get', context),
          () => store.bulkGet(metadata),
          (error) => fail('SECRET_BULK_GET_FAILED', { name, error: messageOf(error) }, { cause: error }),
        );
        return whenReady(found, (secrets) => {
          const scope = scopeOf(name);
          return new Map(Object.entries(secrets).filter(([key]) => isSecretAllowed(scope, key)));
        });
      });
    },
  };
}
