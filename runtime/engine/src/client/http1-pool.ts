/**
 * HTTP/1.1 connections to one target, one exchange on each at a time. The connection that was used last is used next, so
 * that the others grow idle and go. Requests above `connectionsMax` wait in a bounded queue.
 *
 * What `onReset` says of a request that failed (RFC 9110 §9.2.2 decides what may be done about it):
 * - `connect`, `refused`: not a byte was sent, `unprocessed` is true; anybody may try again.
 * - `connection-lost` before an answer: the server may have acted. `unprocessed` is true only when the request had not
 *   left this process. On a reused connection the usual cause is a server that closed it while idle: who knows that the
 *   method is idempotent may try again. The pool does not, because it does not keep bodies.
 *
 * Response timeouts are the caller's: `stream.reset('timeout')`.
 */
import type { Clock, Timer } from '../base/clock.js';
import { type Logger, silentLogger } from '../base/log.js';
import { systemClock } from '../base/system-clock.js';
import type { ClientReceiver, ClientStream, HttpOpener, RequestHead, ResetReason } from '../codec/http/stream.js';
import { Http1ClientConnection } from '../codec/http1/client-connection.js';
import type { UpgradeReceiver } from '../codec/http1/client-stream.js';
import { type Http1Limits, http1Limits } from '../codec/http1/limits.js';
import { type ConnectAddress, connect, formatAddress } from '../network/connect.js';
import { createTlsClient, type TlsClient } from '../network/tls.js';
import type { TlsClientOptions } from '../network/tls-options.js';
import type { Transport } from '../network/transport.js';
import { DeferredStream, type WaitingRoom } from './deferred-stream.js';

export interface Http1PoolOptions {
  readonly target: ConnectAddress;
  /** Connect by TLS. A TlsClient can be updated from outside. ALPN offers `http/1.1` unless it says otherwise. */
  readonly tls?: TlsClientOptions | TlsClient;
  /** Default 128. */
  readonly connectionsMax?: number;
  /** Requests that wait for a connection; more are refused. Default 1024. */
  readonly pendingMax?: number;
  /** Bytes of request bodies that those keep together. Default 64 MiB. */
  readonly pendingBytesMax?: number;
  /** Closes connections that were not used for so long. Default 60,000: less than most servers wait. */
  readonly idleTimeoutMs?: number;
  /** For connecting, TLS included. Default 5000. */
  readonly connectTimeoutMs?: number;
  readonly limits?: Http1Limits;
  readonly clock?: Clock;
  readonly log?: Logger;
}

export interface Http1Pool extends HttpOpener {
  /** Asks for another protocol (RFC 9110 §7.8), on a connection of its own that leaves the pool when the server agrees. */
  openUpgrade(head: RequestHead, protocol: string, receiver: UpgradeReceiver): ClientStream;
  /** Refuses what waits, closes idle connections, and the others when their exchange is over. */
  close(): void;
  readonly stats: Http1PoolStats;
}

export interface Http1PoolStats {
  /** Open connections, idle ones included. */
  readonly connections: number;
  readonly idle: number;
  readonly connecting: number;
  readonly pending: number;
}

const CONNECTIONS_MAX = 128;
const PENDING_MAX = 1024;
const PENDING_BYTES_MAX = 64 * 1024 * 1024;
const IDLE_TIMEOUT_MS = 60_000;
const CONNECT_TIMEOUT_MS = 5_000;

interface Idle {
  readonly connection: Http1ClientConnection;
  readonly since: number;
}

/** A request that waits, and how it is begun on the connection that is found for it. */
interface Waiting {
  readonly stream: DeferredStream;
  start(connection: Http1ClientConnection): void;
}

export function createHttp1Pool(options: Http1PoolOptions): Http1Pool {
  return new ConnectionPool(options);
}

class ConnectionPool implements Http1Pool {
  private readonly target: ConnectAddress;
  private readonly tls: TlsClient | undefined;
  private readonly connectionsMax: number;
  private readonly pendingMax: number;
  private readonly idleTimeoutMs: number;
  private readonly connectTimeoutMs: number;
  private readonly limits: Http1Limits;
  private readonly clock: Clock;
  private readonly log: Logger;
  private readonly connections = new Set<Http1ClientConnection>();
  /** Oldest first; the last is used next. */
  private readonly idle: Idle[] = [];
  private readonly pending: Waiting[] = [];
  private readonly room: WaitingRoom;
  private readonly aborts = new Set<AbortController>();
  private sweepTimer: Timer | null = null;
  private closed = false;

  constructor(options: Http1PoolOptions) {
    const { tls } = options;
    this.target = options.target;
    if (tls !== undefined) this.tls = 'connect' in tls ? tls : createTlsClient({ alpn: ['http/1.1'], ...tls });
    this.connectionsMax = options.connectionsMax ?? CONNECTIONS_MAX;
    this.pendingMax = options.pendingMax ?? PENDING_MAX;
    this.idleTimeoutMs = options.idleTimeoutMs ?? IDLE_TIMEOUT_MS;
    this.connectTimeoutMs = options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS;
    this.limits = options.limits ?? http1Limits;
    this.clock = options.clock ?? systemClock;
    this.log = options.log ?? silentLogger;
    this.room = {
      bytes: 0,
      bytesMax: options.pendingBytesMax ?? PENDING_BYTES_MAX,
      left: (stream) => this.remove(stream),
    };
  }

  get stats(): Http1PoolStats {
    return {
      connections: this.connections.size,
      idle: this.idle.length,
      connecting: this.aborts.size,
      pending: this.pending.length,
    };
  }

  open(head: RequestHead, end: boolean, receiver: ClientReceiver): ClientStream {
    const connection = this.takeIdle();
    if (connection !== null) return connection.open(head, end, receiver);
    const stream = new DeferredStream(head, end, receiver, this.room, 'http/1.1');
    this.enqueue({ stream, start: (found) => stream.attach(found) });
    return stream;
  }

  openUpgrade(head: RequestHead, protocol: string, receiver: UpgradeReceiver): ClientStream {
    const connection = this.takeIdle();
    if (connection !== null) return connection.openUpgrade(head, protocol, receiver);
    const stream = new DeferredStream(head, true, receiver, this.room, 'http/1.1');
    this.enqueue({
      stream,
      start: (found) => stream.attach({ open: () => found.openUpgrade(head, protocol, receiver) }),
    });
    return stream;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.sweepTimer?.cancel();
    for (const waiting of this.pending.splice(0)) this.fail(waiting, 'refused', 'the connection pool was closed');
    for (const abort of [...this.aborts]) abort.abort();
    this.idle.length = 0;
    for (const connection of [...this.connections]) connection.drain();
  }

  private enqueue(waiting: Waiting): void {
    if (this.closed || this.pending.length >= this.pendingMax) {
      const why = this.closed
        ? 'the connection pool is closed'
        : `${this.pendingMax} requests (pendingMax) wait already`;
      // The caller has its stream before it hears of its end.
      queueMicrotask(() => this.fail(waiting, 'refused', `${why} for ${formatAddress(this.target)}`));
      return;
    }
    this.pending.push(waiting);
    this.connectMore();
  }

  private remove(stream: DeferredStream): void {
    const at = this.pending.findIndex((waiting) => waiting.stream === stream);
    if (at >= 0) this.pending.splice(at, 1);
  }

  private fail(waiting: Waiting, reason: ResetReason, message: string): void {
    waiting.stream.fail({ reason, message, unprocessed: true });
  }

  // Connections

  private takeIdle(): Http1ClientConnection | null {
    for (;;) {
      const last = this.idle.pop();
      if (last === undefined) return null;
      if (last.connection.usable) return last.connection;
    }
  }

  /** One connection attempt for every request that waits, up to the limit. */
  private connectMore(): void {
    const wanted = Math.min(this.pending.length, this.connectionsMax - this.connections.size);
    while (!this.closed && this.aborts.size < wanted) void this.connectOne();
  }

  private async connectOne(): Promise<void> {
    const abort = new AbortController();
    this.aborts.add(abort);
    const options = { clock: this.clock, signal: abort.signal, timeoutMs: this.connectTimeoutMs };
    let transport: Transport;
    try {
      transport = await (this.tls === undefined
        ? connect(this.target, options)
        : this.tls.connect(this.target, options));
    } catch (error) {
      this.aborts.delete(abort);
      if (!this.closed) this.connectFailed(error);
      return;
    }
    this.aborts.delete(abort);
    if (transport.tls?.alpn === 'h2') {
      transport.destroy();
      this.connectFailed(new Error(`${formatAddress(this.target)} chose HTTP/2, which this pool does not speak`));
      return;
    }
    const connection = new Http1ClientConnection(transport, {
      log: this.log,
      limits: this.limits,
      onIdle: (idle) => this.free(idle),
      onUnusable: (gone) => this.lost(gone),
    });
    this.connections.add(connection);
    if (this.closed) connection.drain();
    else this.free(connection);
  }

  /**
   * Without any connection nobody that waits will be served. With one, those that wait in excess of what is still being
   * opened have lost the attempt that was made for them.
   */
  private connectFailed(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.log.debug({ err: error }, 'a connection could not be opened');
    const hopeless = this.connections.size === 0 && this.aborts.size === 0;
    const failing = hopeless ? this.pending.length : Math.min(1, this.pending.length - this.aborts.size);
    for (const waiting of this.pending.splice(0, Math.max(0, failing))) this.fail(waiting, 'connect', message);
  }

  /** The connection can carry the next request. */
  private free(connection: Http1ClientConnection): void {
    if (this.closed) {
      connection.drain();
      return;
    }
    const next = this.pending.shift();
    if (next !== undefined) {
      next.start(connection);
      return;
    }
    this.idle.push({ connection, since: this.clock.now() });
    this.sweepTimer ??= this.clock.after(this.idleTimeoutMs, () => this.sweep());
  }

  private lost(connection: Http1ClientConnection): void {
    if (!this.connections.delete(connection)) return;
    const at = this.idle.findLastIndex((one) => one.connection === connection);
    if (at >= 0) this.idle.splice(at, 1);
    this.connectMore();
  }

  private sweep(): void {
    this.sweepTimer = null;
    const due = this.clock.now() - this.idleTimeoutMs;
    while (this.idle.length > 0 && (this.idle[0] as Idle).since <= due) {
      (this.idle.shift() as Idle).connection.drain();
    }
    const oldest = this.idle[0];
    if (oldest !== undefined) this.sweepTimer = this.clock.after(oldest.since - due, () => this.sweep());
  }
}
