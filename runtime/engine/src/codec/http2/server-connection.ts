/** The server's side of an HTTP/2 connection: opens streams, dispatches them, drains in two steps, grows old. */
import type { Timer } from '../../base/clock.js';
import type { Transport } from '../../network/transport.js';
import { HeaderList } from '../http/headers.js';
import type { HttpHandler, RequestHead, StreamReceiver } from '../http/stream.js';
import { Http2Connection } from './connection.js';
import { ErrorCode, Setting, STREAM_ID_MAX } from './constants.js';
import type { Http2Options } from './endpoint.js';
import { HeaderBlock } from './header-block.js';
import { BlockMemo } from './header-memo.js';
import { Http2ServerStream } from './server-stream.js';
import type { Http2Stream } from './stream.js';

/** What the connection needs of a gRPC service; `codec/grpc` makes it. */
export interface GrpcDispatch {
  /** The route of a path, kept with the decoded block and handed to `begin`; null when it is not served here. */
  find(path: string): object | null;
  /** Takes the stream over. It is told of data through what is returned. */
  begin(route: object, stream: Http2ServerStream, block: HeaderBlock): StreamReceiver;
  /** Serves gRPC calls of unknown paths (transparent proxying); without it they are answered UNIMPLEMENTED. */
  readonly unknown: HttpHandler | undefined;
  /** Answers a call of a path that is not served. */
  refuseUnknown(stream: Http2ServerStream): void;
  /** Answers a call whose metadata passed the limit. */
  refuseTooLarge(stream: Http2ServerStream, limitBytes: number): void;
}

export interface Http2ServerOptions extends Http2Options {
  readonly http: HttpHandler;
  readonly grpc?: GrpcDispatch;
  /** Drains a connection that is older than `ms` (±10 %), and ends it `graceMs` later; for even spreading of clients. */
  readonly maxAge?: { readonly ms: number; readonly graceMs: number };
  /** Drains a connection that had no stream for this long. */
  readonly idleMs?: number;
}

/** Routes remembered in a block: the request is not gRPC, or nobody serves its path. */
const NOT_GRPC = {};
const UNKNOWN = {};

/** Requests decoded on this thread. */
const memo = new BlockMemo();
const finishRequest = (block: HeaderBlock): void => block.finishRequest();

export class Http2ServerConnection extends Http2Connection {
  readonly #http: HttpHandler;
  readonly #grpc: GrpcDispatch | undefined;
  readonly #idleMs: number;
  lastPeerStream = 0;
  /** Streams above this come after our GOAWAY: they are not looked at. */
  #acceptedMax: number = STREAM_ID_MAX;
  #ignoredMax = 0;
  #tableRefused = false;
  #drainTimer: Timer | undefined;
  #ageTimer: Timer | undefined;
  #idleTimer: Timer | undefined;

  constructor(transport: Transport, options: Http2ServerOptions) {
    super(transport, options, true);
    this.#http = options.http;
    this.#grpc = options.grpc;
    this.#idleMs = options.idleMs ?? 0;
    const { limits } = this;
    this.sendSettings([
      [Setting.MAX_CONCURRENT_STREAMS, limits.streamsMax],
      [Setting.INITIAL_WINDOW_SIZE, limits.streamWindowBytes],
      [Setting.MAX_HEADER_LIST_SIZE, limits.headerListBytesMax],
    ]);
    this.credit.open();
    this.sender.written();
    if (options.maxAge !== undefined) this.#growOld(options.maxAge);
    this.#armIdle();
  }

  /**
   * Goes on after `Upgrade: h2c` (RFC 7540 §3.2): the 101 was sent, the request is stream 1 and has ended on the client's
   * side; `settings` is the decoded HTTP2-Settings field, `body` the request's body. The client's preface follows.
   */
  static fromUpgrade(
    transport: Transport,
    options: Http2ServerOptions,
    request: RequestHead,
    settings: Buffer,
    body: Buffer | null = null,
  ): Http2ServerConnection {
    const connection = new Http2ServerConnection(transport, options);
    if (settings.length % 6 !== 0) {
      connection.fail(ErrorCode.PROTOCOL_ERROR, 'HTTP2-Settings is not a SETTINGS payload');
      return connection;
    }
    if (connection.applySettings(settings, 0, settings.length)) connection.#openUpgraded(request, body);
    return connection;
  }

  /**
   * Takes no new streams, lets those that run finish, then closes. Two GOAWAYs, so that requests already on their way
   * are still served (RFC 9113 §6.8). `graceMs` later what still runs is cut off.
   */
  drain(graceMs?: number): void {
    if (this.stopped) return;
    if (graceMs !== undefined) {
      this.#ageTimer?.cancel();
      this.#ageTimer = this.clock.after(graceMs, () => {
        if (this.stopped) return;
        this.#acceptedMax = this.lastPeerStream;
        this.fail(ErrorCode.NO_ERROR, 'draining took too long');
      });
    }
    if (this.draining) return;
    this.draining = true;
    this.#idleTimer?.cancel();
    this.sendGoaway(STREAM_ID_MAX, ErrorCode.NO_ERROR, '');
    this.ping();
    this.#drainTimer = this.clock.after(this.limits.lingerMs, () => this.#drainSecond());
  }

  protected override onPingAck(): void {
    if (this.draining) this.#drainSecond();
  }

  #drainSecond(): void {
    this.#drainTimer?.cancel();
    if (this.stopped || this.#acceptedMax !== STREAM_ID_MAX) return;
    this.#acceptedMax = this.lastPeerStream;
    this.sendGoaway(this.lastPeerStream, ErrorCode.NO_ERROR, '');
    if (this.streams.size === 0) this.finish();
  }

  protected override onStreamClosed(): void {
    if (this.streams.size > 0) return;
    if (this.#acceptedMax !== STREAM_ID_MAX) this.finish();
    else this.#armIdle();
  }

  protected override onTransportClosed(): void {
    this.#drainTimer?.cancel();
    this.#ageTimer?.cancel();
    this.#idleTimer?.cancel();
  }

  protected override isIdle(id: number): boolean {
    return id > this.lastPeerStream && id > this.#ignoredMax;
  }

  protected override onGoaway(): void {
    // The client will not take pushes, which we never send. It closes when its streams are done.
  }

  protected override decodeBlock(buffer: Buffer, start: number, end: number): HeaderBlock | string {
    const block = this.headers.decode(memo, buffer, start, end, finishRequest);
    if (!this.#tableRefused && this.lastPeerStream > 0 && this.headers.decoder.tableEntries > 0) this.#refuseTable();
    return block;
  }

  /**
   * HEADER_TABLE_SIZE = 0 (D7) is asked of a client that uses its table and sends more than one request, not of everybody
   * in the first SETTINGS: a 0 there forbids even the size updates that h2spec, and clients like it, send regardless.
   */
  #refuseTable(): void {
    this.#tableRefused = true;
    this.sendSettings([[Setting.HEADER_TABLE_SIZE, 0]]);
    this.sender.written();
  }

  protected override onHeaders(id: number, block: HeaderBlock, endStream: boolean): void {
    if (id <= this.lastPeerStream) {
      this.#onTrailers(id, block, endStream);
      return;
    }
    if ((id & 1) === 0) {
      this.fail(ErrorCode.PROTOCOL_ERROR, 'a client opened a stream with an even id');
      return;
    }
    if (id > this.#acceptedMax) {
      // Opened before our GOAWAY arrived: never processed, to be retried elsewhere.
      this.#ignoredMax = id;
      this.rst(id, ErrorCode.REFUSED_STREAM);
      return;
    }
    this.lastPeerStream = id;
    if (block.problem !== null) {
      this.counters.malformed++;
      this.log.debug({ reason: block.problem, remote: this.transport.remote }, 'a malformed request was refused');
      if (this.spend('malformed requests')) this.rst(id, ErrorCode.PROTOCOL_ERROR);
      return;
    }
    const { limits } = this;
    if (this.streams.size >= limits.streamsMax || this.sender.queuedBytes > limits.connectionQueueBytesMax) {
      this.counters.streamsRefused++;
      if (this.spend('streams above the limit')) this.rst(id, ErrorCode.REFUSED_STREAM);
      return;
    }
    // Each costs as much as hundreds of small ones, and is refused.
    if (block.tooLarge && !this.spend('header lists above the limit')) return;
    this.#open(new Http2ServerStream(this, id, block, endStream), block, endStream);
  }

  #open(stream: Http2ServerStream, block: HeaderBlock, endStream: boolean): void {
    this.addStream(stream);
    if (this.#idleTimer !== undefined) {
      this.#idleTimer.cancel();
      this.#idleTimer = undefined;
    }
    stream.bodyLeft = block.contentLength;
    if (endStream) {
      if (!this.bodyComplete(stream)) return;
      stream.remoteEnded = true;
    }
    this.#dispatch(stream, block);
    if (endStream && !stream.closed) this.endRemote(stream, null);
  }

  #dispatch(stream: Http2ServerStream, block: HeaderBlock): void {
    const grpc = this.#grpc;
    if (block.routeOwner !== grpc || block.route === null) {
      block.routeOwner = grpc;
      block.route = grpc !== undefined && isGrpc(block) ? (grpc.find(block.path) ?? UNKNOWN) : NOT_GRPC;
    }
    const route = block.route as object;
    try {
      if (route === NOT_GRPC) {
        if (block.tooLarge) refuse(stream, 431);
        else this.#http(stream);
      } else if (block.tooLarge) (grpc as GrpcDispatch).refuseTooLarge(stream, this.limits.headerListBytesMax);
      else if (route !== UNKNOWN) stream.receiver = (grpc as GrpcDispatch).begin(route, stream, block);
      else if ((grpc as GrpcDispatch).unknown !== undefined) (grpc as GrpcDispatch).unknown?.(stream);
      else (grpc as GrpcDispatch).refuseUnknown(stream);
    } catch (error) {
      this.log.error({ err: error, path: block.path }, 'a request handler threw');
      if (stream.responded) stream.reset('internal');
      else refuse(stream, 500);
    }
  }

  #onTrailers(id: number, block: HeaderBlock, endStream: boolean): void {
    const stream = this.stream(id);
    if (stream === undefined) {
      if (this.wasReset(id)) this.spend('frames on closed streams');
      else this.fail(ErrorCode.STREAM_CLOSED, 'HEADERS on a closed stream');
      return;
    }
    if (stream.remoteEnded) this.streamError(stream, ErrorCode.STREAM_CLOSED, 'HEADERS after END_STREAM');
    else if (!endStream) this.streamError(stream, ErrorCode.PROTOCOL_ERROR, 'trailers without END_STREAM');
    else if (block.hasPseudo || block.fieldProblem !== null) {
      this.counters.malformed++;
      this.streamError(stream, ErrorCode.PROTOCOL_ERROR, block.fieldProblem ?? 'pseudo-headers in trailers');
    } else if (block.tooLarge) this.streamError(stream, ErrorCode.ENHANCE_YOUR_CALM, 'trailers above the limit');
    else if (this.bodyComplete(stream)) this.endRemote(stream, block);
  }

  /** The response is complete and the request is not: tell the client to stop (RFC 9113 §8.1). */
  protected override onEndSentEarly(stream: Http2Stream): void {
    this.resetStream(stream, ErrorCode.NO_ERROR);
  }

  #openUpgraded(request: RequestHead, body: Buffer | null): void {
    const block = new HeaderBlock();
    block.method = request.method;
    block.scheme = request.scheme;
    block.authority = request.authority;
    block.path = request.path;
    block.contentType = request.headers.get('content-type') ?? '';
    for (const part of request.headers.flat) block.fields.push(part);
    this.lastPeerStream = 1;
    const empty = body === null || body.length === 0;
    const stream = new Http2ServerStream(this, 1, block, empty);
    this.#open(stream, block, empty);
    if (empty || stream.closed) return;
    stream.receiver.onData(body, 0, body.length);
    if (!stream.closed) this.endRemote(stream, null);
  }

  #growOld(maxAge: { readonly ms: number; readonly graceMs: number }): void {
    const ms = maxAge.ms * (0.9 + 0.2 * this.clock.random());
    this.#ageTimer = this.clock.after(ms, () => this.drain(maxAge.graceMs));
  }

  #armIdle(): void {
    if (this.#idleMs <= 0 || this.draining || this.stopped) return;
    this.#idleTimer = this.clock.after(this.#idleMs, () => this.drain());
  }
}

/** `application/grpc`, `application/grpc+proto` and the like, but not gRPC-Web. */
function isGrpc(block: HeaderBlock): boolean {
  const { contentType } = block;
  if (block.method !== 'POST' || !contentType.startsWith('application/grpc')) return false;
  const next = contentType.charCodeAt(16);
  return Number.isNaN(next) || next === 0x2b || next === 0x3b;
}

function refuse(stream: Http2ServerStream, status: number): void {
  if (!stream.closed) stream.respond({ status, headers: new HeaderList() }, true);
}
