/**
 * Remembers what header blocks and single fields decoded to, by their raw bytes. We advertise HEADER_TABLE_SIZE = 0 (D7),
 * so a client repeats the same literals on every request; comparing bytes is several times cheaper than decoding them.
 * Both tables have a fixed size and are shared by the connections of a thread. Only blocks that read and change no dynamic
 * table get in.
 */
import type { Field } from './field.js';
import type { HeaderBlock } from './header-block.js';

const BLOCK_SLOTS = 256;
const BLOCK_BYTES_MAX = 512;
const FIELD_SLOTS = 512;
const FIELD_BYTES_MAX = 128;
/** A slot is found by a sample of the block; the bytes are compared in full. */
const SAMPLES = 24;

class BlockEntry {
  readonly raw: Buffer;
  readonly block: HeaderBlock;

  constructor(raw: Buffer, block: HeaderBlock) {
    this.raw = raw;
    this.block = block;
  }
}

/** Whole blocks. One for requests and one for responses, because they are checked differently. */
export class BlockMemo {
  #last: BlockEntry | null = null;
  readonly #slots: (BlockEntry | undefined)[] = new Array(BLOCK_SLOTS);

  get(buffer: Buffer, start: number, end: number): HeaderBlock | undefined {
    const length = end - start;
    if (length > BLOCK_BYTES_MAX) return undefined;
    let entry = this.#last;
    if (entry !== null && entry.raw.length === length && entry.raw.compare(buffer, start, end) === 0)
      return entry.block;
    entry = this.#slots[sample(buffer, start, end)] ?? null;
    if (entry === null || entry.raw.length !== length || entry.raw.compare(buffer, start, end) !== 0) return undefined;
    this.#last = entry;
    return entry.block;
  }

  put(buffer: Buffer, start: number, end: number, block: HeaderBlock): void {
    if (end - start > BLOCK_BYTES_MAX) return;
    const entry = new BlockEntry(Buffer.from(buffer.subarray(start, end)), block);
    this.#slots[sample(buffer, start, end)] = entry;
    this.#last = entry;
  }
}

function sample(buffer: Buffer, start: number, end: number): number {
  const length = end - start;
  const step = length <= SAMPLES ? 1 : (length / SAMPLES) | 0;
  let hash = length;
  for (let i = end - 1; i >= start; i -= step) hash = Math.imul(hash ^ (buffer[i] as number), 0x01000193);
  return ((hash >>> 8) ^ hash) & (BLOCK_SLOTS - 1);
}

/** Single literal fields: what is left of a block that carries a deadline or a trace context repeats as well. */
export class FieldMemo {
  readonly #raw: Buffer = Buffer.alloc(FIELD_SLOTS * FIELD_BYTES_MAX);
  readonly #lengths: Uint8Array = new Uint8Array(FIELD_SLOTS);
  readonly #fields: (Field | undefined)[] = new Array(FIELD_SLOTS);
  /** Where the last `get` looked. */
  #slot = 0;

  get(buffer: Buffer, start: number, end: number): Field | undefined {
    const length = end - start;
    if (length > FIELD_BYTES_MAX) return undefined;
    let hash = length;
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ (buffer[i] as number), 0x01000193);
    const slot = ((hash >>> 9) ^ hash) & (FIELD_SLOTS - 1);
    this.#slot = slot;
    if (this.#lengths[slot] !== length) return undefined;
    const raw = this.#raw;
    const at = slot * FIELD_BYTES_MAX;
    for (let i = 0; i < length; i++) if (raw[at + i] !== buffer[start + i]) return undefined;
    return this.#fields[slot];
  }

  /** Right after a `get` of the same bytes that found nothing. */
  put(buffer: Buffer, start: number, end: number, field: Field): void {
    const length = end - start;
    if (length > FIELD_BYTES_MAX || field.volatile) return;
    const slot = this.#slot;
    buffer.copy(this.#raw, slot * FIELD_BYTES_MAX, start, end);
    this.#lengths[slot] = length;
    this.#fields[slot] = field;
  }
}
