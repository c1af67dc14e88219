/** An HTTP/2 client that sends whatever it is told to: frames by hand, for floods and fuzzing. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export const FRAME = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const FLAG = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 32 } as const;

export const SETTING = { initialWindowSize: 4, maxFrameSize: 5 } as const;

export const PREFACE: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
export const NO_BYTES: Buffer = Buffer.alloc(0);

export function frame(type: number, flags: number, id: number, payload: Uint8Array = NO_BYTES): Buffer {
  const bytes = Buffer.alloc(9 + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(id, 5);
  bytes.set(payload, 9);
  return bytes;
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function settings(...entries: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(6 * entries.length);
  entries.forEach(([id, value], i) => {
    payload.writeUInt16BE(id, 6 * i);
    payload.writeUInt32BE(value, 6 * i + 2);
  });
  return frame(FRAME.settings, 0, 0, payload);
}

function hpackInteger(value: number, prefixBits: number, pattern: number): number[] {
  const max = 2 ** prefixBits - 1;
  if (value < max) return [pattern | value];
  const bytes = [pattern | max];
  let rest = value - max;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  bytes.push(rest);
  return bytes;
}

/** A header block of literals without indexing and without Huffman codes. */
export function headerBlock(fields: readonly (readonly [name: string, value: string])[]): Buffer {
  const parts: Buffer[] = [];
  for (const [name, value] of fields) {
    for (const [i, text] of [name, value].entries()) {
      const bytes = Buffer.from(text, 'latin1');
      parts.push(Buffer.from([...(i === 0 ? [0] : []), ...hpackInteger(bytes.length, 7, 0)]), bytes);
    }
  }
  return Buffer.concat(parts);
}

export function headers(
  id: number,
  fields: readonly (readonly [name: string, value: string])[],
  endStream: boolean,
): Buffer {
  return frame(FRAME.headers, FLAG.endHeaders | (endStream ? FLAG.endStream : 0), id, headerBlock(fields));
}

export function grpcRequest(path: string, more: readonly (readonly [string, string])[] = []): [string, string][] {
  return [
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', path],
    [':authority', '127.0.0.1'],
    ['content-type', 'application/grpc'],
    ['te', 'trailers'],
    ...(more as [string, string][]),
  ];
}

/** One gRPC message behind its prefix. */
export function grpcMessage(message: Uint8Array, flag = 0): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

export interface ReceivedFrame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Buffer;
}

/** How a connection ended. */
export interface Ending {
  /** Error code of the last GOAWAY; -1 without one. */
  readonly goaway: number;
  readonly debug: string;
}

export class RawHttp2 {
  readonly socket: Socket;
  /** Frames as they come; those of `onFrame` are not kept. */
  readonly frames: ReceivedFrame[] = [];
  onFrame: ((frame: ReceivedFrame) => void) | undefined;
  closed = false;
  #goaway = -1;
  #debug = '';
  #rest: Buffer = NO_BYTES;
  readonly #ended: Promise<void>;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => {});
    socket.on('data', (chunk) => this.#take(chunk));
    this.#ended = new Promise((resolve) => {
      socket.on('close', () => {
        this.closed = true;
        resolve();
      });
    });
  }

  /** `greet`: sends preface and SETTINGS. `read`: false leaves everything unread. */
  static async open(
    port: number,
    options: { greet?: boolean; read?: boolean; settings?: Buffer } = {},
  ): Promise<RawHttp2> {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    const peer = new RawHttp2(socket);
    if (options.read === false) socket.pause();
    await once(socket, 'connect');
    if (options.greet !== false) peer.send(PREFACE, options.settings ?? settings());
    return peer;
  }

  /** False: the socket takes no more for now. */
  send(...pieces: readonly Uint8Array[]): boolean {
    if (this.closed || this.socket.destroyed) return false;
    return this.socket.write(Buffer.concat(pieces));
  }

  /** Resolves when the socket takes bytes again, or is closed. */
  async writable(): Promise<void> {
    if (this.closed || !this.socket.writableNeedDrain) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.socket.off('drain', done);
        this.socket.off('close', done);
        resolve();
      };
      this.socket.on('drain', done);
      this.socket.on('close', done);
    });
  }

  async ended(): Promise<Ending> {
    await this.#ended;
    return { goaway: this.#goaway, debug: this.#debug };
  }

  destroy(): void {
    this.socket.destroy();
  }

  #take(chunk: Buffer): void {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (bytes.length >= 9) {
      const end = 9 + bytes.readUIntBE(0, 3);
      if (bytes.length < end) break;
      const received = {
        type: bytes[3] as number,
        flags: bytes[4] as number,
        id: bytes.readUInt32BE(5),
        payload: bytes.subarray(9, end),
      };
      bytes = bytes.subarray(end);
      if (received.type === FRAME.goaway) {
        this.#goaway = received.payload.readUInt32BE(4);
        this.#debug = received.payload.toString('latin1', 8);
      }
      if (received.type === FRAME.settings && (received.flags & FLAG.ack) === 0) {
        this.send(frame(FRAME.settings, FLAG.ack, 0));
      }
      if (this.onFrame !== undefined) this.onFrame(received);
      else this.frames.push(received);
    }
    this.#rest = bytes;
  }
}
