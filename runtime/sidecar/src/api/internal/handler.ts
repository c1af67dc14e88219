/**
 * The port between sidecars: takes what another sidecar's proxy sends for the app behind this one. HTTP/2 only, so that
 * no browser can speak to it; the app id is checked, so that a stale registry entry reaches nobody else's app.
 */
import {
  type ClientStream,
  HeaderList,
  type HttpHandler,
  type Logger,
  type RequestHead,
  type ResponseHead,
  respondText,
  type ServerStream,
  type StreamReset,
} from '@outrigger/engine';
import type { InvokeMetrics } from '../../block/invoke/metrics.js';
import {
  CALLEE_APP_ID,
  CALLER_APP_ID,
  errorHead,
  errorOf,
  grpcErrorHead,
  KIND_GRPC,
  kindOf,
} from '../../block/invoke/wire.js';
import { Forward } from '../../proxy/forward.js';
import type { UpstreamChannel } from '../../stream/connection-pool.js';

/** Requests of other sidecars at work here at once; more are refused, so that their sidecars try elsewhere. */
export const INTERNAL_REQUESTS_MAX = 10_000;

export interface InternalHandlerDeps {
  readonly appId: string;
  /** The app as a target (`createAppTarget`, with `local: false`). */
  readonly target: UpstreamChannel;
  readonly metrics: InvokeMetrics;
  readonly log: Logger;
  readonly requestsMax?: number;
}

export interface InternalHandler {
  /** For every exchange of the internal port, gRPC or not. */
  readonly handle: HttpHandler;
  readonly inFlight: number;
  /** Refuses new requests as not processed (their sidecars ask another instance) and resolves when none is left. */
  drain(): Promise<void>;
}

interface Shared {
  readonly deps: InternalHandlerDeps;
  inFlight: number;
  onIdle: (() => void) | null;
}

const INTERNAL = 13;
const UNAVAILABLE = 14;

class InternalForward extends Forward {
  readonly #shared: Shared;
  readonly #grpc: boolean;
  readonly #caller: string;
  #status = 0;

  constructor(shared: Shared, down: ServerStream, caller: string) {
    super(down);
    this.#shared = shared;
    this.#caller = caller;
    this.#grpc = kindOf(down.head) === KIND_GRPC;
    shared.inFlight++;
    shared.deps.metrics.requestReceived(caller);
  }

  begin(): void {
    this.start(this.down.head);
  }

  protected override open(head: RequestHead, end: boolean): ClientStream {
    return this.#shared.deps.target.open(head, end, this);
  }

  protected override responseHead(head: ResponseHead, end: boolean): ResponseHead {
    if (this.#grpc) this.#status = end ? grpcStatus(head.headers) : 0;
    else this.#status = errorOf(head)?.code ?? head.status;
    return head;
  }

  override onEnd(trailers: HeaderList | null): void {
    if (this.#grpc && trailers !== null) this.#status = grpcStatus(trailers);
    super.onEnd(trailers);
  }

  protected override fail(reset: StreamReset): void {
    // Nothing reached the app: the caller's sidecar may ask another instance.
    if (reset.unprocessed && reset.reason === 'refused') {
      this.down.reset('refused');
      return;
    }
    this.#status = this.#grpc ? UNAVAILABLE : INTERNAL;
    const head = this.#grpc ? grpcErrorHead(UNAVAILABLE, reset.message) : errorHead(INTERNAL, reset.message);
    this.down.respond(head, true);
  }

  protected override abort(reset: StreamReset): void {
    if (!this.#grpc) {
      super.abort(reset);
      return;
    }
    this.#status = UNAVAILABLE;
    this.down.end(new HeaderList(['grpc-status', String(UNAVAILABLE), 'grpc-message', 'the app ended the call early']));
  }

  protected override ended(_reset: StreamReset | null): void {
    const shared = this.#shared;
    shared.deps.metrics.responseSent(this.#caller, this.#status);
    if (--shared.inFlight === 0) shared.onIdle?.();
  }
}

const grpcStatus = (fields: HeaderList): number => {
  const status = Number(fields.get('grpc-status') ?? 2);
  return status >= 0 && status <= 16 ? status : 2;
};

const dropping = { onData() {}, onEnd() {}, onReset() {}, onDrain() {} };

export function createInternalHandler(deps: InternalHandlerDeps): InternalHandler {
  const shared: Shared = { deps, inFlight: 0, onIdle: null };
  const requestsMax = deps.requestsMax ?? INTERNAL_REQUESTS_MAX;
  const log = deps.log.child({ scope: 'internal' });
  let draining = false;

  const handle: HttpHandler = (stream) => {
    stream.receiver = dropping;
    const { headers } = stream.head;
    if (stream.protocol !== 'h2' || kindOf(stream.head) === undefined) {
      return respondText(stream, 421, 'this port is for other sidecars; apps call the HTTP or gRPC API port\n');
    }
    const callee = headers.get(CALLEE_APP_ID);
    if (callee !== deps.appId) {
      log.warn({ callee }, 'refused a call for another app: the caller has an old address');
      return stream.reset('refused');
    }
    if (draining || shared.inFlight >= requestsMax) return stream.reset('refused');
    new InternalForward(shared, stream, headers.get(CALLER_APP_ID) ?? 'unknown').begin();
  };

  return {
    handle,
    get inFlight() {
      return shared.inFlight;
    },
    async drain() {
      draining = true;
      if (shared.inFlight === 0) return;
      await new Promise<void>((resolve) => {
        shared.onIdle = resolve;
      });
    },
  };
}
