/**
 * The counters of one sequencer. The log holds a limit that ids stay below; a crash skips what is left of a reservation,
 * so ids grow always and are handed out once.
 */
import { ComponentError } from '@outrigger/components-core';
import { sequenceReserve, sequencesMax } from '../limits.js';
import type { LogRecord, SequenceRecord } from '../record.js';
import { recordOverheadBytes, type TableContext } from './context.js';

interface Sequence {
  /** Handed out last. */
  last: bigint;
  /** Ids up to here may be handed out: the log on the disk says so. */
  limit: bigint;
  /** Ids that callers wait for until the batch in hand is on the disk. */
  promised: bigint;
}

export class SequenceTable {
  readonly name: string;
  readonly #context: TableContext;
  readonly #sequences = new Map<string, Sequence>();

  constructor(name: string, context: TableContext) {
    this.name = name;
    this.#context = context;
  }

  /** Takes `count` ids from what is reserved; undefined when that is not enough. Answers the last one. */
  take(key: string, count: bigint): bigint | undefined {
    const sequence = this.#sequences.get(key);
    if (sequence === undefined || sequence.last + count > sequence.limit) return undefined;
    sequence.last += count;
    return sequence.last;
  }

  /**
   * A record that reserves `count` ids beyond those promised already, and some more. What is left of the reservation
   * before may still be taken meanwhile: it is never more than `sequenceReserve`, so there is enough for all.
   */
  promise(key: string, count: bigint): SequenceRecord {
    const sequence = this.#of(key);
    sequence.promised += count;
    return { kind: 'sequence', store: this.name, key, limit: sequence.last + sequence.promised + sequenceReserve };
  }

  /** The batch is on disk: the promised ids; undefined for a promise that failed with its batch. */
  redeem(record: SequenceRecord, count: bigint, committed: boolean): bigint | undefined {
    this.#of(record.key).promised -= count;
    if (!committed) return undefined;
    this.apply(record);
    return this.take(record.key, count);
  }

  apply({ key, limit }: SequenceRecord): void {
    const sequence = this.#of(key);
    if (limit > sequence.limit) sequence.limit = limit;
    // An earlier owner may have handed out all of it.
    if (this.#context.replaying) sequence.last = sequence.limit;
  }

  *snapshot(): Generator<LogRecord> {
    for (const [key, { limit }] of this.#sequences) yield { kind: 'sequence', store: this.name, key, limit };
  }

  #of(key: string): Sequence {
    let sequence = this.#sequences.get(key);
    if (sequence !== undefined) return sequence;
    if (this.#sequences.size >= sequencesMax) {
      throw new ComponentError('too-large', `store ${this.name} (sequencer.local) counts ${sequencesMax} keys already`);
    }
    sequence = { last: 0n, limit: 0n, promised: 0n };
    this.#sequences.set(key, sequence);
    this.#context.live += key.length + recordOverheadBytes;
    return sequence;
  }
}
