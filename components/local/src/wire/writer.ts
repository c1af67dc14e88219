/** Appends values to one growing buffer: the encoding of the log and of the protocol. */
import type { Payload } from '../log/payload.js';

/** Capacity that is kept between uses; a larger buffer is given back. */
const capacityKeptMax = 8 * 1024 * 1024;

/** Where the bytes of a payload were put, relative to the buffer's start. */
export interface PayloadMark {
  readonly payload: Payload;
  readonly at: number;
}

export class Writer {
  buffer: Buffer;
  position = 0;
  /** Payloads written since the last reset. */
  readonly marks: PayloadMark[] = [];
  readonly #capacity: number;

  constructor(capacity = 1024) {
    this.#capacity = capacity;
    this.buffer = Buffer.allocUnsafeSlow(capacity);
  }

  reset(): void {
    this.position = 0;
    this.marks.length = 0;
    if (this.buffer.length > capacityKeptMax) this.buffer = Buffer.allocUnsafeSlow(this.#capacity);
  }

  /** Makes room for `count` bytes more. */
  reserve(count: number): void {
    const wanted = this.position + count;
    if (wanted <= this.buffer.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(wanted, this.buffer.length * 2));
    this.buffer.copy(grown, 0, 0, this.position);
    this.buffer = grown;
  }

  u8(value: number): void {
    this.reserve(1);
    this.buffer[this.position++] = value;
  }

  u32(value: number): void {
    this.reserve(4);
    this.position = this.buffer.writeUInt32LE(value, this.position);
  }

  /** A whole number from 0 to 2^53 - 1, 7 bits per byte. */
  number(value: number): void {
    this.reserve(8);
    let rest = value;
    while (rest > 0x7f) {
      this.buffer[this.position++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.buffer[this.position++] = rest;
  }

  int64(value: bigint): void {
    this.reserve(8);
    this.position = this.buffer.writeBigInt64LE(value, this.position);
  }

  text(value: string): void {
    const length = Buffer.byteLength(value);
    this.number(length);
    this.reserve(length);
    this.position += this.buffer.write(value, this.position, length, 'utf8');
  }

  raw(value: Uint8Array): void {
    this.reserve(value.length);
    this.buffer.set(value, this.position);
    this.position += value.length;
  }

  bytes(value: Uint8Array): void {
    this.number(value.length);
    this.raw(value);
  }
}
