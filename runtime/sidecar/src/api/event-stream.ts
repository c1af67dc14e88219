/**
 * Streaming subscriptions, whose protocol is one in both dialects: the first message names the topic, the answer to it
 * says that the subscription is in place, events follow, and later messages answer them by id.
 */
import type { MessageSink, ServerCall } from '@outrigger/engine';
import type { PubSubBlock } from '../block/pubsub/block.js';
import type { EventStream } from '../block/pubsub/streams.js';
import type { Reply } from '../block/pubsub/subscriber.js';
import type { TopicEvent } from '../block/pubsub/topic-event.js';
import { fail } from '../errors.js';

/** What the first message asks for. */
export interface InitialRequest {
  readonly pubsubName: string;
  readonly topic: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly deadLetterTopic?: string | undefined;
}

/** The messages of one dialect. */
export interface EventStreamMessages<Request, Response> {
  /** undefined: not an initial request. */
  initial(request: Request): InitialRequest | undefined;
  /** undefined: not an answer to an event. */
  answer(request: Request): { readonly id: string; readonly reply: Reply } | undefined;
  readonly started: Response;
  /** Throws EventDataError when the event cannot be put into a message. */
  event(event: TopicEvent): Response;
  /** One stream per topic only. */
  readonly exclusive: boolean;
}

const invalid = (error: string): Error => fail('PUBSUB_STREAM_REQUEST_INVALID', { error });

function checked(request: InitialRequest | undefined): InitialRequest {
  if (request === undefined) throw invalid('initial request is required');
  if (request.pubsubName === '') throw invalid('pubsubName is required');
  if (request.topic === '') throw invalid('topic is required');
  return request;
}

export async function serveEventStream<Request, Response>(
  pubsub: Pick<PubSubBlock, 'openStream'>,
  messages: EventStreamMessages<Request, Response>,
  requests: AsyncIterable<Request>,
  call: ServerCall,
  sink: MessageSink<Response>,
): Promise<void> {
  const incoming = requests[Symbol.asyncIterator]();
  const first = await incoming.next();
  // A client that changes its mind before it says anything has lost nothing.
  if (first.done) return;
  const { pubsubName, topic, metadata, deadLetterTopic } = checked(messages.initial(first.value));

  let over = (_reason: string | undefined): void => {};
  const end = new Promise<string | undefined>((resolve) => {
    over = resolve;
  });
  const stream = await pubsub.openStream(
    { pubsubName, topic, metadata, deadLetterTopic, exclusive: messages.exclusive },
    { send: (event) => sink.send(messages.event(event)), ended: (reason) => over(reason) },
  );
  try {
    await sink.send(messages.started);
    stream.begin();
    call.signal.addEventListener('abort', () => over(undefined), { once: true });
    if (call.signal.aborted) over(undefined);
    const reason = await Promise.race([end, readAnswers(incoming, messages, stream)]);
    if (reason !== undefined) throw fail('PUBSUB_STREAM_ENDED', { name: pubsubName, topic, reason });
  } finally {
    await stream.close();
    // Not awaited: an iterator that waits for a message ends only after that.
    void incoming.return?.();
  }
}

/**
 * Resolves when the client has ended its side: nobody would answer any more. An id that nobody waits for is ignored, as
 * in Dapr: its event has gone back to the broker in the meantime.
 */
async function readAnswers<Request>(
  incoming: AsyncIterator<Request>,
  messages: Pick<EventStreamMessages<Request, unknown>, 'answer'>,
  stream: EventStream,
): Promise<undefined> {
  for (let next = await incoming.next(); !next.done; next = await incoming.next()) {
    const answer = messages.answer(next.value);
    if (answer === undefined) throw invalid('duplicate initial request received');
    stream.answer(answer.id, answer.reply);
  }
}
