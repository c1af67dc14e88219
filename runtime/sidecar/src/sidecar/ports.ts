/** The ports of one sidecar: which server listens where, and how each ends. */
import { dirname } from 'node:path';
import { makeFolders } from '@outrigger/components-core/support';
import {
  type Clock,
  createServer,
  discardReceiver,
  type HttpHandler,
  type Logger,
  type PeerAddress,
  respondBytes,
  respondText,
  type Server,
  ServerCounters,
} from '@outrigger/engine';
import type { ListenAddress, SidecarOptions } from '../config/options.js';
import { SIDECAR_HTTP2_LIMITS } from '../stream/connectors.js';
import type { MetricsRegistry } from '../telemetry/metrics.js';
import type { Surfaces } from './surfaces.js';

export type PortName = 'daprGrpc' | 'daprHttp' | 'layottoGrpc' | 'internal' | 'metrics';

/** A port that could not be taken; the message names the port, the setting, and who holds it where that can be seen. */
export class PortError extends Error {
  readonly port: PortName;
  readonly address: string;
  /** The system's code: EADDRINUSE, EACCES, … */
  readonly code: string;

  constructor(port: PortName, address: string, cause: NodeJS.ErrnoException) {
    super(`cannot listen on ${address} for ${port}: ${cause.code ?? cause.message}`, { cause });
    this.name = 'PortError';
    this.port = port;
    this.address = address;
    this.code = cause.code ?? '';
  }
}

export interface PortsDeps {
  readonly options: SidecarOptions;
  readonly surfaces: Surfaces;
  readonly internal: HttpHandler;
  readonly metrics: MetricsRegistry;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface Ports {
  /** Where each port listens, once it does. */
  readonly addresses: Partial<Record<PortName, PeerAddress>>;
  /** Rejects with PortError; what listens already goes on until `close`. */
  open(name: PortName): Promise<void>;
  /** No new connections; exchanges under way may end within `deadlineMs`. */
  drain(names: readonly PortName[], deadlineMs: number): Promise<void>;
  close(): Promise<void>;
}

/** Prometheus text on `/metrics`, as Dapr's metrics port. */
export function metricsHandler(registry: MetricsRegistry): HttpHandler {
  return (stream) => {
    stream.receiver = discardReceiver;
    const path = stream.head.path.split('?', 1)[0];
    if (path !== '/metrics' && path !== '/') return respondText(stream, 404, 'metrics are on /metrics\n');
    respondBytes(stream, 200, 'text/plain; version=0.0.4; charset=utf-8', Buffer.from(registry.text()));
  };
}

export function addressText(address: ListenAddress | { readonly path: string }): string {
  if ('path' in address) return `unix:${address.path}`;
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

async function listenOn(
  server: Server,
  name: PortName,
  address: ListenAddress | { readonly path: string },
): Promise<PeerAddress> {
  try {
    return await server.listen(address);
  } catch (error) {
    throw new PortError(name, addressText(address), error as NodeJS.ErrnoException);
  }
}

export function createPorts({ options, surfaces, internal, metrics, clock, log }: PortsDeps): Ports {
  const counters = new ServerCounters();
  exposeCounters(counters, metrics);
  const limits = {};
  const shared = { clock, log, limits, counters };
  const grpcServer = (): Server => createServer({ ...shared, http: surfaces.grpcHttp, grpc: surfaces.grpc });
  const makers: Record<PortName, () => Server> = {
    daprGrpc: grpcServer,
    layottoGrpc: grpcServer,
    daprHttp: () => createServer({ ...shared, http: surfaces.daprHttp }),
    // One connection carries the calls of a whole sidecar; nobody upgrades to HTTP/2 here, nor speaks anything else.
    internal: () =>
      createServer({ ...shared, http: internal, limits: { http2: SIDECAR_HTTP2_LIMITS }, allowUpgradeH2c: false }),
    metrics: () => createServer({ ...shared, http: metricsHandler(metrics) }),
  };
  const servers = new Map<PortName, Server>();
  const addresses: Partial<Record<PortName, PeerAddress>> = {};
  return {
    addresses,
    async open(name) {
      const address = options[name];
      if (address === undefined) return;
      const server = makers[name]();
      servers.set(name, server);
      if ('path' in address) makeFolders(dirname(address.path), 0o700);
      addresses[name] = await listenOn(server, name, address);
      const { port } = addresses[name];
      const otherHosts = 'otherHosts' in address ? (address.otherHosts ?? []) : [];
      for (const host of otherHosts) await listenOn(server, name, { host, port });
    },
    async drain(names, deadlineMs) {
      await Promise.all(names.map((name) => servers.get(name)?.drain(deadlineMs)));
    },
    async close() {
      await Promise.all([...servers.values()].map((server) => server.close()));
    },
  };
}

function exposeCounters(counters: ServerCounters, metrics: MetricsRegistry): void {
  const gauge = (name: string, help: string, read: () => number): void => {
    const series = metrics.gauge(name, help).with();
    metrics.beforeScrape(() => series.set(read()));
  };
  gauge('outrigger_connections_open', 'Connections open on the ports of this sidecar.', () => counters.connectionsOpen);
  gauge('outrigger_connections', 'Connections accepted since the start.', () => counters.connections);
  gauge('outrigger_http2_streams_open', 'HTTP/2 streams open.', () => counters.http2.streamsOpen);
  gauge('outrigger_http2_floods', 'HTTP/2 connections ended for flooding.', () => counters.http2.floods);
  gauge(
    'outrigger_http2_protocol_errors',
    'HTTP/2 connections ended for breaking the protocol.',
    () => counters.http2.protocolErrors,
  );
}
