/** Dapr's two surfaces over one set of blocks. */
import type { Clock, GrpcMethod, HttpHandler, Logger } from '@outrigger/engine';
import type { AppChannel } from '../app/channel.js';
import type { HealthBlock } from '../block/health.js';
import type { MemoryTidy } from '../lifecycle/memory-tidy.js';
import type { MetricsRegistry } from '../telemetry/metrics.js';
import type { ApiLogging } from './api-logging.js';
import type { ApiRules } from './api-rules.js';
import { createGrpcGuard, type GrpcGuard } from './dapr-grpc/guard.js';
import { createDaprGrpcMethods, type DaprBlocks } from './dapr-grpc/methods.js';
import { type AnswerError, createAnswerError } from './dapr-http/error-reply.js';
import { createDaprHttpHandler } from './dapr-http/handler.js';
import type { HttpRoute } from './dapr-http/route.js';
import { createDaprRoutes } from './dapr-http/routes.js';
import { createErrorCounter } from './error-counter.js';

export interface DaprSurfaceDeps {
  readonly memory?: MemoryTidy;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
  readonly appId: string;
  readonly blocks: DaprBlocks & { readonly health: HealthBlock };
  /** Where configuration updates of HTTP subscriptions go; undefined: there is no app to call. */
  readonly app: () => AppChannel | undefined;
  readonly apiToken: string | undefined;
  readonly allowedOrigins: readonly string[];
  readonly apiRules: ApiRules;
  readonly apiLogging: ApiLogging;
  readonly messageBytesMax: number;
  /** Pub/sub and invoke. */
  readonly moreMethods: readonly GrpcMethod[];
  readonly moreRoutes: readonly HttpRoute[];
  /** Serves HTTP requests that no route does: invoke by `dapr-app-id`. */
  readonly httpFallback: HttpHandler | undefined;
}

export interface DaprSurfaces {
  /** Guarded, measured, errors translated: complete for any gRPC server. */
  readonly grpcMethods: readonly GrpcMethod[];
  /** For calls that are no method of ours (transparent proxying): undefined when everybody may call. */
  readonly grpcGuard: GrpcGuard | undefined;
  readonly httpHandler: HttpHandler;
  /** Every route, those not served included: to be listed. */
  readonly httpRoutes: readonly HttpRoute[];
}

export function createDaprSurfaces(deps: DaprSurfaceDeps): DaprSurfaces {
  const { clock, log, metrics, appId, apiToken, apiRules, apiLogging } = deps;
  const shared = {
    clock,
    log,
    metrics,
    appId,
    apiLogging,
    ...(deps.memory === undefined ? {} : { memory: deps.memory }),
  };
  const grpcGuard = createGrpcGuard({ apiToken, apiRules });
  const httpRoutes = createDaprRoutes(deps);
  return {
    grpcGuard,
    grpcMethods: createDaprGrpcMethods({
      ...shared,
      guard: grpcGuard,
      blocks: deps.blocks,
      moreMethods: deps.moreMethods,
    }),
    httpRoutes,
    httpHandler: createDaprHttpHandler({
      ...shared,
      apiToken,
      apiRules,
      allowedOrigins: deps.allowedOrigins,
      messageBytesMax: deps.messageBytesMax,
      routes: httpRoutes,
      fallback: deps.httpFallback,
    }),
  };
}

/** How handlers that own their HTTP exchange (invoke) answer with an error. */
export function createHttpAnswerError(deps: {
  readonly metrics: MetricsRegistry;
  readonly appId: string;
}): AnswerError {
  return createAnswerError(createErrorCounter(deps.metrics, deps.appId));
}
