/**
 * Publishing and streaming subscriptions on Layotto's gRPC API. Its envelope has a source and a type of its own
 * (components/pubsub/types.go), it knows no raw payload, and one topic has one stream.
 */
import type { GrpcMethod } from '@outrigger/engine';
import type { SubscribeTopicEventsRequest, SubscribeTopicEventsResponse } from '@outrigger/proto/layotto/runtime/v1';
import { TopicEventResponse_TopicEventResponseStatus as Status } from '@outrigger/proto/layotto/runtime/v1/enums';
import * as Runtime from '@outrigger/proto/layotto/runtime/v1/runtime';
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
  return [
    unary(Runtime.publishEvent, ({ pubsubName, topic, data, dataContentType: contentType, metadata }, call) => {
      const context = contextOf(call, 'layotto-grpc');
      const input = { pubsubName, topic, data, contentType, metadata, context, attributes: ATTRIBUTES };
      return empty(pubsub.publish({ ...input, mayBeRaw: false }));
    }),
    bidi(Runtime.subscribeTopicEvents, (requests, call, sink) =>
      serveEventStream(pubsub, messages, requests, call, sink),
    ),
  ];
}
