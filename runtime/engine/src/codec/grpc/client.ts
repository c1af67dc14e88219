/** gRPC calls over anything that opens client streams: a channel, a single connection, the proxy. */
import type { Clock } from '../../base/clock.js';
import { type GrpcLimits, grpcLimits } from '../../base/limits.js';
import { type Logger, silentLogger } from '../../base/log.js';
import { systemClock } from '../../base/system-clock.js';
import type { HttpOpener } from '../http/stream.js';
import { GrpcClientCall } from './client-call.js';
import type { CallOptions, ClientCall, GrpcClient, MethodInfo } from './method.js';

export interface GrpcClientOptions {
  /** `:authority` of every call. */
  readonly authority: string;
  /** Default `http`. */
  readonly scheme?: string;
  readonly userAgent?: string;
  readonly clock?: Clock;
  readonly log?: Logger;
  readonly limits?: GrpcLimits;
  /** What errors call the setting behind `limits.messageBytesMax`. */
  readonly messageBytesSetting?: string;
  /** Compresses requests of at least 1 KiB with gzip. Default false. Compressed answers are always understood. */
  readonly compress?: boolean;
}

/** Options with their defaults filled in. */
export interface ClientContext {
  readonly opener: HttpOpener;
  readonly authority: string;
  readonly scheme: string;
  readonly userAgent: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits: GrpcLimits;
  readonly messageBytesSetting: string;
  readonly compress: boolean;
}

class OpenerGrpcClient implements GrpcClient {
  readonly #context: ClientContext;

  constructor(context: ClientContext) {
    this.#context = context;
  }

  unary<I, O>(method: MethodInfo<I, O>, request: I, options?: CallOptions): Promise<O> {
    return new Promise((resolve, reject) => {
      const call = new GrpcClientCall<I, O>(this.#context, method, options);
      call.expectOne(resolve, reject);
      call.start();
      call.sendOnly(request);
    });
  }

  serverStream<I, O>(method: MethodInfo<I, O>, request: I, options?: CallOptions): AsyncIterable<O> {
    const call = new GrpcClientCall<I, O>(this.#context, method, options);
    const { responses } = call;
    call.start();
    call.sendOnly(request);
    return responses;
  }

  stream<I, O>(method: MethodInfo<I, O>, options?: CallOptions): ClientCall<I, O> {
    const call = new GrpcClientCall<I, O>(this.#context, method, options);
    call.start();
    return call;
  }
}

/** Calls fail with GrpcStatusError. */
export function createGrpcClient(opener: HttpOpener, options: GrpcClientOptions): GrpcClient {
  return new OpenerGrpcClient({
    opener,
    authority: options.authority,
    scheme: options.scheme ?? 'http',
    userAgent: options.userAgent ?? 'grpc-outrigger/0.1',
    clock: options.clock ?? systemClock,
    log: options.log ?? silentLogger,
    limits: options.limits ?? grpcLimits,
    messageBytesSetting: options.messageBytesSetting ?? 'messageBytesMax',
    compress: options.compress ?? false,
  });
}
