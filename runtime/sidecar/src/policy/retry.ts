/**
 * When a failed attempt may be made again, and after how long. Pure: the caller brings the count, the outcome and the
 * random number, so that counts are exact and a test needs no clock.
 */
import type { StreamReset } from '@outrigger/engine';

/** Why an attempt failed, as bits, so that a policy is one mask. More conditions are more bits. */
export const RetryOn = {
  /** The peer provably did not process the request: no connection, REFUSED_STREAM, GOAWAY above the last id. */
  unprocessed: 1,
  /** No connection could be made. */
  connectFailure: 2,
  /** The stream was reset, or its connection ended, before a response head. The peer may have acted on the request. */
  reset: 4,
} as const;

export type Backoff =
  | { readonly kind: 'constant'; readonly delayMs: number }
  | { readonly kind: 'exponential'; readonly baseMs: number; readonly delayMsMax: number };

export interface RetryPolicy {
  /** Mask of `RetryOn` bits; 0 never retries. */
  readonly retryOn: number;
  /** Attempts after the first. */
  readonly retriesMax: number;
  readonly backoff: Backoff;
}

export const NO_RETRY: RetryPolicy = { retryOn: 0, retriesMax: 0, backoff: { kind: 'constant', delayMs: 0 } };

/**
 * Dapr's built-in policy of service invocation (constant, 1 s, three retries), but only where nobody can have seen the
 * request. Dapr itself also repeats a call whose connection broke half-way, which may run it twice (D13).
 */
export const SERVICE_RETRY: RetryPolicy = {
  retryOn: RetryOn.unprocessed,
  retriesMax: 3,
  backoff: { kind: 'constant', delayMs: 1000 },
};

/** The conditions that a reset before the response head fulfils. */
export function conditionsOf(reset: StreamReset): number {
  // What cannot be put into a request today cannot be put into it in a second either.
  let bits = reset.unprocessed && reset.reason !== 'protocol' ? RetryOn.unprocessed : 0;
  if (reset.reason === 'connect') bits |= RetryOn.connectFailure;
  if (reset.reason !== 'cancel' && reset.reason !== 'timeout' && reset.reason !== 'too-large') bits |= RetryOn.reset;
  return bits;
}

export function mayRetry(policy: RetryPolicy, conditions: number, retriesDone: number): boolean {
  return retriesDone < policy.retriesMax && (policy.retryOn & conditions) !== 0;
}

/** Wait before retry number `retriesDone + 1`. `random` is in [0, 1): exponential delays are spread over [0, delay). */
export function backoffMs(backoff: Backoff, retriesDone: number, random: number): number {
  if (backoff.kind === 'constant') return backoff.delayMs;
  return Math.min(backoff.delayMsMax, backoff.baseMs * 2 ** Math.min(retriesDone, 30)) * random;
}
