/** Publishing events, and receiving them over a stream that the app opens: no port of the app is needed. */
import type { JsonObject } from '@bufbuild/protobuf';
import type {
  BulkPublishRequest,
  PublishEventRequest,
  SubscribeTopicEventsRequestAlpha1,
  TopicEventRequest,
} from '@outrigger/proto/dapr/runtime/v1';
import * as Dapr from '@outrigger/proto/dapr/runtime/v1/dapr';
import { TopicEventResponse_TopicEventResponseStatus as EventStatus } from '@outrigger/proto/dapr/runtime/v1/enums';
import type { Connection, RequestOptions } from './connection.js';
import { Body, encodePayload, type Payload } from './value.js';

export interface PublishOptions extends RequestOptions {
  readonly contentType?: string;
  readonly ttlSeconds?: number;
  /** Publish the bytes without the CloudEvents envelope. */
  readonly raw?: boolean;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** One event as delivered. */
export interface TopicEvent {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly topic: string;
  readonly pubsubName: string;
  readonly data: Body;
  /** CloudEvents extension attributes. */
  readonly extensions: JsonObject;
}

/** `retry`: deliver again later; `drop`: give up (to the dead letter topic, if there is one). A throw means `retry`. */
export type EventOutcome = 'success' | 'retry' | 'drop';
// biome-ignore lint/suspicious/noConfusingVoidType: a handler that returns nothing has succeeded
export type EventHandler = (event: TopicEvent) => Promise<EventOutcome | void> | EventOutcome | void;

export interface EventSubscription {
  /** Stops receiving; resolves when running handlers have answered. */
  close(): Promise<void>;
  /** Resolves when the stream ended after `close`; rejects when it failed. */
  readonly ended: Promise<void>;
}

export interface SubscribeOptions extends RequestOptions {
  readonly deadLetterTopic?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

export function eventOf(request: TopicEventRequest): TopicEvent {
  return {
    id: request.id,
    source: request.source,
    type: request.type,
    topic: request.topic,
    pubsubName: request.pubsubName,
    data: new Body(request.data, request.dataContentType),
    extensions: request.extensions ?? {},
  };
}

const statusOf: Readonly<Record<EventOutcome, EventStatus>> = {
  success: EventStatus.SUCCESS,
  retry: EventStatus.RETRY,
  drop: EventStatus.DROP,
};

/** Runs a handler and turns what came of it into the status that the sidecar understands. */
export async function outcomeOf(handler: EventHandler, event: TopicEvent): Promise<EventStatus> {
  try {
    return statusOf[(await handler(event)) ?? 'success'];
  } catch {
    return EventStatus.RETRY;
  }
}

export class PubSub {
  readonly #connection: Connection;
  readonly #pubsubName: string;

  constructor(connection: Connection, pubsubName: string) {
    this.#connection = connection;
    this.#pubsubName = pubsubName;
  }

  /** Returns when the broker has the event as safely as it keeps events. */
  async publish(topic: string, payload: Payload, options: PublishOptions = {}): Promise<void> {
    const { data, contentType } = encodePayload(payload, options.contentType);
    const request: PublishEventRequest = {
      $typeName: 'dapr.proto.runtime.v1.PublishEventRequest',
      pubsubName: this.#pubsubName,
      topic,
      data,
      dataContentType: contentType,
      metadata: metadataOf(options),
    };
    await this.#connection.call(Dapr.publishEvent, request, options);
  }

  /** Publishes many events at once; the result lists those that failed, by their index. */
  async publishMany(
    topic: string,
    payloads: readonly Payload[],
    options: PublishOptions = {},
  ): Promise<{ readonly index: number; readonly error: string }[]> {
    const request: BulkPublishRequest = {
      $typeName: 'dapr.proto.runtime.v1.BulkPublishRequest',
      pubsubName: this.#pubsubName,
      topic,
      metadata: metadataOf(options),
      entries: payloads.map((payload, index) => {
        const { data, contentType } = encodePayload(payload, options.contentType);
        return {
          $typeName: 'dapr.proto.runtime.v1.BulkPublishRequestEntry',
          entryId: String(index),
          event: data,
          contentType,
          metadata: {},
        };
      }),
    };
    const { failedEntries } = await this.#connection.call(Dapr.bulkPublishEvent, request, options);
    return failedEntries.map(({ entryId, error }) => ({ index: Number(entryId), error }));
  }

  /** Resolves when the subscription is in place: events published afterwards are delivered. */
  async subscribe(topic: string, handler: EventHandler, options: SubscribeOptions = {}): Promise<EventSubscription> {
    const call = this.#connection.transport.stream(Dapr.subscribeTopicEventsAlpha1, this.#connection.options(options));
    await call.send(
      streamRequest({
        case: 'initialRequest',
        value: {
          $typeName: 'dapr.proto.runtime.v1.SubscribeTopicEventsRequestInitialAlpha1',
          pubsubName: this.#pubsubName,
          topic,
          metadata: { ...options.metadata },
          ...(options.deadLetterTopic === undefined ? {} : { deadLetterTopic: options.deadLetterTopic }),
        },
      }),
    );
    const responses = call.responses[Symbol.asyncIterator]();
    const first = await responses.next();
    if (first.done) throw new Error(`the subscription to '${topic}' ended before it began`);

    const running = new Set<Promise<void>>();
    let closing = false;
    const answer = async (request: TopicEventRequest): Promise<void> => {
      const status = await outcomeOf(handler, eventOf(request));
      await call.send(
        streamRequest({
          case: 'eventProcessed',
          value: {
            $typeName: 'dapr.proto.runtime.v1.SubscribeTopicEventsRequestProcessedAlpha1',
            id: request.id,
            status: { $typeName: 'dapr.proto.runtime.v1.TopicEventResponse', status },
          },
        }),
      );
    };
    const receive = async (): Promise<void> => {
      try {
        for (;;) {
          const { done, value } = await responses.next();
          if (done) return;
          const message = value.subscribeTopicEventsResponseType;
          if (message.case !== 'eventMessage' || closing) continue;
          // An answer that cannot be sent means the stream is gone, and the event comes again: nothing to do here.
          const answered: Promise<void> = answer(message.value)
            .catch(() => {})
            .finally(() => running.delete(answered));
          running.add(answered);
        }
      } catch (error) {
        if (!closing) throw error;
      }
    };
    const ended = receive();
    ended.catch(() => {});
    return {
      ended,
      close: async () => {
        closing = true;
        await Promise.all(running);
        call.closeSend();
        call.cancel();
        await ended;
      },
    };
  }
}

function streamRequest(
  type: SubscribeTopicEventsRequestAlpha1['subscribeTopicEventsRequestType'],
): SubscribeTopicEventsRequestAlpha1 {
  return {
    $typeName: 'dapr.proto.runtime.v1.SubscribeTopicEventsRequestAlpha1',
    subscribeTopicEventsRequestType: type,
  };
}

function metadataOf(options: PublishOptions): Record<string, string> {
  return {
    ...options.metadata,
    ...(options.ttlSeconds === undefined ? {} : { ttlInSeconds: String(options.ttlSeconds) }),
    ...(options.raw ? { rawPayload: 'true' } : {}),
  };
}
