/** Sidecars in memory: API handlers, proxy, internal port and app, joined by loopbacks. */
import {
  FakeClock,
  type GrpcClient,
  type HttpHandler,
  type HttpOpener,
  type OutriggerError,
  respondJson,
  type ServerStream,
  silentLogger,
} from '@outrigger/engine';
import { grpcProxyHandler } from '../../../api/dapr-grpc/invoke.js';
import { createInvokeFallback } from '../../../api/dapr-http/invoke.js';
import { errorView } from '../../../api/error-view.js';
import { createInternalHandler, type InternalHandler } from '../../../api/internal/handler.js';
import type { AppChannel } from '../../../app/channel.js';
import type { EndpointListener, EndpointSource } from '../../../cluster/endpoint.js';
import type { HttpEndpointDocument } from '../../../config/model.js';
import type { AppProtocol } from '../../../config/options.js';
import { DecisionLog } from '../../../proxy/decision.js';
import type { MeshProxy } from '../../../proxy/proxy.js';
import { type Loopback, loopback } from '../../../stream/testing/loopback.js';
import { MetricsRegistry } from '../../../telemetry/metrics.js';
import { createAppTarget } from '../app-target.js';
import { createInvokeBlock, type InvokeBlock } from '../block.js';
import { createInvokeMetrics } from '../metrics.js';
import { createInvokeProxy } from '../proxy.js';

export function answerError(stream: ServerStream, error: OutriggerError): void {
  const view = errorView(error, 'dapr-http');
  respondJson(stream, view.http, { errorCode: view.code, message: view.text });
}

export interface TestSidecar {
  readonly appId: string;
  readonly invoke: InvokeBlock;
  readonly proxy: MeshProxy;
  readonly metrics: MetricsRegistry;
  readonly internal: InternalHandler;
  /** The HTTP API port's fallback, and the gRPC API port's unknown methods. */
  readonly http: HttpOpener;
  readonly grpc: HttpOpener;
  /** The internal port as others reach it. */
  readonly port: Loopback;
  app: AppChannel | undefined;
}

export interface TestApp {
  readonly protocol?: AppProtocol;
  readonly handler?: HttpHandler;
  readonly opener?: HttpOpener;
  readonly client?: GrpcClient;
  readonly healthy?: boolean;
}

export function testApp({ protocol = 'http', handler, opener, client, healthy = true }: TestApp): AppChannel {
  const inner = opener ?? loopback(handler ?? (() => {}), { protocol: protocol === 'http' ? 'http/1.1' : 'h2' });
  return {
    protocol,
    address: '127.0.0.1:3000',
    grpc: client,
    healthy,
    receptive: true,
    listens: async () => true,
    open: (head, end, receiver) => inner.open(head, end, receiver),
    onHealth: () => () => {},
    onReceptive: () => () => {},
    unreachable() {},
    ready: async () => {},
    close: async () => {},
  };
}

/** A namespace with its registry of names. */
export class TestNamespace {
  readonly clock: FakeClock = new FakeClock();
  readonly sidecars: Map<string, TestSidecar[]> = new Map();
  readonly external: Map<string, Loopback> = new Map();
  readonly #watchers: Map<string, Set<EndpointListener>> = new Map();

  readonly #source: EndpointSource = {
    watch: (name, listener) => {
      const watchers = this.#watchers.get(name) ?? new Set();
      this.#watchers.set(name, watchers.add(listener));
      queueMicrotask(() => listener.onEndpoints(this.#endpoints(name)));
      return { close: () => void watchers.delete(listener) };
    },
  };

  #endpoints(name: string): { address: string; metadata: Record<string, string> }[] {
    return (this.sidecars.get(name) ?? []).map((_, i) => ({ address: `${name}/${i}`, metadata: {} }));
  }

  add(
    appId: string,
    app?: AppChannel,
    options: { endpoints?: HttpEndpointDocument[]; externalHosts?: string[]; messageBytesMax?: number } = {},
  ): TestSidecar {
    const { clock } = this;
    const messageBytesMax = options.messageBytesMax ?? 4 * 1024 * 1024;
    const metrics = new MetricsRegistry();
    let sidecar: TestSidecar;
    const find = (): AppChannel | undefined => sidecar.app;
    const proxy = createInvokeProxy({
      appId,
      clock,
      decisions: new DecisionLog(),
      apps: this.#source,
      external: {
        watch: (origin, listener) => {
          queueMicrotask(() => listener.onEndpoints([{ address: origin, metadata: {} }]));
          return { close() {} };
        },
      },
      connectSidecar: ({ address }) => {
        const [name, at] = address.split('/') as [string, string];
        return this.sidecars.get(name)?.[Number(at)]?.port as Loopback;
      },
      connectExternal: ({ address }) => this.external.get(address) as Loopback,
      ownApp: createAppTarget({ app: find, messageBytesMax, local: true }),
    });
    const invoke = createInvokeBlock(
      { appId, namespace: 'default', messageBytesMax, externalHosts: options.externalHosts },
      { proxy, clock, metrics, httpEndpoints: () => options.endpoints ?? [] },
    );
    const internal = createInternalHandler({
      appId,
      target: createAppTarget({ app: find, messageBytesMax, local: false }),
      metrics: createInvokeMetrics(metrics, appId),
      log: silentLogger,
    });
    sidecar = {
      appId,
      invoke,
      proxy,
      metrics,
      internal,
      http: loopback(createInvokeFallback({ invoke, answerError }), { protocol: 'http/1.1' }),
      grpc: loopback(grpcProxyHandler({ invoke })),
      port: loopback(internal.handle),
      app,
    };
    this.sidecars.set(appId, [...(this.sidecars.get(appId) ?? []), sidecar]);
    for (const listener of this.#watchers.get(appId) ?? []) listener.onEndpoints(this.#endpoints(appId));
    return sidecar;
  }
}
