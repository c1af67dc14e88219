/** Opens connections. */
import net from 'node:net';
import type { Clock } from '../base/clock.js';
import { systemClock } from '../base/system-clock.js';
import { readInto, SocketTransport, type TransportOptions } from './socket-transport.js';
import type { Transport } from './transport.js';

export type ConnectAddress = { readonly host: string; readonly port: number } | { readonly path: string };

export interface ConnectOptions extends TransportOptions {
  /** For looking up the name and connecting together. Default 5000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
}

export class ConnectError extends Error {
  /** The system's code: ECONNREFUSED, ENOENT, ETIMEDOUT, ENOTFOUND, … */
  readonly code: string;

  constructor(address: ConnectAddress, code: string, cause?: unknown) {
    super(`cannot connect to ${formatAddress(address)}: ${code}`, cause === undefined ? undefined : { cause });
    this.name = 'ConnectError';
    this.code = code;
  }
}

/** `host:port`, `[v6]:port` or `unix:path`. */
export function formatAddress(address: ConnectAddress): string {
  if ('path' in address) return `unix:${address.path}`;
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/** Resolves with a connected transport whose `receiver` must be set at once; rejects with ConnectError or the signal's reason. */
export async function connect(address: ConnectAddress, options: ConnectOptions = {}): Promise<Transport> {
  const into = readInto();
  const socket = await connectSocket(address, options, into.onread);
  const unix = 'path' in address ? ({ kind: 'unix', address: address.path, port: 0 } as const) : undefined;
  const transport = new SocketTransport(
    socket,
    true,
    unix === undefined ? options : { local: unix, remote: unix, ...options },
  );
  into.transport = transport;
  return transport;
}

/** The same, as a bare socket: for TLS, which is laid over it. */
export function connectSocket(
  address: ConnectAddress,
  options: ConnectOptions = {},
  onread?: net.OnReadOpts,
): Promise<net.Socket> {
  const { signal } = options;
  const clock = options.clock ?? systemClock;
  const timeoutMs = options.timeoutMs ?? 5000;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const socket = net.connect({
      ...address,
      allowHalfOpen: true,
      noDelay: true,
      ...(onread === undefined ? {} : { onread }),
    });
    const settle = (): void => {
      timer.cancel();
      signal?.removeEventListener('abort', onAbort);
      socket.removeListener('error', onError);
      socket.removeListener('connect', onConnect);
    };
    const fail = (reason: unknown): void => {
      settle();
      socket.on('error', () => {});
      socket.destroy();
      reject(reason);
    };
    const onConnect = (): void => {
      settle();
      resolve(socket);
    };
    const onError = (error: NodeJS.ErrnoException): void =>
      fail(new ConnectError(address, error.code ?? error.message, error));
    const onAbort = (): void => fail(signal?.reason);
    const timer = clock.after(timeoutMs, () => fail(new ConnectError(address, 'ETIMEDOUT')));
    signal?.addEventListener('abort', onAbort, { once: true });
    socket.once('connect', onConnect);
    socket.once('error', onError);
  });
}
