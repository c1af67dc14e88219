/**
 * One gRPC call on the server. A unary call whose request lies in one data frame and whose handler answers at once is
 * decoded from the read buffer and encoded into the transport's slab, with no promise, timer or metadata made.
 */
import type { Timer } from '../../base/clock.js';
import { GrpcCode, OutriggerError } from '../../base/error.js';
import type { PeerAddress, TlsInfo } from '../../network/transport.js';
import type { StreamReceiver, StreamReset } from '../http/stream.js';
import type { HeaderBlock } from '../http2/header-block.js';
import { encodeField } from '../http2/hpack-encoder.js';
import type { Http2ServerStream } from '../http2/server-stream.js';
import { applicationMetadata, encodeMetadata, responseHead, responseHeadGzip, trailersOk } from './blocks.js';
import { acceptsGzip, COMPRESS_BYTES_MIN, deflate, inflateMessage } from './compression.js';
import { sendFailure } from './failure.js';
import { MessageAssembler, type MessageSinkOf, PREFIX_BYTES, writePrefix } from './message-assembler.js';
import { MessageQueue } from './message-queue.js';
import { Metadata } from './metadata.js';
import type { MessageSink, ServerCall } from './method.js';
import type { GrpcRoute } from './service.js';
import { GrpcStatusError } from './status.js';
import { parseTimeout } from './timeout.js';
import type { GrpcFailure } from './to-status.js';

export class GrpcServerCall implements ServerCall, StreamReceiver, MessageSinkOf, MessageSink<unknown> {
  readonly path: string;
  deadline: number | undefined = undefined;
  readonly #route: GrpcRoute;
  readonly #stream: Http2ServerStream;
  readonly #block: HeaderBlock;
  #startedAt = 0;
  #timer: Timer | null = null;
  #controller: AbortController | null = null;
  #metadata: Metadata | null = null;
  #trailers: Metadata | null = null;
  #assembler: MessageAssembler | null = null;
  /** The request of a method that takes one. */
  #request: unknown = undefined;
  #requests = 0;
  #queue: MessageQueue<unknown> | null = null;
  /** Resolves the promise of a `send` that found the stream full. */
  #drained: (() => void) | null = null;
  #draining: Promise<void> | null = null;
  /** The status was sent, or nobody waits for it any more. */
  #done = false;
  #compress = false;

  constructor(route: GrpcRoute, stream: Http2ServerStream, block: HeaderBlock) {
    this.#route = route;
    this.#stream = stream;
    this.#block = block;
    this.path = route.path;
  }

  // ServerCall

  get metadata(): Metadata {
    this.#metadata ??= applicationMetadata(this.#block);
    return this.#metadata;
  }

  get trailers(): Metadata {
    this.#trailers ??= new Metadata();
    return this.#trailers;
  }

  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#done) this.#controller.abort(new GrpcStatusError(GrpcCode.CANCELLED, 'the call has ended'));
    }
    return this.#controller.signal;
  }

  get remote(): PeerAddress {
    return this.#stream.remote;
  }

  get tls(): TlsInfo | null {
    return this.#stream.tls;
  }

  sendMetadata(metadata: Metadata): void {
    if (this.#done || this.#stream.responded) return;
    this.#sendHead(metadata);
  }

  // The beginning

  begin(): void {
    const { service, method } = this.#route;
    const block = this.#block;
    const timed = block.grpcTimeout !== '';
    if (timed || service.onCall !== undefined) this.#startedAt = service.clock.now();
    if (timed) {
      const timeoutMs = parseTimeout(block.grpcTimeout);
      if (timeoutMs === undefined) {
        this.#fail(GrpcCode.INTERNAL, `malformed grpc-timeout ${JSON.stringify(block.grpcTimeout)}`);
        return;
      }
      this.deadline = this.#startedAt + timeoutMs;
    }
    const { grpcEncoding } = block;
    if (grpcEncoding !== '' && grpcEncoding !== 'identity') {
      if (grpcEncoding !== 'gzip') {
        this.trailers.set('grpc-accept-encoding', 'identity,gzip');
        this.#fail(GrpcCode.UNIMPLEMENTED, `grpc-encoding ${JSON.stringify(grpcEncoding)} is not supported`);
        return;
      }
      this.#compress = service.compress && acceptsGzip(block.grpcAcceptEncoding);
    }
    if (service.authorize !== undefined) {
      try {
        const refusal = service.authorize(this);
        if (refusal !== undefined) {
          this.#failWith(refusal);
          return;
        }
      } catch (error) {
        this.#handlerFailed(error);
        return;
      }
    }
    if (method.kind === 'client-stream' || method.kind === 'bidi') this.#startStreaming();
  }

  // StreamReceiver

  onData(chunk: Buffer, start: number, end: number): void {
    if (this.#done) return;
    if (this.#assembler === null) {
      // The common case: one frame, one message.
      const length = end - start - PREFIX_BYTES;
      if (
        length >= 0 &&
        chunk[start + 1] === length >>> 24 &&
        chunk[start + 2] === ((length >>> 16) & 0xff) &&
        chunk[start + 3] === ((length >>> 8) & 0xff) &&
        chunk[start + 4] === (length & 0xff) &&
        length <= this.#route.service.limits.messageBytesMax
      ) {
        this.onMessage(chunk, start + PREFIX_BYTES, end, chunk[start] as number);
        return;
      }
      const { limits, partial } = this.#route.service;
      this.#assembler = new MessageAssembler(this, limits.messageBytesMax, partial);
    }
    this.#assembler.read(chunk, start, end);
  }

  onEnd(): void {
    if (this.#done) return;
    if (this.#assembler?.incomplete) {
      this.#fail(GrpcCode.INTERNAL, 'the request ended inside a message');
      return;
    }
    if (this.#queue !== null) {
      this.#queue.end();
      return;
    }
    if (this.#requests !== 1) {
      this.#fail(GrpcCode.UNIMPLEMENTED, `${this.path} takes exactly one request message, none came`);
      return;
    }
    if (this.#route.unary) this.#callUnary();
    else this.#callServerStream();
  }

  onReset(reset: StreamReset): void {
    const code = reset.reason === 'cancel' ? GrpcCode.CANCELLED : GrpcCode.UNAVAILABLE;
    this.#abandon(new GrpcStatusError(code, `the call was cut off: ${reset.message}`));
  }

  onDrain(): void {
    const drained = this.#drained;
    this.#drained = this.#draining = null;
    drained?.();
  }

  // MessageSinkOf

  onMessage(buffer: Buffer, start: number, end: number, flag: number): boolean {
    if (this.#done) return false;
    if (this.#queue === null && ++this.#requests > 1) {
      this.#fail(GrpcCode.UNIMPLEMENTED, `${this.path} takes exactly one request message, more came`);
      return false;
    }
    let from = buffer;
    let at = start;
    let to = end;
    if (flag !== 0) {
      const inflated = this.#inflate(buffer, start, end, flag);
      if (inflated === null) return false;
      from = inflated;
      at = 0;
      to = inflated.length;
    }
    let message: unknown;
    try {
      message = this.#route.method.request.decode(from, at, to);
    } catch (error) {
      const { typeName } = this.#route.method.request;
      this.#fail(GrpcCode.INTERNAL, `the request is not a valid ${typeName}: ${messageOf(error)}`);
      return false;
    }
    if (this.#queue === null) this.#request = message;
    else this.#queue.push(message, to - at);
    return true;
  }

  onTooLarge(bytes: number): void {
    const { limits, messageBytesSetting } = this.#route.service;
    this.#failTooLarge('received', bytes, limits.messageBytesMax, messageBytesSetting);
  }

  onNoRoom(): void {
    const { limits } = this.#route.service;
    const message = `the server holds ${limits.partialBytesMax} bytes of incomplete messages (partialBytesMax) already`;
    this.#fail(GrpcCode.RESOURCE_EXHAUSTED, message);
  }

  #inflate(buffer: Buffer, start: number, end: number, flag: number): Buffer | null {
    const { limits, messageBytesSetting } = this.#route.service;
    const { grpcEncoding } = this.#block;
    const plain = inflateMessage(buffer, start, end, flag, grpcEncoding, limits.messageBytesMax, messageBytesSetting);
    if (Buffer.isBuffer(plain)) return plain;
    this.#fail(plain.code, plain.message);
    return null;
  }

  // Handlers

  #callUnary(): void {
    const { method } = this.#route;
    const request = this.#request as never;
    this.#request = undefined;
    let result: unknown;
    try {
      result = (method.handler as (request: never, call: ServerCall) => unknown)(request, this);
    } catch (error) {
      this.#handlerFailed(error);
      return;
    }
    if (isThenable(result)) this.#await(result);
    else this.#reply(result);
  }

  /** The handler answers later: only now the deadline needs a timer. */
  #await(result: PromiseLike<unknown>): void {
    this.#armDeadline();
    result.then(
      (response) => this.#guard(() => this.#reply(response)),
      (error) => this.#guard(() => this.#handlerFailed(error)),
    );
  }

  /** Outside the connection's own care: a mistake of ours must not become an unhandled rejection. */
  #guard(finish: () => void): void {
    try {
      finish();
    } catch (error) {
      this.#route.service.log.error({ err: error, path: this.path }, 'a call could not be answered');
      this.#stream.reset('internal');
      this.#abandon(new GrpcStatusError(GrpcCode.INTERNAL, 'internal error'));
    }
  }

  #callServerStream(): void {
    const handler = this.#route.method.handler as (
      request: unknown,
      call: ServerCall,
      sink: MessageSink<unknown>,
    ) => Promise<void>;
    const request = this.#request;
    this.#request = undefined;
    this.#armDeadline();
    this.#run(() => handler(request, this, this), false);
  }

  #startStreaming(): void {
    const { method, service } = this.#route;
    const queue = new MessageQueue<unknown>(this.#stream, service.limits, () => {});
    this.#queue = queue;
    this.#armDeadline();
    const handler = method.handler as (
      requests: AsyncIterable<unknown>,
      call: ServerCall,
      sink: MessageSink<unknown>,
    ) => Promise<unknown>;
    this.#run(() => handler(queue, this, this), method.kind === 'client-stream');
  }

  #run(handler: () => Promise<unknown>, replies: boolean): void {
    if (this.#done) return;
    let result: Promise<unknown>;
    try {
      result = Promise.resolve(handler());
    } catch (error) {
      this.#handlerFailed(error);
      return;
    }
    result.then(
      (response) => this.#guard(() => (replies ? this.#reply(response) : this.#finishOk())),
      (error) => this.#guard(() => this.#handlerFailed(error)),
    );
  }

  #armDeadline(): void {
    if (this.deadline === undefined || this.#timer !== null || this.#done) return;
    const { clock } = this.#route.service;
    this.#timer = clock.after(this.deadline - clock.now(), () => {
      this.#timer = null;
      const message = 'the deadline of the call has passed';
      const error = new GrpcStatusError(GrpcCode.DEADLINE_EXCEEDED, message);
      this.#fail(GrpcCode.DEADLINE_EXCEEDED, message, error);
    });
  }

  // Answers

  /** MessageSink: a message of a server or bidi stream. */
  send(message: unknown): Promise<void> | undefined {
    if (this.#done) {
      // A rejection, so that a loop over an endless source ends; caught, because not everybody looks at it.
      const gone = Promise.reject(new GrpcStatusError(GrpcCode.CANCELLED, 'the call has ended'));
      gone.catch(() => {});
      return gone;
    }
    if (!this.#stream.responded) this.#sendHead(null);
    const writable = this.#sendMessage(message);
    if (writable !== false) return undefined;
    this.#draining ??= new Promise((resolve) => {
      this.#drained = resolve;
    });
    return this.#draining;
  }

  #reply(response: unknown): void {
    if (this.#done) return;
    if (!this.#stream.responded) this.#sendHead(null);
    if (this.#sendMessage(response) === undefined) return;
    this.#finishOk();
  }

  #finishOk(): void {
    if (this.#done) return;
    const stream = this.#stream;
    const { sender } = stream.connection;
    if (!stream.responded) this.#sendHead(null);
    this.#settle(GrpcCode.OK, null);
    stream.localEnded = true;
    if (this.#trailers === null) {
      sender.sendBlock(stream, trailersOk, true);
      return;
    }
    const slab = sender.beginHeaders(stream);
    encodeField(slab, 'grpc-status', '0');
    encodeMetadata(slab, this.#trailers, this.#route.service.log);
    sender.endHeaders(stream, true);
  }

  #sendHead(metadata: Metadata | null): void {
    const stream = this.#stream;
    const { sender } = stream.connection;
    stream.responded = true;
    const head = this.#compress ? responseHeadGzip : responseHead;
    if (metadata === null) {
      sender.sendBlock(stream, head, false);
      return;
    }
    const slab = sender.beginHeaders(stream);
    slab.ensure(head.length);
    slab.buffer.set(head, slab.end);
    slab.end += head.length;
    encodeMetadata(slab, metadata, this.#route.service.log);
    sender.endHeaders(stream, false);
  }

  /** Whether more may be written; undefined when the message could not be sent and the call has failed. */
  #sendMessage(message: unknown): boolean | undefined {
    const stream = this.#stream;
    const { sender } = stream.connection;
    const { service, method } = this.#route;
    const slab = sender.beginData(stream);
    const at = slab.end;
    slab.ensure(PREFIX_BYTES);
    slab.end = at + PREFIX_BYTES;
    try {
      method.response.encode(message, slab);
    } catch (error) {
      sender.cancelData();
      service.log.error({ err: error, path: this.path }, 'a response could not be encoded');
      this.#fail(GrpcCode.INTERNAL, `the response is not a valid ${method.response.typeName}: ${messageOf(error)}`);
      return undefined;
    }
    const length = slab.end - at - PREFIX_BYTES;
    if (length > service.limits.messageBytesMax) {
      sender.cancelData();
      this.#failTooLarge('response', length, service.limits.messageBytesMax, service.messageBytesSetting);
      return undefined;
    }
    writePrefix(slab.buffer, at, 0, length);
    if (this.#compress && length >= COMPRESS_BYTES_MIN) {
      const compressed = deflate(slab.buffer.subarray(at + PREFIX_BYTES, slab.end));
      slab.end = at;
      slab.ensure(PREFIX_BYTES + compressed.length);
      writePrefix(slab.buffer, at, 1, compressed.length);
      compressed.copy(slab.buffer, at + PREFIX_BYTES);
      slab.end = at + PREFIX_BYTES + compressed.length;
    }
    return sender.endData(stream, false);
  }

  #failTooLarge(which: 'received' | 'response', bytes: number, limit: number, setting: string): void {
    const message = `${which} message of ${bytes} bytes exceeds the limit of ${limit} bytes (${setting})`;
    this.#fail(GrpcCode.RESOURCE_EXHAUSTED, message);
  }

  #handlerFailed(error: unknown): void {
    if (this.#done) return;
    this.#failWith(error);
  }

  #failWith(error: unknown): void {
    const { service } = this.#route;
    let failure: GrpcFailure;
    try {
      failure = service.toStatus(error, this.path);
    } catch (mistake) {
      service.log.error({ err: mistake, path: this.path }, 'an error could not be translated');
      failure = { code: GrpcCode.INTERNAL, message: 'internal error', details: undefined, trailers: undefined };
    }
    // What the handler says on purpose is an answer; anything else that it throws is a fault of ours.
    if (!(error instanceof GrpcStatusError || error instanceof OutriggerError)) {
      service.log.error({ err: error, path: this.path }, 'a gRPC handler failed');
    }
    if (failure.trailers !== undefined && failure.trailers.fields.size > 0) {
      for (const part of failure.trailers.fields.flat) this.trailers.fields.flat.push(part);
    }
    this.#fail(failure.code, failure.message, error, failure.details);
  }

  #fail(code: number, message: string, cause?: unknown, details?: Uint8Array): void {
    if (this.#done) return;
    this.#settle(code, cause ?? new GrpcStatusError(code as GrpcCode, message));
    sendFailure(
      this.#stream,
      code,
      message,
      details,
      this.#trailers,
      this.#route.service.limits.statusMessageBytesMax,
      this.#route.service.log,
    );
  }

  /** The other side is gone. */
  #abandon(error: GrpcStatusError): void {
    if (this.#done) return;
    this.#settle(error.code, error);
  }

  /** Everything that ends a call passes here, once. `error` is what those who still listen are told. */
  #settle(code: number, error: unknown): void {
    this.#done = true;
    this.#timer?.cancel();
    this.#assembler?.release();
    if (this.#queue !== null) {
      if (error === null) this.#queue.end();
      else this.#queue.fail(error);
    }
    if (error !== null) this.#controller?.abort(error);
    this.onDrain();
    const { onCall, clock } = this.#route.service;
    if (onCall === undefined) return;
    try {
      onCall(this.path, code, clock.now() - this.#startedAt);
    } catch (mistake) {
      this.#route.service.log.error({ err: mistake }, 'onCall threw');
    }
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
