/** A peer for tests that speaks single frames, over a pair of transports in memory. */
import type { Clock } from '../../base/clock.js';
import { FakeClock } from '../../base/fake-clock.js';
import { createMemoryPair, type MemoryPair, type MemoryPairOptions } from '../../network/memory-transport.js';
import { ScratchSlab } from '../../network/slab.js';
import type { TransportReceiver } from '../../network/transport.js';
import { Flag, FrameType, PREFACE } from './constants.js';
import { readU32, writeFrameHeader, writeU32 } from './frame-writer.js';
import type { HeaderBlock } from './header-block.js';
import { HpackDecoder, HpackProblem } from './hpack-decoder.js';
import { encodeFields } from './hpack-encoder.js';

export interface SeenFrame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Buffer;
}

const typeNames = Object.keys(FrameType);

/** `HEADERS 1 END_STREAM`, for comparing sequences. */
export function describeFrame(frame: SeenFrame): string {
  const end = frame.type <= 1 && (frame.flags & Flag.END_STREAM) !== 0 ? ' END' : '';
  const ack = (frame.type === 4 || frame.type === 6) && (frame.flags & Flag.ACK) !== 0 ? ' ACK' : '';
  const code =
    frame.type === 3 ? ` ${readU32(frame.payload, 0)}` : frame.type === 7 ? ` ${readU32(frame.payload, 4)}` : '';
  return `${typeNames[frame.type] ?? frame.type} ${frame.id}${end}${ack}${code}`;
}

export function frame(type: number, flags: number, id: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const slab = new ScratchSlab(16);
  writeFrameHeader(slab, payload.length, type, flags, id);
  return Buffer.concat([slab.buffer.subarray(0, slab.end), payload]);
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  writeU32(bytes, 0, value);
  return bytes;
}

export function setting(id: number, value: number): Buffer {
  return Buffer.concat([Buffer.from([id >> 8, id]), u32(value)]);
}

/** Literals without indexing and without any check, so that malformed fields can be sent as well. */
export function rawBlock(fields: readonly (readonly [string, string])[]): Buffer {
  const parts: Buffer[] = [];
  const text = (value: string): void => {
    const bytes = Buffer.from(value, 'latin1');
    if (bytes.length < 127) parts.push(Buffer.from([bytes.length]));
    else {
      const rest = bytes.length - 127;
      parts.push(Buffer.from([0x7f, (rest & 0x7f) | 0x80, ((rest >> 7) & 0x7f) | 0x80, rest >> 14]));
    }
    parts.push(bytes);
  };
  for (const [name, value] of fields) {
    parts.push(Buffer.from([0]));
    text(name);
    text(value);
  }
  return Buffer.concat(parts);
}

export const GET: readonly (readonly [string, string])[] = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'test'],
];

export const POST: readonly (readonly [string, string])[] = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/post'],
  [':authority', 'test'],
];

export function headers(id: number, fields: readonly (readonly [string, string])[], endStream: boolean): Buffer {
  return frame(FrameType.HEADERS, Flag.END_HEADERS | (endStream ? Flag.END_STREAM : 0), id, rawBlock(fields));
}

export function data(id: number, payload: string | Uint8Array, endStream: boolean): Buffer {
  const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
  return frame(FrameType.DATA, endStream ? Flag.END_STREAM : 0, id, bytes);
}

export class RawPeer implements TransportReceiver {
  readonly pair: MemoryPair;
  readonly clock: FakeClock = new FakeClock();
  readonly seen: SeenFrame[] = [];
  /** The other side ended its direction, or the connection closed. */
  ended = false;
  closed = false;
  readonly #side: 'client' | 'server';
  readonly #decoder = new HpackDecoder();
  #bytes: Buffer = Buffer.alloc(0);
  #prefaceLeft: number;

  /** `side` is what this peer plays. */
  constructor(side: 'client' | 'server', options: MemoryPairOptions = {}) {
    this.#side = side;
    this.#prefaceLeft = side === 'server' ? PREFACE.length : 0;
    this.pair = createMemoryPair({ manual: true, ...options });
    this.transport.receiver = this;
  }

  /** Where the peer reads and writes. */
  get transport(): MemoryPair['client'] {
    return this.#side === 'client' ? this.pair.client : this.pair.server;
  }

  /** Where the connection under test sits. */
  get subject(): MemoryPair['client'] {
    return this.#side === 'client' ? this.pair.server : this.pair.client;
  }

  get options(): { clock: Clock } {
    return { clock: this.clock };
  }

  /** Preface and SETTINGS; acknowledges the SETTINGS of the other side. */
  handshake(...settings: Buffer[]): this {
    if (this.#side === 'client') this.write(PREFACE);
    this.send(frame(FrameType.SETTINGS, 0, 0, Buffer.concat(settings)));
    this.send(frame(FrameType.SETTINGS, Flag.ACK, 0));
    this.seen.length = 0;
    return this;
  }

  write(bytes: Uint8Array): void {
    const { slab } = this.transport;
    slab.ensure(bytes.length);
    slab.buffer.set(bytes, slab.end);
    slab.end += bytes.length;
    this.transport.markDirty();
  }

  /** Writes, and lets everything move. */
  send(...frames: Uint8Array[]): this {
    for (const bytes of frames) this.write(bytes);
    this.pair.pump();
    return this;
  }

  /** What came since the last look, as `HEADERS 1 END`. */
  take(): string[] {
    this.pair.pump();
    return this.seen.splice(0).map(describeFrame);
  }

  /** The same as frames. */
  takeFrames(): SeenFrame[] {
    this.pair.pump();
    return this.seen.splice(0);
  }

  /** The payload of DATA frames seen on a stream, joined. */
  body(id: number): string {
    return Buffer.concat(this.seen.filter((f) => f.type === 0 && f.id === id).map((f) => f.payload)).toString('latin1');
  }

  /** Decodes the block of a HEADERS frame; call in order of arrival. */
  decode(seen: SeenFrame): HeaderBlock {
    const block = this.#decoder.decode(seen.payload, 0, seen.payload.length, 1 << 20);
    if (block instanceof HpackProblem) throw new Error(block.message);
    return block;
  }

  onBytes(buffer: Buffer, start: number, end: number): void {
    let bytes = Buffer.concat([this.#bytes, buffer.subarray(start, end)]);
    if (this.#prefaceLeft > 0) {
      const skip = Math.min(this.#prefaceLeft, bytes.length);
      this.#prefaceLeft -= skip;
      bytes = bytes.subarray(skip);
    }
    while (bytes.length >= 9) {
      const length = bytes.readUIntBE(0, 3);
      if (bytes.length < 9 + length) break;
      this.seen.push({
        type: bytes[3] as number,
        flags: bytes[4] as number,
        id: readU32(bytes, 5) & 0x7fffffff,
        payload: Buffer.from(bytes.subarray(9, 9 + length)),
      });
      bytes = bytes.subarray(9 + length);
    }
    this.#bytes = bytes;
  }

  onDrain(): void {}

  onEnd(): void {
    this.ended = true;
  }

  onClose(): void {
    this.ended = this.closed = true;
  }
}

/** A block as our encoder writes it. */
export function encodedBlock(flat: readonly string[]): Buffer {
  const slab = new ScratchSlab(64);
  encodeFields(slab, flat);
  return Buffer.from(slab.buffer.subarray(0, slab.end));
}
