/** Locks on Dapr's gRPC API. */
import type { GrpcMethod } from '@outrigger/engine';
import * as Dapr from '@outrigger/proto/dapr/runtime/v1/dapr';
import { whenReady } from '../../block/component-call.js';
import { LOCK_STATUS_NUMBERS, type LockBlock } from '../../block/lock.js';
import { unary } from '../grpc-method.js';
import { contextOf } from './context.js';

export function createLockMethods(lock: LockBlock): GrpcMethod[] {
  return [
    unary(Dapr.tryLockAlpha1, (request, call) => {
      const { storeName, resourceId, lockOwner: owner, expiryInSeconds: expirySeconds } = request;
      const held = lock.tryLock({ storeName, resourceId, owner, expirySeconds }, contextOf(call));
      return whenReady(held, (success) => ({ $typeName: 'dapr.proto.runtime.v1.TryLockResponse' as const, success }));
    }),
    unary(Dapr.unlockAlpha1, (request, call) => {
      const { storeName, resourceId, lockOwner: owner } = request;
      return whenReady(lock.unlock({ storeName, resourceId, owner }, contextOf(call)), (status) => ({
        $typeName: 'dapr.proto.runtime.v1.UnlockResponse' as const,
        status: LOCK_STATUS_NUMBERS[status],
      }));
    }),
  ];
}
