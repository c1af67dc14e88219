/**
 * Length-prefixed messages out of data frames that know nothing of them. A message that lies whole in the read buffer is
 * handed on in place; only a split one is gathered, in a buffer that grows with what has come, never with what was
 * promised.
 */

export interface MessageSinkOf {
  /** `buffer[start, end)` is valid during the call; `flag` is 1 when it is compressed. False stops the reading of what follows. */
  onMessage(buffer: Buffer, start: number, end: number, flag: number): boolean;
  /** The prefix announces more than the limit. */
  onTooLarge(bytes: number): void;
  /** More bytes of incomplete messages are held than may be. */
  onNoRoom(): void;
}

/** Bytes of incomplete messages that all calls of a service may hold together. */
export class PartialBudget {
  readonly bytesMax: number;
  bytes = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }
}

/** Flag and length in front of every message. */
export const PREFIX_BYTES = 5;
const FIRST_BYTES = 4096;

export class MessageAssembler {
  readonly #sink: MessageSinkOf;
  readonly #bytesMax: number;
  readonly #budget: PartialBudget;
  /** Prefix and payload as far as they came; null between messages. */
  #partial: Buffer | null = null;
  #have = 0;
  /** Of the whole message with its prefix; 0 until the prefix is complete. */
  #need = 0;
  #stopped = false;

  constructor(sink: MessageSinkOf, bytesMax: number, budget: PartialBudget) {
    this.#sink = sink;
    this.#bytesMax = bytesMax;
    this.#budget = budget;
  }

  /** Something of a message has come, and not all of it. */
  get incomplete(): boolean {
    return this.#partial !== null;
  }

  read(chunk: Buffer, start: number, end: number): void {
    let at = start;
    if (this.#partial !== null) at = this.#fill(chunk, at, end);
    while (!this.#stopped && this.#partial === null && at < end) {
      if (end - at < PREFIX_BYTES) {
        this.#keep(chunk, at, end);
        return;
      }
      const length = prefixLength(chunk, at);
      if (length > this.#bytesMax) {
        this.#stopped = true;
        this.#sink.onTooLarge(length);
        return;
      }
      const next = at + PREFIX_BYTES + length;
      if (next > end) {
        this.#keep(chunk, at, end);
        return;
      }
      if (!this.#sink.onMessage(chunk, at + PREFIX_BYTES, next, chunk[at] as number)) this.#stopped = true;
      at = next;
    }
  }

  /** Lets go of what is held. */
  release(): void {
    this.#stopped = true;
    this.#drop();
  }

  #drop(): void {
    if (this.#partial === null) return;
    this.#budget.bytes -= this.#partial.length;
    this.#partial = null;
    this.#have = this.#need = 0;
  }

  #keep(chunk: Buffer, start: number, end: number): void {
    const need = end - start >= PREFIX_BYTES ? PREFIX_BYTES + prefixLength(chunk, start) : 0;
    this.#partial = EMPTY;
    this.#have = 0;
    this.#need = need;
    this.#append(chunk, start, end);
  }

  #append(chunk: Buffer, start: number, end: number): boolean {
    const have = this.#have + (end - start);
    let partial = this.#partial as Buffer;
    if (have > partial.length) {
      const doubled = Math.max(have, partial.length * 2, FIRST_BYTES);
      const size = this.#need === 0 ? Math.max(have, PREFIX_BYTES) : Math.min(doubled, this.#need);
      const budget = this.#budget;
      if (budget.bytes + size - partial.length > budget.bytesMax) {
        this.#stopped = true;
        this.#drop();
        this.#sink.onNoRoom();
        return false;
      }
      budget.bytes += size - partial.length;
      const larger = Buffer.allocUnsafe(size);
      partial.copy(larger, 0, 0, this.#have);
      this.#partial = partial = larger;
    }
    chunk.copy(partial, this.#have, start, end);
    this.#have = have;
    return true;
  }

  /** Completes the message that was cut off; returns where the next one begins. */
  #fill(chunk: Buffer, start: number, end: number): number {
    let at = start;
    if (this.#need === 0) {
      const take = Math.min(PREFIX_BYTES - this.#have, end - at);
      if (!this.#append(chunk, at, at + take)) return end;
      at += take;
      if (this.#have < PREFIX_BYTES) return at;
      const length = prefixLength(this.#partial as Buffer, 0);
      if (length > this.#bytesMax) {
        this.#stopped = true;
        this.#drop();
        this.#sink.onTooLarge(length);
        return end;
      }
      this.#need = PREFIX_BYTES + length;
    }
    const take = Math.min(this.#need - this.#have, end - at);
    if (take > 0 && !this.#append(chunk, at, at + take)) return end;
    at += take;
    if (this.#have < this.#need) return at;
    const whole = this.#partial as Buffer;
    const length = this.#need;
    this.#drop();
    if (!this.#sink.onMessage(whole, PREFIX_BYTES, length, whole[0] as number)) this.#stopped = true;
    return at;
  }
}

const EMPTY: Buffer = Buffer.alloc(0);

function prefixLength(buffer: Buffer, at: number): number {
  return (
    (((buffer[at + 1] as number) << 24) |
      ((buffer[at + 2] as number) << 16) |
      ((buffer[at + 3] as number) << 8) |
      (buffer[at + 4] as number)) >>>
    0
  );
}

export function writePrefix(buffer: Buffer, at: number, flag: number, length: number): void {
  buffer[at] = flag;
  buffer[at + 1] = length >>> 24;
  buffer[at + 2] = length >>> 16;
  buffer[at + 3] = length >>> 8;
  buffer[at + 4] = length;
}
