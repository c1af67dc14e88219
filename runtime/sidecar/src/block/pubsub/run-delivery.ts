/** Drives the state machine of one message: makes the attempts, keeps the time, publishes dead letters. */
import type { Disposition, IncomingMessage } from '@outrigger/components-core';
import type { Clock, Logger, Timer } from '@outrigger/engine';
import { messageOf } from '../component-call.js';
import {
  advanceDelivery,
  beginDelivery,
  type DeliveryInput,
  type DeliveryRules,
  type DeliveryState,
  type Ending,
} from './delivery.js';
import type { LogThrottle } from './log-throttle.js';
import type { IngressMetrics } from './metrics.js';
import type { DeliveryPolicy, Reply } from './subscriber.js';
import type { TopicEvent } from './topic-event.js';
import type { Triage } from './triage.js';

/** A dead letter must be published within this (Dapr: 30 s), else the message stays with the broker. */
export const DEAD_LETTER_TIMEOUT_MS = 30_000;

export interface DeliveryScene {
  readonly clock: Clock;
  readonly log: Logger;
  readonly throttle: LogThrottle;
  readonly metrics: IngressMetrics;
  readonly policy: DeliveryPolicy | undefined;
  readonly deadLetterTopic: string | undefined;
  /** Rejects when the dead letter topic does not take the message. */
  publishDeadLetter(message: IncomingMessage): Promise<void>;
  /** Brings the event to the subscriber and calls `delivery.answered` with the same signal, later. */
  attempt(delivery: RunningDelivery, event: TopicEvent, signal: AbortSignal, attempt: number): void;
  /** A subscriber that is away: deliveries should stop. */
  away(reason: string): void;
  /** `last`: the reply to the last attempt, if there was one. */
  settled(delivery: RunningDelivery, ending: Ending, last: Reply | undefined): void;
}

export class RunningDelivery {
  readonly message: IncomingMessage;
  readonly #scene: DeliveryScene;
  readonly #triage: Triage;
  readonly #done: (disposition: Disposition) => void;
  readonly #rules: DeliveryRules;
  #state: DeliveryState;
  #timer: Timer | undefined;
  #attempt: AbortController | undefined;
  #reply: Reply | undefined;

  /** `done` is called exactly once. Call `run` to begin. */
  constructor(
    message: IncomingMessage,
    triage: Triage,
    scene: DeliveryScene,
    done: (disposition: Disposition) => void,
  ) {
    this.message = message;
    this.#scene = scene;
    this.#triage = triage;
    this.#done = done;
    const { policy, clock } = scene;
    this.#rules = {
      deadLetter: scene.deadLetterTopic !== undefined,
      retryDelayMs: (attempt) => policy?.retryDelayMs(attempt, this.#reply as Reply, clock.random()),
    };
    this.#state = beginDelivery(triage.verdict, this.#rules);
  }

  run(): void {
    const triage = this.#triage;
    if (triage.verdict !== 'deliver') this.#reportUndelivered(triage.verdict, triage.reason);
    this.#act();
  }

  /** `signal` tells which attempt it was: the answer to one that timed out comes too late. */
  answered(signal: AbortSignal, reply: Reply): void {
    if (this.#state.stage !== 'attempting' || this.#attempt?.signal !== signal) return;
    this.#attempt = undefined;
    this.#timer?.cancel();
    this.#reply = reply;
    if (reply.answer !== 'success') this.#logReply(reply);
    if (reply.answer === 'away') this.#scene.away(reply.reason ?? '');
    this.#input({ type: 'answered', answer: reply.answer });
  }

  /** The subscription closes: what is under way may end, nothing new begins. */
  closing(): void {
    this.#input({ type: 'closing' });
  }

  /** No time is left. */
  abandon(): void {
    this.#input({ type: 'abandon' });
  }

  #input(input: DeliveryInput): void {
    const before = this.#state;
    if (before.stage === 'settled') return;
    this.#state = advanceDelivery(before, input, this.#rules);
    // `closing` marks the state and leaves the stage as it is: what is under way goes on.
    if (this.#state.stage !== before.stage || input.type === 'waited') this.#act();
  }

  #act(): void {
    const state = this.#state;
    switch (state.stage) {
      case 'attempting':
        this.#makeAttempt(state.attempt);
        break;
      case 'waiting':
        this.#timer = this.#scene.clock.after(state.delayMs, () => this.#input({ type: 'waited' }));
        break;
      case 'dead-lettering':
        this.#deadLetter();
        break;
      case 'settled':
        this.#timer?.cancel();
        this.#attempt?.abort(new Error('the delivery is over'));
        this.#scene.settled(this, state.ending, this.#reply);
        this.#done(state.disposition);
    }
  }

  #makeAttempt(attempt: number): void {
    const triage = this.#triage as Extract<Triage, { verdict: 'deliver' }>;
    const { clock, policy } = this.#scene;
    const controller = new AbortController();
    this.#attempt = controller;
    const timeoutMs = policy?.timeoutMs;
    if (timeoutMs !== undefined) {
      this.#timer = clock.after(timeoutMs, () => {
        const reason = `no answer within ${timeoutMs} ms`;
        this.answered(controller.signal, { answer: 'retry', reason });
        controller.abort(new Error(reason));
      });
    }
    this.#scene.attempt(this, triage.event, controller.signal, attempt);
  }

  #deadLetter(): void {
    const { clock, log, throttle, deadLetterTopic } = this.#scene;
    const end = (error: unknown): void => {
      this.#timer?.cancel();
      if (error !== undefined) {
        const fields = { ...this.#fields(), deadLetterTopic, error: messageOf(error) };
        throttle.write(
          log.error.bind(log),
          fields,
          'a dead letter could not be published; the broker keeps the message',
        );
      }
      this.#input({ type: 'dead-lettered', ok: error === undefined });
    };
    this.#timer = clock.after(DEAD_LETTER_TIMEOUT_MS, () => end(new Error(`not within ${DEAD_LETTER_TIMEOUT_MS} ms`)));
    this.#scene.publishDeadLetter(this.message).then(
      () => end(undefined),
      (error: unknown) => {
        // After the timeout the outcome is decided.
        if (this.#state.stage === 'dead-lettering') end(error);
      },
    );
  }

  #reportUndelivered(verdict: 'expired' | 'unmatched' | 'unreadable', reason: string): void {
    const { metrics, log, throttle, deadLetterTopic } = this.#scene;
    const kept = verdict === 'unreadable' && deadLetterTopic === undefined;
    metrics.event(kept ? 'retry' : 'drop', verdict === 'unmatched' ? 'success' : kept ? 'retry' : 'drop', 0);
    const line = verdict === 'unmatched' ? log.debug : verdict === 'expired' ? log.warn : log.error;
    const fate =
      deadLetterTopic === undefined
        ? kept
          ? 'is left with the broker'
          : 'is dropped'
        : 'goes to the dead letter topic';
    throttle.write(line.bind(log), { ...this.#fields(), reason }, `a message ${fate}: ${reason}`);
  }

  #logReply(reply: Reply): void {
    const { log, throttle } = this.#scene;
    const fields = { ...this.#fields(), answer: reply.answer, reason: reply.reason };
    const line = reply.answer === 'retry' && reply.asked ? log.debug : log.warn;
    throttle.write(line.bind(log), fields, `event not taken by the subscriber: ${reply.reason ?? reply.answer}`);
  }

  #fields(): Record<string, unknown> {
    const { message } = this;
    const triage = this.#triage;
    const id = triage.verdict === 'deliver' ? triage.event.id : message.id;
    return { topic: message.topic, eventId: id, messageId: message.id, delivery: message.attempt };
  }
}
