/**
 * Cuts a byte stream into frames, wherever it was split. Frames inside the read buffer are handed on in place; only one
 * that a read cuts off is gathered in a buffer of exactly its size.
 */
import { FRAME_HEADER_BYTES, PREFACE } from './constants.js';

export interface FrameSink {
  /** True once nothing more is to be read: the rest is dropped. */
  readonly stopped: boolean;
  /** `buffer[start, end)` is the payload, valid during the call. */
  onFrame(buffer: Buffer, start: number, end: number, type: number, flags: number, id: number): void;
  onFrameTooLong(length: number): void;
  onBadPreface(): void;
}

export class FrameReader {
  readonly #sink: FrameSink;
  readonly #frameBytesMax: number;
  /** Octets of the client's preface still to come. */
  #prefaceLeft: number;
  /** A frame that was cut off: first its header, then a buffer of its whole length. */
  #carry: Buffer | null = null;
  #carried = 0;

  constructor(sink: FrameSink, frameBytesMax: number, expectPreface: boolean) {
    this.#sink = sink;
    this.#frameBytesMax = frameBytesMax;
    this.#prefaceLeft = expectPreface ? PREFACE.length : 0;
  }

  /** Bytes of an incomplete frame held back. */
  get carriedBytes(): number {
    return this.#carried;
  }

  read(buffer: Buffer, start: number, end: number): void {
    const sink = this.#sink;
    let at = start;
    if (this.#prefaceLeft > 0) {
      at = this.#readPreface(buffer, at, end);
      if (sink.stopped) return;
    }
    if (this.#carry !== null) {
      at = this.#fillCarry(buffer, at, end);
      if (sink.stopped || this.#carry !== null) return;
    }
    while (end - at >= FRAME_HEADER_BYTES) {
      const length = ((buffer[at] as number) << 16) | ((buffer[at + 1] as number) << 8) | (buffer[at + 2] as number);
      if (length > this.#frameBytesMax) {
        sink.onFrameTooLong(length);
        return;
      }
      const payload = at + FRAME_HEADER_BYTES;
      if (payload + length > end) break;
      this.#deliver(buffer, at, length);
      if (sink.stopped) return;
      at = payload + length;
    }
    if (at < end) this.#startCarry(buffer, at, end);
  }

  #deliver(buffer: Buffer, at: number, length: number): void {
    const id =
      (((buffer[at + 5] as number) & 0x7f) << 24) |
      ((buffer[at + 6] as number) << 16) |
      ((buffer[at + 7] as number) << 8) |
      (buffer[at + 8] as number);
    const payload = at + FRAME_HEADER_BYTES;
    this.#sink.onFrame(buffer, payload, payload + length, buffer[at + 3] as number, buffer[at + 4] as number, id);
  }

  #readPreface(buffer: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end && this.#prefaceLeft > 0) {
      if (buffer[at] !== PREFACE[PREFACE.length - this.#prefaceLeft]) {
        this.#sink.onBadPreface();
        return at;
      }
      at++;
      this.#prefaceLeft--;
    }
    return at;
  }

  #startCarry(buffer: Buffer, at: number, end: number): void {
    const have = end - at;
    let size = FRAME_HEADER_BYTES;
    if (have >= FRAME_HEADER_BYTES) {
      size += ((buffer[at] as number) << 16) | ((buffer[at + 1] as number) << 8) | (buffer[at + 2] as number);
    }
    this.#carry = Buffer.allocUnsafe(size);
    buffer.copy(this.#carry, 0, at, end);
    this.#carried = have;
  }

  /** Completes the carried frame; `#carry` is null again when that succeeded. */
  #fillCarry(buffer: Buffer, start: number, end: number): number {
    let at = start;
    for (;;) {
      const carry = this.#carry as Buffer;
      const take = Math.min(carry.length - this.#carried, end - at);
      buffer.copy(carry, this.#carried, at, at + take);
      at += take;
      this.#carried += take;
      if (this.#carried < carry.length) return at;
      const length = ((carry[0] as number) << 16) | ((carry[1] as number) << 8) | (carry[2] as number);
      if (length > this.#frameBytesMax) {
        this.#sink.onFrameTooLong(length);
        return at;
      }
      if (carry.length === FRAME_HEADER_BYTES + length) {
        this.#carry = null;
        this.#carried = 0;
        this.#deliver(carry, 0, length);
        return at;
      }
      const whole = Buffer.allocUnsafe(FRAME_HEADER_BYTES + length);
      carry.copy(whole);
      this.#carry = whole;
    }
  }
}
