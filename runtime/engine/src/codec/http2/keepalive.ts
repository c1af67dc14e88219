/** Notices a peer that is gone without a word: silence, a ping, silence. A busy connection costs one flag per read. */
import type { Clock, Timer } from '../../base/clock.js';

export interface KeepaliveOptions {
  /** Silence before a ping. */
  readonly intervalMs: number;
  /** Silence after it. */
  readonly timeoutMs: number;
}

export class Keepalive {
  /** Set by every read. */
  heard = false;
  readonly #clock: Clock;
  readonly #options: KeepaliveOptions;
  readonly #ping: () => void;
  readonly #dead: () => void;
  #timer: Timer | undefined;

  constructor(clock: Clock, options: KeepaliveOptions, ping: () => void, dead: () => void) {
    this.#clock = clock;
    this.#options = options;
    this.#ping = ping;
    this.#dead = dead;
    this.#wait();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #wait(): void {
    this.heard = false;
    this.#timer = this.#clock.after(this.#options.intervalMs, () => {
      if (this.heard) {
        this.#wait();
        return;
      }
      this.#ping();
      this.#timer = this.#clock.after(this.#options.timeoutMs, () => {
        if (this.heard) this.#wait();
        else this.#dead();
      });
    });
  }
}
