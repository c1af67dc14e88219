/** Message bodies (RFC 9112 §6, §7): by length, chunked, or to the end of the connection. Bytes are handed on in place. */

import { HeaderList } from '../http/headers.js';
import { Carry } from './carry.js';
import { CR, describeByte, FIELD_VALUE, HEX, LF, SEMICOLON } from './characters.js';
import { FAILED, failure, type Http1Failure, INCOMPLETE } from './failure.js';
import { FieldScanner } from './field-scanner.js';
import { readTrailers } from './fields.js';
import { BodyKind } from './head.js';
import { latin1 } from './latin1.js';
import { CHUNK_SIZE_DIGITS_MAX, type Http1Limits } from './limits.js';

export interface BodyReceiver {
  /** `buffer[start, end)` is valid only during the call. */
  onBody(buffer: Buffer, start: number, end: number): void;
}

const ChunkState = {
  size: 0,
  extension: 1,
  sizeLineLf: 2,
  data: 3,
  dataCr: 4,
  dataLf: 5,
  trailers: 6,
} as const;
type ChunkState = (typeof ChunkState)[keyof typeof ChunkState];

/** One per connection, started anew for each message. */
export class BodyDecoder {
  /** The message is complete; its trailers, if it had any, are in `trailers`. */
  done = true;
  trailers: HeaderList | null = null;
  failure: Http1Failure | null = null;
  /** Body bytes so far. */
  received = 0;
  private readonly limits: Http1Limits;
  private kind: BodyKind = BodyKind.none;
  private bytesMax = 0;
  /** Bytes left of the body or of the chunk. */
  private left = 0;
  private state: ChunkState = ChunkState.size;
  private sizeDigits = 0;
  private extensionBytes = 0;
  private scanner: FieldScanner | null = null;
  private readonly trailerCarry: Carry = new Carry();

  constructor(limits: Http1Limits) {
    this.limits = limits;
  }

  /** `bytesMax`: a longer body fails with 413. A declared length above it is for the caller to refuse. */
  start(kind: BodyKind, contentLength: number, bytesMax: number): void {
    this.kind = kind;
    this.bytesMax = bytesMax;
    this.done = kind === BodyKind.none;
    this.trailers = null;
    this.failure = null;
    this.received = 0;
    this.left = kind === BodyKind.length ? contentLength : 0;
    this.state = ChunkState.size;
    this.sizeDigits = 0;
    this.extensionBytes = 0;
  }

  /** Bytes that must still come, when the message said so; else -1. */
  get remaining(): number {
    if (this.done) return 0;
    return this.kind === BodyKind.length ? this.left : -1;
  }

  /** The peer has ended its stream: true when that completes the message. */
  endOfStream(): boolean {
    if (this.kind !== BodyKind.untilClose || this.done) return this.done;
    this.done = true;
    return true;
  }

  /** Takes in `buffer[start, end)` up to the end of the message; returns the position behind what was used, or FAILED. */
  decode(buffer: Buffer, start: number, end: number, receiver: BodyReceiver): number {
    switch (this.kind) {
      case BodyKind.length:
        return this.decodeLength(buffer, start, end, receiver);
      case BodyKind.chunked:
        return this.decodeChunks(buffer, start, end, receiver);
      case BodyKind.untilClose:
        return this.deliver(buffer, start, end, receiver) ? end : FAILED;
      default:
        return start;
    }
  }

  private decodeLength(buffer: Buffer, start: number, end: number, receiver: BodyReceiver): number {
    const stop = Math.min(end, start + this.left);
    this.left -= stop - start;
    if (this.left === 0) this.done = true;
    return this.deliver(buffer, start, stop, receiver) ? stop : FAILED;
  }

  private deliver(buffer: Buffer, start: number, end: number, receiver: BodyReceiver): boolean {
    if (end === start) return true;
    this.received += end - start;
    if (this.received > this.bytesMax) {
      this.done = false;
      this.failTooLarge();
      return false;
    }
    receiver.onBody(buffer, start, end);
    return true;
  }

  private decodeChunks(buffer: Buffer, start: number, end: number, receiver: BodyReceiver): number {
    let pos = start;
    while (pos < end) {
      if (this.state === ChunkState.data) {
        const stop = Math.min(end, pos + this.left);
        this.left -= stop - pos;
        if (this.left === 0) this.state = ChunkState.dataCr;
        if (!this.deliver(buffer, pos, stop, receiver)) return FAILED;
        pos = stop;
      } else if (this.state === ChunkState.trailers) {
        return this.decodeTrailers(buffer, pos, end);
      } else if (!this.decodeFraming(buffer[pos++] as number)) {
        return FAILED;
      }
    }
    return pos;
  }

  /** One byte of a size line, or of the CRLF behind the data. */
  private decodeFraming(byte: number): boolean {
    switch (this.state) {
      case ChunkState.size: {
        const digit = HEX[byte] as number;
        if (digit !== 255) {
          if (++this.sizeDigits > CHUNK_SIZE_DIGITS_MAX) return this.fail(400, 'a chunk size has too many digits');
          this.left = this.left * 16 + digit;
          return true;
        }
        if (this.sizeDigits === 0) return this.fail(400, `a chunk size begins with ${describeByte(byte)}`);
        if (byte === CR) this.state = ChunkState.sizeLineLf;
        else if (byte === SEMICOLON) this.state = ChunkState.extension;
        else return this.fail(400, `a chunk size holds ${describeByte(byte)}`);
        return true;
      }
      case ChunkState.extension:
        if (byte === CR) {
          this.state = ChunkState.sizeLineLf;
          return true;
        }
        if (FIELD_VALUE[byte] === 0) return this.fail(400, `a chunk extension holds ${describeByte(byte)}`);
        if (++this.extensionBytes <= this.limits.chunkExtensionBytesMax) return true;
        return this.fail(400, `the chunk extensions are longer than ${this.limits.chunkExtensionBytesMax} bytes`);
      case ChunkState.sizeLineLf:
        if (byte !== LF) return this.fail(400, 'a chunk size line holds a bare CR');
        this.sizeDigits = 0;
        if (this.left === 0) this.state = ChunkState.trailers;
        else if (this.received + this.left > this.bytesMax) return this.failTooLarge();
        else this.state = ChunkState.data;
        return true;
      case ChunkState.dataCr:
        if (byte !== CR) return this.fail(400, 'a chunk is longer than its size');
        this.state = ChunkState.dataLf;
        return true;
      default:
        if (byte !== LF) return this.fail(400, 'a chunk ends in a bare CR');
        this.state = ChunkState.size;
        return true;
    }
  }

  private decodeTrailers(buffer: Buffer, start: number, end: number): number {
    const { trailerCarry } = this;
    // Mostly the whole section is the empty line, and all of it is here.
    if (trailerCarry.length === 0 && end - start >= 2 && buffer[start] === CR && buffer[start + 1] === LF) {
      this.done = true;
      return start + 2;
    }
    const room = this.limits.trailerBytesMax - trailerCarry.length;
    const carried = trailerCarry.length;
    trailerCarry.append(buffer, start, Math.min(end, start + room));
    this.scanner ??= new FieldScanner(this.limits.headerCountMax);
    const headEnd = trailerCarry.findEnd();
    const used = headEnd < 0 ? headEnd : this.scanner.scan(trailerCarry.buffer, 0, headEnd);
    if (used === INCOMPLETE) {
      if (trailerCarry.length < this.limits.trailerBytesMax) return end;
      trailerCarry.clear();
      this.fail(431, `the trailer section is longer than ${this.limits.trailerBytesMax} bytes`);
      return FAILED;
    }
    if (used === FAILED) {
      this.failure =
        headEnd === FAILED ? failure(400, 'a bare LF ends a line of the trailer section') : this.scanner.failure;
      trailerCarry.clear();
      return FAILED;
    }
    const trailers = readTrailers(this.scanner, latin1(trailerCarry.buffer, 0, used), 0);
    trailerCarry.clear();
    if (!Array.isArray(trailers)) {
      this.failure = trailers;
      return FAILED;
    }
    if (trailers.length > 0) this.trailers = new HeaderList(trailers);
    this.done = true;
    return start + used - carried;
  }

  private failTooLarge(): boolean {
    return this.fail(413, `the body is larger than ${this.bytesMax} bytes`);
  }

  private fail(status: number, sentence: string): boolean {
    this.failure = failure(status, sentence);
    return false;
  }
}
