/**
 * Publishing and streaming subscriptions on Layotto's gRPC API. Its envelope has a source and a type of its own
 * (components/pubsub/types.go), it knows no raw payload, and one topic has one stream.
 */
import type { GrpcMethod } from '@outrigger/engine';
import { methodsOf } from '@outrigger/proto';
import {
  Runtime,
  TopicEventResponse_TopicEventResponseStatus as Status,
  type SubscribeTopicEventsRequest,
  type SubscribeTopicEventsResponse,
} from '@outrigger/proto/layotto/runtime/v1';
import type { PubSubBlock } from '../../block/pubsub/block.js';
import { contextOf } from '../dapr-grpc/context.js';
import { empty } from '../dapr-grpc/empty.js';
import { type EventStreamMessages, serveEventStream } from '../event-stream.js';
import { bidi, unary } from '../grpc-method.js';
import { replyOf, topicEventRequest } from './pubsub-event.js';

const ATTRIBUTES = { source: 'runtime', type: 'com.runtime.event.sent' } as const;

function response(
  type: SubscribeTopicEventsResponse['subscribeTopicEventsResponseType'],
): SubscribeTopicEventsResponse {
  return { $typeName: 'spec.proto.runtime.v1.SubscribeTopicEventsResponse', subscribeTopicEventsResponseType: type };
}

const messages: EventStreamMessages<SubscribeTopicEventsRequest, SubscribeTopicEventsResponse> = {
  initial: ({ subscribeTopicEventsRequestType: type }) => (type.case === 'initialRequest' ? type.value : undefined),
  answer: ({ subscribeTopicEventsRequestType: type }) =>
    type.case === 'eventProcessed'
      ? { id: type.value.id, reply: replyOf(type.value.status?.status ?? Status.SUCCESS) }
      : undefined,
  started: response({
    case: 'initialResponse',
    value: { $typeName: 'spec.proto.runtime.v1.SubscribeTopicEventsResponseInitial' },
  }),
  event: (event) => response({ case: 'eventMessage', value: topicEventRequest(event) }),
  exclusive: true,
};

export function createPubSubMethods(pubsub: Pick<PubSubBlock, 'publish' | 'openStream'>): GrpcMethod[] {
  const methods = methodsOf(Runtime);
  return [
    unary(methods.publishEvent, ({ pubsubName, topic, data, dataContentType: contentType, metadata }, call) => {
      const context = contextOf(call, 'layotto-grpc');
      const input = { pubsubName, topic, data, contentType, metadata, context, attributes: ATTRIBUTES };
      return empty(pubsub.publish({ ...input, mayBeRaw: false }));
    }),
    bidi(methods.subscribeTopicEvents, (requests, call, sink) =>
      serveEventStream(pubsub, messages, requests, call, sink),
    ),
  ];
}
