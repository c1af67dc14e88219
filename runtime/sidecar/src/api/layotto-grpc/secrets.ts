/** Secrets on Layotto's gRPC API. */
import type { GrpcMethod } from '@outrigger/engine';
import * as Runtime from '@outrigger/proto/layotto/runtime/v1/runtime';
import { whenReady } from '../../block/component-call.js';
import type { SecretBlock } from '../../block/secret.js';
import { contextOf } from '../dapr-grpc/context.js';
import { unary } from '../grpc-method.js';

export function createSecretMethods(secret: SecretBlock): GrpcMethod[] {
  return [
    unary(Runtime.getSecret, ({ storeName, key, metadata }, call) =>
      whenReady(secret.get(storeName, key, metadata, contextOf(call, 'layotto-grpc')), (data) => ({
        $typeName: 'spec.proto.runtime.v1.GetSecretResponse' as const,
        data: { ...data },
      })),
    ),
    unary(Runtime.getBulkSecret, ({ storeName, metadata }, call) =>
      whenReady(secret.bulkGet(storeName, metadata, contextOf(call, 'layotto-grpc')), (found) => ({
        $typeName: 'spec.proto.runtime.v1.GetBulkSecretResponse' as const,
        data: Object.fromEntries(
          [...found].map(([name, secrets]) => [
            name,
            { $typeName: 'spec.proto.runtime.v1.SecretResponse' as const, secrets: { ...secrets } },
          ]),
        ),
      })),
    ),
  ];
}
