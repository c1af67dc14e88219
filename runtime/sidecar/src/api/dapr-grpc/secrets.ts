/** Secrets on Dapr's gRPC API. */
import type { GrpcMethod } from '@outrigger/engine';
import type { SecretResponse } from '@outrigger/proto/dapr/runtime/v1';
import * as Dapr from '@outrigger/proto/dapr/runtime/v1/dapr';
import { whenReady } from '../../block/component-call.js';
import type { SecretBlock, SecretValues } from '../../block/secret.js';
import { unary } from '../grpc-method.js';
import { contextOf } from './context.js';

function secretOf(secrets: SecretValues): SecretResponse {
  return { $typeName: 'dapr.proto.runtime.v1.SecretResponse', secrets: { ...secrets } };
}

export function createSecretMethods(secret: SecretBlock): GrpcMethod[] {
  return [
    unary(Dapr.getSecret, ({ storeName, key, metadata }, call) =>
      whenReady(secret.get(storeName, key, metadata, contextOf(call)), (data) => ({
        $typeName: 'dapr.proto.runtime.v1.GetSecretResponse' as const,
        data: { ...data },
      })),
    ),
    unary(Dapr.getBulkSecret, ({ storeName, metadata }, call) =>
      whenReady(secret.bulkGet(storeName, metadata, contextOf(call)), (found) => ({
        $typeName: 'dapr.proto.runtime.v1.GetBulkSecretResponse' as const,
        data: Object.fromEntries([...found].map(([name, values]) => [name, secretOf(values)])),
      })),
    ),
  ];
}
