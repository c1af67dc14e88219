/** Dapr's AppCallback: subscriptions and events of gRPC apps. */
import { type GrpcClient, GrpcCode, GrpcStatusError } from '@outrigger/engine';
import type { TopicEventBulkResponse, TopicSubscription } from '@outrigger/proto/dapr/runtime/v1';
import * as AppCallback from '@outrigger/proto/dapr/runtime/v1/app-callback';
import * as AppCallbackAlpha from '@outrigger/proto/dapr/runtime/v1/app-callback-alpha';
import { callbackMetadata, type GrpcCallbackDialect } from '../../block/pubsub/grpc-callback.js';
import type { Reply } from '../../block/pubsub/subscriber.js';
import type { SubscriptionSpec } from '../../config/model.js';
import { replyOf, topicEventBulkRequest, topicEventRequest } from './pubsub-event.js';

export const daprGrpcCallback: GrpcCallbackDialect = {
  name: 'dapr',
  listSubscriptions: async (client, signal) => {
    const { subscriptions } = await client.unary(
      AppCallback.listTopicSubscriptions,
      { $typeName: 'google.protobuf.Empty' },
      { signal },
    );
    return subscriptions.map(specOf);
  },
  deliver: async (client, event, signal) => {
    const metadata = callbackMetadata(event.metadata, event.trace);
    const { status } = await client.unary(AppCallback.onTopicEvent, topicEventRequest(event), { metadata, signal });
    return replyOf(status);
  },
  deliverBatch: async (client, batch, signal) => {
    const answer = await onBulkTopicEvent(client, batch, signal);
    const replies = new Map<string, Reply>();
    for (const { entryId, status } of answer.statuses) replies.set(entryId, replyOf(status));
    return replies;
  },
};

/** The stable method, then the alpha one that older apps serve. */
async function onBulkTopicEvent(
  client: GrpcClient,
  batch: Parameters<typeof topicEventBulkRequest>[0],
  signal: AbortSignal,
): Promise<TopicEventBulkResponse> {
  const request = topicEventBulkRequest(batch);
  const options = { metadata: callbackMetadata(batch.metadata, batch.entries[0]?.event.trace), signal };
  try {
    return await client.unary(AppCallback.onBulkTopicEvent, request, options);
  } catch (error) {
    if (!(error instanceof GrpcStatusError) || error.code !== GrpcCode.UNIMPLEMENTED) throw error;
    return client.unary(AppCallbackAlpha.onBulkTopicEventAlpha1, request, options);
  }
}

function specOf(subscription: TopicSubscription): SubscriptionSpec {
  const { pubsubName, topic, metadata, routes, deadLetterTopic, bulkSubscribe } = subscription;
  const rules = (routes?.rules ?? []).map(({ match, path }) => ({ match, path }));
  const named = routes?.default ?? '';
  return {
    pubsubName,
    topic,
    metadata,
    rules,
    // A gRPC app needs no path: without routes every event comes with an empty one.
    defaultPath: named === '' ? (rules.length === 0 ? '' : undefined) : named,
    deadLetterTopic: deadLetterTopic === '' ? undefined : deadLetterTopic,
    bulk: bulkSubscribe?.enabled
      ? { messagesMax: bulkSubscribe.maxMessagesCount, awaitMs: bulkSubscribe.maxAwaitDurationMs }
      : undefined,
  };
}
