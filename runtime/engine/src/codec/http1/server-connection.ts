/**
 * The server's end of one HTTP/1.1 connection: reads requests, hands them to the handler one after the other, so that
 * responses are in order by nature. Pipelined requests wait as bytes (bounded) until the exchange before them is over.
 */
import type { Transport, TransportReceiver } from '../../network/transport.js';
import { HeaderList } from '../http/headers.js';
import { discardReceiver } from '../http/respond.js';
import type { RequestHead, ResetReason } from '../http/stream.js';
import { BodyDecoder, type BodyReceiver } from './body-decoder.js';
import { Http1Counters } from './counters.js';
import { Deadline } from './deadline.js';
import { FAILED, failure, type Http1Failure, UNANSWERED } from './failure.js';
import { BodyKind } from './head.js';
import { HeadReader } from './head-reader.js';
import { type Http1Limits, http1Limits, LEADING_EMPTY_LINES_MAX } from './limits.js';
import { ParkedBytes } from './parked-bytes.js';
import { type ParsedRequest, requestParserOf } from './request-parser.js';
import { writeRefusal } from './response-writer.js';
import type { Http1ServerOptions } from './server-options.js';
import { Http1ServerStream } from './server-stream.js';

const State = {
  /** Between messages, or inside a head. */
  head: 0,
  /** Inside a request body. */
  body: 1,
  /** The request is complete, its response is not. */
  response: 2,
  /** Our last byte is out; what still comes is dropped. */
  closing: 3,
  /** Another protocol has the transport. */
  handedOver: 4,
  closed: 5,
} as const;
type State = (typeof State)[keyof typeof State];

/** How a disconnecting client looks to the kernel; anything else is a fault of the network. */
const DISCONNECTS = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED']);

export class Http1ServerConnection implements TransportReceiver, BodyReceiver {
  readonly transport: Transport;
  private readonly options: Http1ServerOptions;
  private readonly limits: Http1Limits;
  private readonly counters: Http1Counters;
  private readonly scheme: 'http' | 'https';
  private readonly heads: HeadReader<ParsedRequest>;
  private readonly body: BodyDecoder;
  private readonly deadline: Deadline;
  /** Bytes behind the current request. */
  private readonly parked: ParkedBytes;
  private state: State = State.head;
  private current: Http1ServerStream | null = null;
  private keepAlive = true;
  /** The deadline that runs is that of a head: of the first one from the accept on. */
  private headTimed = true;
  /** Inside the handler: what it ends is looked at when it returns. */
  private starting = false;
  private consuming = false;
  private draining = false;
  private peerEnded = false;
  private readingPaused = false;
  /** The deadline that runs is the peer's for taking our bytes. */
  private stallWatched = false;
  /** Bytes still read and dropped, of a request body after its response or of whatever comes while closing. */
  private lingerLeft = 0;

  /** Takes the transport over; bytes that were read before are given to `onBytes`. */
  constructor(transport: Transport, options: Http1ServerOptions) {
    this.transport = transport;
    this.options = options;
    this.limits = options.limits ?? http1Limits;
    this.counters = options.counters ?? new Http1Counters();
    this.counters.connections++;
    this.counters.connectionsOpen++;
    this.scheme = transport.tls === null ? 'http' : 'https';
    const parser = requestParserOf(this.limits, this.scheme);
    this.heads = new HeadReader(parser, this.limits.headerBytesMax, LEADING_EMPTY_LINES_MAX);
    this.body = new BodyDecoder(this.limits);
    this.parked = new ParkedBytes(transport, this.limits.pipelinedBytesMax);
    this.deadline = new Deadline(options.clock, () => this.deadlinePassed());
    transport.receiver = this;
    this.deadline.set(this.limits.headerTimeoutMs);
  }

  /** An exchange is running. */
  get busy(): boolean {
    return this.current !== null;
  }

  /** Closes as soon as the exchange that runs is over, whose response says `connection: close`; at once when none does. */
  drain(): void {
    this.draining = true;
    if (this.state === State.head && !this.heads.pending && this.parked.length === 0) this.closeGracefully();
  }

  // Called by the transport

  onBytes(buffer: Buffer, start: number, end: number): void {
    if (this.parked.length > 0) {
      this.park(buffer, start, end);
      this.resumeParked();
    } else {
      this.consume(buffer, start, end);
    }
  }

  onDrain(): void {
    if (this.stallWatched) {
      this.stallWatched = false;
      this.rearm();
    }
    this.current?.drained();
    this.resumeParked();
  }

  onEnd(): void {
    this.peerEnded = true;
    switch (this.state) {
      case State.head:
        if (this.heads.pending) this.refuse(failure(400, 'the connection ended inside a request head'));
        else if (this.parked.length === 0) this.closeGracefully();
        break;
      case State.body:
        this.refuse(failure(400, 'the connection ended inside a request body'));
        break;
      case State.response:
        // A client that has only finished sending still gets its answer; one that has gone does not hold us for long.
        if (!this.stallWatched) this.rearm();
        break;
      case State.closing:
        if (this.transport.bufferedBytes === 0) this.destroy();
        break;
      default:
    }
  }

  onClose(error: Error | null): void {
    const stream = this.current;
    this.state = State.closed;
    this.deadline.cancel();
    this.heads.clear();
    this.parked.clear();
    this.counters.connectionsOpen--;
    if (stream !== null) {
      const code = (error as NodeJS.ErrnoException | null)?.code ?? '';
      const lost = error !== null && !DISCONNECTS.has(code);
      const message = lost ? `the connection was lost: ${error.message}` : 'the client closed the connection';
      this.kill(stream, lost ? 'connection-lost' : 'cancel', message);
    }
    this.options.onClosed?.();
  }

  // Reading

  private consume(buffer: Buffer, start: number, end: number): void {
    this.consuming = true;
    let pos = start;
    while (pos < end) {
      switch (this.state) {
        case State.head:
          pos = this.readHead(buffer, pos, end);
          break;
        case State.body:
          pos = this.readBody(buffer, pos, end);
          break;
        case State.response:
          pos = this.park(buffer, pos, end);
          break;
        case State.closing:
          this.lingerLeft -= end - pos;
          // Closing now would reset the connection, and the peer might never see our last bytes.
          if (this.lingerLeft < 0) this.transport.pause('limit');
          pos = end;
          break;
        case State.handedOver:
          this.transport.receiver.onBytes(buffer, pos, end);
          pos = end;
          break;
        default:
          pos = end;
      }
    }
    this.consuming = false;
  }

  private readHead(buffer: Buffer, start: number, end: number): number {
    // A peer that pipelines and does not read is not served further until it has taken the last responses.
    if (!this.transport.writable) {
      this.watchWrites();
      return this.park(buffer, start, end);
    }
    const { heads } = this;
    const pos = heads.read(buffer, start, end);
    if (heads.head !== null) this.begin(heads.head, pos < end);
    else if (heads.failure !== null) this.refuse(heads.failure);
    else if (heads.pending && !this.headTimed) this.headBegun();
    return pos;
  }

  /** From now on the head has its time; a second piece of it does not begin that time anew. */
  private headBegun(): void {
    this.headTimed = true;
    this.deadline.set(this.limits.headerTimeoutMs);
  }

  private begin(parsed: ParsedRequest, bytesFollow: boolean): void {
    const { method, path, authority, body, contentLength } = parsed;
    const headers = new HeaderList(parsed.flat.slice());
    const head: RequestHead = { method, scheme: this.scheme, authority, path, headers };
    const headOnly = body === BodyKind.none;
    this.headTimed = false;
    this.deadline.clear();
    if (!headOnly) {
      const bytesMax = this.options.bodyBytesMax?.(head) ?? Number.POSITIVE_INFINITY;
      if (contentLength > bytesMax) {
        this.refuse(failure(413, `the body is larger than ${bytesMax} bytes`));
        return;
      }
      this.body.start(body, contentLength, bytesMax);
    }
    this.keepAlive = parsed.keepAlive;
    const stream = new Http1ServerStream(this, head, parsed, headOnly);
    this.current = stream;
    this.counters.requests++;
    this.counters.requestsOpen++;
    this.state = headOnly ? State.response : State.body;
    this.starting = true;
    try {
      this.options.handler(stream);
    } catch (error) {
      this.receiverFailed(stream, error);
    }
    this.starting = false;
    if (stream.dead) return;
    if (headOnly) {
      this.tellEnd(stream, null);
      this.exchangeMayBeOver(stream);
    } else {
      if (bytesFollow) stream.awaitsContinue = false;
      this.updateReading(stream);
    }
  }

  private readBody(buffer: Buffer, start: number, end: number): number {
    const stream = this.current as Http1ServerStream;
    const pos = this.body.decode(buffer, start, end, this);
    if (pos === FAILED) {
      this.refuse(this.body.failure as Http1Failure);
      return end;
    }
    if (stream.dead) return pos;
    if (this.body.done) {
      this.requestEnded(stream);
    } else if (stream.responseDone) {
      this.lingerLeft -= pos - start;
      if (this.lingerLeft < 0) this.dropRequest(stream);
    } else if (!this.stallWatched) {
      this.rearm();
    }
    return pos;
  }

  /** Part of the request body, from the decoder. */
  onBody(buffer: Buffer, start: number, end: number): void {
    const stream = this.current;
    if (stream === null || stream.dead) return;
    try {
      stream.receiver.onData(buffer, start, end);
    } catch (error) {
      this.receiverFailed(stream, error);
    }
  }

  private requestEnded(stream: Http1ServerStream): void {
    stream.requestDone = true;
    this.state = State.response;
    this.updateReading(stream);
    if (!this.stallWatched) this.rearm();
    this.tellEnd(stream, this.body.trailers);
    this.exchangeMayBeOver(stream);
  }

  private tellEnd(stream: Http1ServerStream, trailers: HeaderList | null): void {
    try {
      stream.receiver.onEnd(trailers);
    } catch (error) {
      this.receiverFailed(stream, error);
    }
  }

  /** A mistake in one handler ends its exchange; it must not reach whoever happens to be our caller. */
  receiverFailed(stream: Http1ServerStream, error: unknown): void {
    const { method, path } = stream.head;
    this.options.log.error({ err: error, method, path }, 'the handler of a request threw');
    this.abandon(stream, 500, 'the handler of this request failed', null);
  }

  private park(buffer: Buffer, start: number, end: number): number {
    this.parked.append(buffer, start, end);
    return end;
  }

  private resumeParked(): void {
    if (this.consuming || this.starting || this.parked.length === 0 || this.state === State.response) return;
    if (this.state === State.head && !this.transport.writable) return;
    const bytes = this.parked.detach();
    this.consume(bytes, 0, bytes.length);
    if (this.peerEnded && this.state === State.head && this.parked.length === 0) this.onEnd();
  }

  // Called by the stream

  /** Whether the connection could go on after a response whose head is written now. */
  wouldPersist(stream: Http1ServerStream): boolean {
    if (this.draining || !this.keepAlive) return false;
    if (stream.requestDone) return true;
    // A client that still waits for 100 may or may not send its body after this response, and a chunked one may be of any
    // length: there is no telling.
    const { remaining } = this.body;
    return !stream.awaitsContinue && remaining >= 0 && remaining <= this.limits.lingerBytesMax;
  }

  responseEnded(stream: Http1ServerStream): void {
    if (stream.requestDone) {
      this.exchangeMayBeOver(stream);
      return;
    }
    // The client is still sending what nobody asked for any more: it has a little time and room to come to the end.
    this.lingerLeft = this.limits.lingerBytesMax;
    this.stallWatched = false;
    if (!stream.framing.persist) this.transport.end();
    this.rearm();
  }

  /** Reads on or not, and says 100 when the body is wanted. */
  updateReading(stream: Http1ServerStream): void {
    if (this.current !== stream) return;
    const paused = stream.pauses.total > 0 && !stream.requestDone;
    if (paused !== this.readingPaused) {
      this.readingPaused = paused;
      if (paused) this.transport.pause('stream');
      else this.transport.resume('stream');
    }
    if (this.starting || stream.requestDone) return;
    if (!paused && stream.awaitsContinue && !stream.responded) stream.inform(100);
    if (!this.stallWatched) this.rearm();
  }

  /** The peer has not taken what was written: it has a bounded time to do so. */
  watchWrites(): void {
    if (this.stallWatched) return;
    this.stallWatched = true;
    const { writeStallTimeoutMs, writeBytesPerSecondMin } = this.limits;
    this.deadline.set(writeStallTimeoutMs + (this.transport.bufferedBytes / writeBytesPerSecondMin) * 1000);
  }

  /** The response cannot be completed. `fault`: what the handler did wrong, which it is told; null when it knows. */
  abandon(stream: Http1ServerStream, status: number, sentence: string, fault: string | null): void {
    if (stream.dead) return;
    const { responded } = stream;
    const { method, path } = stream.head;
    if (fault !== null) this.options.log.error({ method, path }, `a response was given up: ${fault}`);
    this.kill(stream, fault === null ? null : 'internal', fault ?? '');
    if (responded) this.destroy();
    else this.answer(failure(status, sentence));
  }

  /** The handler gave the stream up and there is nothing to say. */
  cut(stream: Http1ServerStream): void {
    this.kill(stream, null, '');
    this.destroy();
  }

  /** The response is complete, and the rest of the request is not wanted. */
  dropRequest(stream: Http1ServerStream): void {
    this.kill(stream, 'no-error', 'the response was complete before the request body was');
    this.closeGracefully();
  }

  handOver(takeOver: (transport: Transport) => void): void {
    this.release();
    this.state = State.handedOver;
    this.deadline.cancel();
    this.transport.markDirty();
    this.counters.connectionsOpen--;
    takeOver(this.transport);
    this.options.onClosed?.();
    this.resumeParked();
    if (this.peerEnded) this.transport.receiver.onEnd();
  }

  // Ends of exchanges and of the connection

  private exchangeMayBeOver(stream: Http1ServerStream): void {
    if (this.starting || stream.dead || !stream.requestDone || !stream.responseDone) return;
    stream.dead = true;
    this.release();
    if (!stream.framing.persist || this.draining) {
      this.closeGracefully();
      return;
    }
    this.state = State.head;
    this.rearm();
    if (this.peerEnded && !this.consuming && this.parked.length === 0) this.closeGracefully();
    else this.resumeParked();
  }

  /** Nothing more is called on the stream, but `onReset` when there is a reason. */
  private kill(stream: Http1ServerStream, reason: ResetReason | null, message: string): void {
    if (stream.dead) return;
    stream.dead = true;
    const { receiver } = stream;
    stream.receiver = discardReceiver;
    this.release();
    if (reason === null) return;
    try {
      receiver.onReset({ reason, message, unprocessed: false });
    } catch (error) {
      this.options.log.error({ err: error }, 'the handler of a request threw when it was told of its end');
    }
  }

  private release(): void {
    if (this.current !== null) this.counters.requestsOpen--;
    this.current = null;
    this.stallWatched = false;
    if (!this.readingPaused) return;
    this.readingPaused = false;
    this.transport.resume('stream');
  }

  /** A message broke the rules or a limit, or took too long. */
  private refuse(refused: Http1Failure): void {
    const stream = this.current;
    const { transport, options } = this;
    this.counters.refused++;
    if (refused.status === 408) this.counters.timeouts++;
    options.onRefused?.(refused);
    options.log.debug({ remote: transport.remote.address, status: refused.status }, refused.sentence);
    if (stream === null) {
      this.answer(refused);
      return;
    }
    const { responded, responseDone } = stream;
    this.kill(stream, this.resetReason(refused.status), refused.sentence);
    if (!responded) this.answer(refused);
    else if (responseDone) this.closeGracefully();
    else this.destroy();
  }

  private resetReason(status: number): ResetReason {
    if (this.peerEnded) return 'cancel';
    if (status === 408) return 'timeout';
    return status === 413 ? 'too-large' : 'protocol';
  }

  /** The last thing that is said on this connection. */
  private answer(refused: Http1Failure): void {
    if (this.state >= State.closing) return;
    if (refused.status !== UNANSWERED) {
      writeRefusal(this.transport.slab, refused);
      this.transport.markDirty();
    }
    this.closeGracefully();
  }

  /** Ends our direction and reads on for a while, so that a reset does not overtake our last bytes (RFC 9112 §9.6). */
  private closeGracefully(): void {
    if (this.state >= State.closing) return;
    this.state = State.closing;
    this.lingerLeft = this.limits.lingerBytesMax;
    this.stallWatched = false;
    this.heads.clear();
    this.parked.clear();
    this.rearm();
    this.transport.end();
    if (this.peerEnded && this.transport.bufferedBytes === 0) this.destroy();
  }

  private destroy(): void {
    this.state = State.closed;
    this.deadline.cancel();
    this.transport.destroy();
  }

  // Time

  /** Sets the deadline that belongs to the state. */
  private rearm(): void {
    const { deadline, limits, current } = this;
    switch (this.state) {
      case State.head:
        deadline.set(limits.idleTimeoutMs);
        break;
      case State.body:
        if (current?.responseDone === true) deadline.set(limits.lingerTimeoutMs);
        else if (current === null || current.responded || this.readingPaused) deadline.clear();
        else deadline.set(limits.bodyIdleTimeoutMs);
        break;
      case State.response:
        if (this.peerEnded) deadline.set(limits.lingerTimeoutMs);
        else deadline.clear();
        break;
      case State.closing:
        deadline.set(limits.lingerTimeoutMs);
        break;
      default:
    }
  }

  private deadlinePassed(): void {
    const stream = this.current;
    if (this.stallWatched) {
      this.counters.timeouts++;
      if (stream !== null) this.kill(stream, 'timeout', 'the client does not read its response');
      this.destroy();
      return;
    }
    switch (this.state) {
      case State.head:
        if (this.heads.pending) this.refuse(failure(408, 'the request head took too long to arrive'));
        else this.closeGracefully();
        break;
      case State.body:
        if (stream?.responseDone === true) this.dropRequest(stream);
        else this.refuse(failure(408, 'the request body took too long to arrive'));
        break;
      case State.response:
        if (stream !== null) this.kill(stream, 'cancel', 'the client closed the connection');
        this.destroy();
        break;
      case State.closing:
        if (this.transport.bufferedBytes === 0) this.destroy();
        else this.watchWrites();
        break;
      default:
    }
  }
}
