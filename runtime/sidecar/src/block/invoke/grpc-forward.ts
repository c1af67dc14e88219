/**
 * Transparent gRPC proxying: a call of any service with metadata `dapr-app-id` goes to that app. Messages are never
 * decoded, so that their kind, size and compression do not matter; trailers and both kinds of metadata pass.
 */
import {
  type ClientStream,
  HeaderList,
  type RequestHead,
  type ResponseHead,
  type ServerStream,
  type StreamReset,
} from '@outrigger/engine';
import { Forward } from '../../proxy/forward.js';
import { fromCaller, fromUpstream } from '../../proxy/header-rules.js';
import type { ProxyCall } from '../../proxy/proxy.js';
import { addIdentity, calleeOf, failureText, type InvokeCore, isSelf, isUnknownTarget } from './core.js';
import type { AppTarget } from './target.js';
import { grpcErrorHead, grpcMessage, KIND_GRPC, WIRE_KIND } from './wire.js';

const CANCELLED = 1;
const UNKNOWN = 2;
const DEADLINE_EXCEEDED = 4;
const UNAVAILABLE = 14;

/** Dapr cannot tell a stream from a unary call either; its callers say so with metadata `dapr-stream`. */
const STREAM_MARK = 'dapr-stream';
const TRUTHY: ReadonlySet<string> = new Set(['y', 'yes', 'true', 't', 'on', '1']);

export class GrpcForward extends Forward implements ProxyCall {
  readonly target: string;
  readonly timeoutMs = 0;
  readonly #core: InvokeCore;
  readonly #target: AppTarget;
  readonly #startedAt: number;
  readonly #kind: 'unary' | 'streaming';
  readonly #counted: boolean;
  #status = 0;

  constructor(core: InvokeCore, down: ServerStream, target: AppTarget) {
    super(down);
    this.#core = core;
    this.#target = target;
    this.target = target.virtualHost;
    this.#startedAt = core.clock.now();
    const mark = down.head.headers.get(STREAM_MARK);
    this.#kind = mark !== undefined && TRUTHY.has(mark.toLowerCase()) ? 'streaming' : 'unary';
    this.#counted = !isSelf(core, target);
    if (this.#counted) core.metrics.requestSent(target.id, this.#kind);
  }

  begin(): void {
    const { method, path, headers } = this.down.head;
    const list = new HeaderList(fromCaller(headers.flat));
    const callee = calleeOf(this.#target.virtualHost);
    addIdentity(this.#core, list.flat, callee);
    list.flat.push(WIRE_KIND, KIND_GRPC);
    this.start({ method, scheme: 'http', authority: callee, path, headers: list });
  }

  protected override open(head: RequestHead, end: boolean): ClientStream {
    return this.#core.proxy.open(head, end, this, this);
  }

  protected override responseHead(head: ResponseHead, end: boolean): ResponseHead {
    if (end) this.#status = statusIn(head.headers);
    return { status: head.status, headers: new HeaderList(fromUpstream(head.headers.flat)) };
  }

  override onEnd(trailers: HeaderList | null): void {
    this.#status = trailers === null ? UNKNOWN : statusIn(trailers);
    super.onEnd(trailers);
  }

  protected override fail(reset: StreamReset): void {
    this.#status = codeOf(reset);
    this.down.respond(grpcErrorHead(this.#status as 2, messageOf(this.#target, reset)), true);
  }

  /** A call that has begun ends with a status rather than with a reset, so that the caller learns why. */
  protected override abort(reset: StreamReset): void {
    this.#status = codeOf(reset);
    const flat = ['grpc-status', String(this.#status), 'grpc-message', grpcMessage(reset.message)];
    this.down.end(new HeaderList(flat));
  }

  protected override ended(reset: StreamReset | null): void {
    if (!this.#counted) return;
    const status = reset?.reason === 'cancel' && this.#status === 0 ? CANCELLED : this.#status;
    const { metrics, clock } = this.#core;
    metrics.responseReceived(this.#target.id, this.#kind, status, clock.now() - this.#startedAt);
  }
}

const statusIn = (fields: HeaderList): number => {
  const status = Number(fields.get('grpc-status') ?? UNKNOWN);
  return status >= 0 && status <= 16 ? status : UNKNOWN;
};

function codeOf(reset: StreamReset): number {
  if (isUnknownTarget(reset)) return UNKNOWN;
  if (reset.reason === 'cancel') return CANCELLED;
  return reset.reason === 'timeout' ? DEADLINE_EXCEEDED : UNAVAILABLE;
}

function messageOf(target: AppTarget, reset: StreamReset): string {
  return isUnknownTarget(reset) ? failureText(target, reset) : reset.message;
}
