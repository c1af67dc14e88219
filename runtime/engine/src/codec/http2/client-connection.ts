/** The client's side of an HTTP/2 connection: opens streams while the server allows. */
import type { Transport } from '../../network/transport.js';
import type { ClientReceiver, ClientStream, HttpOpener, RequestHead, StreamReset } from '../http/stream.js';
import { Http2ClientStream } from './client-stream.js';
import { Http2Connection } from './connection.js';
import { ErrorCode, PREFACE, Setting, STREAM_ID_MAX } from './constants.js';
import type { Http2Options } from './endpoint.js';
import type { HeaderBlock } from './header-block.js';
import { BlockMemo } from './header-memo.js';
import { encodeAuthority, encodeFields, encodeMethod, encodePath, encodeScheme } from './hpack-encoder.js';
import type { Http2Stream } from './stream.js';
import { codeName } from './stream-receiver.js';

export interface Http2ClientOptions extends Http2Options {
  /** A stream can be opened where none could before: a stream ended, or the server raised its limit. */
  readonly onAvailable?: () => void;
  /** No stream can be opened any more: GOAWAY, or the ids are used up. Streams that run go on. */
  readonly onRetired?: () => void;
}

const memo = new BlockMemo();
/** `HTT` of `HTTP/1.1 …`, read as the length of a frame. */
const HTTP1_AS_LENGTH = 0x485454;
const checkNothing = (): void => {};

export class Http2ClientConnection extends Http2Connection implements HttpOpener {
  /** A client takes no streams from its peer. */
  readonly lastPeerStream = 0;
  readonly #onAvailable: (() => void) | undefined;
  readonly #onRetired: (() => void) | undefined;
  #nextId = 1;
  #settled = false;

  constructor(transport: Transport, options: Http2ClientOptions = {}) {
    super(transport, options, false);
    this.#onAvailable = options.onAvailable;
    this.#onRetired = options.onRetired;
    const { limits } = this;
    const slab = this.sender.control();
    slab.ensure(PREFACE.length);
    PREFACE.copy(slab.buffer, slab.end);
    slab.end += PREFACE.length;
    this.sendSettings([
      [Setting.HEADER_TABLE_SIZE, 0],
      [Setting.ENABLE_PUSH, 0],
      [Setting.INITIAL_WINDOW_SIZE, limits.streamWindowBytes],
      [Setting.MAX_HEADER_LIST_SIZE, limits.headerListBytesMax],
    ]);
    this.credit.open();
    this.sender.written();
  }

  /** Streams that may be opened now; 0 for good once the connection is `retired`. */
  get available(): number {
    return this.retired ? 0 : Math.max(0, this.peerSettings.streamsMax - this.streams.size);
  }

  /** No stream will be opened on this connection any more. */
  get retired(): boolean {
    return this.stopped || this.draining || this.#nextId > STREAM_ID_MAX;
  }

  /** The server's SETTINGS have come. */
  get settled(): boolean {
    return this.#settled;
  }

  /** Where no stream can be opened the receiver is told `refused`, unprocessed, after this returned. */
  open(head: RequestHead, end: boolean, receiver: ClientReceiver): ClientStream {
    if (this.available <= 0) {
      return this.#refused(receiver, {
        reason: 'refused',
        message: this.retired
          ? 'the connection takes no new streams'
          : 'the connection has all the streams it may have',
        unprocessed: true,
      });
    }
    const stream = new Http2ClientStream(this, this.#nextId, receiver, head.method === 'HEAD');
    const { sender } = this;
    // Blocks of new streams go out in the order of their ids, so they never wait.
    const slab = sender.beginHeaders(stream, true);
    try {
      encodeMethod(slab, head.method);
      if (head.method !== 'CONNECT') {
        encodeScheme(slab, head.scheme);
        encodePath(slab, head.path);
      }
      if (head.authority !== '') encodeAuthority(slab, head.authority);
      encodeFields(slab, head.headers.flat);
    } catch (error) {
      sender.cancelHeaders();
      return this.#refused(receiver, { reason: 'protocol', message: (error as Error).message, unprocessed: true });
    }
    this.#nextId += 2;
    this.addStream(stream);
    if (end) stream.localEnded = true;
    sender.endHeaders(stream, end);
    if (this.#nextId > STREAM_ID_MAX) this.#onRetired?.();
    return stream;
  }

  /** Takes no new streams, and closes when those that run have ended. */
  drain(): void {
    if (this.stopped || this.draining) return;
    this.draining = true;
    this.sendGoaway(0, ErrorCode.NO_ERROR, '');
    if (this.streams.size === 0) this.finish();
  }

  override onFrameTooLong(length: number): void {
    if (!this.#settled && length === HTTP1_AS_LENGTH) this.fail(ErrorCode.HTTP_1_1_REQUIRED, 'it answers in HTTP/1');
    else super.onFrameTooLong(length);
  }

  #refused(receiver: ClientReceiver, reset: StreamReset): ClientStream {
    const stream = new Http2ClientStream(this, 0, receiver, false);
    stream.closed = true;
    stream.localEnded = true;
    queueMicrotask(() => this.tellReset(stream, reset));
    return stream;
  }

  protected override isIdle(id: number): boolean {
    return (id & 1) === 0 || id >= this.#nextId;
  }

  protected override onPeerSettings(): void {
    this.#settled = true;
    if (this.available > 0) this.#onAvailable?.();
  }

  protected override onStreamClosed(): void {
    if (this.draining && this.streams.size === 0) this.finish();
    else if (!this.retired) this.#onAvailable?.();
  }

  protected override onGoaway(lastId: number, code: number, debug: string): void {
    const first = !this.draining;
    this.draining = true;
    const detail = debug === '' ? '' : ` (${debug})`;
    const message = `the server sent GOAWAY ${codeName(code)}${detail}`;
    for (const stream of [...this.streams.values()]) {
      if (stream.id <= lastId) continue;
      this.closeStream(stream);
      this.tellReset(stream, { reason: 'refused', message, unprocessed: true });
    }
    if (first) this.#onRetired?.();
    if (this.streams.size === 0) this.finish();
  }

  protected override decodeBlock(buffer: Buffer, start: number, end: number): HeaderBlock | string {
    return this.headers.decode(memo, buffer, start, end, checkNothing);
  }

  protected override mayReceiveData(stream: Http2Stream): boolean {
    if ((stream as Http2ClientStream).headSeen) return true;
    this.streamError(stream, ErrorCode.PROTOCOL_ERROR, 'DATA before the response head');
    return false;
  }

  protected override onHeaders(id: number, block: HeaderBlock, endStream: boolean): void {
    const stream = this.stream(id) as Http2ClientStream | undefined;
    if (stream === undefined) {
      if (this.isIdle(id)) this.fail(ErrorCode.PROTOCOL_ERROR, 'HEADERS on an idle stream');
      else this.spend('frames on closed streams');
      return;
    }
    if (stream.remoteEnded) {
      this.streamError(stream, ErrorCode.STREAM_CLOSED, 'HEADERS after END_STREAM');
      return;
    }
    const problem = stream.headSeen ? trailerProblem(block, endStream) : block.responseProblem(endStream);
    if (problem !== null) {
      this.counters.malformed++;
      this.streamError(stream, ErrorCode.PROTOCOL_ERROR, problem);
      return;
    }
    if (block.tooLarge) {
      if (this.spend('header lists above the limit')) {
        const message = `the header list exceeds ${this.limits.headerListBytesMax} bytes (headerListBytesMax)`;
        this.abortStream(stream, ErrorCode.CANCEL, 'too-large', message);
      }
      return;
    }
    if (stream.headSeen) {
      if (this.bodyComplete(stream)) this.endRemote(stream, block);
      return;
    }
    if (block.status < 200) {
      this.spend('informational responses');
      return;
    }
    stream.headSeen = true;
    const hasBody = !stream.bodiless && block.status !== 204 && block.status !== 304;
    if (hasBody && !endStream) stream.bodyLeft = block.contentLength;
    try {
      stream.receiver.onHead({ status: block.status, headers: block.toHeaderList() }, endStream);
    } catch (error) {
      this.log.error({ err: error, stream: id }, 'a stream receiver threw in onHead');
      this.abortStream(stream, ErrorCode.INTERNAL_ERROR, 'internal', 'the receiver failed');
      return;
    }
    if (endStream && !stream.closed) this.endRemote(stream, null);
  }

  protected override onStopped(): void {
    this.#onRetired?.();
  }

  protected override onTransportClosed(): void {
    this.#onRetired?.();
  }
}

function trailerProblem(block: HeaderBlock, endStream: boolean): string | null {
  if (!endStream) return 'trailers without END_STREAM';
  return block.hasPseudo ? 'pseudo-headers in trailers' : block.fieldProblem;
}
