/** An HTTP request of an app, on its way to another app or to an external service: streamed both ways, nothing decoded. */
import {
  type ClientStream,
  HeaderList,
  type OutriggerError,
  type RequestHead,
  type ResponseHead,
  type ServerStream,
  type StreamReset,
} from '@outrigger/engine';
import { Forward } from '../../proxy/forward.js';
import { fromCaller, fromUpstream } from '../../proxy/header-rules.js';
import type { ProxyCall } from '../../proxy/proxy.js';
import { addIdentity, calleeOf, failureOf, type InvokeCore, isSelf, wireFailure } from './core.js';
import type { InvokeTarget } from './target.js';
import { errorOf, KIND_HTTP, WIRE_KIND } from './wire.js';

/** Answers `stream`, whose response has not begun, in the surface's own form. */
export type AnswerError = (stream: ServerStream, error: OutriggerError) => void;

export class HttpForward extends Forward implements ProxyCall {
  readonly target: string;
  readonly timeoutMs = 0;
  readonly #core: InvokeCore;
  readonly #target: InvokeTarget;
  readonly #answerError: AnswerError;
  readonly #startedAt: number;
  readonly #counted: boolean;
  #status = 0;

  constructor(core: InvokeCore, down: ServerStream, target: InvokeTarget, answerError: AnswerError) {
    super(down);
    this.#core = core;
    this.#target = target;
    this.#answerError = answerError;
    this.target = target.virtualHost;
    this.#startedAt = core.clock.now();
    this.#counted = !isSelf(core, target);
    if (this.#counted) core.metrics.requestSent(target.id, 'unary');
  }

  /** `path`: encoded path and query of the method. `basic`: the Authorization field was for us. */
  begin(path: string, basic: boolean): void {
    const { method, headers } = this.down.head;
    const target = this.#target;
    const list = new HeaderList(fromCaller(headers.flat));
    if (basic) list.delete('authorization');
    if (target.kind === 'external') {
      for (let i = 0; i < target.headers.length; i += 2)
        list.set(target.headers[i] as string, target.headers[i + 1] as string);
      const { scheme, authority, basePath } = target;
      this.start({ method, scheme, authority, path: basePath + path, headers: list });
      return;
    }
    addIdentity(this.#core, list.flat, calleeOf(target.virtualHost));
    list.flat.push(WIRE_KIND, KIND_HTTP);
    this.start({ method, scheme: 'http', authority: calleeOf(target.virtualHost), path, headers: list });
  }

  protected override open(head: RequestHead, end: boolean): ClientStream {
    return this.#core.proxy.open(head, end, this, this);
  }

  protected override responseHead(head: ResponseHead, _end: boolean): ResponseHead | null {
    this.#status = head.status;
    const target = this.#target;
    if (target.kind === 'app') {
      const error = errorOf(head);
      if (error !== null) {
        this.takeOver('cancel', null);
        this.#answerError(this.down, wireFailure(this.#core, target, error));
        return null;
      }
    }
    return { status: head.status, headers: new HeaderList(fromUpstream(head.headers.flat)) };
  }

  protected override fail(reset: StreamReset): void {
    this.#answerError(this.down, failureOf(this.#target, reset, 0));
  }

  protected override ended(_reset: StreamReset | null): void {
    if (!this.#counted || this.#status === 0) return;
    const { metrics, clock } = this.#core;
    metrics.responseReceived(this.#target.id, 'unary', this.#status, clock.now() - this.#startedAt);
  }
}
