/** Who takes the events of a subscription: the app behind its channel in some dialect, or one end of a stream. */
import type { Answer } from './delivery.js';
import type { ProcessStatus } from './metrics.js';
import type { TopicEvent } from './topic-event.js';

export interface Reply {
  readonly answer: Answer;
  /** One sentence for the log, unless it is `success`. */
  readonly reason?: string;
  /** The subscriber itself said so, rather than its call failing. */
  readonly asked?: boolean;
  /** The connection broke before there was an answer: the subscriber may have gone away meanwhile. */
  readonly lost?: boolean;
  /** HTTP or gRPC status of a failed call, for retry policies that look at it. */
  readonly code?: { readonly http: number } | { readonly grpc: number };
}

export const SUCCESS: Reply = { answer: 'success', asked: true };

/** How Dapr's metrics count a reply; undefined: nothing was decided. */
export function processStatusOf({ answer }: Reply): ProcessStatus | undefined {
  if (answer === 'away') return undefined;
  return answer === 'fatal' ? 'retry' : answer;
}

export interface BatchEntry {
  /** Unique in the batch, the same for every attempt. */
  readonly entryId: string;
  readonly event: TopicEvent;
}

/** Events of one subscription that share a path. */
export interface EventBatch {
  readonly id: string;
  readonly pubsubName: string;
  readonly topic: string;
  readonly path: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly entries: readonly BatchEntry[];
}

/** One reply for all entries, or one for each; an entry without a reply is delivered again. */
export type BatchReply = Reply | ReadonlyMap<string, Reply>;

export interface Subscriber {
  /** A rejection counts as `retry`. The signal aborts when nobody waits for the reply any more. */
  deliver(event: TopicEvent, signal: AbortSignal): Promise<Reply>;
  /** Absent where the subscriber takes events one by one only. */
  deliverBatch?(batch: EventBatch, signal: AbortSignal): Promise<BatchReply>;
}

/** Inbound retry policy of a component: timeouts and repeats of deliveries. */
export interface DeliveryPolicy {
  /** Most time one attempt may take; undefined: no limit. */
  readonly timeoutMs: number | undefined;
  /** The wait before attempt `attempt + 1`, or undefined when there is none. `random` is in [0, 1). */
  retryDelayMs(attempt: number, reply: Reply, random: number): number | undefined;
}

export interface DeliveryPolicySource {
  inbound(pubsubName: string): DeliveryPolicy | undefined;
}

/** One attempt, no limit: Dapr's behaviour without a Resiliency document. */
export const noDeliveryPolicies: DeliveryPolicySource = { inbound: () => undefined };
