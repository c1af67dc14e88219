/**
 * gRPC-Web and Connect (binary and JSON) on the ports that serve gRPC: connect's universal handlers in front of the same
 * method handlers. Native gRPC never comes here; it is served by the engine.
 */
import { type DescMethod, fromBinary } from '@bufbuild/protobuf';
import {
  type Code,
  ConnectError,
  type ContextKey,
  type ContextValues,
  createConnectRouter,
  createContextKey,
  createContextValues,
  type HandlerContext,
  type MethodImpl,
} from '@connectrpc/connect';
import type { UniversalHandler } from '@connectrpc/connect/protocol';
import {
  type Clock,
  type GrpcFailure,
  type GrpcMethod,
  HeaderList,
  Metadata,
  type OutriggerError,
  type PeerAddress,
  type ServerCall,
  type TlsInfo,
} from '@outrigger/engine';
import { StatusSchema } from '@outrigger/proto/google/rpc';
import type { ServiceName } from '@outrigger/proto/services';
import { describedServices } from '../described-services.js';

export interface ConnectDeps {
  readonly services: readonly ServiceName[];
  /** Handlers by path; methods without one are left to answer UNIMPLEMENTED. */
  readonly methods: readonly GrpcMethod[];
  readonly clock: Clock;
  readonly messageBytesMax: number;
  readonly toStatus: (error: unknown, path: string) => GrpcFailure;
  readonly authorize?: ((call: ServerCall) => OutriggerError | undefined) | undefined;
}

/** What the transport knows of a caller; connect hands it through as a context value. */
export interface Peer {
  readonly remote: PeerAddress;
  readonly tls: TlsInfo | null;
}

const peerKey: ContextKey<Peer> = createContextKey<Peer>({
  remote: { kind: 'tcp', address: '', port: 0 },
  tls: null,
});

class ConnectCall implements ServerCall {
  readonly path: string;
  readonly trailers: Metadata = new Metadata();
  readonly deadline: number | undefined;
  readonly #context: HandlerContext;
  readonly #peer: Peer;
  #metadata: Metadata | undefined;

  constructor(path: string, context: HandlerContext, clock: Clock) {
    this.path = path;
    this.#context = context;
    const timeoutMs = context.timeoutMs();
    this.deadline = timeoutMs === undefined ? undefined : clock.now() + timeoutMs;
    this.#peer = context.values.get(peerKey);
  }

  get metadata(): Metadata {
    if (this.#metadata === undefined) {
      const fields = new HeaderList();
      this.#context.requestHeader.forEach((value, name) => {
        fields.append(name, value);
      });
      this.#metadata = new Metadata(fields);
    }
    return this.#metadata;
  }

  get signal(): AbortSignal {
    return this.#context.signal;
  }

  get remote(): PeerAddress {
    return this.#peer.remote;
  }

  get tls(): TlsInfo | null {
    return this.#peer.tls;
  }

  sendMetadata(metadata: Metadata): void {
    for (const [name, value] of metadata.fields) this.#context.responseHeader.append(name, value);
  }

  sendTrailers(): void {
    for (const [name, value] of this.trailers.fields) this.#context.responseTrailer.append(name, value);
  }
}

function connectError({ code, message, details, trailers }: GrpcFailure): ConnectError {
  const metadata = new Headers();
  for (const [name, value] of trailers?.fields ?? []) metadata.append(name, value);
  const error = new ConnectError(message, code as number as Code, metadata);
  if (details !== undefined) {
    error.details = fromBinary(StatusSchema, details).details.map(({ typeUrl, value }) => ({
      type: typeUrl.slice(typeUrl.lastIndexOf('/') + 1),
      value,
    }));
  }
  return error;
}

type Messages = AsyncIterable<never>;
type Sink = { send(message: unknown): Promise<void> | undefined };

/** Turns a handler that sends into an iterable that is asked: one message waits, as connect's back-pressure wants. */
async function* sent(run: (sink: Sink) => Promise<void>): AsyncGenerator<unknown> {
  const waiting: { readonly message: unknown; readonly taken: () => void }[] = [];
  let wake = (): void => {};
  let finished = false;
  let failure: unknown;
  const sink: Sink = {
    send: (message) =>
      new Promise((taken) => {
        waiting.push({ message, taken });
        wake();
      }),
  };
  void run(sink).then(
    () => {
      finished = true;
      wake();
    },
    (error: unknown) => {
      finished = true;
      failure = error ?? new Error('the handler failed without a reason');
      wake();
    },
  );
  try {
    for (;;) {
      const next = waiting.shift();
      if (next !== undefined) {
        yield next.message;
        next.taken();
        continue;
      }
      if (finished) break;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    for (const { taken } of waiting) taken();
  }
  if (failure !== undefined) throw failure;
}

export interface ConnectRoutes {
  /** By request path. */
  readonly handlers: ReadonlyMap<string, UniversalHandler>;
  contextOf(peer: Peer): ContextValues;
}

export function createConnectRoutes(deps: ConnectDeps): ConnectRoutes {
  const byPath = new Map(deps.methods.map((method) => [method.path, method]));
  const router = createConnectRouter({
    grpc: false,
    readMaxBytes: deps.messageBytesMax,
    writeMaxBytes: deps.messageBytesMax,
  });
  for (const service of deps.services) {
    for (const method of describedServices[service].methods) {
      const served = byPath.get(`/${service}/${method.name}`);
      if (served !== undefined) router.rpc(method, implementation(served, deps) as MethodImpl<DescMethod>);
    }
  }
  return {
    handlers: new Map(router.handlers.map((handler) => [handler.requestPath, handler])),
    contextOf: (peer) => createContextValues().set(peerKey, peer),
  };
}

function implementation(method: GrpcMethod, deps: ConnectDeps): unknown {
  const begin = (context: HandlerContext): ConnectCall => {
    const call = new ConnectCall(method.path, context, deps.clock);
    const refusal = deps.authorize?.(call);
    if (refusal !== undefined) throw connectError(deps.toStatus(refusal, method.path));
    return call;
  };
  const single = async <T>(context: HandlerContext, run: (call: ConnectCall) => T | Promise<T>): Promise<T> => {
    const call = begin(context);
    try {
      return await run(call);
    } catch (error) {
      throw connectError(deps.toStatus(error, method.path));
    } finally {
      call.sendTrailers();
    }
  };
  const many = async function* (
    context: HandlerContext,
    run: (call: ConnectCall, sink: Sink) => Promise<void>,
  ): AsyncGenerator<unknown> {
    const call = begin(context);
    try {
      yield* sent((sink) => run(call, sink));
    } catch (error) {
      throw connectError(deps.toStatus(error, method.path));
    } finally {
      call.sendTrailers();
    }
  };
  switch (method.kind) {
    case 'unary':
      return (request: never, context: HandlerContext) => single(context, (call) => method.handler(request, call));
    case 'client-stream':
      return (requests: Messages, context: HandlerContext) => single(context, (call) => method.handler(requests, call));
    case 'server-stream':
      return (request: never, context: HandlerContext) =>
        many(context, (call, sink) => method.handler(request, call, sink));
    case 'bidi':
      return (requests: Messages, context: HandlerContext) =>
        many(context, (call, sink) => method.handler(requests, call, sink));
  }
}
