/** An app for the sidecar to call: it echoes, or it never answers and says when its caller has left. */
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';

export interface HangingApp {
  readonly port: number;
  /** Resolves when the request whose query is `token` has come, and with its end. */
  hanging(token: string): Promise<{ readonly left: Promise<void> }>;
  close(): Promise<void>;
}

export async function startHangingApp(): Promise<HangingApp> {
  const seen = new Map<string, { resolve: (request: IncomingMessage) => void; promise: Promise<IncomingMessage> }>();
  const waiterOf = (token: string) => {
    let waiter = seen.get(token);
    if (waiter === undefined) {
      let resolve!: (request: IncomingMessage) => void;
      const promise = new Promise<IncomingMessage>((done) => {
        resolve = done;
      });
      waiter = { resolve, promise };
      seen.set(token, waiter);
    }
    return waiter;
  };
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url as string, 'http://app');
    if (pathname === '/hang') {
      request.resume();
      waiterOf(searchParams.get('token') ?? '').resolve(request);
    } else {
      request.pipe(response);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as { port: number }).port,
    async hanging(token) {
      const { socket } = await waiterOf(token).promise;
      return { left: socket.destroyed ? Promise.resolve() : once(socket, 'close').then(() => {}) };
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
