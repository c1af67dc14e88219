/**
 * The life of one message between a component and its subscriber, the only one there is: HTTP and gRPC callbacks,
 * streams and bulk deliveries all go through it. A pure state machine: whoever drives it makes the attempts, waits and
 * publishes to the dead letter topic, and tells what came of it.
 *
 *     received ── triage ──▶ attempting ⇄ waiting          settled: ack | retry | abandon
 *         │                      │                             ▲
 *         └──────────────────────┴──▶ dead-lettering ──────────┘
 *
 * What holds, whatever happens (delivery.test.ts):
 * - acknowledged only after the subscriber took or dropped the message, it expired or matched no rule, or the dead letter
 *   topic has it; a dead letter that cannot be published keeps the message with the broker;
 * - to the dead letter topic exactly when there is one and the message was dropped, expired, unmatched, unreadable, out of
 *   attempts, or fatal to its subscriber;
 * - nothing is rejected or dead-lettered because the subscriber or this sidecar is going away: it is abandoned, so that
 *   the broker gives it to whoever comes next, no attempt counted.
 */
import type { Disposition } from '@outrigger/components-core';

/** What the subscriber said. */
export type Answer =
  | 'success'
  /** Deliver again: asked for, or the call failed. */
  | 'retry'
  /** Never deliver again. */
  | 'drop'
  /** Nobody was there to decide: the app is down or unhealthy, the stream has ended. */
  | 'away'
  /** The subscriber went down with this message again and again: no further attempt, even if that is why it closes. */
  | 'fatal';

export type Verdict = 'deliver' | 'expired' | 'unmatched' | 'unreadable';

/** What became of a message, for logs and metrics. */
export type Ending = 'delivered' | 'dropped' | 'dead-lettered' | 'failed' | 'abandoned';

export interface DeliveryRules {
  /** The subscription has a dead letter topic. */
  readonly deadLetter: boolean;
  /** The wait before attempt `attempt + 1`, or undefined when `attempt` was the last: the inbound retry policy. */
  retryDelayMs(attempt: number): number | undefined;
}

export type DeliveryState =
  | { readonly stage: 'attempting'; readonly attempt: number; readonly closing: boolean }
  | { readonly stage: 'waiting'; readonly attempt: number; readonly delayMs: number }
  | { readonly stage: 'dead-lettering'; readonly closing: boolean }
  | { readonly stage: 'settled'; readonly disposition: Disposition; readonly ending: Ending };

export type DeliveryInput =
  | { readonly type: 'answered'; readonly answer: Answer }
  | { readonly type: 'waited' }
  | { readonly type: 'dead-lettered'; readonly ok: boolean }
  /** The subscription is being closed: attempts under way may end, new ones are not made. */
  | { readonly type: 'closing' }
  /** No time is left. */
  | { readonly type: 'abandon' };

export const ACK: Disposition = { outcome: 'ack' };
/** How long to wait is the component's to say: it knows how its broker redelivers. */
export const REDELIVER: Disposition = { outcome: 'retry' };
export const ABANDON: Disposition = { outcome: 'abandon' };

const settled = (disposition: Disposition, ending: Ending): DeliveryState => ({
  stage: 'settled',
  disposition,
  ending,
});
const ABANDONED: DeliveryState = settled(ABANDON, 'abandoned');

export function beginDelivery(verdict: Verdict, rules: DeliveryRules): DeliveryState {
  if (verdict === 'deliver') return { stage: 'attempting', attempt: 1, closing: false };
  if (rules.deadLetter) return { stage: 'dead-lettering', closing: false };
  // What nobody can read may be readable for the next version of the subscriber; what expired or interests nobody is over.
  return verdict === 'unreadable' ? settled(REDELIVER, 'failed') : settled(ACK, 'dropped');
}

/** Inputs that do not fit the stage come too late and change nothing. */
export function advanceDelivery(state: DeliveryState, input: DeliveryInput, rules: DeliveryRules): DeliveryState {
  if (state.stage === 'settled') return state;
  switch (input.type) {
    case 'abandon':
      return ABANDONED;
    case 'closing':
      return state.stage === 'waiting' ? ABANDONED : { ...state, closing: true };
    case 'waited':
      return state.stage === 'waiting' ? { stage: 'attempting', attempt: state.attempt + 1, closing: false } : state;
    case 'dead-lettered':
      if (state.stage !== 'dead-lettering') return state;
      if (input.ok) return settled(ACK, 'dead-lettered');
      return state.closing ? ABANDONED : settled(REDELIVER, 'failed');
    case 'answered':
      return state.stage === 'attempting' ? answered(state.attempt, state.closing, input.answer, rules) : state;
  }
}

function answered(attempt: number, closing: boolean, answer: Answer, rules: DeliveryRules): DeliveryState {
  switch (answer) {
    case 'success':
      return settled(ACK, 'delivered');
    case 'drop':
      return rules.deadLetter ? { stage: 'dead-lettering', closing } : settled(ACK, 'dropped');
    case 'away':
      return ABANDONED;
    case 'fatal':
      if (rules.deadLetter) return { stage: 'dead-lettering', closing };
      return closing ? ABANDONED : settled(REDELIVER, 'failed');
    case 'retry': {
      if (closing) return ABANDONED;
      const delayMs = rules.retryDelayMs(attempt);
      if (delayMs !== undefined) return { stage: 'waiting', attempt, delayMs };
      return rules.deadLetter ? { stage: 'dead-lettering', closing } : settled(REDELIVER, 'failed');
    }
  }
}
