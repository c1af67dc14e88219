/** Secrets on Layotto's gRPC API. */
import type { GrpcMethod } from '@outrigger/engine';
import { methodsOf } from '@outrigger/proto';
import { Runtime } from '@outrigger/proto/layotto/runtime/v1';
import { whenReady } from '../../block/component-call.js';
import type { SecretBlock } from '../../block/secret.js';
import { contextOf } from '../dapr-grpc/context.js';
import { unary } from '../grpc-method.js';

export function createSecretMethods(secret: SecretBlock): GrpcMethod[] {
  const methods = methodsOf(Runtime);
  return [
    unary(methods.getSecret, ({ storeName, key, metadata }, call) =>
      whenReady(secret.get(storeName, key, metadata, contextOf(call, 'layotto-grpc')), (data) => ({
        $typeName: 'spec.proto.runtime.v1.GetSecretResponse' as const,
        data: { ...data },
      })),
    ),
    unary(methods.getBulkSecret, ({ storeName, metadata }, call) =>
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
