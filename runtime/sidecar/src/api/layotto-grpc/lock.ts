/** Locks on Layotto's gRPC API: Dapr's, and a keep-alive. */
import type { GrpcMethod } from '@outrigger/engine';
import * as Runtime from '@outrigger/proto/layotto/runtime/v1/runtime';
import { whenReady } from '../../block/component-call.js';
import { LOCK_STATUS_NUMBERS, type LockBlock } from '../../block/lock.js';
import { contextOf } from '../dapr-grpc/context.js';
import { unary } from '../grpc-method.js';

export function createLockMethods(lock: LockBlock): GrpcMethod[] {
  return [
    unary(Runtime.tryLock, ({ storeName, resourceId, lockOwner: owner, expire: expirySeconds }, call) => {
      const held = lock.tryLock({ storeName, resourceId, owner, expirySeconds }, contextOf(call, 'layotto-grpc'));
      return whenReady(held, (success) => ({ $typeName: 'spec.proto.runtime.v1.TryLockResponse' as const, success }));
    }),
    unary(Runtime.unlock, ({ storeName, resourceId, lockOwner: owner }, call) =>
      whenReady(lock.unlock({ storeName, resourceId, owner }, contextOf(call, 'layotto-grpc')), (status) => ({
        $typeName: 'spec.proto.runtime.v1.UnlockResponse' as const,
        status: LOCK_STATUS_NUMBERS[status],
      })),
    ),
    unary(Runtime.lockKeepAlive, ({ storeName, resourceId, lockOwner: owner, expire: expirySeconds }, call) => {
      const kept = lock.keepAlive({ storeName, resourceId, owner, expirySeconds }, contextOf(call, 'layotto-grpc'));
      return whenReady(kept, (status) => ({
        $typeName: 'spec.proto.runtime.v1.LockKeepAliveResponse' as const,
        status: LOCK_STATUS_NUMBERS[status],
      }));
    }),
  ];
}
