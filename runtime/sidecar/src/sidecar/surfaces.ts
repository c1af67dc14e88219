/** The surfaces of one sidecar: what each of its ports serves. */
import {
  afterRequest,
  type Clock,
  combineGrpcServices,
  createGrpcService,
  discardReceiver,
  type GrpcMethod,
  type GrpcService,
  grpcLimits,
  type HttpHandler,
  type Logger,
  Metadata,
  respondEmpty,
  respondText,
  toGrpcStatus,
} from '@outrigger/engine';
import type { ServiceName } from '@outrigger/proto/services';
import { createConnectHandler } from '../api/connect/handler.js';
import type { GrpcGuard } from '../api/dapr-grpc/guard.js';
import { grpcProxyHandler, invokeMethods } from '../api/dapr-grpc/invoke.js';
import { createPubSubMethods } from '../api/dapr-grpc/pubsub.js';
import { createSubscribeMethods } from '../api/dapr-grpc/subscribe.js';
import { createInvokeFallback, invokeRoutes } from '../api/dapr-http/invoke.js';
import { createOriginPolicy, type OriginPolicy } from '../api/dapr-http/origin.js';
import { createPubSubRoutes } from '../api/dapr-http/pubsub.js';
import { createDaprSurfaces, createHttpAnswerError } from '../api/dapr-surfaces.js';
import { healthMethods, type ServingState } from '../api/grpc-services/health.js';
import { reflectionMethods } from '../api/grpc-services/reflection.js';
import { DEFAULT_GREETINGS } from '../api/layotto-grpc/hello.js';
import { createInvokeMethods } from '../api/layotto-grpc/invoke.js';
import { createLayottoGrpcMethods, LAYOTTO_SERVICES } from '../api/layotto-grpc/methods.js';
import { createPubSubMethods as createLayottoPubSubMethods } from '../api/layotto-grpc/pubsub.js';
import type { AppChannel } from '../app/channel.js';
import { grpcErrorHead } from '../block/invoke/wire.js';
import type { ConfigurationDocument } from '../config/model.js';
import type { SidecarOptions } from '../config/options.js';
import { createMemoryTidy } from '../lifecycle/memory-tidy.js';
import type { MetricsRegistry } from '../telemetry/metrics.js';
import type { Blocks } from './blocks.js';

export interface SurfaceSources {
  readonly options: SidecarOptions;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
  readonly blocks: Blocks;
  readonly app: AppChannel | undefined;
  /** Rules and logging of the API, as they were at start. */
  readonly configuration: ConfigurationDocument | undefined;
  readonly serving: ServingState;
}

export interface Surfaces {
  /** Of the gRPC ports: both dialects are served on each, so that an app needs one address. */
  readonly grpc: GrpcService;
  /** What else the gRPC ports answer: gRPC-Web, Connect, a short text. */
  readonly grpcHttp: HttpHandler;
  readonly daprHttp: HttpHandler;
}

/** As users know it. */
const MESSAGE_BYTES_SETTING = 'max-body-size';
/** Of a request that nobody wants, what is read before it is answered. */
const UNWANTED_BODY_BYTES_MAX = 64 * 1024;

/** Somebody looked at a gRPC port with a browser, or h2spec did. */
const plainAnswer: HttpHandler = (stream) =>
  afterRequest(stream, UNWANTED_BODY_BYTES_MAX, () =>
    respondText(stream, 200, 'This port serves gRPC, gRPC-Web and Connect.\n'),
  );

/** Calls that are proxied pass the same guard as those that are served. */
function guarded(handler: HttpHandler, guard: GrpcGuard | undefined): HttpHandler {
  if (guard === undefined) return handler;
  return (stream) => {
    const { path, headers } = stream.head;
    try {
      guard({ path, metadata: new Metadata(headers) });
    } catch (error) {
      const { code, message } = toGrpcStatus(error);
      stream.receiver = discardReceiver;
      return stream.respond(grpcErrorHead(code, message), true);
    }
    handler(stream);
  };
}

/** Without these a page cannot read why a call failed: gRPC-Web puts the status of a failed call into the header. */
const EXPOSED_FIELDS = 'grpc-status, grpc-message, grpc-status-details-bin';

/** Pages of other sites are refused here as on the HTTP API; allowed ones get their CORS answers. */
function forBrowsers(handler: HttpHandler, origins: OriginPolicy): HttpHandler {
  return (stream) => {
    stream.receiver = discardReceiver;
    const refusal = origins.refusal(stream);
    if (refusal !== undefined) return respondText(stream, refusal.row.http, `${refusal.message}\n`);
    const preflight = origins.preflight(stream.head);
    if (preflight !== undefined) return respondEmpty(stream, 200, preflight);
    const fields = origins.responseHeaders(stream.head);
    if (fields.length > 0) {
      const respond = stream.respond.bind(stream);
      stream.respond = (head, end) => {
        head.headers.flat.push(...fields, 'access-control-expose-headers', EXPOSED_FIELDS);
        respond(head, end);
      };
    }
    handler(stream);
  };
}

export function createSurfaces(sources: SurfaceSources): Surfaces {
  const { options, clock, log, metrics, blocks, app, configuration, serving } = sources;
  const { appId, apiToken, messageBytesMax } = options;
  const now = (): number => clock.now();
  const answerError = createHttpAnswerError({ metrics, appId });
  const apiLogging = {
    enabled: configuration?.apiLogging?.enabled ?? options.apiLogging,
    obfuscateUrls: configuration?.apiLogging?.obfuscateUrls ?? false,
    omitHealthChecks: configuration?.apiLogging?.omitHealthChecks ?? false,
  };
  const shared = { clock, log, metrics, appId, apiLogging, memory: createMemoryTidy(clock) };
  const dapr = createDaprSurfaces({
    ...shared,
    blocks,
    app: () => app,
    apiToken,
    allowedOrigins: options.allowedOrigins,
    apiRules: { allowed: configuration?.apiAllowed ?? [], denied: configuration?.apiDenied ?? [] },
    messageBytesMax,
    moreMethods: [
      ...createPubSubMethods(blocks.pubsub),
      ...createSubscribeMethods(blocks.pubsub),
      ...invokeMethods({ invoke: blocks.invoke, now }),
    ],
    moreRoutes: [...createPubSubRoutes(blocks.pubsub, appId), ...invokeRoutes({ invoke: blocks.invoke, answerError })],
    httpFallback: createInvokeFallback({ invoke: blocks.invoke, answerError }),
  });
  const layottoMethods =
    options.layottoGrpc === undefined
      ? []
      : createLayottoGrpcMethods({
          ...shared,
          guard: dapr.grpcGuard,
          blocks,
          greetings: DEFAULT_GREETINGS,
          moreMethods: [...createLayottoPubSubMethods(blocks.pubsub), ...createInvokeMethods(blocks.invoke, now)],
        });
  const services: ServiceName[] = [
    'dapr.proto.runtime.v1.Dapr',
    ...(layottoMethods.length === 0 ? [] : LAYOTTO_SERVICES),
  ];
  const apiMethods: readonly GrpcMethod[] = [...dapr.grpcMethods, ...layottoMethods];
  const service = (methods: readonly GrpcMethod[]): GrpcService =>
    createGrpcService(methods, {
      clock,
      log,
      messageBytesSetting: MESSAGE_BYTES_SETTING,
      limits: { ...grpcLimits, messageBytesMax },
    });
  const connect = createConnectHandler({
    services,
    methods: apiMethods,
    clock,
    log,
    messageBytesMax,
    messageBytesSetting: MESSAGE_BYTES_SETTING,
    toStatus: (error) => toGrpcStatus(error),
    otherwise: plainAnswer,
  });
  return {
    grpc: combineGrpcServices(
      [
        service(apiMethods),
        service([...healthMethods(services, serving), ...reflectionMethods([...services, 'grpc.health.v1.Health'])]),
      ],
      guarded(grpcProxyHandler({ invoke: blocks.invoke }), dapr.grpcGuard),
    ),
    grpcHttp: forBrowsers(connect, createOriginPolicy(options.allowedOrigins)),
    daprHttp: dapr.httpHandler,
  };
}
