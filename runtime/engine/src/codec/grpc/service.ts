/** A table of methods that an HTTP/2 server connection serves as gRPC. */
import type { Clock } from '../../base/clock.js';
import { GrpcCode, type OutriggerError } from '../../base/error.js';
import { type GrpcLimits, grpcLimits } from '../../base/limits.js';
import { type Logger, silentLogger } from '../../base/log.js';
import { systemClock } from '../../base/system-clock.js';
import type { HttpHandler, StreamReceiver } from '../http/stream.js';
import type { HeaderBlock } from '../http2/header-block.js';
import type { GrpcDispatch } from '../http2/server-connection.js';
import type { Http2ServerStream } from '../http2/server-stream.js';
import { refuseCall } from './failure.js';
import { PartialBudget } from './message-assembler.js';
import type { GrpcMethod, ServerCall } from './method.js';
import { GrpcServerCall } from './server-call.js';
import { type GrpcDialect, type GrpcFailure, toGrpcStatus } from './to-status.js';

/** A method whose message types are no longer of interest. */
export type AnyGrpcMethod = GrpcMethod<never, unknown>;

export interface GrpcServiceOptions {
  readonly clock?: Clock;
  readonly log?: Logger;
  readonly limits?: GrpcLimits;
  /** What errors call the setting behind `limits.messageBytesMax`. */
  readonly messageBytesSetting?: string;
  /** Whose codes and texts errors of the table take. */
  readonly dialect?: GrpcDialect;
  /** Replaces `toGrpcStatus(error, dialect)`. */
  readonly toStatus?: (error: unknown, path: string) => GrpcFailure;
  /** Compresses answers of at least 1 KiB to calls that came compressed and accept it. Default true. */
  readonly compress?: boolean;
  /** Looks at every call before its request is read; what it returns is the answer. */
  readonly authorize?: (call: ServerCall) => OutriggerError | undefined;
  /** Told of every call that ended, its status sent or not; for metrics. `durationMs` runs from the request's head. */
  readonly onCall?: (path: string, code: number, durationMs: number) => void;
  /** Serves calls of other paths; for transparent proxying. */
  readonly unknown?: HttpHandler;
}

export interface GrpcService extends GrpcDispatch {
  /** The paths served. */
  readonly paths: Iterable<string>;
}

/** One method with the service it belongs to. */
export class GrpcRoute {
  readonly service: ServiceContext;
  readonly method: AnyGrpcMethod;
  readonly path: string;
  /** One request, one response: the fast path. */
  readonly unary: boolean;

  constructor(service: ServiceContext, method: AnyGrpcMethod) {
    this.service = service;
    this.method = method;
    this.path = method.path;
    this.unary = method.kind === 'unary';
  }
}

/** What the calls of a service share. */
export class ServiceContext {
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits: GrpcLimits;
  readonly messageBytesSetting: string;
  readonly compress: boolean;
  readonly partial: PartialBudget;
  readonly authorize: ((call: ServerCall) => OutriggerError | undefined) | undefined;
  readonly onCall: ((path: string, code: number, durationMs: number) => void) | undefined;
  readonly toStatus: (error: unknown, path: string) => GrpcFailure;

  constructor(options: GrpcServiceOptions) {
    this.clock = options.clock ?? systemClock;
    this.log = options.log ?? silentLogger;
    this.limits = options.limits ?? grpcLimits;
    this.messageBytesSetting = options.messageBytesSetting ?? 'messageBytesMax';
    this.compress = options.compress ?? true;
    this.partial = new PartialBudget(this.limits.partialBytesMax);
    this.authorize = options.authorize;
    this.onCall = options.onCall;
    const { dialect } = options;
    this.toStatus = options.toStatus ?? ((error) => toGrpcStatus(error, dialect));
  }
}

class MethodTable implements GrpcService {
  readonly unknown: HttpHandler | undefined;
  readonly #routes: ReadonlyMap<string, GrpcRoute>;

  constructor(routes: ReadonlyMap<string, GrpcRoute>, unknown: HttpHandler | undefined) {
    this.#routes = routes;
    this.unknown = unknown;
  }

  get paths(): Iterable<string> {
    return this.#routes.keys();
  }

  get routes(): Iterable<GrpcRoute> {
    return this.#routes.values();
  }

  find(path: string): GrpcRoute | null {
    return this.#routes.get(path) ?? null;
  }

  begin(route: object, stream: Http2ServerStream, block: HeaderBlock): StreamReceiver {
    const call = new GrpcServerCall(route as GrpcRoute, stream, block);
    call.begin();
    return call;
  }

  refuseUnknown(stream: Http2ServerStream): void {
    // The words that grpc-go uses, which clients and dashboards look for.
    const [, service, method] = /^\/(.*)\/([^/]*)$/.exec(stream.block.path) ?? [];
    const message =
      service === undefined
        ? `malformed method name: ${JSON.stringify(stream.block.path)}`
        : this.#servesPackage(service)
          ? `unknown method ${method} for service ${service}`
          : `unknown service ${service}`;
    refuseCall(stream, GrpcCode.UNIMPLEMENTED, message);
  }

  refuseTooLarge(stream: Http2ServerStream, limitBytes: number): void {
    const message = `the metadata exceeds the limit of ${limitBytes} bytes (headerListBytesMax)`;
    refuseCall(stream, GrpcCode.RESOURCE_EXHAUSTED, message);
  }

  #servesPackage(service: string): boolean {
    for (const path of this.#routes.keys()) if (path.startsWith(`/${service}/`)) return true;
    return false;
  }
}

/** Throws when a path appears twice. */
export function createGrpcService(methods: readonly AnyGrpcMethod[], options: GrpcServiceOptions = {}): GrpcService {
  const context = new ServiceContext(options);
  return tableOf(
    methods.map((method) => new GrpcRoute(context, method)),
    options.unknown,
  );
}

/** Several services, each with its own options, on one port. `unknown` serves what none of them does. */
export function combineGrpcServices(services: readonly GrpcService[], unknown?: HttpHandler): GrpcService {
  return tableOf(
    services.flatMap((service) => [...(service as MethodTable).routes]),
    unknown ?? services.find((service) => service.unknown !== undefined)?.unknown,
  );
}

function tableOf(routes: readonly GrpcRoute[], unknown: HttpHandler | undefined): GrpcService {
  const table = new Map<string, GrpcRoute>();
  for (const route of routes) {
    if (table.has(route.path)) throw new Error(`gRPC method ${route.path} is served twice`);
    table.set(route.path, route);
  }
  return new MethodTable(table, unknown);
}
