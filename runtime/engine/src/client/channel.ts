/**
 * A channel to one target: dials when first used, multiplexes everything over one connection, dials again (with
 * back-off after failures) when that one is retired or lost. Gives HTTP streams and gRPC calls.
 */
import type { Clock, Timer } from '../base/clock.js';
import type { GrpcLimits, Http2Limits } from '../base/limits.js';
import { type Logger, silentLogger } from '../base/log.js';
import { systemClock } from '../base/system-clock.js';
import { createGrpcClient } from '../codec/grpc/client.js';
import type { CallOptions, ClientCall, GrpcClient, MethodInfo } from '../codec/grpc/method.js';
import type { ClientReceiver, ClientStream, HttpOpener, RequestHead, StreamReset } from '../codec/http/stream.js';
import { Http2ClientConnection } from '../codec/http2/client-connection.js';
import { ErrorCode } from '../codec/http2/constants.js';
import type { Http2Counters } from '../codec/http2/counters.js';
import { type ConnectAddress, connect, formatAddress } from '../network/connect.js';
import { asError } from '../network/socket-transport.js';
import { createTlsClient, type TlsClient } from '../network/tls.js';
import type { TlsClientOptions } from '../network/tls-options.js';
import type { Transport } from '../network/transport.js';
import { DeferredStream, type WaitingRoom } from './deferred-stream.js';

export interface BackOff {
  /** After the first failure. Default 200. */
  readonly baseMs?: number;
  /** Default 1.6, as gRPC's connection back-off. */
  readonly factor?: number;
  /** Default 30,000. */
  readonly maxMs?: number;
}

export interface ChannelOptions {
  /** `host:port`, `[v6]:port`, `unix:path` or `unix:///path`. */
  readonly target: string;
  /** Present: TLS, with ALPN h2. */
  readonly tls?: TlsClientOptions;
  /** `:authority` of gRPC calls. Default: the target; `localhost` for Unix sockets. */
  readonly authority?: string;
  readonly userAgent?: string;
  /** Keeps calls waiting through failed attempts to connect, until their deadlines. Default false: they fail. */
  readonly waitForReady?: boolean;
  /** To be connected, and again for the SETTINGS of the server. Default 5000. */
  readonly connectTimeoutMs?: number;
  readonly backOff?: BackOff;
  /** Pings a server that has been silent; off by default. */
  readonly keepalive?: { readonly intervalMs: number; readonly timeoutMs: number };
  /** Streams that wait for a connection or for the server's MAX_CONCURRENT_STREAMS. Default 10,000. */
  readonly waitingMax?: number;
  /** Bytes that those keep. Default 64 MiB. */
  readonly waitingBytesMax?: number;
  /** Compresses gRPC requests with gzip. */
  readonly compress?: boolean;
  readonly clock?: Clock;
  readonly log?: Logger;
  readonly limits?: Http2Limits;
  readonly grpcLimits?: GrpcLimits;
  readonly counters?: Http2Counters;
  /** How to reach the target; replaces the dialling of `target`. */
  readonly dial?: (options: { timeoutMs: number; signal: AbortSignal; clock: Clock }) => Promise<Transport>;
}

export type ChannelState = 'idle' | 'connecting' | 'ready' | 'failing' | 'closed';

export interface Channel extends HttpOpener, GrpcClient {
  readonly state: ChannelState;
  /** Takes no new calls, lets those that run finish for `graceMs` (default 0), and resolves when everything is closed. */
  close(graceMs?: number): Promise<void>;
}

/** Throws when the target cannot be read. */
export function parseTarget(target: string): ConnectAddress {
  const unix = /^unix:(?:\/\/)?(.+)$/.exec(target);
  if (unix !== null) return { path: unix[1] as string };
  const tcp = /^(?:dns:\/{0,3})?(?:\[([^\]]+)\]|([^:/]+)):(\d{1,5})$/.exec(target);
  const port = Number(tcp?.[3]);
  if (tcp === null || port > 65535) {
    throw new Error(`${JSON.stringify(target)} is not a target: write host:port, [address]:port or unix:path`);
  }
  return { host: (tcp[1] ?? tcp[2]) as string, port };
}

class Http2Channel implements Channel {
  readonly #options: ChannelOptions;
  readonly #name: string;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #dial: (options: { timeoutMs: number; signal: AbortSignal; clock: Clock }) => Promise<Transport>;
  readonly #grpc: GrpcClient;
  /** The connection that new streams go to. */
  #current: Http2ClientConnection | null = null;
  /** Every connection that is not closed. */
  readonly #connections: Set<Http2ClientConnection> = new Set();
  readonly #waiting: Set<DeferredStream> = new Set();
  readonly #room: WaitingRoom;
  #dialling: AbortController | null = null;
  #failures = 0;
  #lastError = '';
  #retry: Timer | null = null;
  #closed = false;
  #onClosed: (() => void) | null = null;

  constructor(options: ChannelOptions) {
    const address = parseTarget(options.target);
    this.#options = options;
    this.#name = formatAddress(address);
    this.#clock = options.clock ?? systemClock;
    this.#log = options.log ?? silentLogger;
    this.#room = {
      bytes: 0,
      bytesMax: options.waitingBytesMax ?? 64 * 1024 * 1024,
      left: (stream) => this.#waiting.delete(stream),
    };
    const tls: TlsClient | undefined =
      options.tls === undefined ? undefined : createTlsClient({ alpn: ['h2'], ...options.tls });
    this.#dial = options.dial ?? ((how) => (tls === undefined ? connect(address, how) : tls.connect(address, how)));
    this.#grpc = createGrpcClient(this, {
      authority: options.authority ?? ('path' in address ? 'localhost' : this.#name),
      scheme: tls === undefined ? 'http' : 'https',
      clock: this.#clock,
      log: this.#log,
      compress: options.compress ?? false,
      ...(options.userAgent === undefined ? {} : { userAgent: options.userAgent }),
      ...(options.grpcLimits === undefined ? {} : { limits: options.grpcLimits }),
    });
  }

  get #connectTimeoutMs(): number {
    return this.#options.connectTimeoutMs ?? 5000;
  }

  get state(): ChannelState {
    if (this.#closed) return 'closed';
    if (this.#current?.settled) return 'ready';
    if (this.#current !== null || this.#dialling !== null) return 'connecting';
    return this.#retry === null ? 'idle' : 'failing';
  }

  open(head: RequestHead, end: boolean, receiver: ClientReceiver): ClientStream {
    const current = this.#current;
    if (current?.settled && this.#waiting.size === 0 && current.available > 0) return current.open(head, end, receiver);
    const stream = new DeferredStream(head, end, receiver, this.#room);
    const refusal = this.#refusal();
    if (refusal !== null) {
      queueMicrotask(() => stream.fail(refusal));
      return stream;
    }
    this.#waiting.add(stream);
    if (current === null && this.#retry === null) this.#connect();
    return stream;
  }

  unary<I, O>(method: MethodInfo<I, O>, request: I, options?: CallOptions): Promise<O> {
    return this.#grpc.unary(method, request, options);
  }

  serverStream<I, O>(method: MethodInfo<I, O>, request: I, options?: CallOptions): AsyncIterable<O> {
    return this.#grpc.serverStream(method, request, options);
  }

  stream<I, O>(method: MethodInfo<I, O>, options?: CallOptions): ClientCall<I, O> {
    return this.#grpc.stream(method, options);
  }

  close(graceMs = 0): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      this.#retry?.cancel();
      this.#dialling?.abort(new Error('the channel was closed'));
      this.#failWaiting({ reason: 'connect', message: 'the channel was closed', unprocessed: true });
      this.#current = null;
    }
    if (this.#connections.size === 0) return Promise.resolve();
    const cutOff = (): void => {
      for (const connection of this.#connections) connection.transport.destroy();
    };
    return new Promise((resolve) => {
      const before = this.#onClosed;
      const timer = graceMs > 0 ? this.#clock.after(graceMs, cutOff) : null;
      this.#onClosed = () => {
        before?.();
        timer?.cancel();
        resolve();
      };
      for (const connection of [...this.#connections]) connection.drain();
      if (timer === null) cutOff();
    });
  }

  /** Why no stream can even wait, or null. */
  #refusal(): StreamReset | null {
    if (this.#closed) return { reason: 'connect', message: 'the channel is closed', unprocessed: true };
    if (this.#retry !== null && this.#options.waitForReady !== true) {
      return { reason: 'connect', message: this.#lastError, unprocessed: true };
    }
    const { waitingMax = 10_000 } = this.#options;
    if (this.#waiting.size < waitingMax) return null;
    const message = `${waitingMax} streams (waitingMax) wait for ${this.#name} already`;
    return { reason: 'refused', message, unprocessed: true };
  }

  #connect(): void {
    if (this.#dialling !== null || this.#closed) return;
    const dialling = new AbortController();
    this.#dialling = dialling;
    this.#dial({ timeoutMs: this.#connectTimeoutMs, signal: dialling.signal, clock: this.#clock }).then(
      (transport) => {
        this.#dialling = null;
        if (this.#closed) transport.destroy();
        else this.#connected(transport);
      },
      (error) => {
        this.#dialling = null;
        if (!this.#closed) this.#failed(asError(error).message);
      },
    );
  }

  #connected(transport: Transport): void {
    if (transport.tls !== null && transport.tls.alpn !== 'h2') {
      transport.destroy();
      this.#failed(`${this.#name} does not speak HTTP/2 over TLS (ALPN ${transport.tls.alpn ?? 'none'})`);
      return;
    }
    const { limits, counters, keepalive } = this.#options;
    const settling = this.#clock.after(this.#connectTimeoutMs, () => {
      if (connection.settled) return;
      connection.fail(ErrorCode.SETTINGS_TIMEOUT, `no SETTINGS within ${this.#connectTimeoutMs} ms`);
    });
    const connection: Http2ClientConnection = new Http2ClientConnection(transport, {
      clock: this.#clock,
      log: this.#log,
      ...(limits === undefined ? {} : { limits }),
      ...(counters === undefined ? {} : { counters }),
      ...(keepalive === undefined ? {} : { keepalive }),
      onAvailable: () => {
        settling.cancel();
        this.#failures = 0;
        this.#admit();
      },
      onRetired: () => {
        settling.cancel();
        this.#retired(connection);
      },
      onClosed: () => this.#gone(connection),
    });
    this.#connections.add(connection);
    this.#current = connection;
  }

  /** Streams that waited, first come first served. */
  #admit(): void {
    const connection = this.#current;
    // Not before its SETTINGS: only then it is known how many streams the server takes, and that it speaks HTTP/2 at all.
    if (!connection?.settled) return;
    for (const stream of this.#waiting) {
      if (connection.available <= 0) return;
      this.#waiting.delete(stream);
      stream.attach(connection);
    }
  }

  #retired(connection: Http2ClientConnection): void {
    if (this.#current !== connection) return;
    this.#current = null;
    if (this.#closed) return;
    // A server that hangs up before it has said a word is as good as none: do not dial it in a circle.
    if (!connection.settled) this.#failed(this.#unsettledText(connection));
    else if (this.#waiting.size > 0) this.#connect();
  }

  #unsettledText({ failure }: Http2ClientConnection): string {
    return failure === undefined
      ? `${this.#name} closed the connection before its SETTINGS`
      : `${this.#name} does not speak HTTP/2: ${failure}`;
  }

  #gone(connection: Http2ClientConnection): void {
    this.#connections.delete(connection);
    if (this.#closed && this.#connections.size === 0) this.#onClosed?.();
  }

  #failed(message: string): void {
    const { baseMs = 200, factor = 1.6, maxMs = 30_000 } = this.#options.backOff ?? {};
    const delayMs = Math.min(maxMs, baseMs * factor ** this.#failures) * (0.8 + 0.4 * this.#clock.random());
    this.#failures++;
    this.#lastError = message;
    this.#log.debug({ target: this.#name, delayMs, reason: message }, 'connecting failed');
    this.#retry = this.#clock.after(delayMs, () => {
      this.#retry = null;
      if (this.#waiting.size > 0) this.#connect();
    });
    if (this.#options.waitForReady !== true) this.#failWaiting({ reason: 'connect', message, unprocessed: true });
  }

  #failWaiting(reset: StreamReset): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const stream of waiting) stream.fail(reset);
  }
}

/** Throws when the target cannot be read; everything else is told to the calls. */
export function createChannel(options: ChannelOptions): Channel {
  return new Http2Channel(options);
}
