/** What every gRPC method has around its handler: guard, metrics, translation of errors, API log. */
import {
  type BidiHandler,
  type ClientStreamHandler,
  type Clock,
  encodeStatusDetails,
  GrpcCode,
  type GrpcMethod,
  GrpcStatusError,
  type Logger,
  type MessageCodec,
  type ServerCall,
  type ServerStreamHandler,
  type UnaryHandler,
} from '@outrigger/engine';
import { LARGE_MESSAGE_BYTES, type MemoryTidy } from '../../lifecycle/memory-tidy.js';
import type { MetricsRegistry } from '../../telemetry/metrics.js';
import type { ApiLogging } from '../api-logging.js';
import { createErrorCounter } from '../error-counter.js';
import { asOutriggerError, type ErrorSurface, errorView } from '../error-view.js';
import type { GrpcGuard } from './guard.js';
import { createMethodMeters, type MethodMeter } from './metrics.js';

export interface ServeDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
  readonly appId: string;
  readonly apiLogging: ApiLogging;
  /** Undefined: everybody may call everything. */
  readonly guard: GrpcGuard | undefined;
  /** Told of every message that is large (see memory-tidy.ts). */
  readonly memory?: MemoryTidy;
  /** Whose codes and texts errors have; Dapr's by default. */
  readonly surface?: ErrorSurface;
}

/** Counts what is decoded and encoded, without another pass over the message. */
function counted<T>(codec: MessageCodec<T>, meter: MethodMeter, memory: MemoryTidy | undefined): MessageCodec<T> {
  return {
    typeName: codec.typeName,
    decode(buffer, start, end) {
      meter.receivedBytes.observe(end - start);
      if (end - start >= LARGE_MESSAGE_BYTES) memory?.large(end - start);
      return codec.decode(buffer, start, end);
    },
    encode(message, writer) {
      const start = writer.end;
      codec.encode(message, writer);
      meter.sentBytes.observe(writer.end - start);
      if (writer.end - start >= LARGE_MESSAGE_BYTES) memory?.large(writer.end - start);
    },
  };
}

export function createMethodServer(deps: ServeDeps): (method: GrpcMethod) => GrpcMethod {
  const { clock, log, guard, apiLogging } = deps;
  const surface = deps.surface ?? 'dapr-grpc';
  const meters = createMethodMeters(deps.metrics, deps.appId);
  const countError = createErrorCounter(deps.metrics, deps.appId);

  /** Errors of the table become a status with details; a status passes as it is; all else is a fault of ours. */
  function statusOf(error: unknown, path: string): GrpcStatusError {
    if (error instanceof GrpcStatusError) return error;
    const known = asOutriggerError(error);
    if (known !== error) log.error({ err: error, method: path }, 'an API call failed by a fault of the sidecar');
    const view = errorView(known, surface);
    countError(view);
    const details =
      view.details.length === 0 ? {} : { details: encodeStatusDetails(view.grpc, view.text, view.details) };
    return new GrpcStatusError(view.grpc, view.text, { ...details, cause: error });
  }

  function logCall(call: ServerCall, code: GrpcCode, elapsedMs: number): void {
    const useragent = call.metadata.get('user-agent');
    log.info({ method: call.path, useragent, duration: Math.trunc(elapsedMs), code }, 'gRPC API Called');
  }

  function finish(meter: MethodMeter, call: ServerCall, code: GrpcCode, start: number): void {
    const elapsedMs = clock.now() - start;
    meter.completed(code, elapsedMs);
    if (apiLogging.enabled) logCall(call, code, elapsedMs);
  }

  function serveUnary(handler: UnaryHandler<unknown, unknown>, meter: MethodMeter): UnaryHandler<unknown, unknown> {
    return (request, call) => {
      const start = clock.now();
      const failed = (error: unknown): never => {
        const status = statusOf(error, call.path);
        finish(meter, call, status.code, start);
        throw status;
      };
      let result: unknown;
      try {
        guard?.(call);
        result = handler(request, call);
      } catch (error) {
        return failed(error);
      }
      if (result instanceof Promise) {
        return result.then((response) => {
          finish(meter, call, GrpcCode.OK, start);
          return response;
        }, failed);
      }
      finish(meter, call, GrpcCode.OK, start);
      return result;
    };
  }

  /** Streams end once, at their handler's end. */
  function serveStream<A extends readonly [unknown, ServerCall, ...unknown[]], R>(
    handler: (...args: A) => Promise<R>,
    meter: MethodMeter,
  ): (...args: A) => Promise<R> {
    return async (...args) => {
      const call = args[1];
      const start = clock.now();
      try {
        guard?.(call);
        const result = await handler(...args);
        finish(meter, call, GrpcCode.OK, start);
        return result;
      } catch (error) {
        const status = statusOf(error, call.path);
        finish(meter, call, status.code, start);
        throw status;
      }
    };
  }

  return (method) => {
    const meter = meters.of(method.path);
    const row = method as unknown as {
      readonly request: MessageCodec<unknown>;
      readonly response: MessageCodec<unknown>;
    };
    const handler = method.handler as unknown;
    const served = (): unknown => {
      switch (method.kind) {
        case 'unary':
          return serveUnary(handler as UnaryHandler<unknown, unknown>, meter);
        case 'server-stream':
          return serveStream(handler as ServerStreamHandler<unknown, unknown>, meter);
        case 'client-stream':
          return serveStream(handler as ClientStreamHandler<unknown, unknown>, meter);
        case 'bidi':
          return serveStream(handler as BidiHandler<unknown, unknown>, meter);
      }
    };
    return {
      ...method,
      request: counted(row.request, meter, deps.memory),
      response: counted(row.response, meter, deps.memory),
      handler: served(),
    } as unknown as GrpcMethod;
  };
}
