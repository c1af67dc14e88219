/** Streaming subscriptions of Dapr's gRPC API: any number of streams for one topic. */
import type { GrpcMethod } from '@outrigger/engine';
import type {
  SubscribeTopicEventsRequestAlpha1,
  SubscribeTopicEventsResponseAlpha1,
} from '@outrigger/proto/dapr/runtime/v1';
import * as Dapr from '@outrigger/proto/dapr/runtime/v1/dapr';
import { TopicEventResponse_TopicEventResponseStatus as Status } from '@outrigger/proto/dapr/runtime/v1/enums';
import type { PubSubBlock } from '../../block/pubsub/block.js';
import { type EventStreamMessages, serveEventStream } from '../event-stream.js';
import { bidi } from '../grpc-method.js';
import { replyOf, topicEventRequest } from './pubsub-event.js';

function response(
  type: SubscribeTopicEventsResponseAlpha1['subscribeTopicEventsResponseType'],
): SubscribeTopicEventsResponseAlpha1 {
  return {
    $typeName: 'dapr.proto.runtime.v1.SubscribeTopicEventsResponseAlpha1',
    subscribeTopicEventsResponseType: type,
  };
}

const messages: EventStreamMessages<SubscribeTopicEventsRequestAlpha1, SubscribeTopicEventsResponseAlpha1> = {
  initial: ({ subscribeTopicEventsRequestType: type }) => (type.case === 'initialRequest' ? type.value : undefined),
  answer: ({ subscribeTopicEventsRequestType: type }) =>
    type.case === 'eventProcessed'
      ? { id: type.value.id, reply: replyOf(type.value.status?.status ?? Status.SUCCESS, false) }
      : undefined,
  started: response({
    case: 'initialResponse',
    value: { $typeName: 'dapr.proto.runtime.v1.SubscribeTopicEventsResponseInitialAlpha1' },
  }),
  event: (event) => response({ case: 'eventMessage', value: topicEventRequest(event) }),
  exclusive: false,
};

export function createSubscribeMethods(pubsub: Pick<PubSubBlock, 'openStream'>): GrpcMethod[] {
  return [
    bidi(Dapr.subscribeTopicEventsAlpha1, (requests, call, sink) =>
      serveEventStream(pubsub, messages, requests, call, sink),
    ),
  ];
}
