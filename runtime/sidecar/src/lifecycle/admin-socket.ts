/**
 * The Unix socket by which commands reach a running sidecar. One request a connection: a line `GET /status` or
 * `POST /stop`, answered by a line `200 {…}` or `404 {"error":…}`. In a 0700 folder, itself 0600.
 */
import { chmodSync, rmSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import type { Clock, Logger } from '@outrigger/engine';
import { ensurePrivateDir } from './private-dir.js';

const REQUEST_BYTES_MAX = 256;
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;
const CONNECTIONS_MAX = 16;
const IDLE_MS = 5_000;
/** sockaddr_un holds 108 bytes with the final zero on Linux, 104 elsewhere. */
const SOCKET_PATH_BYTES_MAX = 103;

/** `GET /status` → what is answered, as JSON. */
export type AdminHandlers = Readonly<Record<string, () => unknown>>;

export interface AdminSocket {
  readonly path: string;
  close(): Promise<void>;
}

/** In the instance's folder, or where that path is too long for a socket, in a private folder under the temporary one. */
export function adminSocketPath(instanceDir: string, instanceId: string): string {
  const inside = path.join(instanceDir, 'admin.sock');
  if (Buffer.byteLength(inside) <= SOCKET_PATH_BYTES_MAX) return inside;
  const folder = path.join(os.tmpdir(), `outrigger-${process.getuid?.() ?? 'user'}-sockets`);
  ensurePrivateDir(folder);
  return path.join(folder, `${instanceId.slice(0, 16)}.sock`);
}

export function openAdminSocket(
  socketPath: string,
  handlers: AdminHandlers,
  deps: { readonly clock: Clock; readonly log: Logger },
): Promise<AdminSocket> {
  const server = net.createServer((socket) => serve(socket, handlers, deps));
  server.maxConnections = CONNECTIONS_MAX;
  const sockets = new Set<net.Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    // What is there is left from a process that has ended: the folder is ours alone.
    rmSync(socketPath, { force: true });
    server.listen(socketPath, () => {
      server.removeListener('error', reject);
      server.on('error', (error) => deps.log.warn({ err: error }, 'the admin socket has trouble accepting'));
      chmodSync(socketPath, 0o600);
      resolve({
        path: socketPath,
        close: () =>
          new Promise((closed) => {
            server.close(() => closed());
            for (const socket of sockets) socket.destroy();
          }),
      });
    });
  });
}

function serve(socket: net.Socket, handlers: AdminHandlers, { clock, log }: { clock: Clock; log: Logger }): void {
  const timer = clock.after(IDLE_MS, () => socket.destroy());
  let request = '';
  socket.setEncoding('latin1');
  socket.on('error', () => socket.destroy());
  socket.on('close', () => timer.cancel());
  socket.on('data', (chunk: string) => {
    request += chunk;
    if (request.length > REQUEST_BYTES_MAX) return void socket.destroy();
    const end = request.indexOf('\n');
    if (end < 0) return;
    socket.pause();
    const line = request.slice(0, end).trim();
    const handler = Object.hasOwn(handlers, line) ? handlers[line] : undefined;
    if (handler === undefined) return void socket.end(answer(404, { error: `no such request: ${line}` }));
    try {
      socket.end(answer(200, handler() ?? {}));
    } catch (error) {
      log.error({ err: error, request: line }, 'an admin request failed');
      socket.end(answer(500, { error: (error as Error).message }));
    }
  });
}

const answer = (status: number, body: unknown): string => `${status} ${JSON.stringify(body)}\n`;

export interface AdminAnswer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/** Rejects when nobody answers within `timeoutMs`. */
export function adminCall(socketPath: string, request: string, clock: Clock, timeoutMs: number): Promise<AdminAnswer> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(socketPath);
    const timer = clock.after(timeoutMs, () => socket.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    let text = '';
    socket.setEncoding('utf8');
    socket.on('error', reject);
    socket.on('connect', () => socket.write(`${request}\n`));
    socket.on('data', (chunk: string) => {
      text += chunk;
      if (text.length > ANSWER_BYTES_MAX) socket.destroy(new Error('the answer is too long'));
    });
    socket.on('close', () => {
      timer.cancel();
      const match = /^(\d{3}) (.*)\n$/s.exec(text);
      try {
        if (match === null) throw new Error('the connection ended before the answer');
        resolve({ status: Number(match[1]), body: JSON.parse(match[2] as string) as Record<string, unknown> });
      } catch (error) {
        reject(error);
      }
    });
  });
}
