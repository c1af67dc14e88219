/** Sidecars on real sockets in this process: API ports, internal port, app channel; names are resolved by a map. */
import {
  createGrpcService,
  createServer,
  formatAddress,
  type ListenAddress,
  type PeerAddress,
  type Server,
  serverLimits,
  silentLogger,
  systemClock,
} from '@outrigger/engine';
import { grpcProxyHandler, invokeMethods } from '../../../api/dapr-grpc/invoke.js';
import { createInvokeFallback } from '../../../api/dapr-http/invoke.js';
import { createInternalHandler } from '../../../api/internal/handler.js';
import type { AppChannel } from '../../../app/channel.js';
import { createAppChannel } from '../../../app/create-channel.js';
import type { EndpointListener, EndpointSource } from '../../../cluster/endpoint.js';
import { createExternalSource } from '../../../cluster/external-source.js';
import type { AppProtocol } from '../../../config/options.js';
import type { MeshProxy } from '../../../proxy/proxy.js';
import { createExternalConnector, createSidecarConnector, SIDECAR_HTTP2_LIMITS } from '../../../stream/connectors.js';
import { MetricsRegistry } from '../../../telemetry/metrics.js';
import { createAppTarget } from '../app-target.js';
import { createInvokeBlock } from '../block.js';
import { createInvokeMetrics } from '../metrics.js';
import { createInvokeProxy } from '../proxy.js';
import { answerError } from './sidecars.js';

export class LiveNames implements EndpointSource {
  readonly #addresses: Map<string, string[]> = new Map();
  readonly #watchers: Map<string, Set<EndpointListener>> = new Map();

  watch(name: string, listener: EndpointListener): { close(): void } {
    const watchers = this.#watchers.get(name) ?? new Set();
    this.#watchers.set(name, watchers.add(listener));
    queueMicrotask(() => listener.onEndpoints(this.#endpoints(name)));
    return { close: () => void watchers.delete(listener) };
  }

  set(name: string, ...addresses: string[]): void {
    this.#addresses.set(name, addresses);
    for (const listener of this.#watchers.get(name) ?? []) listener.onEndpoints(this.#endpoints(name));
  }

  #endpoints(name: string): { address: string; metadata: Record<string, string> }[] {
    return (this.#addresses.get(name) ?? []).map((address) => ({ address, metadata: {} }));
  }
}

export interface LiveSidecar {
  readonly httpPort: number;
  readonly grpcPort: number;
  readonly internalAddress: string;
  readonly internal: Server;
  readonly proxy: MeshProxy;
  close(): Promise<void>;
}

export interface LiveOptions {
  readonly appId: string;
  readonly names: LiveNames;
  readonly app?: { readonly port: number; readonly protocol: AppProtocol };
  /** Default: TCP on a free port. */
  readonly internal?: ListenAddress;
  readonly register?: boolean;
}

const LOCAL: ListenAddress = { host: '127.0.0.1', port: 0 };

export async function startLive(options: LiveOptions): Promise<LiveSidecar> {
  const { appId, names } = options;
  const clock = systemClock;
  const log = silentLogger;
  const metrics = new MetricsRegistry();
  const messageBytesMax = 4 * 1024 * 1024;
  const app: AppChannel | undefined =
    options.app === undefined
      ? undefined
      : createAppChannel(
          {
            ...options.app,
            host: '127.0.0.1',
            concurrencyMax: 0,
            healthCheck: undefined,
            apiToken: undefined,
            disabledInitEndpoints: [],
          },
          { clock, log, metrics, messageBytesMax },
        );
  const find = (): AppChannel | undefined => app;
  const proxy = createInvokeProxy({
    appId,
    clock,
    apps: names,
    external: createExternalSource({ clock }),
    connectSidecar: createSidecarConnector({ clock, log }),
    connectExternal: createExternalConnector({ clock, log }),
    ownApp: createAppTarget({ app: find, messageBytesMax, local: true }),
  });
  const invoke = createInvokeBlock(
    { appId, namespace: 'default', messageBytesMax, externalHosts: undefined },
    { proxy, clock, metrics, httpEndpoints: () => [] },
  );
  const handler = createInternalHandler({
    appId,
    target: createAppTarget({ app: find, messageBytesMax, local: false }),
    metrics: createInvokeMetrics(metrics, appId),
    log,
  });
  const http = createServer({ http: createInvokeFallback({ invoke, answerError }) });
  const grpc = createServer({
    http: createInvokeFallback({ invoke, answerError }),
    grpc: createGrpcService(invokeMethods({ invoke, now: () => clock.now() }), {
      unknown: grpcProxyHandler({ invoke }),
    }),
  });
  const internal = createServer({
    http: handler.handle,
    limits: { ...serverLimits, http2: SIDECAR_HTTP2_LIMITS },
    allowUpgradeH2c: false,
  });
  const httpAt = await http.listen(LOCAL);
  const grpcAt = await grpc.listen(LOCAL);
  const internalAt = await internal.listen(options.internal ?? LOCAL);
  const internalAddress = textOf(internalAt);
  if (options.register !== false) names.set(appId, internalAddress);
  return {
    httpPort: httpAt.port,
    grpcPort: grpcAt.port,
    internalAddress,
    internal,
    proxy,
    async close() {
      proxy.close();
      await Promise.all([http.close(), grpc.close(), internal.close(), app?.close()]);
    },
  };
}

const textOf = (at: PeerAddress): string =>
  formatAddress(at.kind === 'unix' ? { path: at.address } : { host: at.address, port: at.port });
