/**
 * TLS behind Transport (D8): node:tls does handshake and records, the transport writes each flush as one run of records.
 * Certificates are swapped as a whole, for connections accepted or opened from then on.
 */
import type net from 'node:net';
import tls from 'node:tls';
import type { Clock } from '../base/clock.js';
import { type Logger, silentLogger } from '../base/log.js';
import { systemClock } from '../base/system-clock.js';
import { type ConnectAddress, ConnectError, type ConnectOptions, connectSocket } from './connect.js';
import type { Acceptor } from './listener.js';
import { type TransportOptions, transportOfSocket } from './socket-transport.js';
import {
  ALPN_DEFAULT,
  contextOf,
  HANDSHAKE_TIMEOUT_MS,
  ServerNames,
  type TlsClientOptions,
  type TlsServerOptions,
} from './tls-options.js';
import type { TlsInfo, Transport } from './transport.js';

export interface TlsServerDeps {
  readonly log?: Logger;
}

/** The TLS side of a listener: pass `acceptor` to `listen`. */
export interface TlsServer {
  readonly acceptor: Acceptor;
  /** Handshakes that failed or took too long. */
  readonly failures: number;
  /** New connections use these from now on. Throws, and changes nothing, when they cannot be used. */
  update(options: TlsServerOptions): void;
}

interface Pending {
  readonly options: TransportOptions;
  readonly deliver: (transport: Transport) => void;
}

class TlsAcceptor implements TlsServer {
  failures = 0;
  readonly acceptor: Acceptor;
  readonly #log: Logger;
  /** Handshakes under way, by the accepted socket. */
  readonly #pending = new WeakMap<net.Socket, Pending>();
  #server: tls.Server;

  constructor(options: TlsServerOptions, deps: TlsServerDeps) {
    this.#log = deps.log ?? silentLogger;
    this.#server = this.#createServer(options);
    this.acceptor = (socket, transportOptions, deliver) => {
      this.#pending.set(socket, { options: transportOptions, deliver });
      // Documented way to give a TLS server a connection that it did not accept itself.
      this.#server.emit('connection', socket);
    };
  }

  update(options: TlsServerOptions): void {
    this.#server = this.#createServer(options);
  }

  /** Never listens. A new one per update, so that handshakes under way end with what they began with. */
  #createServer(options: TlsServerOptions): tls.Server {
    const client = options.clientCertificate ?? (options.ca === undefined ? 'none' : 'required');
    const names = new ServerNames(options);
    const server = tls.createServer({
      cert: options.cert,
      key: options.key,
      ...(options.ca === undefined ? {} : { ca: options.ca }),
      minVersion: options.minVersion ?? 'TLSv1.2',
      ALPNProtocols: [...(options.alpn ?? ALPN_DEFAULT)],
      requestCert: client !== 'none',
      // `optional` is decided in `#accept`, which can tell a missing certificate from a bad one.
      rejectUnauthorized: client === 'required',
      handshakeTimeout: options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS,
      SNICallback: (serverName, done) => done(null, names.find(serverName)),
    });
    server.on('secureConnection', (socket) => this.#accept(socket, client !== 'none'));
    server.on('tlsClientError', (error, socket) => {
      this.failures++;
      this.#log.debug({ err: error, remote: socket.remoteAddress }, 'a TLS handshake failed');
      socket.destroy();
    });
    return server;
  }

  #accept(socket: tls.TLSSocket, asked: boolean): void {
    const accepted = (socket as unknown as { _parent: net.Socket | null })._parent;
    const pending = accepted === null ? undefined : this.#pending.get(accepted);
    if (pending === undefined) {
      socket.destroy();
      return;
    }
    const certificate = asked ? certificateOf(socket) : null;
    if (certificate !== null && !socket.authorized) {
      this.failures++;
      this.#log.debug({ reason: socket.authorizationError }, 'a client certificate does not verify');
      socket.destroy();
      return;
    }
    pending.deliver(transportOfSocket(socket, { ...pending.options, tls: infoOf(socket, certificate) }));
  }
}

/** Throws what node:tls throws when a certificate or key cannot be used. */
export function createTlsServer(options: TlsServerOptions, deps: TlsServerDeps = {}): TlsServer {
  return new TlsAcceptor(options, deps);
}

/** Opens TLS connections with certificates that can be swapped. */
export interface TlsClient {
  /** As `connect`; the time limit includes the handshake. Also rejects with ConnectError when the handshake fails. */
  connect(address: ConnectAddress, options?: ConnectOptions): Promise<Transport>;
  /** New connections use these from now on. Throws, and changes nothing, when they cannot be used. */
  update(options: TlsClientOptions): void;
}

class TlsConnector implements TlsClient {
  #options: TlsClientOptions;
  #context: tls.SecureContext;

  constructor(options: TlsClientOptions) {
    this.#options = options;
    this.#context = contextOf(options.keyPair, options.ca, options.minVersion);
  }

  update(options: TlsClientOptions): void {
    this.#context = contextOf(options.keyPair, options.ca, options.minVersion);
    this.#options = options;
  }

  async connect(address: ConnectAddress, options: ConnectOptions = {}): Promise<Transport> {
    const clock = options.clock ?? systemClock;
    const until = clock.now() + (options.timeoutMs ?? 5000);
    const plain = await connectSocket(address, options);
    const unix = 'path' in address ? ({ kind: 'unix', address: address.path, port: 0 } as const) : undefined;
    const socket = await this.#handshake(address, plain, until - clock.now(), clock, options.signal);
    return transportOfSocket(socket, {
      ...(unix === undefined ? {} : { local: unix, remote: unix }),
      ...options,
      tls: infoOf(socket, socket.authorized ? certificateOf(socket) : null),
    });
  }

  #handshake(
    address: ConnectAddress,
    plain: net.Socket,
    timeoutMs: number,
    clock: Clock,
    signal: AbortSignal | undefined,
  ): Promise<tls.TLSSocket> {
    const { serverName, alpn, skipVerification } = this.#options;
    const name = serverName ?? ('host' in address ? address.host : 'localhost');
    return new Promise((resolve, reject) => {
      const socket = tls.connect({
        socket: plain,
        secureContext: this.#context,
        host: name,
        // An address is no server name (RFC 6066 §3); it is still checked against the certificate.
        servername: isAddress(name) ? '' : name,
        ALPNProtocols: [...(alpn ?? ALPN_DEFAULT)],
        rejectUnauthorized: skipVerification !== true,
        allowHalfOpen: true,
      } as tls.ConnectionOptions);
      const settle = (): void => {
        timer.cancel();
        signal?.removeEventListener('abort', onAbort);
        socket.removeListener('error', onError);
        socket.removeListener('close', onClose);
        socket.removeListener('secureConnect', onSecure);
      };
      const fail = (reason: unknown): void => {
        settle();
        socket.on('error', () => {});
        socket.destroy();
        plain.destroy();
        reject(reason);
      };
      const onSecure = (): void => {
        settle();
        resolve(socket);
      };
      const onError = (error: NodeJS.ErrnoException): void =>
        fail(new ConnectError(address, error.code ?? error.message, error));
      const onClose = (): void => fail(new ConnectError(address, 'ECONNRESET'));
      const onAbort = (): void => fail(signal?.reason);
      const timer = clock.after(timeoutMs, () => fail(new ConnectError(address, 'ETIMEDOUT')));
      signal?.addEventListener('abort', onAbort, { once: true });
      socket.once('secureConnect', onSecure);
      socket.once('error', onError);
      socket.once('close', onClose);
      if (signal?.aborted) onAbort();
    });
  }
}

/** Throws what node:tls throws when a certificate or key cannot be used. */
export function createTlsClient(options: TlsClientOptions = {}): TlsClient {
  return new TlsConnector(options);
}

function infoOf(socket: tls.TLSSocket, peerCertificate: Buffer | null): TlsInfo {
  const serverName = (socket as unknown as { servername?: string | false }).servername;
  return {
    alpn: socket.alpnProtocol || null,
    serverName: serverName ? serverName : null,
    peerCertificate,
  };
}

/** DER of the certificate that the peer presented. */
function certificateOf(socket: tls.TLSSocket): Buffer | null {
  const { raw } = socket.getPeerCertificate();
  return raw ?? null;
}

function isAddress(name: string): boolean {
  return name.includes(':') || /^[\d.]+$/.test(name);
}
