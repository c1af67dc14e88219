/** Lines that a stream of bad messages would repeat: a few at once, then one with a count for each interval. */
import type { Clock, LogMethod } from '@outrigger/engine';

export const LOG_LINES_BURST = 5;
export const LOG_INTERVAL_MS = 10_000;

export class LogThrottle {
  readonly #clock: Clock;
  #windowStart = Number.NEGATIVE_INFINITY;
  #lines = 0;
  #suppressed = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  write(line: LogMethod, fields: object, sentence: string): void {
    const now = this.#clock.now();
    if (now - this.#windowStart >= LOG_INTERVAL_MS) {
      this.#windowStart = now;
      this.#lines = 0;
    }
    if (++this.#lines > LOG_LINES_BURST) {
      this.#suppressed++;
      return;
    }
    const suppressed = this.#suppressed;
    this.#suppressed = 0;
    line(suppressed === 0 ? fields : { ...fields, suppressed }, sentence);
  }
}
