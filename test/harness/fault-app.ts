/** HTTP apps that misbehave, on a port that stays theirs through deaths and returns. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { freePort } from './ports.js';

/** What an app is asked, its body whole. */
export interface AppRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  /** Aborts when the caller has gone before the answer. */
  readonly gone: AbortSignal;
}

/** `raw` is written to the connection as it is, which then ends; `hang` is never answered. */
export type Answer =
  | { readonly status: number; readonly body?: string; readonly headers?: Readonly<Record<string, string>> }
  | { readonly raw: string }
  | 'hang';

export type Handler = (request: AppRequest) => Answer | Promise<Answer>;

const OK: Answer = { status: 200 };

/** Connections are refused until `listen`, and again after `die`. */
export class FaultApp {
  readonly port: number;
  handler: Handler;
  /** Calls that the app is answering now. */
  running = 0;
  #server: Server | undefined;
  readonly #sockets = new Set<Socket>();

  private constructor(port: number, handler: Handler) {
    this.port = port;
    this.handler = handler;
  }

  static async create(handler: Handler = () => OK): Promise<FaultApp> {
    return new FaultApp(await freePort(), handler);
  }

  async listen(): Promise<void> {
    const server = createServer((request, response) => void this.#serve(request, response));
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.port, '127.0.0.1', resolve);
    });
    if ((server.address() as AddressInfo).port !== this.port) throw new Error('the port is not ours');
    this.#server = server;
  }

  /** As a process that is killed: the port is closed and every connection reset. */
  async die(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of this.#sockets) socket.resetAndDestroy();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.on('close', () => {
      if (!response.writableEnded) gone.abort();
    });
    request.on('error', () => {});
    this.running++;
    try {
      const { method = '', url: path = '', headers } = request;
      const body = (await buffer(request).catch(() => Buffer.alloc(0))).toString();
      const answer = await this.handler({ method, path, headers, body, gone: gone.signal });
      if (answer === 'hang') return;
      if ('raw' in answer) request.socket.end(answer.raw, 'latin1');
      else response.writeHead(answer.status, answer.headers).end(answer.body);
    } finally {
      this.running--;
    }
  }
}

/** Values in the order in which they came, to be waited for. */
export class Inbox<T> {
  readonly all: T[] = [];
  #taken = 0;
  readonly #waiting: (() => void)[] = [];

  give(value: T): void {
    this.all.push(value);
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** The next value that was not taken yet. Rejects after `timeoutMs`. */
  async take(timeoutMs = 20_000): Promise<T> {
    const index = this.#taken++;
    await this.count(index + 1, timeoutMs);
    return this.all[index] as T;
  }

  /** Resolves when that many have come in all. */
  async count(wanted: number, timeoutMs = 20_000): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`${this.all.length} came, not ${wanted}`)), timeoutMs);
    });
    try {
      while (this.all.length < wanted) {
        await Promise.race([late, new Promise<void>((resolve) => this.#waiting.push(resolve))]);
      }
    } finally {
      clearTimeout(timer);
    }
  }
}
