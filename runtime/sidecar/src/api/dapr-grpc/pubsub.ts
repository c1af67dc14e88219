/** Publishing on Dapr's gRPC API. */
import type { GrpcMethod, ServerCall } from '@outrigger/engine';
import type { BulkPublishRequest, BulkPublishResponse } from '@outrigger/proto/dapr/runtime/v1';
import * as Dapr from '@outrigger/proto/dapr/runtime/v1/dapr';
import type { PubSubBlock } from '../../block/pubsub/block.js';
import { unary } from '../grpc-method.js';
import { contextOf } from './context.js';
import { empty } from './empty.js';

export function createPubSubMethods(pubsub: Pick<PubSubBlock, 'publish' | 'bulkPublish'>): GrpcMethod[] {
  // As in Dapr, a batch of which one entry failed is an error of the call: the response then names no entries.
  const bulkPublish = async (request: BulkPublishRequest, call: ServerCall): Promise<BulkPublishResponse> => {
    const { pubsubName, topic, entries, metadata } = request;
    const { error } = await pubsub.bulkPublish({ pubsubName, topic, entries, metadata, context: contextOf(call) });
    if (error !== undefined) throw error;
    return { $typeName: 'dapr.proto.runtime.v1.BulkPublishResponse', failedEntries: [] };
  };

  return [
    unary(Dapr.publishEvent, (request, call) => {
      const { pubsubName, topic, data, dataContentType: contentType, metadata } = request;
      return empty(pubsub.publish({ pubsubName, topic, data, contentType, metadata, context: contextOf(call) }));
    }),
    unary(Dapr.bulkPublishEvent, bulkPublish),
    unary(Dapr.bulkPublishEventAlpha1, bulkPublish),
  ];
}
