/** Layotto's AppCallback: subscriptions and events of gRPC apps. Its subscriptions have no routes, bulk or dead letters. */
import * as AppCallback from '@outrigger/proto/layotto/runtime/v1/app-callback';
import { callbackMetadata, type GrpcCallbackDialect } from '../../block/pubsub/grpc-callback.js';
import { replyOf, topicEventRequest } from './pubsub-event.js';

export const layottoGrpcCallback: GrpcCallbackDialect = {
  name: 'layotto',
  listSubscriptions: async (client, signal) => {
    const { subscriptions } = await client.unary(
      AppCallback.listTopicSubscriptions,
      { $typeName: 'google.protobuf.Empty' },
      { signal },
    );
    return subscriptions.map(({ pubsubName, topic, metadata }) => ({
      pubsubName,
      topic,
      metadata,
      rules: [],
      defaultPath: '',
      deadLetterTopic: undefined,
      bulk: undefined,
    }));
  },
  deliver: async (client, event, signal) => {
    const metadata = callbackMetadata(event.metadata, event.trace);
    const { status } = await client.unary(AppCallback.onTopicEvent, topicEventRequest(event), { metadata, signal });
    return replyOf(status);
  },
};
