/** Streaming subscriptions of Dapr's gRPC API: the first message names the topic, later ones answer events by id. */
import type { GrpcMethod, MessageSink, ServerCall } from '@outrigger/engine';
import { methodsOf } from '@outrigger/proto';
import {
  Dapr,
  TopicEventResponse_TopicEventResponseStatus as Status,
  type SubscribeTopicEventsRequestAlpha1,
  type SubscribeTopicEventsRequestProcessedAlpha1,
  type SubscribeTopicEventsResponseAlpha1,
} from '@outrigger/proto/dapr/runtime/v1';
import type { PubSubBlock } from '../../block/pubsub/block.js';
import type { EventStream } from '../../block/pubsub/streams.js';
import { fail } from '../../errors.js';
import { bidi } from '../grpc-method.js';
import { replyOf, topicEventRequest } from './pubsub-event.js';

type Requests = AsyncIterable<SubscribeTopicEventsRequestAlpha1>;
type Sink = MessageSink<SubscribeTopicEventsResponseAlpha1>;

export function createSubscribeMethods(pubsub: Pick<PubSubBlock, 'openStream'>): GrpcMethod[] {
  return [
    bidi(methodsOf(Dapr).subscribeTopicEventsAlpha1, (requests, call, sink) => serve(pubsub, requests, call, sink)),
  ];
}

async function serve(
  pubsub: Pick<PubSubBlock, 'openStream'>,
  requests: Requests,
  call: ServerCall,
  sink: Sink,
): Promise<void> {
  const incoming = requests[Symbol.asyncIterator]();
  const first = await incoming.next();
  // A client that changes its mind before it says anything has lost nothing.
  if (first.done) return;
  const request = initialRequest(first.value);

  let over = (_reason: string | undefined): void => {};
  const end = new Promise<string | undefined>((resolve) => {
    over = resolve;
  });
  const stream = await pubsub.openStream(
    {
      pubsubName: request.pubsubName,
      topic: request.topic,
      metadata: request.metadata,
      deadLetterTopic: request.deadLetterTopic,
      exclusive: false,
    },
    { send: (event) => sink.send(eventMessage(topicEventRequest(event))), ended: (reason) => over(reason) },
  );
  try {
    await sink.send({
      $typeName: 'dapr.proto.runtime.v1.SubscribeTopicEventsResponseAlpha1',
      subscribeTopicEventsResponseType: {
        case: 'initialResponse',
        value: { $typeName: 'dapr.proto.runtime.v1.SubscribeTopicEventsResponseInitialAlpha1' },
      },
    });
    stream.begin();
    call.signal.addEventListener('abort', () => over(undefined), { once: true });
    if (call.signal.aborted) over(undefined);
    const reason = await Promise.race([end, readAnswers(incoming, stream)]);
    if (reason !== undefined) {
      throw fail('PUBSUB_STREAM_ENDED', { name: request.pubsubName, topic: request.topic, reason });
    }
  } finally {
    await stream.close();
    // Not awaited: an iterator that waits for a message ends only after that.
    void incoming.return?.();
  }
}

/** Resolves when the client has ended its side: nobody would answer any more. */
async function readAnswers(
  incoming: AsyncIterator<SubscribeTopicEventsRequestAlpha1>,
  stream: EventStream,
): Promise<undefined> {
  for (let next = await incoming.next(); !next.done; next = await incoming.next()) {
    const { subscribeTopicEventsRequestType: message } = next.value;
    if (message.case !== 'eventProcessed') {
      throw fail('PUBSUB_STREAM_REQUEST_INVALID', { error: 'duplicate initial request received' });
    }
    answer(stream, message.value);
  }
}

/** An id that nobody waits for is ignored, as in Dapr: its event has gone back to the broker in the meantime. */
function answer(stream: EventStream, { id, status }: SubscribeTopicEventsRequestProcessedAlpha1): void {
  stream.answer(id, replyOf(status?.status ?? Status.SUCCESS, false));
}

function initialRequest(message: SubscribeTopicEventsRequestAlpha1): {
  readonly pubsubName: string;
  readonly topic: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly deadLetterTopic: string | undefined;
} {
  const { subscribeTopicEventsRequestType: type } = message;
  const invalid = (error: string): Error => fail('PUBSUB_STREAM_REQUEST_INVALID', { error });
  if (type.case !== 'initialRequest') throw invalid('initial request is required');
  const { pubsubName, topic, metadata, deadLetterTopic } = type.value;
  if (pubsubName === '') throw invalid('pubsubName is required');
  if (topic === '') throw invalid('topic is required');
  return { pubsubName, topic, metadata, deadLetterTopic };
}

function eventMessage(value: ReturnType<typeof topicEventRequest>): SubscribeTopicEventsResponseAlpha1 {
  return {
    $typeName: 'dapr.proto.runtime.v1.SubscribeTopicEventsResponseAlpha1',
    subscribeTopicEventsResponseType: { case: 'eventMessage', value },
  };
}
