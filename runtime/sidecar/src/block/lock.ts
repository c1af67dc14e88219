/** The lock block: try, unlock, and Layotto's keep-alive. */
import type { LockStatus, LockStore } from '@outrigger/components-core';
import type { OutriggerError } from '@outrigger/engine';
import type { ComponentEntry } from '../component/registry.js';
import { fail } from '../errors.js';
import { callComponent, messageOf, whenReady } from './component-call.js';
import type { CallContext, MaybePromise } from './context.js';
import type { BlockDeps } from './deps.js';
import { isIllegalKey, lockPrefix, prefixStrategy } from './key-prefix.js';

export interface LockRequest {
  readonly storeName: string;
  readonly resourceId: string;
  readonly owner: string;
}

export interface LockHoldRequest extends LockRequest {
  readonly expirySeconds: number;
}

/** Numbers of `UnlockResponse.Status`, the same in Dapr and Layotto. */
export const LOCK_STATUS_NUMBERS: Readonly<Record<LockStatus, number>> = {
  success: 0,
  'does-not-exist': 1,
  'belongs-to-others': 2,
  'internal-error': 3,
};

export interface LockBlock {
  /** True when the caller holds the lock now. */
  tryLock(request: LockHoldRequest, context: CallContext): MaybePromise<boolean>;
  unlock(request: LockRequest, context: CallContext): MaybePromise<LockStatus>;
  /** Throws LOCK_KEEP_ALIVE_UNSUPPORTED where the store cannot. */
  keepAlive(request: LockHoldRequest, context: CallContext): MaybePromise<LockStatus>;
}

type LockFailure = 'LOCK_TRY_FAILED' | 'LOCK_UNLOCK_FAILED' | 'LOCK_KEEP_ALIVE_FAILED';

export function createLockBlock(deps: BlockDeps): LockBlock {
  /** In Dapr's order of checks, texts included. */
  function entryOf({ storeName: name, resourceId, owner }: LockRequest): ComponentEntry<LockStore> {
    if (deps.registry.listKind('lock').length === 0) throw fail('LOCK_STORES_NOT_CONFIGURED', { name });
    if (resourceId === '') throw fail('LOCK_RESOURCE_EMPTY', { name });
    if (owner === '') throw fail('LOCK_OWNER_EMPTY', { name });
    const entry = deps.registry.find('lock', name);
    if (entry === undefined) throw fail('LOCK_STORE_NOT_FOUND', { name });
    return entry;
  }

  function mustExpire({ storeName: name, expirySeconds }: LockHoldRequest): void {
    if (!(expirySeconds > 0)) throw fail('LOCK_EXPIRY_NOT_POSITIVE', { name });
  }

  function resourceOf(entry: ComponentEntry<LockStore>, resourceId: string, code: LockFailure): string {
    const strategy = prefixStrategy(entry, 'appid');
    for (const part of [strategy, resourceId]) {
      if (isIllegalKey(part)) throw fail(code, { error: `input key/keyPrefix '${part}' can't contain '||'` });
    }
    return lockPrefix(strategy, entry, deps) + resourceId;
  }

  function run<T>(
    request: LockRequest,
    code: LockFailure,
    context: CallContext,
    call: (store: LockStore, resource: string) => MaybePromise<T>,
  ): MaybePromise<T> {
    const entry = entryOf(request);
    const wrap = (error: unknown): OutriggerError => fail(code, { error: messageOf(error) }, { cause: error });
    const policy = deps.policies.outbound('lock', request.storeName);
    return whenReady(entry.ready(), (store) => {
      // Only now does the entry know its metadata.
      const resource = resourceOf(entry, request.resourceId, code);
      return callComponent({ clock: deps.clock, meter: undefined, policy, context }, () => call(store, resource), wrap);
    });
  }

  return {
    tryLock(request, context) {
      mustExpire(request);
      return run(request, 'LOCK_TRY_FAILED', context, (store, resource) =>
        store.tryLock(resource, request.owner, request.expirySeconds),
      );
    },
    unlock: (request, context) =>
      run(request, 'LOCK_UNLOCK_FAILED', context, (store, resource) => store.unlock(resource, request.owner)),
    keepAlive(request, context) {
      mustExpire(request);
      return run(request, 'LOCK_KEEP_ALIVE_FAILED', context, (store, resource) => {
        if (store.keepAlive === undefined) throw fail('LOCK_KEEP_ALIVE_UNSUPPORTED', { name: request.storeName });
        return store.keepAlive(resource, request.owner, request.expirySeconds);
      });
    },
  };
}
