/**
 * Gathers deliveries into batches: as many as `messagesMax`, or what came within `awaitMs` of the first. One batch is at
 * the subscriber at a time, as in Dapr; events with different paths go in separate calls of the same batch.
 */
import { randomUUID } from 'node:crypto';
import type { Clock, Timer } from '@outrigger/engine';
import { messageOf } from '../component-call.js';
import type { IngressMetrics, ProcessStatus } from './metrics.js';
import type { RunningDelivery } from './run-delivery.js';
import { type BatchReply, type EventBatch, processStatusOf, type Reply } from './subscriber.js';
import type { TopicEvent } from './topic-event.js';

export interface BatcherOptions {
  readonly messagesMax: number;
  readonly awaitMs: number;
  readonly pubsubName: string;
  readonly topic: string;
}

export interface BatcherDeps {
  readonly clock: Clock;
  readonly metrics: IngressMetrics;
  deliverBatch(batch: EventBatch, signal: AbortSignal): Promise<BatchReply>;
}

interface Waiting {
  readonly delivery: RunningDelivery;
  readonly entryId: string;
  readonly event: TopicEvent;
  readonly signal: AbortSignal;
}

export class Batcher {
  readonly #options: BatcherOptions;
  readonly #deps: BatcherDeps;
  /** One id for each delivery, the same for its every attempt. */
  readonly #entryIds = new WeakMap<RunningDelivery, string>();
  #waiting: Waiting[] = [];
  #since = 0;
  #timer: Timer | undefined;
  #busy = false;
  #hurry = false;

  constructor(options: BatcherOptions, deps: BatcherDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** A repeated attempt does not wait for company. */
  add(delivery: RunningDelivery, event: TopicEvent, signal: AbortSignal, attempt: number): void {
    let entryId = this.#entryIds.get(delivery);
    if (entryId === undefined) this.#entryIds.set(delivery, (entryId = randomUUID()));
    if (this.#waiting.length === 0) this.#since = this.#deps.clock.now();
    this.#waiting.push({ delivery, entryId, event, signal });
    if (attempt > 1) this.#hurry = true;
    this.#schedule();
  }

  /** Sends what waits as soon as the subscriber is free, and does not wait for more from now on. */
  flush(): void {
    this.#hurry = true;
    this.#schedule();
  }

  /** Gives back what has not been sent. */
  abandonWaiting(): void {
    for (const { delivery } of this.#waiting.splice(0)) delivery.abandon();
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #schedule(): void {
    if (this.#busy || this.#waiting.length === 0) return;
    const { messagesMax, awaitMs } = this.#options;
    const { clock } = this.#deps;
    const leftMs = this.#since + awaitMs - clock.now();
    if (this.#hurry || this.#waiting.length >= messagesMax || leftMs <= 0) {
      this.#timer?.cancel();
      this.#timer = undefined;
      void this.#send();
      return;
    }
    this.#timer ??= clock.after(leftMs, () => {
      this.#timer = undefined;
      this.#schedule();
    });
  }

  async #send(): Promise<void> {
    this.#busy = true;
    const { messagesMax, pubsubName } = this.#options;
    const batch = this.#waiting.splice(0, messagesMax).filter(({ signal }) => !signal.aborted);
    this.#since = this.#deps.clock.now();
    if (this.#waiting.length === 0) this.#hurry = false;
    const started = this.#deps.clock.now();
    const counts: Record<ProcessStatus, number> = { success: 0, retry: 0, drop: 0 };
    const byPath = new Map<string, Waiting[]>();
    for (const one of batch) {
      const group = byPath.get(one.event.path);
      if (group === undefined) byPath.set(one.event.path, [one]);
      else group.push(one);
    }
    await Promise.all(
      [...byPath].map(async ([path, entries]) => {
        const { topic } = (entries[0] as Waiting).event;
        const call: EventBatch = { id: randomUUID(), pubsubName, topic, path, metadata: { pubsubName }, entries };
        const replyTo = await this.#call(call, entries);
        for (const { delivery, entryId, signal } of entries) {
          const reply = replyTo(entryId);
          const status = processStatusOf(reply);
          if (status !== undefined) counts[status]++;
          delivery.answered(signal, reply);
        }
      }),
    );
    if (batch.length > 0) this.#deps.metrics.bulk(this.#deps.clock.now() - started, counts);
    this.#busy = false;
    this.#schedule();
  }

  async #call(batch: EventBatch, entries: readonly Waiting[]): Promise<(entryId: string) => Reply> {
    // The call is given up when every one of its entries is.
    const controller = new AbortController();
    let open = entries.length;
    const onAbort = (): void => {
      if (--open === 0) controller.abort(new Error('nobody waits for the batch any more'));
    };
    for (const { signal } of entries) signal.addEventListener('abort', onAbort, { once: true });
    try {
      const reply = await this.#deps.deliverBatch(batch, controller.signal);
      if ('answer' in reply) return () => reply;
      return (entryId) =>
        reply.get(entryId) ?? { answer: 'retry', reason: `the app gave no status for entry ${entryId}` };
    } catch (error) {
      return () => ({ answer: 'retry', reason: messageOf(error) });
    } finally {
      for (const { signal } of entries) signal.removeEventListener('abort', onAbort);
    }
  }
}
