/** Leases on a name. `hold` is the form most programs want: take, run, give back. */
import type { TryLockRequest, UnlockRequest } from '@outrigger/proto/dapr/runtime/v1';
import * as Dapr from '@outrigger/proto/dapr/runtime/v1/dapr';
import { UnlockResponse_Status as Status } from '@outrigger/proto/dapr/runtime/v1/enums';
import type { LockKeepAliveRequest } from '@outrigger/proto/layotto/runtime/v1';
import { LockKeepAliveResponse_Status as KeepAlive } from '@outrigger/proto/layotto/runtime/v1/enums';
import * as Runtime from '@outrigger/proto/layotto/runtime/v1/runtime';
import type { Connection, RequestOptions } from './connection.js';

export type UnlockResult = 'success' | 'does-not-exist' | 'belongs-to-others' | 'internal-error';

const results: Readonly<Record<number, UnlockResult>> = {
  [Status.SUCCESS]: 'success',
  [Status.LOCK_DOES_NOT_EXIST]: 'does-not-exist',
  [Status.LOCK_BELONGS_TO_OTHERS]: 'belongs-to-others',
};

export class Lock {
  readonly #connection: Connection;
  readonly #storeName: string;

  constructor(connection: Connection, storeName: string) {
    this.#connection = connection;
    this.#storeName = storeName;
  }

  /** True when `owner` now holds `resource`, for `expirySeconds` at most. */
  async tryLock(
    resource: string,
    owner: string,
    expirySeconds: number,
    options: RequestOptions = {},
  ): Promise<boolean> {
    const request: TryLockRequest = {
      $typeName: 'dapr.proto.runtime.v1.TryLockRequest',
      storeName: this.#storeName,
      resourceId: resource,
      lockOwner: owner,
      expiryInSeconds: expirySeconds,
    };
    return (await this.#connection.call(Dapr.tryLockAlpha1, request, options)).success;
  }

  async unlock(resource: string, owner: string, options: RequestOptions = {}): Promise<UnlockResult> {
    const request: UnlockRequest = {
      $typeName: 'dapr.proto.runtime.v1.UnlockRequest',
      storeName: this.#storeName,
      resourceId: resource,
      lockOwner: owner,
    };
    const { status } = await this.#connection.call(Dapr.unlockAlpha1, request, options);
    return results[status] ?? 'internal-error';
  }

  /** Prolongs a lock that `owner` holds. */
  async keepAlive(
    resource: string,
    owner: string,
    expirySeconds: number,
    options: RequestOptions = {},
  ): Promise<boolean> {
    const request: LockKeepAliveRequest = {
      $typeName: 'spec.proto.runtime.v1.LockKeepAliveRequest',
      storeName: this.#storeName,
      resourceId: resource,
      lockOwner: owner,
      expire: expirySeconds,
    };
    return (await this.#connection.call(Runtime.lockKeepAlive, request, options)).status === KeepAlive.SUCCESS;
  }

  /** Runs `work` while holding the lock and gives it back; undefined when somebody else holds it. */
  async hold<T>(
    resource: string,
    owner: string,
    expirySeconds: number,
    work: () => Promise<T>,
  ): Promise<T | undefined> {
    if (!(await this.tryLock(resource, owner, expirySeconds))) return undefined;
    try {
      return await work();
    } finally {
      await this.unlock(resource, owner);
    }
  }
}
