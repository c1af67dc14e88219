/** One subscription in place: the component on one side, the subscriber on the other, deliveries in between. */
import type { IncomingMessage, PubSub } from '@outrigger/components-core';
import type { Clock, Logger, Timer } from '@outrigger/engine';
import type { SubscriptionSpec } from '../../config/model.js';
import { messageOf } from '../component-call.js';
import { Batcher } from './batcher.js';
import { ABANDON } from './delivery.js';
import { goBool } from './go-bool.js';
import { LogThrottle } from './log-throttle.js';
import type { PubSubMetrics } from './metrics.js';
import type { Router } from './routing.js';
import { type DeliveryScene, RunningDelivery } from './run-delivery.js';
import { type DeliveryPolicy, processStatusOf, type Reply, type Subscriber } from './subscriber.js';
import { triage } from './triage.js';

/** Messages of one subscription that may be with the subscriber at once. */
export const IN_FLIGHT_MAX = 100;
/** Dapr's defaults of bulk subscriptions. */
export const BULK_MESSAGES_DEFAULT = 100;
export const BULK_AWAIT_MS_DEFAULT = 1_000;
/** Most messages of one batch; the configured number is cut to this. */
export const BULK_MESSAGES_MAX = 10_000;
/** Longest wait for a batch to fill. */
export const BULK_AWAIT_MS_MAX = 600_000;

export interface SubscriptionDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: PubSubMetrics;
  readonly policy: DeliveryPolicy | undefined;
  publishDeadLetter(pubsubName: string, topic: string, message: IncomingMessage): Promise<void>;
  /** The subscriber could not be reached. */
  away(reason: string): void;
}

export interface SubscriptionRequest {
  readonly spec: SubscriptionSpec;
  readonly router: Router;
  readonly component: PubSub;
  readonly consumerId: string;
  /** One message at a time. */
  readonly serial: boolean;
  readonly subscriber: Subscriber;
}

export interface OpenSubscription {
  readonly spec: SubscriptionSpec;
  readonly component: PubSub;
  /**
   * Takes no further messages. Attempts under way may end until the deadline (clock time), the rest is abandoned; with
   * `flush` a batch that was being gathered is sent as well. Resolves when every message is settled. Called again, an
   * earlier deadline counts.
   */
  close(deadline: number, flush: boolean): Promise<void>;
}

/** Resolves when the subscription is in place: a message published afterwards is delivered. */
export async function openSubscription(
  request: SubscriptionRequest,
  deps: SubscriptionDeps,
): Promise<OpenSubscription> {
  const { spec, component, subscriber } = request;
  const { clock } = deps;
  const log = deps.log.child({ pubsub: spec.pubsubName, topic: spec.topic });
  const metrics = deps.metrics.ingress(spec.pubsubName, spec.topic);
  const running = new Set<RunningDelivery>();
  const batcher = batcherOf(request, deps);
  const rawPayload = rawPayloadOf(spec);
  let stage: 'open' | 'flushing' | 'closed' = 'open';

  const scene: DeliveryScene = {
    clock,
    log,
    throttle: new LogThrottle(clock),
    metrics,
    policy: deps.policy,
    deadLetterTopic: spec.deadLetterTopic,
    publishDeadLetter: (message) => deps.publishDeadLetter(spec.pubsubName, spec.deadLetterTopic as string, message),
    attempt: (delivery, event, signal, attempt) => {
      if (batcher !== undefined) {
        batcher.add(delivery, event, signal, attempt);
        return;
      }
      const started = clock.now();
      const answered = (reply: Reply): void => {
        const status = processStatusOf(reply);
        if (status !== undefined) {
          metrics.event(status, status === 'drop' && reply.asked ? 'success' : status, clock.now() - started);
        }
        delivery.answered(signal, reply);
      };
      subscriber.deliver(event, signal).then(answered, (error: unknown) => {
        answered({ answer: 'retry', reason: messageOf(error) });
      });
    },
    away: deps.away,
    settled: (delivery, ending, last) => {
      running.delete(delivery);
      // Dapr counts a message that failed for good once more, beside its attempts.
      if (batcher !== undefined || last?.answer !== 'retry') return;
      if (ending === 'failed') metrics.event('retry', 'retry', 0);
      if (ending === 'dead-lettered') metrics.event('drop', 'drop', 0);
    },
  };

  const subscription = await component.subscribe(
    {
      topic: spec.topic,
      consumerId: request.consumerId,
      metadata: spec.metadata,
      inFlightMax: inFlightMaxOf(request),
    },
    (message) => {
      if (stage === 'closed') return Promise.resolve(ABANDON);
      return new Promise((resolve) => {
        const seen = triage(message, { pubsubName: spec.pubsubName, rawPayload }, request.router, clock);
        const delivery = new RunningDelivery(message, seen, scene, resolve);
        running.add(delivery);
        delivery.run();
        if (stage === 'flushing') delivery.closing();
      });
    },
  );

  let closed: Promise<void> | undefined;
  let timer: Timer | undefined;
  let due = Number.POSITIVE_INFINITY;
  /** The earliest deadline counts. */
  const limit = (deadline: number): void => {
    if (deadline >= due) return;
    due = deadline;
    timer?.cancel();
    timer = clock.after(Math.max(0, deadline - clock.now()), () => {
      stage = 'closed';
      if (running.size > 0) log.warn({ messages: running.size }, 'time is up: messages in hand go back to the broker');
      for (const delivery of [...running]) delivery.abandon();
    });
  };

  return {
    spec,
    component,
    close: (deadline, flush) => {
      limit(deadline);
      if (closed !== undefined) return closed;
      stage = flush ? 'flushing' : 'closed';
      for (const delivery of [...running]) delivery.closing();
      if (flush) batcher?.flush();
      else batcher?.abandonWaiting();
      closed = subscription.close().finally(() => {
        stage = 'closed';
        timer?.cancel();
      });
      return closed;
    },
  };
}

function rawPayloadOf(spec: SubscriptionSpec): boolean {
  const raw = goBool(spec.metadata['rawPayload']);
  if (raw !== undefined) return raw;
  throw new TypeError(`rawPayload value must be a valid boolean: actual is '${spec.metadata['rawPayload']}'`);
}

function batchSizeOf(spec: SubscriptionSpec): number {
  const wanted = spec.bulk?.messagesMax ?? 0;
  return Math.min(wanted >= 1 ? Math.floor(wanted) : BULK_MESSAGES_DEFAULT, BULK_MESSAGES_MAX);
}

/** A batch at the subscriber, and the next one being gathered. */
function inFlightMaxOf({ spec, serial }: SubscriptionRequest): number {
  if (spec.bulk !== undefined) return 2 * batchSizeOf(spec);
  return serial ? 1 : IN_FLIGHT_MAX;
}

function batcherOf(request: SubscriptionRequest, deps: SubscriptionDeps): Batcher | undefined {
  const { spec, subscriber } = request;
  if (spec.bulk === undefined) return undefined;
  const deliverBatch = subscriber.deliverBatch?.bind(subscriber);
  if (deliverBatch === undefined) throw new TypeError('this kind of subscriber takes no batches');
  return new Batcher(
    {
      messagesMax: batchSizeOf(spec),
      awaitMs: Math.min(spec.bulk.awaitMs > 0 ? spec.bulk.awaitMs : BULK_AWAIT_MS_DEFAULT, BULK_AWAIT_MS_MAX),
      pubsubName: spec.pubsubName,
      topic: spec.topic,
    },
    { clock: deps.clock, metrics: deps.metrics.ingress(spec.pubsubName, spec.topic), deliverBatch },
  );
}
