/** Reads what Writer wrote. Every length is checked against what is there; nothing hostile can make it read beyond. */
import type { Payload } from '../log/payload.js';

export class WireError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'WireError';
  }
}

export class Reader {
  readonly buffer: Buffer;
  position: number;
  readonly end: number;
  /** Position in the file of the buffer's first byte; payloads learn from it where they are. */
  readonly base: number;
  /** Payloads read. Their bytes are views into the buffer. */
  readonly payloads: Payload[] = [];

  constructor(buffer: Buffer, position = 0, end: number = buffer.length, base = 0) {
    this.buffer = buffer;
    this.position = position;
    this.end = end;
    this.base = base;
  }

  get left(): number {
    return this.end - this.position;
  }

  #take(count: number): number {
    if (count > this.end - this.position) {
      throw new WireError(`${count} bytes are announced and ${this.end - this.position} are left`);
    }
    const at = this.position;
    this.position += count;
    return at;
  }

  u8(): number {
    return this.buffer[this.#take(1)]!;
  }

  u32(): number {
    return this.buffer.readUInt32LE(this.#take(4));
  }

  number(): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 8; count++) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
      scale *= 0x80;
    }
    throw new WireError('a number is longer than 53 bits');
  }

  int64(): bigint {
    return this.buffer.readBigInt64LE(this.#take(8));
  }

  text(): string {
    const length = this.number();
    const at = this.#take(length);
    return this.buffer.toString('utf8', at, at + length);
  }

  /** A view into the buffer; who keeps it copies it. */
  view(): Buffer {
    const length = this.number();
    const at = this.#take(length);
    return this.buffer.subarray(at, at + length);
  }

  /** A count of things of which each takes a byte at least, so that a lie cannot make us allocate. */
  count(): number {
    const count = this.number();
    if (count > this.left) throw new WireError(`${count} entries are announced and ${this.left} bytes are left`);
    return count;
  }

  mustEnd(): void {
    if (this.position !== this.end) throw new WireError(`${this.left} bytes are left over`);
  }
}
