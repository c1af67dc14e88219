/** Notices an upstream peer that is gone without a word: silence, a heartbeat, silence, … A busy connection costs one flag per read. */
import type { Clock, Timer } from '../../base/clock.js';

export interface RpcKeepaliveOptions {
  /** Silence before a heartbeat, and between heartbeats. */
  readonly intervalMs: number;
  /** Heartbeats without a sign of life after which the connection is given up. */
  readonly missesMax: number;
}

/** sofa-bolt's and SOFARPC's. */
export const rpcKeepalive: RpcKeepaliveOptions = { intervalMs: 15_000, missesMax: 3 };

export class RpcKeepalive {
  /** Set by every read. */
  heard = false;
  #misses = 0;
  #timer: Timer | undefined;
  readonly #clock: Clock;
  readonly #options: RpcKeepaliveOptions;
  readonly #beat: () => void;
  readonly #onDead: () => void;

  constructor(clock: Clock, options: RpcKeepaliveOptions, beat: () => void, onDead: () => void) {
    this.#clock = clock;
    this.#options = options;
    this.#beat = beat;
    this.#onDead = onDead;
    this.#wait();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #wait(): void {
    this.#timer = this.#clock.after(this.#options.intervalMs, () => {
      if (this.heard) {
        this.heard = false;
        this.#misses = 0;
      } else if (this.#misses === this.#options.missesMax) {
        this.#onDead();
        return;
      } else {
        this.#misses++;
        this.#beat();
      }
      this.#wait();
    });
  }
}
