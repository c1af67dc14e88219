/**
 * Time and chance, injected everywhere (D9): `Date.now`, `performance.now`, `setTimeout` and `Math.random` outside this
 * file fail the tidy test, so that tests and the simulation own the clock.
 */

/** A pending timer. Cancelling twice, or after it fired, does nothing. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Monotonic time in milliseconds, with fractions. Never goes back. */
  now(): number;
  /** Wall-clock time in milliseconds since the Unix epoch. */
  wallMs(): number;
  /** A number in [0, 1). */
  random(): number;
  /**
   * Runs `fire` once after at least `delayMs` (resolution of the production clock: 10 ms). A pending timer does not keep
   * the process alive.
   */
  after(delayMs: number, fire: () => void): Timer;
}

/** Resolves after `delayMs`, or rejects with the signal's reason when it aborts first. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = (): void => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
