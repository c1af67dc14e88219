/**
 * Publishing and streaming subscriptions on Layotto's gRPC API. Its envelope has a source and a type of its own
 * (components/pubsub/types.go), it knows no raw payload, and one topic has one stream.
 */
import type { GrpcMethod, MessageSink, ServerCall } from '@outrigger/engine';
import { methodsOf } from '@outrigger/proto';
import {
  Runtime,
  TopicEventResponse_TopicEventResponseStatus as Status,
  type SubscribeTopicEventsRequest,
  type SubscribeTopicEventsRequestInitial,
  type SubscribeTopicEventsResponse,
} from '@outrigger/proto/layotto/runtime/v1';
import type { PubSubBlock } from '../../block/pubsub/block.js';
import type { EventStream } from '../../block/pubsub/streams.js';
import { fail } from '../../errors.js';
import { contextOf } from '../dapr-grpc/context.js';
import { empty } from '../dapr-grpc/empty.js';
import { bidi, unary } from '../grpc-method.js';
import { replyOf, topicEventRequest } from './pubsub-event.js';

const ATTRIBUTES = { source: 'runtime', type: 'com.runtime.event.sent' } as const;

export function createPubSubMethods(pubsub: Pick<PubSubBlock, 'publish' | 'openStream'>): GrpcMethod[] {
  const methods = methodsOf(Runtime);
  return [
    unary(methods.publishEvent, ({ pubsubName, topic, data, dataContentType: contentType, metadata }, call) => {
      const context = contextOf(call, 'layotto-grpc');
      const input = {
        pubsubName,
        topic,
        data,
        contentType,
        metadata,
        context,
        attributes: ATTRIBUTES,
        mayBeRaw: false,
      };
      return empty(pubsub.publish(input));
    }),
    bidi(methods.subscribeTopicEvents, (requests, call, sink) => serve(pubsub, requests, call, sink)),
  ];
}

const invalid = (error: string): Error => fail('PUBSUB_STREAM_REQUEST_INVALID', { error });

function initialRequest({
  subscribeTopicEventsRequestType: type,
}: SubscribeTopicEventsRequest): SubscribeTopicEventsRequestInitial {
  if (type.case !== 'initialRequest') throw invalid('initial request is required');
  if (type.value.pubsubName === '') throw invalid('pubsubName is required');
  if (type.value.topic === '') throw invalid('topic is required');
  return type.value;
}

async function serve(
  pubsub: Pick<PubSubBlock, 'openStream'>,
  requests: AsyncIterable<SubscribeTopicEventsRequest>,
  call: ServerCall,
  sink: MessageSink<SubscribeTopicEventsResponse>,
): Promise<void> {
  const incoming = requests[Symbol.asyncIterator]();
  const first = await incoming.next();
  if (first.done) return;
  const { pubsubName, topic, metadata, deadLetterTopic } = initialRequest(first.value);
  const message = (
    type: SubscribeTopicEventsResponse['subscribeTopicEventsResponseType'],
  ): SubscribeTopicEventsResponse => ({
    $typeName: 'spec.proto.runtime.v1.SubscribeTopicEventsResponse',
    subscribeTopicEventsResponseType: type,
  });

  let over = (_reason: string | undefined): void => {};
  const end = new Promise<string | undefined>((resolve) => {
    over = resolve;
  });
  const stream = await pubsub.openStream(
    { pubsubName, topic, metadata, deadLetterTopic, exclusive: true },
    {
      send: (event) => sink.send(message({ case: 'eventMessage', value: topicEventRequest(event) })),
      ended: (reason) => over(reason),
    },
  );
  try {
    const started = { $typeName: 'spec.proto.runtime.v1.SubscribeTopicEventsResponseInitial' } as const;
    await sink.send(message({ case: 'initialResponse', value: started }));
    stream.begin();
    call.signal.addEventListener('abort', () => over(undefined), { once: true });
    if (call.signal.aborted) over(undefined);
    const reason = await Promise.race([end, readAnswers(incoming, stream)]);
    if (reason !== undefined) throw fail('PUBSUB_STREAM_ENDED', { name: pubsubName, topic, reason });
  } finally {
    await stream.close();
    await incoming.return?.();
  }
}

/** Resolves when the client has ended its side: nobody would answer any more. */
async function readAnswers(
  incoming: AsyncIterator<SubscribeTopicEventsRequest>,
  stream: EventStream,
): Promise<undefined> {
  for (let next = await incoming.next(); !next.done; next = await incoming.next()) {
    const { subscribeTopicEventsRequestType: type } = next.value;
    if (type.case !== 'eventProcessed') throw invalid('duplicate initial request received');
    stream.answer(type.value.id, replyOf(type.value.status?.status ?? Status.SUCCESS));
  }
}
