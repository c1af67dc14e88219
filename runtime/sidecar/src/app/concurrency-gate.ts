/** app-max-concurrency: at most so many calls at the app at once, the rest wait in line, first come first served. */

/** Calls that may wait for the app; one more is refused. */
export const APP_QUEUE_MAX = 4096;

export interface Ticket {
  /** Leaves the line, or gives the place back. Idempotent. */
  release(): void;
}

export class ConcurrencyGate {
  readonly #max: number;
  readonly #queueMax: number;
  #running = 0;
  readonly #line: Set<() => void> = new Set();

  /** `max` 0: no limit. */
  constructor(max: number, queueMax: number = APP_QUEUE_MAX) {
    this.#max = max;
    this.#queueMax = queueMax;
  }

  get unlimited(): boolean {
    return this.#max <= 0;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#line.size;
  }

  /** Calls `enter` when there is a place: before this returns if there is one now. undefined: the line is full. */
  request(enter: () => void): Ticket | undefined {
    if (this.unlimited || this.#running < this.#max) {
      this.#running++;
      let held = true;
      enter();
      return {
        release: () => {
          if (!held) return;
          held = false;
          this.#leave();
        },
      };
    }
    if (this.#line.size >= this.#queueMax) return undefined;
    let stage: 'waiting' | 'held' | 'done' = 'waiting';
    const arrive = (): void => {
      stage = 'held';
      enter();
    };
    this.#line.add(arrive);
    return {
      release: () => {
        if (stage === 'waiting') this.#line.delete(arrive);
        if (stage === 'held') this.#leave();
        stage = 'done';
      },
    };
  }

  #leave(): void {
    this.#running--;
    // `enter` runs foreign code that may release at once: take the place before calling it.
    for (const arrive of this.#line) {
      if (this.#running >= this.#max) return;
      this.#line.delete(arrive);
      this.#running++;
      arrive();
    }
  }
}
