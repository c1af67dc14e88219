/** Connections to the app: an HTTP/1.1 pool, or one HTTP/2 connection for h2c and gRPC. */
import {
  type Clock,
  connect,
  createChannel,
  createGrpcClient,
  createHttp1Pool,
  type GrpcClient,
  grpcLimits,
  type HttpOpener,
  type Logger,
  type TlsClientOptions,
} from '@outrigger/engine';
import type { AppOptions } from '../config/options.js';

/** Connections to an HTTP/1.1 app (Dapr: 1024). */
export const APP_CONNECTIONS_MAX = 1024;
/**
 * Idle connections go before the app closes them: a request on its way meanwhile would be lost, and a POST must not be
 * repeated. gunicorn waits 2 s, node:http and uvicorn 5 s.
 */
export const APP_IDLE_TIMEOUT_MS = 1_500;
/** One attempt to see whether the app listens (Dapr: 500 ms). */
export const APP_PROBE_TIMEOUT_MS = 500;

export interface AppTransport {
  readonly opener: HttpOpener;
  /** One attempt to connect, closed again at once; rejects when nobody listens. */
  connect(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

export interface AppTransportDeps {
  readonly clock: Clock;
  readonly log: Logger;
}

export function openAppTransport(options: AppOptions, deps: AppTransportDeps): AppTransport {
  const { clock, log } = deps;
  const { host, protocol } = options;
  const port = options.port as number;
  // As Dapr: the app stands beside the sidecar, and its certificate is usually self-signed.
  const tls: TlsClientOptions = { skipVerification: true };
  const connections = isHttp1(protocol)
    ? createHttp1Pool({
        target: { host, port },
        connectionsMax: APP_CONNECTIONS_MAX,
        pendingMax: 4 * APP_CONNECTIONS_MAX,
        idleTimeoutMs: APP_IDLE_TIMEOUT_MS,
        clock,
        log,
        ...(protocol === 'https' ? { tls } : {}),
      })
    : createChannel({
        target: `${host.includes(':') ? `[${host}]` : host}:${port}`,
        // The app comes back soon after a restart, and is beside us: there is nobody to spare.
        backOff: { baseMs: 10, factor: 1 },
        clock,
        log,
        ...(protocol === 'grpcs' ? { tls } : {}),
      });
  return {
    opener: connections,
    connect: async (signal) => {
      const transport = await connect({ host, port }, { timeoutMs: APP_PROBE_TIMEOUT_MS, clock, signal });
      transport.receiver = { onBytes() {}, onDrain() {}, onEnd() {}, onClose() {} };
      transport.destroy();
    },
    close: async () => connections.close(),
  };
}

export interface AppGrpcOptions extends AppTransportDeps {
  readonly authority: string;
  readonly scheme: string;
  readonly messageBytesMax: number;
}

/** gRPC over the app's opener: limits, token and concurrency are the opener's. */
export function appGrpcClient(opener: HttpOpener, options: AppGrpcOptions): GrpcClient {
  const { authority, scheme, clock, log, messageBytesMax } = options;
  return createGrpcClient(opener, {
    authority,
    scheme,
    clock,
    log,
    limits: { ...grpcLimits, messageBytesMax },
    messageBytesSetting: 'max-body-size',
  });
}

function isHttp1(protocol: AppOptions['protocol']): boolean {
  return protocol === 'http' || protocol === 'https';
}
