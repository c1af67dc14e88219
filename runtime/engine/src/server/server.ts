/**
 * A server that speaks HTTP/1.1, HTTP/2 (prior knowledge, `Upgrade: h2c`, ALPN) and gRPC on the same port, on any number
 * of TCP addresses, Unix sockets and inherited descriptors.
 */
import type { Clock } from '../base/clock.js';
import { type Logger, silentLogger } from '../base/log.js';
import { systemClock } from '../base/system-clock.js';
import type { GrpcService } from '../codec/grpc/service.js';
import { respondText } from '../codec/http/respond.js';
import type { HttpHandler, RequestHead, ServerStream } from '../codec/http/stream.js';
import { Http1Counters } from '../codec/http1/counters.js';
import { Http1ServerConnection } from '../codec/http1/server-connection.js';
import type { Http1ServerOptions } from '../codec/http1/server-options.js';
import type { Http1ServerStream } from '../codec/http1/server-stream.js';
import { Http2Counters } from '../codec/http2/counters.js';
import { Http2ServerConnection, type Http2ServerOptions } from '../codec/http2/server-connection.js';
import { type ListenAddress, type Listener, type ListenOptions, listen } from '../network/listener.js';
import { createTlsServer, type TlsServer } from '../network/tls.js';
import type { TlsServerOptions } from '../network/tls-options.js';
import type { PeerAddress, Transport } from '../network/transport.js';
import { upgradeToH2c } from './h2c-upgrade.js';
import { type ServerLimits, serverLimits } from './limits.js';
import { type SniffedProtocol, Sniffer } from './sniffer.js';

/** Numbers that a registry reads when it is scraped. Several servers may share one. */
export class ServerCounters {
  readonly http1: Http1Counters = new Http1Counters();
  readonly http2: Http2Counters = new Http2Counters();
  /** Connections accepted, TLS handshakes included. */
  connections = 0;
  connectionsOpen = 0;
  /** Connections that changed to HTTP/2 by `Upgrade: h2c`. */
  upgrades = 0;
}

export interface ServerOptions {
  /** Serves what is not gRPC, and gRPC when there is no `grpc`. */
  readonly http: HttpHandler;
  readonly grpc?: GrpcService;
  /** Every listener of this server is TLS then. A TlsServer can be updated from outside. */
  readonly tls?: TlsServerOptions | TlsServer;
  readonly clock?: Clock;
  readonly log?: Logger;
  readonly limits?: Partial<ServerLimits>;
  /** Default true, on plain text. */
  readonly allowUpgradeH2c?: boolean;
  readonly counters?: ServerCounters;
  /** Largest body of an HTTP/1.1 request; answered 413 above it. Default: left to the handler. */
  readonly bodyBytesMax?: (head: RequestHead) => number;
  /** HTTP/2 connections: pings to silent peers, greatest age, idle time. */
  readonly http2?: Pick<Http2ServerOptions, 'keepalive' | 'maxAge' | 'idleMs'>;
  /** A connection was opened or closed. */
  readonly onConnection?: (transport: Transport, open: boolean) => void;
}

export interface Server {
  readonly counters: ServerCounters;
  /** The addresses listened on. */
  readonly addresses: readonly PeerAddress[];
  /** May be called several times. Rejects as node:net does: EADDRINUSE, EACCES, …; and after `drain` or `close`. */
  listen(address: ListenAddress): Promise<PeerAddress>;
  /**
   * Stops listening, tells every peer to go elsewhere (GOAWAY, `connection: close`), lets running exchanges end.
   * Resolves when the last connection has closed; what is still open after `deadlineMs` is cut. Idempotent.
   */
  drain(deadlineMs: number): Promise<void>;
  /** Stops listening and cuts every connection. */
  close(): Promise<void>;
}

interface Connection {
  drain(): void;
}

export function createServer(options: ServerOptions): Server {
  return new HttpServer(options);
}

class HttpServer implements Server {
  readonly counters: ServerCounters;
  private readonly options: ServerOptions;
  private readonly clock: Clock;
  private readonly log: Logger;
  private readonly limits: ServerLimits;
  private readonly listenOptions: ListenOptions;
  private readonly http1: Omit<Http1ServerOptions, 'onClosed'>;
  private readonly http2: Omit<Http2ServerOptions, 'onClosed'>;
  private readonly listeners: Listener[] = [];
  /** Connections whose protocol is known. */
  private readonly connections = new Map<Transport, Connection>();
  private readonly open = new Set<Transport>();
  private readonly whenEmpty: (() => void)[] = [];
  private closing = false;

  constructor(options: ServerOptions) {
    this.options = options;
    this.clock = options.clock ?? systemClock;
    this.log = options.log ?? silentLogger;
    this.limits = { ...serverLimits, ...options.limits };
    this.counters = options.counters ?? new ServerCounters();
    const { clock, log, limits, counters } = this;
    const { tls } = options;
    const secure = tls === undefined ? undefined : 'acceptor' in tls ? tls : createTlsServer(tls, { log });
    this.listenOptions = {
      connectionsMax: limits.connectionsMax,
      limits: limits.transport,
      log,
      onClosed: (transport) => this.closed(transport),
      ...(secure === undefined ? {} : { acceptor: secure.acceptor }),
    };
    this.http1 = {
      handler: (stream) => this.serveHttp1(stream as Http1ServerStream),
      clock,
      log,
      limits: limits.http1,
      counters: counters.http1,
      ...(options.bodyBytesMax === undefined ? {} : { bodyBytesMax: options.bodyBytesMax }),
    };
    this.http2 = {
      ...options.http2,
      http: options.http,
      clock,
      log,
      limits: limits.http2,
      counters: counters.http2,
      ...(options.grpc === undefined ? {} : { grpc: options.grpc }),
    };
  }

  get addresses(): readonly PeerAddress[] {
    return this.listeners.map((listener) => listener.address);
  }

  async listen(address: ListenAddress): Promise<PeerAddress> {
    if (this.closing) throw new Error('the server is closing and does not listen any more');
    const listener = await listen(address, (transport) => this.accepted(transport), this.listenOptions);
    if (this.closing) {
      await listener.close();
      throw new Error('the server was closed while it began to listen');
    }
    this.listeners.push(listener);
    return listener.address;
  }

  async drain(deadlineMs: number): Promise<void> {
    await this.stopListening();
    for (const connection of [...this.connections.values()]) connection.drain();
    // Who has not said anything yet has nothing to lose.
    for (const transport of [...this.open]) if (transport.receiver instanceof Sniffer) transport.destroy();
    if (this.open.size === 0) return;
    const timer = this.clock.after(deadlineMs, () => this.cut());
    await this.empty();
    timer.cancel();
  }

  async close(): Promise<void> {
    await this.stopListening();
    this.cut();
    await this.empty();
  }

  private async stopListening(): Promise<void> {
    this.closing = true;
    await Promise.all(this.listeners.map((listener) => listener.close()));
  }

  private empty(): Promise<void> {
    if (this.open.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.whenEmpty.push(resolve));
  }

  private cut(): void {
    for (const transport of [...this.open]) transport.destroy();
  }

  // Connections

  private accepted(transport: Transport): void {
    this.open.add(transport);
    this.counters.connections++;
    this.counters.connectionsOpen++;
    this.options.onConnection?.(transport, true);
    const alpn = transport.tls?.alpn ?? null;
    if (alpn === 'h2') this.begin(transport, 'h2');
    else if (alpn === 'http/1.1') this.begin(transport, 'http/1.1');
    else {
      const begin = (sniffed: Transport, protocol: SniffedProtocol): void => this.begin(sniffed, protocol);
      new Sniffer(transport, this.clock, this.limits.sniffTimeoutMs, begin);
    }
    // A TLS handshake that ended after we stopped listening.
    if (this.closing) transport.destroy();
  }

  private closed(transport: Transport): void {
    if (!this.open.delete(transport)) return;
    this.connections.delete(transport);
    this.counters.connectionsOpen--;
    this.options.onConnection?.(transport, false);
    if (this.open.size > 0) return;
    for (const resolve of this.whenEmpty.splice(0)) resolve();
  }

  private begin(transport: Transport, protocol: SniffedProtocol): void {
    const connection: Connection =
      protocol === 'h2'
        ? new Http2ServerConnection(transport, this.http2)
        : new Http1ServerConnection(transport, { ...this.http1, onClosed: () => this.forget(transport, connection) });
    this.connections.set(transport, connection);
  }

  /** The codec has let go of the transport; whoever took it over may be known already. */
  private forget(transport: Transport, connection: Connection): void {
    if (this.connections.get(transport) === connection) this.connections.delete(transport);
  }

  // Requests

  private serveHttp1(stream: Http1ServerStream): void {
    if (stream.upgrade !== null && this.options.allowUpgradeH2c !== false && this.upgrade(stream)) return;
    if (this.options.grpc !== undefined && isGrpc(stream)) {
      respondText(stream, 505, 'gRPC needs HTTP/2: connect with prior knowledge (h2c), or by TLS with ALPN h2\n');
      return;
    }
    this.options.http(stream);
  }

  private upgrade(stream: Http1ServerStream): boolean {
    return upgradeToH2c(stream, this.limits.upgradeBodyBytesMax, ({ settings, body }, transport) => {
      this.counters.upgrades++;
      const connection = Http2ServerConnection.fromUpgrade(transport, this.http2, stream.head, settings, body);
      this.connections.set(transport, connection);
      if (this.closing) connection.drain();
    });
  }
}

/** `application/grpc` and its kinds, but not gRPC-Web, which HTTP/1.1 can carry. */
function isGrpc(stream: ServerStream): boolean {
  const contentType = stream.head.headers.get('content-type');
  if (contentType === undefined || !contentType.startsWith('application/grpc')) return false;
  return !contentType.startsWith('application/grpc-web');
}
