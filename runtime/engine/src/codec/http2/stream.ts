/** What server and client streams of HTTP/2 have in common: states, windows, credit, pausing. */
import type { PauseReason } from '../../network/transport.js';
import type { HeaderList } from '../http/headers.js';
import type { ResetReason, StreamReceiver } from '../http/stream.js';
import type { Http2Connection } from './connection.js';
import { encodeFields } from './hpack-encoder.js';
import type { SendQueue } from './send-queue.js';
import { codeOfReason, deafReceiver } from './stream-receiver.js';

export abstract class Http2Stream {
  readonly id: number;
  readonly connection: Http2Connection;
  receiver: StreamReceiver = deafReceiver;
  /** The peer sent END_STREAM. */
  remoteEnded = false;
  /** `end` was called; END_STREAM is sent or queued. */
  localEnded = false;
  /** END_STREAM was sent. */
  endSent = false;
  /** Both sides ended, or reset. */
  closed = false;
  sendWindow: number;
  /** What the peer may still send. */
  receiveWindow: number;
  /** Received and not given back to the peer as window yet. */
  uncredited = 0;
  /** The part of it that came while paused. */
  parked = 0;
  queue: SendQueue | null = null;
  /** The last write returned false. */
  wantsDrain = false;
  /** Body bytes that content-length still promises; -1 without one. */
  bodyLeft = -1;
  #pauseCount = 0;
  #pauses: Partial<Record<PauseReason, number>> | null = null;

  constructor(connection: Http2Connection, id: number) {
    this.connection = connection;
    this.id = id;
    this.sendWindow = connection.sender.initialWindow;
    this.receiveWindow = connection.limits.streamWindowBytes;
  }

  get protocol(): 'h2' {
    return 'h2';
  }

  get writable(): boolean {
    return !this.localEnded && !this.closed && !this.wantsDrain;
  }

  get paused(): boolean {
    return this.#pauseCount > 0;
  }

  write(chunk: Uint8Array, start = 0, end: number = chunk.length): boolean {
    if (this.localEnded || this.closed) return false;
    if (start === end) return !this.wantsDrain;
    return this.connection.sender.sendData(this, chunk, start, end, false);
  }

  end(trailers?: HeaderList): void {
    if (this.localEnded || this.closed) return;
    this.localEnded = true;
    if (trailers === undefined || trailers.size === 0) this.connection.sender.sendEnd(this);
    else this.#endWithTrailers(trailers);
  }

  #endWithTrailers(trailers: HeaderList): void {
    const { sender } = this.connection;
    const slab = sender.beginHeaders(this);
    try {
      encodeFields(slab, trailers.flat);
    } catch (error) {
      sender.cancelHeaders();
      this.connection.log.warn({ err: error, stream: this.id }, 'trailers cannot be sent; the stream is reset');
      this.reset('internal');
      return;
    }
    sender.endHeaders(this, true);
  }

  reset(reason: ResetReason): void {
    if (this.closed) return;
    this.receiver = deafReceiver;
    this.connection.resetStream(this, codeOfReason(reason));
  }

  pause(reason: PauseReason): void {
    this.#pauses ??= {};
    this.#pauses[reason] = (this.#pauses[reason] ?? 0) + 1;
    this.#pauseCount++;
  }

  resume(reason: PauseReason): void {
    const count = this.#pauses?.[reason] ?? 0;
    if (count === 0) return;
    (this.#pauses as Record<string, number>)[reason] = count - 1;
    if (--this.#pauseCount === 0 && !this.closed) this.connection.streamResumed(this);
  }
}
