/**
 * Group commit: writes that come in while the disk is busy go into the next batch together. Each write is judged against
 * the state that the writes before it lead to; its effect is seen, and it is answered, when the batch is on the disk.
 */
import { ComponentError } from '@outrigger/components-core';
import { batchBytesGoal, operationsMax, queuedBytesMax } from '../limits.js';
import { Batch } from '../log/batch.js';
import { writeError } from '../log/log.js';
import type { LogRecord, Origin } from '../record.js';

/** The batch in hand, as a write sees it. */
export interface Transaction {
  /** Adds the one record of this write. Throws `too-large`, and then nothing was added. */
  add(record: LogRecord, origin: Origin | undefined): void;
  /** Run when the batch fails, the last one first. */
  onFailure(undo: () => void): void;
  /** Writes of the batch in hand have touched this. */
  readonly touched: Set<string>;
}

/**
 * Judges the write, adds its record, and answers what to do when it is on the disk; throws when it is refused, and then
 * has changed nothing. `later`: it needs the batch in hand to be over first.
 */
export type Prepare<T> = (transaction: Transaction) => (() => T) | 'later';

interface Waiting {
  readonly bytes: number;
  readonly prepare: Prepare<unknown>;
  readonly resolve: (result: never) => void;
  readonly reject: (error: unknown) => void;
}

export interface CommitterConfig {
  /** Writes and syncs. */
  commit(batch: Batch): Promise<void>;
  /** After every batch that went to the disk, when all its effects are in place. */
  onCommitted(): void;
  onFailed(error: ComponentError): void;
}

export class Committer {
  readonly #config: CommitterConfig;
  readonly #batch = new Batch();
  #queue: Waiting[] = [];
  #queuedBytes = 0;
  #running: Promise<void> | undefined;

  constructor(config: CommitterConfig) {
    this.#config = config;
  }

  /** `bytes`: what the write weighs while it waits. */
  submit<T>(bytes: number, prepare: Prepare<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#queuedBytes + bytes > queuedBytesMax && this.#queue.length > 0) {
        const message = `${this.#queuedBytes} bytes of writes wait for the disk, the limit; try again`;
        reject(new ComponentError('unavailable', message));
        return;
      }
      this.#queuedBytes += bytes;
      this.#queue.push({ bytes, prepare, resolve, reject });
      // In a microtask, so that all writes of this turn are in one batch.
      this.#running ??= Promise.resolve().then(() => this.#run());
    });
  }

  /** Resolves when nothing is queued or being written. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) await this.#runBatch();
    this.#running = undefined;
  }

  async #runBatch(): Promise<void> {
    const batch = this.#batch;
    batch.reset();
    const taken: Waiting[] = [];
    const outcomes: ((() => unknown) | Error)[] = [];
    const undos: (() => void)[] = [];
    const transaction: Transaction = {
      add: (record, origin) => batch.add({ origin, record }),
      onFailure: (undo) => undos.push(undo),
      touched: new Set(),
    };
    let index = 0;
    for (; index < this.#queue.length; index++) {
      if (batch.bytes >= batchBytesGoal || taken.length >= operationsMax) break;
      const waiting = this.#queue[index]!;
      try {
        const outcome = waiting.prepare(transaction);
        if (outcome === 'later') break;
        outcomes.push(outcome);
      } catch (error) {
        outcomes.push(error as Error);
      }
      taken.push(waiting);
      this.#queuedBytes -= waiting.bytes;
    }
    this.#queue = this.#queue.slice(index);

    if (batch.records > 0) {
      try {
        await this.#config.commit(batch);
      } catch (error) {
        for (const undo of undos.reverse()) undo();
        const failure = writeError(error);
        this.#config.onFailed(failure);
        // Also those that were refused: what they were judged by has not happened.
        for (const { reject } of taken) reject(failure);
        return;
      }
    }
    for (const [position, waiting] of taken.entries()) {
      const outcome = outcomes[position]!;
      if (typeof outcome !== 'function') {
        waiting.reject(outcome);
        continue;
      }
      try {
        waiting.resolve(outcome() as never);
      } catch (error) {
        waiting.reject(error);
      }
    }
    this.#config.onCommitted();
  }
}
