/** Accepts connections on a TCP address, a Unix socket or an inherited file descriptor. */
import { lstatSync, unlinkSync } from 'node:fs';
import net from 'node:net';
import type { Logger } from '../base/log.js';
import { silentLogger } from '../base/log.js';
import { asError, type TransportOptions, transportOfAccepted } from './socket-transport.js';
import type { PeerAddress, Transport } from './transport.js';

export type ListenAddress =
  | { readonly host: string; readonly port: number }
  /** A Unix socket; a socket file that nobody listens on any more is replaced. */
  | { readonly path: string }
  /** A listening socket inherited from another process or thread. */
  | { readonly fd: number };

/** Turns an accepted, paused socket into a transport, now or later (TLS after its handshake). */
export type Acceptor = (socket: net.Socket, options: TransportOptions, deliver: (transport: Transport) => void) => void;

export interface ListenOptions extends TransportOptions {
  /** Connections above this are closed at once. Default: no limit. */
  readonly connectionsMax?: number;
  /** Default 1024. */
  readonly backlog?: number;
  /** Default: plain text. */
  readonly acceptor?: Acceptor;
  readonly log?: Logger;
}

export interface Listener {
  /** With port 0 in `listen`, the port the system chose. */
  readonly address: PeerAddress;
  /** Open connections accepted here. */
  readonly connections: ReadonlySet<Transport>;
  /** Connections refused because of `connectionsMax`. */
  readonly refused: number;
  /** Stops accepting and frees the address; open connections go on. */
  close(): Promise<void>;
}

const plain: Acceptor = (socket, options, deliver) => deliver(transportOfAccepted(socket, options));

class ServerListener implements Listener {
  readonly address: PeerAddress;
  readonly connections: Set<Transport> = new Set();
  refused = 0;
  readonly #server: net.Server;

  constructor(server: net.Server, address: PeerAddress) {
    this.#server = server;
    this.address = address;
  }

  close(): Promise<void> {
    // The handle is closed at once; node's callback would wait for every open connection.
    this.#server.close();
    return Promise.resolve();
  }
}

/**
 * Calls `onTransport` for every connection; it must set `transport.receiver` before it returns. Rejects when the address
 * cannot be bound (EADDRINUSE, EACCES, …, as node:net reports it).
 */
export async function listen(
  address: ListenAddress,
  onTransport: (transport: Transport) => void,
  options: ListenOptions = {},
): Promise<Listener> {
  if ('path' in address) await removeStaleSocket(address.path);
  const log = options.log ?? silentLogger;
  const acceptor = options.acceptor ?? plain;
  const server = net.createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ ...address, backlog: options.backlog ?? 1024 }, () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
  const listener = new ServerListener(server, boundAddress(server, address));
  const unix = listener.address.kind === 'unix' ? listener.address : undefined;
  const transportOptions: TransportOptions = {
    ...(unix === undefined ? {} : { local: unix, remote: unix }),
    ...options,
    onClosed: (transport) => {
      listener.connections.delete(transport);
      options.onClosed?.(transport);
    },
  };
  // EMFILE and the like: the listener stays, node goes on accepting when it can.
  server.on('error', (error) => log.error({ err: error, address: listener.address }, 'accepting a connection failed'));
  const connectionsMax = options.connectionsMax ?? Number.POSITIVE_INFINITY;
  /** Sockets whose acceptor (a TLS handshake) has not delivered yet count as well. */
  let pending = 0;

  server.on('connection', (socket) => {
    if (listener.connections.size + pending >= connectionsMax) {
      listener.refused++;
      socket.destroy();
      return;
    }
    pending++;
    let waiting = true;
    const settle = (): void => {
      if (waiting) pending--;
      waiting = false;
    };
    const deliver = (transport: Transport): void => {
      settle();
      listener.connections.add(transport);
      try {
        onTransport(transport);
      } catch (error) {
        log.error({ err: error }, 'a new connection could not be served');
        transport.destroy(asError(error));
      }
    };
    socket.once('close', settle);
    try {
      acceptor(socket, transportOptions, deliver);
    } catch (error) {
      settle();
      log.error({ err: error }, 'a connection could not be accepted');
      socket.destroy();
    }
  });
  return listener;
}

function boundAddress(server: net.Server, asked: ListenAddress): PeerAddress {
  const bound = server.address();
  if (bound === null) return { kind: 'unix', address: 'path' in asked ? asked.path : '', port: 0 };
  if (typeof bound === 'string') return { kind: 'unix', address: bound, port: 0 };
  return { kind: 'tcp', address: bound.address, port: bound.port };
}

/** Removes a socket file whose owner is gone; one that answers is left, and `listen` fails with EADDRINUSE. */
async function removeStaleSocket(path: string): Promise<void> {
  if (path.startsWith('\0')) return;
  let isSocket: boolean;
  try {
    isSocket = lstatSync(path).isSocket();
  } catch {
    return;
  }
  if (!isSocket) return;
  const refused = await new Promise<boolean>((resolve) => {
    const probe = net.connect({ path });
    probe.once('connect', () => {
      probe.destroy();
      resolve(false);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
  });
  if (refused) unlinkSync(path);
}
