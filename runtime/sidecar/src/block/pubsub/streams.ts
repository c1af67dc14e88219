/**
 * Subscriptions that an app opens as a stream (Dapr's SubscribeTopicEventsAlpha1, Layotto's SubscribeTopicEvents). Events
 * go out as they come, answers come back by event id in any order. When a stream ends, what it has not answered goes back
 * to the broker.
 */
import type { SubscriptionSpec } from '../../config/model.js';
import { type Reply, SUCCESS, type Subscriber } from './subscriber.js';
import type { TopicEvent } from './topic-event.js';

/** Streams open at once in one sidecar. */
export const STREAMS_MAX = 1_000;

export interface StreamRequest {
  readonly pubsubName: string;
  readonly topic: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly deadLetterTopic: string | undefined;
  /** Layotto allows one stream for each topic, Dapr any number. */
  readonly exclusive: boolean;
}

/** The far end of a stream, as the surface serves it. */
export interface StreamEnd {
  /** Sends one event; a promise when the stream is congested. A rejection means that the stream is gone. */
  send(event: TopicEvent): Promise<void> | undefined;
  /** The sidecar ends the stream: it shuts down, or the component is gone. */
  ended(reason: string): void;
}

export interface EventStream {
  /** Lets events flow: called when the surface has said that the subscription is in place. */
  begin(): void;
  /** false: no event with this id is waiting for an answer. */
  answer(eventId: string, reply: Reply): boolean;
  /** The app is gone. Resolves when its events are back with the broker. */
  close(): Promise<void>;
}

const GONE: Reply = { answer: 'away', reason: 'the stream has ended' };

/** Dapr's subscription of a stream: every event, at path `/`. */
export function streamSpec(request: StreamRequest): SubscriptionSpec {
  return {
    pubsubName: request.pubsubName,
    topic: request.topic,
    metadata: request.metadata,
    rules: [],
    defaultPath: '/',
    deadLetterTopic: request.deadLetterTopic === '' ? undefined : request.deadLetterTopic,
    bulk: undefined,
  };
}

/** The subscriber that stands for one stream. */
export class StreamSubscriber implements Subscriber {
  readonly #end: StreamEnd;
  /** Event id → who waits for its answer, oldest first: publishers may give two events one id. */
  readonly #waiting = new Map<string, ((reply: Reply) => void)[]>();
  #begun = false;
  #gone = false;
  #held: (() => void)[] = [];

  constructor(end: StreamEnd) {
    this.#end = end;
  }

  begin(): void {
    this.#begun = true;
    for (const release of this.#held.splice(0)) release();
  }

  deliver(event: TopicEvent, signal: AbortSignal): Promise<Reply> {
    if (this.#gone) return Promise.resolve(GONE);
    return new Promise((resolve) => {
      const { id } = event;
      const waiting = this.#waiting.get(id);
      const settle = (reply: Reply): void => {
        signal.removeEventListener('abort', onAbort);
        resolve(reply);
      };
      const onAbort = (): void => {
        this.#forget(id, settle);
        settle(GONE);
      };
      if (waiting === undefined) this.#waiting.set(id, [settle]);
      else waiting.push(settle);
      signal.addEventListener('abort', onAbort, { once: true });
      const send = (): void => {
        if (this.#gone || signal.aborted) return;
        this.#end.send(event)?.catch(() => this.gone());
      };
      // Order is kept: what was held is sent before what comes later.
      if (this.#begun) send();
      else this.#held.push(send);
    });
  }

  answer(eventId: string, reply: Reply): boolean {
    const waiting = this.#waiting.get(eventId);
    const settle = waiting?.shift();
    if (settle === undefined) return false;
    if (waiting?.length === 0) this.#waiting.delete(eventId);
    settle(reply);
    return true;
  }

  /** Nobody will answer any more. */
  gone(): void {
    this.#gone = true;
    const all = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#held = [];
    for (const waiting of all) for (const settle of waiting) settle(GONE);
  }

  #forget(id: string, settle: (reply: Reply) => void): void {
    const waiting = this.#waiting.get(id) ?? [];
    const at = waiting.indexOf(settle);
    if (at >= 0) waiting.splice(at, 1);
    if (waiting.length === 0) this.#waiting.delete(id);
  }
}

export const streamReplies: Readonly<Record<'success' | 'retry' | 'drop', Reply>> = {
  success: SUCCESS,
  retry: { answer: 'retry', asked: true, reason: 'the app asked for it' },
  // Dapr counts a drop on a stream under the status of its process.
  drop: { answer: 'drop', reason: 'the app asked for it' },
};
