/** A client stream that waits for a connection: keeps what is written, bounded, and hands it on once there is one. */

import type { HeaderList } from '../codec/http/headers.js';
import type {
  ClientReceiver,
  ClientStream,
  HttpOpener,
  RequestHead,
  ResetReason,
  StreamReset,
} from '../codec/http/stream.js';
import type { PauseReason } from '../network/transport.js';

/** Kept bytes above which `write` returns false. */
const HIGH_WATER_BYTES = 64 * 1024;

/** Bytes that all waiting streams of a channel keep. */
export interface WaitingRoom {
  bytes: number;
  readonly bytesMax: number;
  /** Nobody waits on this stream any more. */
  left(stream: DeferredStream): void;
}

export class DeferredStream implements ClientStream {
  readonly protocol: 'http/1.1' | 'h2';
  readonly #head: RequestHead;
  readonly #headOnly: boolean;
  readonly #receiver: ClientReceiver;
  readonly #room: WaitingRoom;
  #stream: ClientStream | null = null;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #ended: boolean;
  #trailers: HeaderList | undefined;
  #gone = false;
  #full = false;
  #pauses: PauseReason[] = [];

  constructor(
    head: RequestHead,
    end: boolean,
    receiver: ClientReceiver,
    room: WaitingRoom,
    protocol: 'http/1.1' | 'h2' = 'h2',
  ) {
    this.protocol = protocol;
    this.#head = head;
    this.#headOnly = end;
    this.#ended = end;
    this.#receiver = receiver;
    this.#room = room;
  }

  get writable(): boolean {
    if (this.#stream !== null) return this.#stream.writable;
    return !this.#ended && !this.#gone && !this.#full;
  }

  write(chunk: Uint8Array, start = 0, end: number = chunk.length): boolean {
    if (this.#stream !== null) return this.#stream.write(chunk, start, end);
    if (this.#ended || this.#gone) return false;
    this.#chunks.push(Buffer.from(chunk.subarray(start, end)));
    this.#bytes += end - start;
    this.#room.bytes += end - start;
    if (this.#room.bytes > this.#room.bytesMax) {
      const message = `more than ${this.#room.bytesMax} bytes (waitingBytesMax) wait for a connection`;
      this.#room.left(this);
      this.fail({ reason: 'refused', message, unprocessed: true });
      return false;
    }
    if (this.#bytes >= HIGH_WATER_BYTES) this.#full = true;
    return !this.#full;
  }

  end(trailers?: HeaderList): void {
    if (this.#stream !== null) {
      this.#stream.end(trailers);
      return;
    }
    if (this.#gone) return;
    this.#ended = true;
    this.#trailers = trailers;
  }

  reset(reason: ResetReason): void {
    if (this.#stream !== null) {
      this.#stream.reset(reason);
      return;
    }
    if (this.#gone) return;
    this.#drop();
    this.#room.left(this);
  }

  pause(reason: PauseReason): void {
    if (this.#stream !== null) this.#stream.pause(reason);
    else this.#pauses.push(reason);
  }

  resume(reason: PauseReason): void {
    if (this.#stream !== null) {
      this.#stream.resume(reason);
      return;
    }
    const at = this.#pauses.indexOf(reason);
    if (at >= 0) this.#pauses.splice(at, 1);
  }

  /** A connection has room: open there and send what was kept. */
  attach(opener: HttpOpener): void {
    if (this.#gone) return;
    const headOnly = this.#headOnly || this.#turnedOutEmpty();
    const stream = opener.open(this.#head, headOnly, this.#receiver);
    this.#stream = stream;
    for (const reason of this.#pauses) stream.pause(reason);
    let writable = true;
    for (const chunk of this.#chunks) writable = stream.write(chunk);
    this.#release();
    if (this.#ended && !headOnly) stream.end(this.#trailers);
    // A stream that is full says so itself later.
    else if (this.#full && writable && !this.#ended) this.#receiver.onDrain();
  }

  /**
   * Saves an HTTP/1.1 request its empty chunked body. Not on HTTP/2: a gRPC request must end by a DATA frame, if need be
   * an empty one (grpc-go waits for it).
   */
  #turnedOutEmpty(): boolean {
    return this.protocol === 'http/1.1' && this.#ended && this.#chunks.length === 0 && this.#trailers === undefined;
  }

  /** There will be no connection. */
  fail(reset: StreamReset): void {
    if (this.#gone || this.#stream !== null) return;
    this.#drop();
    this.#receiver.onReset(reset);
  }

  #drop(): void {
    this.#gone = true;
    this.#release();
  }

  #release(): void {
    this.#chunks = [];
    this.#room.bytes -= this.#bytes;
    this.#bytes = 0;
  }
}
