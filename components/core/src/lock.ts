/** Leases on a name. The number values are Dapr's and Layotto's UnlockResponse.Status. */
import type { Component, MaybePromise } from './component.js';

export type LockStatus = 'success' | 'does-not-exist' | 'belongs-to-others' | 'internal-error';

export interface LockStore extends Component {
  /** True when `owner` now holds `resource` for `expirySeconds`. An owner that holds it already is refused, as by Dapr. */
  tryLock(resource: string, owner: string, expirySeconds: number): MaybePromise<boolean>;
  unlock(resource: string, owner: string): MaybePromise<LockStatus>;
  keepAlive?(resource: string, owner: string, expirySeconds: number): MaybePromise<LockStatus>;
}
