/**
 * One deadline that moves with every request. Moving it later costs a number, not a timer: the armed timer fires at the
 * old point, sees that it is early, and is armed once more.
 */
import type { Clock, Timer } from '../../base/clock.js';

export class Deadline {
  private readonly clock: Clock;
  private readonly onPassed: () => void;
  private readonly onTimer: () => void;
  private at = Number.POSITIVE_INFINITY;
  private armedFor = Number.POSITIVE_INFINITY;
  private timer: Timer | null = null;

  constructor(clock: Clock, onPassed: () => void) {
    this.clock = clock;
    this.onPassed = onPassed;
    this.onTimer = () => this.fire();
  }

  /** `onPassed` is called once, in `delayMs` from now, unless the deadline is set anew or cleared. Infinity: never. */
  set(delayMs: number): void {
    if (delayMs === Number.POSITIVE_INFINITY) {
      this.clear();
      return;
    }
    const now = this.clock.now();
    this.at = now + delayMs;
    if (this.timer !== null && this.armedFor <= this.at) return;
    this.timer?.cancel();
    this.arm(delayMs);
  }

  /** No deadline for now; the timer runs out by itself. */
  clear(): void {
    this.at = Number.POSITIVE_INFINITY;
  }

  /** For good: nothing stays pending. */
  cancel(): void {
    this.clear();
    this.timer?.cancel();
    this.timer = null;
  }

  private arm(delayMs: number): void {
    this.armedFor = this.clock.now() + delayMs;
    this.timer = this.clock.after(delayMs, this.onTimer);
  }

  private fire(): void {
    this.timer = null;
    if (this.at === Number.POSITIVE_INFINITY) return;
    const left = this.at - this.clock.now();
    if (left > 0) {
      this.arm(left);
      return;
    }
    this.at = Number.POSITIVE_INFINITY;
    this.onPassed();
  }
}
