/** The app's own side: a callback server that the sidecar delivers events and invokes to, over gRPC (`--app-protocol grpc`). */

import {
  createGrpcService,
  createServer,
  discardReceiver,
  GrpcCode,
  type GrpcMethod,
  GrpcStatusError,
  respondText,
  systemClock,
} from '@outrigger/engine';
import type { InvokeRequest, InvokeResponse } from '@outrigger/proto/dapr/common/v1';
import { HTTPExtension_Verb as Verb } from '@outrigger/proto/dapr/common/v1/enums';
import type {
  ListTopicSubscriptionsResponse,
  TopicEventRequest,
  TopicEventResponse,
} from '@outrigger/proto/dapr/runtime/v1';
import * as AppCallback from '@outrigger/proto/dapr/runtime/v1/app-callback';
import * as AppCallbackHealthCheck from '@outrigger/proto/dapr/runtime/v1/app-callback-health-check';
import { type EventHandler, eventOf, outcomeOf } from './pubsub.js';
import { Body, encodePayload, type Payload } from './value.js';

export interface InvokeRequestInfo {
  readonly method: string;
  readonly verb: string;
  readonly query: URLSearchParams;
  readonly body: Body;
}

/** What a method answers: a payload, or nothing. A throw reaches the caller as an error. */
// biome-ignore lint/suspicious/noConfusingVoidType: a method that returns nothing answers with an empty body
export type MethodHandler = (request: InvokeRequestInfo) => Promise<Payload | void> | Payload | void;

export interface SubscriptionRule {
  /** CEL over the CloudEvent: `event.type == "order.created"`. */
  readonly match: string;
  readonly handler: EventHandler;
}

export interface SubscribeRoute {
  readonly deadLetterTopic?: string;
  /** Tried in order before the subscription's own handler. */
  readonly rules?: readonly SubscriptionRule[];
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface AppOptions {
  /** Default: APP_PORT, else 0 (a free port, see `start`). */
  readonly port?: number;
  readonly host?: string;
}

export interface App {
  subscribe(pubsubName: string, topic: string, handler: EventHandler, route?: SubscribeRoute): App;
  method(name: string, handler: MethodHandler): App;
  /** Resolves with the port when the app can be called. */
  start(): Promise<number>;
  /** Lets running callbacks end, `graceMs` at most. */
  stop(graceMs?: number): Promise<void>;
}

interface Route {
  readonly pubsubName: string;
  readonly topic: string;
  readonly route: SubscribeRoute;
  readonly rules: { readonly match: string; readonly path: string }[];
  readonly defaultPath: string;
}

const verbNames = new Map<number, string>(Object.entries(Verb).map(([name, value]) => [value, name]));

const DEFAULT_GRACE_MS = 5_000;

export function createApp(options: AppOptions = {}): App {
  const routes: Route[] = [];
  const eventHandlers = new Map<string, EventHandler>();
  const methods = new Map<string, MethodHandler>();

  const listTopicSubscriptions = (): ListTopicSubscriptionsResponse => ({
    $typeName: 'dapr.proto.runtime.v1.ListTopicSubscriptionsResponse',
    subscriptions: routes.map(({ pubsubName, topic, route, rules, defaultPath }) => ({
      $typeName: 'dapr.proto.runtime.v1.TopicSubscription',
      pubsubName,
      topic,
      metadata: { ...route.metadata },
      routes: {
        $typeName: 'dapr.proto.runtime.v1.TopicRoutes',
        rules: rules.map((rule) => ({ $typeName: 'dapr.proto.runtime.v1.TopicRule', ...rule })),
        default: defaultPath,
      },
      deadLetterTopic: route.deadLetterTopic ?? '',
    })),
  });

  const onTopicEvent = async (request: TopicEventRequest): Promise<TopicEventResponse> => {
    const handler = eventHandlers.get(request.path);
    if (handler === undefined) {
      throw new GrpcStatusError(GrpcCode.UNIMPLEMENTED, `no subscription of this app has the path '${request.path}'`);
    }
    const status = await outcomeOf(handler, eventOf(request));
    return { $typeName: 'dapr.proto.runtime.v1.TopicEventResponse', status };
  };

  const onInvoke = async (request: InvokeRequest): Promise<InvokeResponse> => {
    const handler = methods.get(request.method);
    if (handler === undefined) {
      throw new GrpcStatusError(GrpcCode.UNIMPLEMENTED, `this app has no method '${request.method}'`);
    }
    const answer = await handler({
      method: request.method,
      verb: verbNames.get(request.httpExtension?.verb ?? Verb.NONE) ?? 'NONE',
      query: new URLSearchParams(request.httpExtension?.querystring ?? ''),
      body: new Body(request.data?.value ?? new Uint8Array(0), request.contentType),
    });
    if (answer === undefined) return { $typeName: 'dapr.proto.common.v1.InvokeResponse', contentType: '' };
    const { data, contentType } = encodePayload(answer as Payload);
    return {
      $typeName: 'dapr.proto.common.v1.InvokeResponse',
      data: { $typeName: 'google.protobuf.Any', typeUrl: '', value: data },
      contentType,
    };
  };

  const served: GrpcMethod[] = [
    { ...AppCallback.listTopicSubscriptions, kind: 'unary', handler: listTopicSubscriptions },
    { ...AppCallback.onTopicEvent, kind: 'unary', handler: onTopicEvent },
    { ...AppCallback.onInvoke, kind: 'unary', handler: onInvoke },
    {
      ...AppCallback.listInputBindings,
      kind: 'unary',
      handler: () => ({ $typeName: 'dapr.proto.runtime.v1.ListInputBindingsResponse', bindings: [] }),
    },
    {
      ...AppCallbackHealthCheck.healthCheck,
      kind: 'unary',
      handler: () => ({ $typeName: 'dapr.proto.runtime.v1.HealthCheckResponse' }),
    },
  ] as unknown as GrpcMethod[];

  const server = createServer({
    grpc: createGrpcService(served, { clock: systemClock }),
    http: (stream) => {
      stream.receiver = discardReceiver;
      respondText(stream, 404, 'this port serves the gRPC callbacks of a sidecar\n');
    },
    clock: systemClock,
  });

  const app: App = {
    subscribe(pubsubName, topic, handler, route = {}) {
      const base = `/${pubsubName}/${topic}`;
      const rules = (route.rules ?? []).map(({ match, handler: ruleHandler }, index) => {
        const path = `${base}/${index}`;
        eventHandlers.set(path, ruleHandler);
        return { match, path };
      });
      eventHandlers.set(base, handler);
      routes.push({ pubsubName, topic, route, rules, defaultPath: base });
      return app;
    },
    method(name, handler) {
      methods.set(name, handler);
      return app;
    },
    async start() {
      const port = options.port ?? Number(process.env['APP_PORT'] ?? 0);
      return (await server.listen({ host: options.host ?? '127.0.0.1', port })).port;
    },
    stop: (graceMs = DEFAULT_GRACE_MS) => server.drain(graceMs),
  };
  return app;
}
