/** One InvokeService call: a whole message to the target, a whole reply back. */
import {
  type ClientReceiver,
  type ClientStream,
  type GrpcCode,
  HeaderList,
  type OutriggerError,
  type RequestHead,
  type ResponseHead,
  type StreamReset,
} from '@outrigger/engine';
import { fail } from '../../errors.js';
import { fromCaller, fromUpstream } from '../../proxy/header-rules.js';
import type { ProxyCall } from '../../proxy/proxy.js';
import { addIdentity, calleeOf, failureOf, type InvokeCore, isSelf, wireFailure } from './core.js';
import { type InvokeCall, type InvokeMessage, type InvokeReply, isSendable, PROTOBUF_CONTENT_TYPE } from './message.js';
import { fieldValue, metadataToHttp, passMetadata } from './metadata-map.js';
import { latin1, methodPath, safeQuery } from './method-path.js';
import type { InvokeTarget } from './target.js';
import {
  decodeText,
  encodeText,
  errorOf,
  KIND_MESSAGE,
  WIRE_DATA_TYPE,
  WIRE_DETAILS,
  WIRE_KIND,
  WIRE_MESSAGE,
  WIRE_REPLY,
  WIRE_STATUS,
} from './wire.js';

/** Bytes handed on at a time. */
const SLICE_BYTES = 64 * 1024;
const NO_FIELDS = new HeaderList();
const NO_BYTES = Buffer.alloc(0);

/** The request as it goes over the hop, or the sentence that refuses it. */
export function messageHead(
  core: InvokeCore,
  target: InvokeTarget,
  message: InvokeMessage,
  call: InvokeCall,
): RequestHead | string {
  const method = methodPath(latin1(message.method));
  if (method.error !== undefined) return `rpc error: code = InvalidArgument desc = ${method.error}`;
  const verb = message.http?.verb ?? '';
  const query =
    message.http === undefined || message.http.query === '' ? '' : `?${safeQuery(latin1(message.http.query))}`;
  const external = target.kind === 'external';
  const contentType = fieldValue(external && message.dataType !== '' ? PROTOBUF_CONTENT_TYPE : message.contentType);
  if (contentType === undefined) return 'rpc error: code = InvalidArgument desc = content type is not a header value';

  const flat = fromCaller(call.metadata.flat);
  const headers = new HeaderList(external ? metadataToHttp(flat) : passMetadata(flat));
  if (contentType !== '') headers.append('content-type', contentType);
  headers.append('content-length', String(message.data.length));
  const path = method.path + query;
  if (external) {
    if (verb === '') return 'rpc error: code = InvalidArgument desc = missing HTTP extension field';
    if (!isSendable(verb)) return 'rpc error: code = InvalidArgument desc = invalid HTTP verb';
    for (let i = 0; i < target.headers.length; i += 2)
      headers.set(target.headers[i] as string, target.headers[i + 1] as string);
    const { scheme, authority, basePath } = target;
    return { method: verb, scheme, authority, path: basePath + path, headers };
  }
  const callee = calleeOf(target.virtualHost);
  addIdentity(core, headers.flat, callee);
  headers.append(WIRE_KIND, KIND_MESSAGE + verb);
  if (message.dataType !== '') headers.append(WIRE_DATA_TYPE, encodeText(message.dataType));
  return { method: isSendable(verb) ? verb : 'POST', scheme: 'http', authority: callee, path, headers };
}

export class MessageCall implements ClientReceiver, ProxyCall {
  readonly target: string;
  readonly timeoutMs: number;
  readonly #core: InvokeCore;
  readonly #target: InvokeTarget;
  readonly #resolve: (reply: InvokeReply) => void;
  readonly #reject: (error: OutriggerError) => void;
  readonly #signal: AbortSignal | undefined;
  readonly #startedAt: number;
  readonly #counted: boolean;
  #stream: ClientStream | null = null;
  #head: ResponseHead | null = null;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #over = false;
  #data: Uint8Array | null = null;
  #sent = 0;

  constructor(
    core: InvokeCore,
    target: InvokeTarget,
    call: InvokeCall,
    resolve: (reply: InvokeReply) => void,
    reject: (error: OutriggerError) => void,
  ) {
    this.#core = core;
    this.#target = target;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#signal = call.signal;
    this.target = target.virtualHost;
    this.timeoutMs = call.timeoutMs;
    this.#startedAt = core.clock.now();
    this.#counted = !isSelf(core, target);
    if (this.#counted) core.metrics.requestSent(target.id, 'unary');
  }

  begin(head: RequestHead, data: Uint8Array): void {
    if (this.#signal?.aborted) {
      this.#onAbort();
      return;
    }
    this.#signal?.addEventListener('abort', this.#onAbort, { once: true });
    const stream = this.#core.proxy.open(head, data.length === 0, this, this);
    if (this.#over) return;
    this.#stream = stream;
    if (data.length === 0) return;
    this.#data = data;
    this.onDrain();
  }

  /** Sends as much as is taken: a message may be larger than what waits for a connection may be. */
  onDrain(): void {
    const stream = this.#stream;
    const data = this.#data;
    if (stream === null || data === null) return;
    while (this.#sent < data.length) {
      const end = Math.min(data.length, this.#sent + SLICE_BYTES);
      const more = stream.write(data, this.#sent, end);
      this.#sent = end;
      if (!more && end < data.length) return;
      if (this.#over) return;
    }
    this.#data = null;
    stream.end();
  }

  readonly #onAbort = (): void => {
    this.#fail(fail('INVOKE_FAILED', { id: this.#target.id, error: 'context canceled' }));
  };

  onHead(head: ResponseHead, end: boolean): void {
    if (this.#over) return;
    this.#head = head;
    if (end) this.onEnd(null);
  }

  onData(chunk: Buffer, start: number, end: number): void {
    if (this.#over) return;
    this.#bytes += end - start;
    const { messageBytesMax } = this.#core;
    if (this.#bytes > messageBytesMax) {
      const error = `rpc error: code = ResourceExhausted desc = the response is larger than ${messageBytesMax} bytes (max-body-size)`;
      this.#fail(fail('INVOKE_FAILED', { id: this.#target.id, error }));
      return;
    }
    this.#chunks.push(Buffer.from(chunk.subarray(start, end)));
  }

  onEnd(trailers: HeaderList | null): void {
    const head = this.#head;
    if (this.#over || head === null) return;
    const wire = this.#target.kind === 'app';
    const error = wire ? errorOf(head) : null;
    if (error !== null) {
      this.#fail(wireFailure(this.#core, this.#target, error));
      return;
    }
    const reply = this.#reply(head, trailers ?? NO_FIELDS, wire);
    this.#settle(reply.httpStatus ?? reply.error?.code ?? 0, true);
    this.#resolve(reply);
  }

  onReset(reset: StreamReset): void {
    if (this.#over) return;
    this.#stream = null;
    this.#fail(failureOf(this.#target, reset, this.timeoutMs));
  }

  #reply(head: ResponseHead, trailers: HeaderList, wire: boolean): InvokeReply {
    const { headers } = head;
    const data = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks);
    const fromGrpc = wire && headers.get(WIRE_REPLY) === 'grpc';
    const reply = {
      contentType: headers.get('content-type') ?? '',
      headers: new HeaderList(fromUpstream(headers.flat)),
      trailers: fromGrpc ? trailers : NO_FIELDS,
      dataType: wire ? decodeText(headers.get(WIRE_DATA_TYPE)) : '',
      data,
    };
    if (!fromGrpc) return { ...reply, httpStatus: head.status, error: undefined };
    const code = Number(headers.get(WIRE_STATUS) ?? 0) as GrpcCode;
    const details = headers.get(WIRE_DETAILS);
    const error = {
      code,
      message: decodeText(headers.get(WIRE_MESSAGE)),
      details: details === undefined ? undefined : Buffer.from(details, 'base64'),
    };
    return {
      ...reply,
      data: code === 0 ? data : NO_BYTES,
      httpStatus: undefined,
      error: code === 0 ? undefined : error,
    };
  }

  #fail(error: OutriggerError): void {
    this.#stream?.reset('cancel');
    this.#settle(this.#head?.status ?? 0, this.#head !== null);
    this.#reject(error);
  }

  #settle(status: number, answered: boolean): void {
    this.#over = true;
    this.#stream = null;
    this.#signal?.removeEventListener('abort', this.#onAbort);
    if (!this.#counted || !answered) return;
    const { metrics, clock } = this.#core;
    metrics.responseReceived(this.#target.id, 'unary', status, clock.now() - this.#startedAt);
  }
}
