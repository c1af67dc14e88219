/** A token bucket that asks the clock only when it is empty: what a peer may do without use before it is told to calm down. */
import type { Clock } from '../../base/clock.js';

export class Budget {
  #left: number;
  #refilledAt: number;
  readonly #burst: number;
  readonly #perSecond: number;
  readonly #clock: Clock;

  constructor(clock: Clock, burst: number, perSecond: number) {
    this.#clock = clock;
    this.#burst = burst;
    this.#perSecond = perSecond;
    this.#left = burst;
    this.#refilledAt = clock.now();
  }

  /** False when it is used up. */
  take(): boolean {
    if (this.#left > 0) {
      this.#left--;
      return true;
    }
    const now = this.#clock.now();
    const earned = Math.floor(((now - this.#refilledAt) * this.#perSecond) / 1000);
    if (earned <= 0) return false;
    this.#refilledAt = now;
    this.#left = Math.min(earned, this.#burst) - 1;
    return true;
  }

  /** Useful work earns some back. */
  give(): void {
    if (this.#left < this.#burst) this.#left++;
  }
}
