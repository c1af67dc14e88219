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
  type MessageCodec,
  type MessageSink,
  Metadata,
  type OutriggerError,
  type PeerAddress,
  type ServerCall,
  type TlsInfo,
} from '@outrigger/engine';
import { StatusSchema } from '@outrigger/proto/google/rpc';
import type { ServiceName } from '@outrigger/proto/services';
import { describedServices } from '../described-services.js';
import { gzipWithin } from './gzip.js';
import { createMessageLimit, type MessageLimit } from './message-limit.js';
import { sentMessages } from './sent-messages.js';

/** Compressing less than this costs more than it saves. */
const COMPRESS_BYTES_MIN = 1024;

export interface ConnectDeps {
  readonly services: readonly ServiceName[];
  /** Handlers by path; methods without one are left to answer UNIMPLEMENTED. */
  readonly methods: readonly GrpcMethod[];
  readonly clock: Clock;
  readonly messageBytesMax: number;
  /** What errors call the setting behind `messageBytesMax`. */
  readonly messageBytesSetting: string;
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

/** What `running` comes to, unless `signal` aborts before: then its reason, whatever the handler makes of it. */
function untilAborted<T>(running: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const aborted = (): void => reject(signal.reason);
    signal.addEventListener('abort', aborted, { once: true });
    running.then(resolve, reject).finally(() => signal.removeEventListener('abort', aborted));
  });
}

/** What the caller is told: the deadline that passed (connect's own error), or the handler's failure. */
function failureOf(error: unknown, signal: AbortSignal, toError: (error: unknown) => ConnectError): ConnectError {
  if (signal.aborted && signal.reason instanceof ConnectError) return signal.reason;
  return error instanceof ConnectError ? error : toError(error);
}

export interface ConnectRoutes {
  /** By request path. */
  readonly handlers: ReadonlyMap<string, UniversalHandler>;
  readonly limit: MessageLimit;
  contextOf(peer: Peer): ContextValues;
}

export function createConnectRoutes(deps: ConnectDeps): ConnectRoutes {
  const byPath = new Map(deps.methods.map((method) => [method.path, method]));
  const { messageBytesMax, messageBytesSetting } = deps;
  const limit = createMessageLimit(messageBytesMax, messageBytesSetting);
  const router = createConnectRouter({
    grpc: false,
    acceptCompression: [gzipWithin(messageBytesMax, messageBytesSetting)],
    compressMinBytes: COMPRESS_BYTES_MIN,
  });
  for (const service of deps.services) {
    for (const method of describedServices[service].methods) {
      const served = byPath.get(`/${service}/${method.name}`);
      if (served !== undefined) router.rpc(method, implementation(served, deps, limit) as MethodImpl<DescMethod>);
    }
  }
  return {
    limit,
    handlers: new Map(router.handlers.map((handler) => [handler.requestPath, handler])),
    contextOf: (peer) => createContextValues().set(peerKey, peer),
  };
}

function implementation(method: GrpcMethod, deps: ConnectDeps, limit: MessageLimit): unknown {
  const toError = (error: unknown): ConnectError => connectError(deps.toStatus(error, method.path));
  const begin = (context: HandlerContext): ConnectCall => {
    const call = new ConnectCall(method.path, context, deps.clock);
    const refusal = deps.authorize?.(call);
    if (refusal !== undefined) throw toError(refusal);
    return call;
  };
  const checked = <T>(message: T): T => {
    limit.checkResponse(method.response as MessageCodec<T>, message);
    return message;
  };
  const single = async <T>(context: HandlerContext, run: (call: ConnectCall) => T | Promise<T>): Promise<T> => {
    const call = begin(context);
    try {
      return checked(
        await untilAborted(
          Promise.resolve().then(() => run(call)),
          context.signal,
        ),
      );
    } catch (error) {
      throw failureOf(error, context.signal, toError);
    } finally {
      call.sendTrailers();
    }
  };
  const many = async function* (
    context: HandlerContext,
    run: (call: ConnectCall, sink: MessageSink<unknown>) => Promise<void>,
  ): AsyncGenerator<unknown> {
    const call = begin(context);
    try {
      for await (const message of sentMessages((sink) => run(call, sink), context.signal)) yield checked(message);
    } catch (error) {
      throw failureOf(error, context.signal, toError);
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
