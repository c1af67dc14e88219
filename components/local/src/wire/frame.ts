/**
 * Frames of the local socket (version 1, little-endian): length u32 of what follows, type u8, body. A connection begins
 * with `hello` from the participant and `welcome` or `refused` from the owner.
 *
 *   hello    magic u32, version u8, participant text
 *   welcome  generation number, owner's participant text
 *   refused  sentence text
 *   request  number, floor number, operation u8, body
 *   reply    number, body
 *   failure  number, kind u8, sentence text
 *   push     kind u8, body
 */
import type { Socket } from 'node:net';
import type { ComponentErrorKind } from '@outrigger/components-core';
import { frameBytesMax, outgoingBytesHigh, outgoingBytesMax } from '../limits.js';
import { Reader, WireError } from './reader.js';
import { Writer } from './writer.js';

export const protocolMagic = 0x4c52544f;
export const protocolVersion = 1;

export const frameTypes = { hello: 1, welcome: 2, refused: 3, request: 4, reply: 5, failure: 6, push: 7 } as const;

/** The order is the protocol. */
export const errorKinds: readonly ComponentErrorKind[] = [
  'etag-mismatch',
  'etag-invalid',
  'not-found',
  'too-large',
  'invalid',
  'unsupported',
  'disk-full',
  'unavailable',
  'closed',
  'corrupt',
];

const headBytes = 4;

/** Cuts a stream of bytes into frames. */
export class FrameReader {
  /** The beginning of a frame, put together when it is whole: a large one comes in many parts. */
  #parts: Buffer[] = [];
  #length = 0;
  #wanted: number = headBytes;

  /** Calls `onFrame` with every whole frame; the reader is valid during the call. Throws WireError. */
  read(chunk: Buffer, onFrame: (type: number, reader: Reader) => void): void {
    let buffer = chunk;
    if (this.#length > 0) {
      this.#parts.push(chunk);
      this.#length += chunk.length;
      if (this.#length < this.#wanted) return;
      buffer = Buffer.concat(this.#parts, this.#length);
    }
    let at = 0;
    this.#wanted = headBytes;
    while (buffer.length - at >= headBytes) {
      this.#wanted = headBytes + this.#bodyLength(buffer, at);
      if (buffer.length - at < this.#wanted) break;
      const start = at + headBytes;
      at += this.#wanted;
      this.#wanted = headBytes;
      onFrame(buffer[start]!, new Reader(buffer, start + 1, at));
    }
    this.#length = buffer.length - at;
    // A copy, since the rest of the chunk would be kept alive by it.
    this.#parts = this.#length === 0 ? [] : [Buffer.from(buffer.subarray(at))];
  }

  #bodyLength(buffer: Buffer, at: number): number {
    const length = buffer.readUInt32LE(at);
    if (length === 0 || length > frameBytesMax) {
      throw new WireError(`a frame of ${length} bytes was announced; 1 to ${frameBytesMax} are allowed`);
    }
    return length;
  }
}

/** Sends frames over a socket: one write per turn. */
export class FrameSender {
  readonly #socket: Socket;
  readonly #writer = new Writer(4096);
  #isScheduled = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('drain', () => this.#breathe());
  }

  /** `write` adds the body. Throws WireError when that is too long, and then has sent nothing. */
  send(type: number, write: (writer: Writer) => void): void {
    if (this.#socket.destroyed) return;
    const writer = this.#writer;
    const start = writer.position;
    writer.reserve(headBytes);
    writer.position += headBytes;
    try {
      writer.u8(type);
      write(writer);
      const length = writer.position - start - headBytes;
      if (length > frameBytesMax) throw new WireError(`a frame of ${length} bytes is more than ${frameBytesMax}`);
      writer.buffer.writeUInt32LE(length, start);
    } catch (error) {
      writer.position = start;
      throw error;
    }
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => this.flush());
  }

  flush(): void {
    this.#isScheduled = false;
    const writer = this.#writer;
    if (writer.position === 0 || this.#socket.destroyed) {
      writer.reset();
      return;
    }
    this.#socket.write(Buffer.from(writer.buffer.subarray(0, writer.position)));
    writer.reset();
    this.#breathe();
  }

  /** A peer that does not read is not read either, and cut off when too much waits for it. */
  #breathe(): void {
    const waiting = this.#socket.writableLength;
    if (waiting > outgoingBytesMax) this.#socket.destroy();
    else if (waiting > outgoingBytesHigh) this.#socket.pause();
    else if (this.#socket.isPaused()) this.#socket.resume();
  }
}
