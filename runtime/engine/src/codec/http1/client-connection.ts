/** The client's end of one HTTP/1.1 connection: one exchange at a time, the connection is reused when both sides agree. */
import type { Logger } from '../../base/log.js';
import type { Transport, TransportReceiver } from '../../network/transport.js';
import { HeaderList } from '../http/headers.js';
import type {
  ClientReceiver,
  HttpOpener,
  RequestHead,
  ResetReason,
  ResponseHead,
  StreamReset,
} from '../http/stream.js';
import { BodyDecoder, type BodyReceiver } from './body-decoder.js';
import { Http1ClientStream, type UpgradeReceiver } from './client-stream.js';
import { FAILED } from './failure.js';
import { BodyKind } from './head.js';
import { HeadReader } from './head-reader.js';
import { type Http1Limits, http1Limits, INTERIM_RESPONSES_MAX } from './limits.js';
import { type ParsedResponse, responseBodyKind, responseParserOf, responsePersists } from './response-parser.js';

export interface Http1ClientOptions {
  readonly log: Logger;
  readonly limits?: Http1Limits;
  /** An exchange is over and the connection can carry the next. */
  readonly onIdle?: (connection: Http1ClientConnection) => void;
  /** The connection carries no further exchange. Called once. */
  readonly onUnusable?: (connection: Http1ClientConnection) => void;
}

const State = { idle: 0, head: 1, body: 2, handedOver: 3, closed: 4 } as const;
type State = (typeof State)[keyof typeof State];

export class Http1ClientConnection implements TransportReceiver, BodyReceiver, HttpOpener {
  readonly transport: Transport;
  /** Exchanges begun so far: a request on a connection that was used before may meet one the server is just closing. */
  exchanges = 0;
  private readonly options: Http1ClientOptions;
  private readonly heads: HeadReader<ParsedResponse>;
  private readonly body: BodyDecoder;
  private state: State = State.idle;
  private current: Http1ClientStream | null = null;
  private persist = true;
  private retired = false;
  private unusableTold = false;
  private readingPaused = false;
  private interimResponses = 0;
  /** A byte of the current response has arrived. */
  private answered = false;

  constructor(transport: Transport, options: Http1ClientOptions) {
    const limits = options.limits ?? http1Limits;
    this.transport = transport;
    this.options = options;
    this.heads = new HeadReader(responseParserOf(limits), limits.headerBytesMax, 0);
    this.body = new BodyDecoder(limits);
    transport.receiver = this;
  }

  /** `open` may be called. */
  get usable(): boolean {
    return this.state === State.idle && !this.retired;
  }

  /**
   * Begins an exchange; the connection must be `usable`, else the receiver is told `refused`.
   *
   * When the connection ends before the first byte of the response, `onReset` says `connection-lost` with `unprocessed`
   * true only if no byte of the request had left this process. Otherwise the server may have acted: whether to try
   * again is for the caller, who knows whether the method is idempotent.
   */
  open(head: RequestHead, end: boolean, receiver: ClientReceiver): Http1ClientStream {
    return this.begin(head, end, receiver, null, null);
  }

  /** As `open`, asking to go on with `protocol` (RFC 9110 §7.8). The request has no body. */
  openUpgrade(head: RequestHead, protocol: string, receiver: UpgradeReceiver): Http1ClientStream {
    return this.begin(head, true, receiver, protocol, receiver);
  }

  /** No further exchange; closes when the running one is over, at once when there is none. */
  drain(): void {
    this.retired = true;
    if (this.state === State.idle) this.close();
    else this.tellUnusable();
  }

  // Called by the transport

  onBytes(buffer: Buffer, start: number, end: number): void {
    let pos = start;
    while (pos < end) {
      switch (this.state) {
        case State.idle:
          // Nothing was asked: whatever this is, it must not become the answer to the next request.
          this.options.log.debug({ remote: this.transport.remote.address }, 'the server sent bytes without a request');
          this.close();
          return;
        case State.head:
          pos = this.readHead(buffer, pos, end);
          break;
        case State.body:
          pos = this.readBody(buffer, pos, end);
          break;
        case State.handedOver:
          this.transport.receiver.onBytes(buffer, pos, end);
          return;
        default:
          return;
      }
    }
  }

  onDrain(): void {
    const stream = this.current;
    if (stream === null) return;
    try {
      stream.drained();
    } catch (error) {
      this.receiverFailed(stream, error);
    }
  }

  onEnd(): void {
    const stream = this.current;
    if (stream === null) {
      this.close();
      return;
    }
    if (this.state === State.body && this.body.endOfStream()) {
      this.responseEnded(stream, false);
      return;
    }
    // What still lies in the slab was never sent.
    const unsent = !this.answered && this.transport.slab.end >= stream.written;
    const when = this.answered ? 'inside a response' : 'before it answered';
    this.fail(stream, 'connection-lost', `the server closed the connection ${when}`, unsent);
  }

  onClose(error: Error | null): void {
    const stream = this.current;
    if (stream !== null) {
      const why = error === null ? 'the connection was closed' : `the connection was lost: ${error.message}`;
      this.fail(stream, 'connection-lost', this.answered ? `${why} inside a response` : `${why} before an answer`);
    }
    this.state = State.closed;
    this.tellUnusable();
  }

  // Reading

  private readHead(buffer: Buffer, start: number, end: number): number {
    const stream = this.current as Http1ClientStream;
    const { heads } = this;
    this.answered = true;
    const pos = heads.read(buffer, start, end);
    if (heads.failure !== null) this.fail(stream, 'protocol', `the response is not valid: ${heads.failure.sentence}`);
    else if (heads.head !== null) this.headRead(stream, heads.head, pos < end);
    return pos;
  }

  private headRead(stream: Http1ClientStream, parsed: ParsedResponse, bytesFollow: boolean): void {
    const { status } = parsed;
    if (status === 101) {
      this.switchProtocols(stream, parsed);
      return;
    }
    if (status < 200) {
      if (++this.interimResponses <= INTERIM_RESPONSES_MAX) return;
      this.fail(stream, 'protocol', `the server sent more than ${INTERIM_RESPONSES_MAX} interim responses`);
      return;
    }
    const kind = responseBodyKind(parsed, stream.method);
    this.persist = responsePersists(parsed, kind);
    const ends = kind === BodyKind.none;
    if (!ends) {
      this.body.start(kind, parsed.contentLength, Number.POSITIVE_INFINITY);
      this.state = State.body;
    }
    try {
      stream.receiver.onHead(headOf(parsed), ends);
    } catch (error) {
      this.receiverFailed(stream, error);
    }
    if (ends && !stream.dead) this.responseEnded(stream, bytesFollow);
  }

  private switchProtocols(stream: Http1ClientStream, parsed: ParsedResponse): void {
    const { upgrade } = stream;
    if (upgrade === null || parsed.upgrade === null) {
      this.fail(stream, 'protocol', 'the server switched protocols without being asked');
      return;
    }
    this.release(stream);
    this.state = State.handedOver;
    this.tellUnusable();
    const head = headOf(parsed);
    head.headers.append('upgrade', parsed.upgrade);
    upgrade.onUpgrade(head, this.transport);
  }

  private readBody(buffer: Buffer, start: number, end: number): number {
    const stream = this.current as Http1ClientStream;
    const pos = this.body.decode(buffer, start, end, this);
    if (stream.dead) return end;
    if (pos === FAILED) {
      this.fail(stream, 'protocol', `the response is not valid: ${this.body.failure?.sentence}`);
      return end;
    }
    if (this.body.done) this.responseEnded(stream, pos < end);
    return pos;
  }

  /** Part of the response body, from the decoder. */
  onBody(buffer: Buffer, start: number, end: number): void {
    const stream = this.current;
    if (stream === null || stream.dead) return;
    try {
      stream.receiver.onData(buffer, start, end);
    } catch (error) {
      this.receiverFailed(stream, error);
    }
  }

  /** A mistake in one receiver ends its exchange; it must not touch others, nor whoever happens to be our caller. */
  private receiverFailed(stream: Http1ClientStream, error: unknown): void {
    this.options.log.error({ err: error }, 'the receiver of a response threw');
    this.fail(stream, 'internal', 'the receiver of the response failed');
  }

  private responseEnded(stream: Http1ClientStream, bytesFollow: boolean): void {
    const trailers = this.state === State.body ? this.body.trailers : null;
    // Bytes behind the response would be taken for the answer to the next request: such a connection is not reused.
    const reusable = this.persist && stream.requestDone && !this.retired && !bytesFollow;
    this.release(stream);
    if (reusable) {
      this.state = State.idle;
      // The connection is offered first, so that a request made inside `onEnd` finds it.
      this.options.onIdle?.(this);
    } else {
      // A request that is not complete when its response is cannot be completed usefully: the server has decided.
      this.close();
    }
    try {
      stream.receiver.onEnd(trailers);
    } catch (error) {
      // The exchange is over, and the connection may carry the next.
      this.options.log.error({ err: error }, 'the receiver of a response threw');
    }
  }

  // Called by the stream

  updateReading(stream: Http1ClientStream): void {
    if (this.current !== stream) return;
    const paused = stream.pauses.total > 0;
    if (paused === this.readingPaused) return;
    this.readingPaused = paused;
    if (paused) this.transport.pause('stream');
    else this.transport.resume('stream');
  }

  /** The exchange failed; the connection cannot be used again. */
  fail(stream: Http1ClientStream, reason: ResetReason, message: string, unprocessed = false): void {
    if (stream.dead) return;
    this.release(stream);
    this.close();
    this.tellReset(stream, { reason, message, unprocessed });
  }

  private tellReset(stream: Http1ClientStream, reset: StreamReset): void {
    try {
      stream.receiver.onReset(reset);
    } catch (error) {
      this.options.log.error({ err: error }, 'the receiver of a response threw when it was told of its end');
    }
  }

  cut(stream: Http1ClientStream): void {
    if (stream.dead) return;
    this.release(stream);
    this.close();
  }

  private begin(
    head: RequestHead,
    end: boolean,
    receiver: ClientReceiver,
    protocol: string | null,
    upgrade: UpgradeReceiver | null,
  ): Http1ClientStream {
    const stream = new Http1ClientStream(this, head.method, receiver, upgrade);
    if (!this.usable) {
      this.refuse(stream, 'refused', 'the connection is not free for a request');
      return stream;
    }
    const wrong = stream.begin(head, end, protocol);
    if (wrong !== null) {
      this.refuse(stream, 'protocol', wrong);
      this.options.onIdle?.(this);
      return stream;
    }
    this.exchanges++;
    this.current = stream;
    this.state = State.head;
    this.answered = false;
    this.interimResponses = 0;
    return stream;
  }

  /** Nothing was sent. The receiver is told after `open` has returned. */
  private refuse(stream: Http1ClientStream, reason: ResetReason, message: string): void {
    queueMicrotask(() => {
      if (stream.dead) return;
      stream.dead = true;
      this.tellReset(stream, { reason, message, unprocessed: true });
    });
  }

  private release(stream: Http1ClientStream): void {
    stream.dead = true;
    this.current = null;
    if (!this.readingPaused) return;
    this.readingPaused = false;
    this.transport.resume('stream');
  }

  private close(): void {
    if (this.state >= State.handedOver) return;
    this.state = State.closed;
    this.heads.clear();
    this.tellUnusable();
    this.transport.destroy();
  }

  private tellUnusable(): void {
    if (this.unusableTold) return;
    this.unusableTold = true;
    this.options.onUnusable?.(this);
  }
}

function headOf(parsed: ParsedResponse): ResponseHead {
  return { status: parsed.status, headers: new HeaderList(parsed.flat.slice()) };
}
