/** One gRPC call on the client. */
import type { Timer } from '../../base/clock.js';
import { GrpcCode } from '../../base/error.js';
import { ScratchSlab } from '../../network/slab.js';
import { HeaderList } from '../http/headers.js';
import type { ClientReceiver, ClientStream, ResponseHead, StreamReset } from '../http/stream.js';
import { isReserved } from './blocks.js';
import type { ClientContext } from './client.js';
import { COMPRESS_BYTES_MIN, deflate, inflateMessage } from './compression.js';
import { MessageAssembler, type MessageSinkOf, PartialBudget, PREFIX_BYTES, writePrefix } from './message-assembler.js';
import { MessageQueue } from './message-queue.js';
import { Metadata } from './metadata.js';
import type { CallOptions, ClientCall, MethodInfo } from './method.js';
import { decodeMessage } from './percent.js';
import { GrpcStatusError } from './status.js';
import { codeOfHttp, codeOfReset, codeOfStatus } from './status-mapping.js';
import { formatTimeout } from './timeout.js';

/** A request is encoded here and copied to its stream in the same breath, so one serves the thread. */
const scratch: ScratchSlab = new ScratchSlab();

const contexts = new WeakMap<ClientContext, PartialBudget>();

function budgetOf(context: ClientContext): PartialBudget {
  let budget = contexts.get(context);
  if (budget === undefined) {
    budget = new PartialBudget(context.limits.partialBytesMax);
    contexts.set(context, budget);
  }
  return budget;
}

export class GrpcClientCall<I, O> implements ClientCall<I, O>, ClientReceiver, MessageSinkOf {
  readonly #context: ClientContext;
  readonly #method: MethodInfo<I, O>;
  readonly #options: CallOptions;
  #stream: ClientStream | null = null;
  #timer: Timer | null = null;
  /** In `Clock.now()` time; of a call with a time limit. */
  #deadline = Number.POSITIVE_INFINITY;
  #onAbort: (() => void) | null = null;
  /** A call with one response: its promise, and the response while its status is awaited. */
  #resolve: ((response: O) => void) | null = null;
  #reject: ((error: unknown) => void) | null = null;
  #response: O | undefined = undefined;
  #responses = 0;
  #queue: MessageQueue<O> | null = null;
  #assembler: MessageAssembler | null = null;
  #encoding = '';
  /** The head said that this is no gRPC answer: its status. */
  #foreign: GrpcStatusError | null = null;
  /** A head without a body carries the status. */
  #head: HeaderList | null = null;
  #done = false;
  #sendClosed = false;
  #draining: Promise<void> | null = null;
  #drained: (() => void) | null = null;

  constructor(context: ClientContext, method: MethodInfo<I, O>, options: CallOptions | undefined) {
    this.#context = context;
    this.#method = method;
    this.#options = options ?? NO_OPTIONS;
  }

  expectOne(resolve: (response: O) => void, reject: (error: unknown) => void): void {
    this.#resolve = resolve;
    this.#reject = reject;
  }

  get responses(): AsyncIterable<O> {
    return this.#responseQueue();
  }

  start(): void {
    const { timeoutMs, signal } = this.#options;
    if (this.#resolve === null) this.#responseQueue();
    if (signal?.aborted) {
      this.#finish(this.#abortError(signal));
      return;
    }
    if (timeoutMs !== undefined) {
      if (timeoutMs <= 0) {
        this.#finish(this.#deadlineError());
        return;
      }
      this.#deadline = this.#context.clock.now() + timeoutMs;
      this.#timer = this.#context.clock.after(timeoutMs, () => {
        this.#timer = null;
        this.#giveUp(this.#deadlineError());
      });
    }
    if (signal !== undefined) {
      this.#onAbort = () => this.#giveUp(this.#abortError(signal));
      signal.addEventListener('abort', this.#onAbort, { once: true });
    }
    const { opener, scheme, authority } = this.#context;
    const head = { method: 'POST', scheme, authority, path: this.#method.path, headers: this.#headers() };
    const stream = opener.open(head, false, this);
    if (this.#done) stream.reset('cancel');
    else this.#stream = stream;
  }

  // ClientCall

  send(message: I): Promise<void> | undefined {
    const stream = this.#stream;
    if (this.#done || this.#sendClosed || stream === null) return rejected('the call has ended');
    const writable = this.#write(stream, message);
    if (writable === undefined) return rejected('the message could not be sent');
    if (writable || this.#done) return undefined;
    this.#draining ??= new Promise((resolve) => {
      this.#drained = resolve;
    });
    return this.#draining;
  }

  closeSend(): void {
    if (this.#done || this.#sendClosed) return;
    this.#sendClosed = true;
    this.#stream?.end();
  }

  cancel(): void {
    this.#giveUp(new GrpcStatusError(GrpcCode.CANCELLED, 'the call was cancelled'));
  }

  /** The only request of a call. */
  sendOnly(message: I): void {
    const stream = this.#stream;
    if (this.#done || stream === null) return;
    if (this.#write(stream, message) === undefined || this.#done) return;
    this.#sendClosed = true;
    stream.end();
  }

  // ClientReceiver

  onHead(head: ResponseHead, end: boolean): void {
    if (this.#done) return;
    const { headers, status } = head;
    if (status !== 200) {
      this.#foreign = new GrpcStatusError(codeOfHttp(status), `the server answered with HTTP status ${status}`);
    } else {
      const type = headers.get('content-type') ?? '';
      if (!type.startsWith('application/grpc')) {
        const answered = type === '' ? 'without a content-type' : `with content-type ${JSON.stringify(type)}`;
        this.#foreign = new GrpcStatusError(GrpcCode.UNKNOWN, `the server answered ${answered}, not gRPC`);
      }
    }
    this.#encoding = headers.get('grpc-encoding') ?? '';
    if (end) this.#head = headers;
    else this.#options.onMetadata?.(new Metadata(headers));
  }

  onData(chunk: Buffer, start: number, end: number): void {
    if (this.#done || this.#foreign !== null) return;
    if (this.#assembler === null) {
      const length = end - start - PREFIX_BYTES;
      if (length >= 0 && length <= this.#context.limits.messageBytesMax && chunk.readUInt32BE(start + 1) === length) {
        this.onMessage(chunk, start + PREFIX_BYTES, end, chunk[start] as number);
        return;
      }
      this.#assembler = new MessageAssembler(this, this.#context.limits.messageBytesMax, budgetOf(this.#context));
    }
    this.#assembler.read(chunk, start, end);
  }

  onEnd(trailers: HeaderList | null): void {
    if (this.#done) return;
    const fields = trailers ?? this.#head;
    const status = fields?.get('grpc-status');
    if (fields === null || status === undefined) {
      const noStatus = new GrpcStatusError(GrpcCode.UNKNOWN, 'the server ended the call without a grpc-status');
      this.#finish(this.#foreign ?? noStatus);
      return;
    }
    const metadata = new Metadata(fields);
    this.#options.onTrailers?.(metadata);
    if (status === '0') {
      this.#finishOk();
      return;
    }
    const message = decodeMessage(fields.get('grpc-message') ?? '');
    const details = metadata.getBinary('grpc-status-details-bin');
    this.#finish(
      new GrpcStatusError(codeOfStatus(status), message, {
        trailers: metadata,
        ...(details === undefined ? {} : { details }),
      }),
    );
  }

  onReset(reset: StreamReset): void {
    const { unprocessed, reason, message } = reset;
    // A server whose deadline for the call came before our timer cancels the stream without a status (grpc-go does).
    if (reason === 'cancel' && this.#context.clock.now() >= this.#deadline) {
      this.#finish(this.#deadlineError());
      return;
    }
    this.#finish(new GrpcStatusError(codeOfReset(reset), message, { unprocessed, reset: reason }));
  }

  onDrain(): void {
    const drained = this.#drained;
    this.#drained = this.#draining = null;
    drained?.();
  }

  // MessageSinkOf

  onMessage(buffer: Buffer, start: number, end: number, flag: number): boolean {
    if (this.#done) return false;
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
    let message: O;
    try {
      message = this.#method.response.decode(from, at, to);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const { typeName } = this.#method.response;
      this.#giveUp(new GrpcStatusError(GrpcCode.INTERNAL, `the response is not a valid ${typeName}: ${reason}`));
      return false;
    }
    if (this.#queue !== null) {
      this.#queue.push(message, to - at);
      return true;
    }
    this.#response = message;
    if (++this.#responses === 1) return true;
    this.#giveUp(new GrpcStatusError(GrpcCode.UNIMPLEMENTED, 'the server sent more than one response'));
    return false;
  }

  onTooLarge(bytes: number): void {
    const { limits, messageBytesSetting } = this.#context;
    this.#giveUp(
      new GrpcStatusError(
        GrpcCode.RESOURCE_EXHAUSTED,
        `received message of ${bytes} bytes exceeds the limit of ${limits.messageBytesMax} bytes (${messageBytesSetting})`,
      ),
    );
  }

  onNoRoom(): void {
    const { partialBytesMax } = this.#context.limits;
    const message = `${partialBytesMax} bytes of incomplete messages (partialBytesMax) are held already`;
    this.#giveUp(new GrpcStatusError(GrpcCode.RESOURCE_EXHAUSTED, message));
  }

  #responseQueue(): MessageQueue<O> {
    if (this.#queue === null) {
      const stream = {
        pause: () => this.#stream?.pause('app'),
        resume: () => this.#stream?.resume('app'),
      };
      this.#queue = new MessageQueue<O>(stream, this.#context.limits, () => this.cancel());
    }
    return this.#queue;
  }

  #headers(): HeaderList {
    const { userAgent, compress } = this.#context;
    const { timeoutMs, metadata } = this.#options;
    const flat = ['content-type', 'application/grpc', 'te', 'trailers', 'user-agent', userAgent];
    flat.push('grpc-accept-encoding', 'gzip');
    if (compress) flat.push('grpc-encoding', 'gzip');
    if (timeoutMs !== undefined) flat.push('grpc-timeout', formatTimeout(timeoutMs));
    if (metadata !== undefined) {
      const fields = metadata.fields.flat;
      for (let i = 0; i < fields.length; i += 2) {
        const name = fields[i] as string;
        if (!isReserved(name)) flat.push(name, fields[i + 1] as string);
      }
    }
    return new HeaderList(flat);
  }

  /** Whether more may be written; undefined when the message cannot be sent and the call has failed. */
  #write(stream: ClientStream, message: I): boolean | undefined {
    const { limits, messageBytesSetting, compress } = this.#context;
    scratch.clear();
    scratch.ensure(PREFIX_BYTES);
    scratch.end = PREFIX_BYTES;
    try {
      this.#method.request.encode(message, scratch);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const { typeName } = this.#method.request;
      this.#giveUp(new GrpcStatusError(GrpcCode.INTERNAL, `the request is not a valid ${typeName}: ${reason}`));
      return undefined;
    }
    let { buffer } = scratch;
    let length = scratch.end - PREFIX_BYTES;
    if (length > limits.messageBytesMax) {
      const text = `request message of ${length} bytes exceeds the limit of ${limits.messageBytesMax} bytes (${messageBytesSetting})`;
      this.#giveUp(new GrpcStatusError(GrpcCode.RESOURCE_EXHAUSTED, text));
      return undefined;
    }
    let flag = 0;
    if (compress && length >= COMPRESS_BYTES_MIN) {
      const compressed = deflate(buffer.subarray(PREFIX_BYTES, scratch.end));
      buffer = Buffer.concat([Buffer.alloc(PREFIX_BYTES), compressed]);
      length = compressed.length;
      flag = 1;
    }
    writePrefix(buffer, 0, flag, length);
    return stream.write(buffer, 0, PREFIX_BYTES + length);
  }

  #inflate(buffer: Buffer, start: number, end: number, flag: number): Buffer | null {
    const { limits, messageBytesSetting } = this.#context;
    const plain = inflateMessage(buffer, start, end, flag, this.#encoding, limits.messageBytesMax, messageBytesSetting);
    if (Buffer.isBuffer(plain)) return plain;
    this.#giveUp(new GrpcStatusError(plain.code, plain.message));
    return null;
  }

  #finishOk(): void {
    if (this.#foreign !== null) {
      this.#finish(this.#foreign);
      return;
    }
    if (this.#assembler?.incomplete) {
      this.#finish(new GrpcStatusError(GrpcCode.INTERNAL, 'the response ended inside a message'));
      return;
    }
    if (this.#resolve !== null && this.#responses === 0) {
      this.#finish(new GrpcStatusError(GrpcCode.UNIMPLEMENTED, 'the server answered OK without a response'));
      return;
    }
    this.#settle();
    this.#queue?.end();
    this.#resolve?.(this.#response as O);
  }

  /** Ends the call from this side. */
  #giveUp(error: GrpcStatusError): void {
    if (this.#done) return;
    const stream = this.#stream;
    this.#finish(error);
    stream?.reset('cancel');
  }

  #finish(error: GrpcStatusError): void {
    if (this.#done) return;
    this.#settle();
    this.#queue?.fail(error);
    this.#reject?.(error);
  }

  #settle(): void {
    this.#done = true;
    this.#timer?.cancel();
    this.#assembler?.release();
    if (this.#onAbort !== null) this.#options.signal?.removeEventListener('abort', this.#onAbort);
    this.onDrain();
  }

  #deadlineError(): GrpcStatusError {
    return new GrpcStatusError(
      GrpcCode.DEADLINE_EXCEEDED,
      `${this.#method.path} was not answered within ${this.#options.timeoutMs} ms`,
    );
  }

  #abortError(signal: AbortSignal): GrpcStatusError {
    return new GrpcStatusError(GrpcCode.CANCELLED, 'the call was cancelled', { cause: signal.reason });
  }
}

const NO_OPTIONS: CallOptions = {};

/** Rejected, and marked as looked at: not everybody awaits a send. */
function rejected(message: string): Promise<void> {
  const promise = Promise.reject(new GrpcStatusError(GrpcCode.CANCELLED, message));
  promise.catch(() => {});
  return promise;
}
