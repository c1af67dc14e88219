/**
 * Changes on their way to one subscriber. While it is busy with a batch, later changes wait here, the newest of each item
 * only: configuration is state, so a slow subscriber skips values and never makes a queue grow.
 */
import type { ConfigurationChange } from '@outrigger/components-core';
import type { MaybePromise } from './context.js';

export type DeliverChanges = (changes: readonly ConfigurationChange[]) => MaybePromise<void>;

export class ConfigurationFeed {
  readonly #deliver: DeliverChanges;
  readonly #failed: (error: unknown) => void;
  #waiting = new Map<string, ConfigurationChange>();
  #busy = false;
  #closed = false;

  /** `failed` hears of every delivery that threw; the feed goes on. */
  constructor(deliver: DeliverChanges, failed: (error: unknown) => void) {
    this.#deliver = deliver;
    this.#failed = failed;
  }

  push(changes: readonly ConfigurationChange[]): void {
    if (this.#closed) return;
    for (const change of changes) {
      const place = `${change.group ?? ''}\0${change.label ?? ''}\0${change.key}`;
      // Taken out first: the batch keeps the order of the latest changes.
      this.#waiting.delete(place);
      this.#waiting.set(place, change);
    }
    if (!this.#busy) void this.#drain();
  }

  close(): void {
    this.#closed = true;
    this.#waiting.clear();
  }

  async #drain(): Promise<void> {
    this.#busy = true;
    while (this.#waiting.size > 0) {
      const batch = [...this.#waiting.values()];
      this.#waiting = new Map();
      try {
        await this.#deliver(batch);
      } catch (error) {
        this.#failed(error);
      }
    }
    this.#busy = false;
  }
}
