/** A clock that stands still until a test moves it. */
import type { Clock, Timer } from './clock.js';
import { TimerQueue } from './timer-queue.js';

export class FakeClock implements Clock {
  #nowMs = 0;
  #wallMs: number;
  #seed: number;
  readonly #queue: TimerQueue = new TimerQueue((error) => {
    throw error;
  });

  /** `seed` makes `random()` repeatable. */
  constructor(options: { wallMs?: number; seed?: number } = {}) {
    this.#wallMs = options.wallMs ?? Date.UTC(2026, 0, 1);
    this.#seed = options.seed ?? 1;
  }

  /** Timers that have not fired. */
  get pending(): number {
    return this.#queue.pending;
  }

  now(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#wallMs + this.#nowMs;
  }

  /** mulberry32: small, even, repeatable. */
  random(): number {
    this.#seed = (this.#seed + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#seed ^ (this.#seed >>> 15), 1 | this.#seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  after(delayMs: number, fire: () => void): Timer {
    return this.#queue.add(this.#nowMs + Math.max(0, delayMs), fire);
  }

  /** Moves time forward, firing what becomes due in order, each at its own time; timers set on the way fire as well. */
  advance(ms: number): void {
    const until = this.#nowMs + ms;
    for (;;) {
      const next = this.#queue.nextTick();
      if (next < 0 || next > until) break;
      this.#nowMs = next;
      this.#queue.run(next);
    }
    this.#nowMs = until;
  }
}
