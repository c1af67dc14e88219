import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { after, afterEach, before, describe, it } from 'node:test';
import { FakeClock } from '../base/fake-clock.js';
import { HeaderList } from '../codec/http/headers.js';
import type { ClientReceiver, RequestHead, ResponseHead, StreamReset } from '../codec/http/stream.js';
import { TestAuthority } from '../network/certificates.test.support.js';
import type { TlsKeyPair } from '../network/tls-options.js';
import type { Transport } from '../network/transport.js';
import { createHttp1Pool, type Http1Pool, type Http1PoolOptions } from './http1-pool.js';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function pool(port: number, options: Partial<Http1PoolOptions> = {}): Http1Pool {
  const made = createHttp1Pool({ target: { host: '127.0.0.1', port }, ...options });
  cleanups.push(() => made.close());
  return made;
}

async function serve(listener: http.RequestListener, server: http.Server = http.createServer()): Promise<number> {
  server.on('request', listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** A server that says what the test tells it, byte by byte. */
async function serveRaw(onConnection: (socket: net.Socket) => void): Promise<number> {
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    cleanups.push(() => socket.destroy());
    onConnection(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

const request = (method: string, path: string, fields: Record<string, string> = {}): RequestHead => ({
  method,
  scheme: 'http',
  authority: 'x',
  path,
  headers: HeaderList.of(fields),
});

class Answer implements ClientReceiver {
  head: ResponseHead | null = null;
  body = '';
  trailers: HeaderList | null = null;
  drains = 0;
  readonly done: Promise<Answer>;
  private resolve: (answer: Answer) => void = () => {};
  private reject: (reset: StreamReset) => void = () => {};

  constructor() {
    this.done = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.done.catch(() => {});
  }

  onHead(head: ResponseHead): void {
    this.head = head;
  }

  onData(chunk: Buffer, start: number, end: number): void {
    this.body += chunk.toString('latin1', start, end);
  }

  onEnd(trailers: HeaderList | null): void {
    this.trailers = trailers;
    this.resolve(this);
  }

  onReset(reset: StreamReset): void {
    this.reject(reset);
  }

  onDrain(): void {
    this.drains++;
  }
}

function get(from: Http1Pool, path: string): Promise<Answer> {
  const answer = new Answer();
  from.open(request('GET', path), true, answer);
  return answer.done;
}

const echo: http.RequestListener = (req, res) => {
  let body = '';
  req.on('data', (part: Buffer) => {
    body += part;
  });
  req.on('end', () => res.end(`${req.method} ${req.url} ${req.headers.host} [${body}]`));
};

describe('a pool of HTTP/1.1 connections', () => {
  it('uses one connection again and again', async () => {
    const ports = new Set<number>();
    const port = await serve((req, res) => {
      ports.add(req.socket.remotePort ?? 0);
      echo(req, res);
    });
    const client = pool(port);
    for (let i = 0; i < 5; i++) assert.equal((await get(client, `/${i}`)).body, `GET /${i} x []`);
    assert.equal(ports.size, 1);
    assert.deepEqual(client.stats, { connections: 1, idle: 1, connecting: 0, pending: 0 });
  });

  it('opens more for requests at the same time, up to its limit, and lets the others wait', async () => {
    let open = 0;
    let peak = 0;
    const waiting: http.ServerResponse[] = [];
    const port = await serve((_req, res) => {
      peak = Math.max(peak, ++open);
      waiting.push(res);
      if (waiting.length === 3) for (const one of waiting.splice(0)) open-- && one.end('ok');
    });
    const client = pool(port, { connectionsMax: 3 });
    const answers = await Promise.all(Array.from({ length: 9 }, (_, i) => get(client, `/${i}`)));
    assert.equal(peak, 3);
    assert.equal(
      answers.every((answer) => answer.body === 'ok'),
      true,
    );
    assert.equal(client.stats.connections, 3);
  });

  it('refuses what would wait beyond its limit, and says that nothing was sent', async () => {
    const port = await serve(() => {});
    const client = pool(port, { connectionsMax: 1, pendingMax: 2 });
    const answers = Array.from({ length: 4 }, (_, i) => get(client, `/${i}`));
    await assert.rejects(answers[2] as Promise<Answer>, {
      reason: 'refused',
      unprocessed: true,
      message: /pendingMax/,
    });
    await assert.rejects(answers[3] as Promise<Answer>, { reason: 'refused' });
    assert.equal(client.stats.pending, 2);
  });

  it('keeps what is written before there is a connection', async () => {
    const port = await serve(echo);
    const client = pool(port);
    const answer = new Answer();
    const stream = client.open(request('POST', '/'), false, answer);
    assert.equal(stream.protocol, 'http/1.1');
    stream.write(Buffer.from('_abc_'), 1, 4);
    stream.write(Buffer.from('def'));
    stream.end(HeaderList.of({ 'x-sum': 6 }));
    assert.equal((await answer.done).body, 'POST / x [abcdef]');
  });

  it('says that no connection could be made', async () => {
    const port = await serveRaw(() => {});
    for (const cleanup of cleanups.splice(0)) await cleanup();
    const client = pool(port);
    const answers = [get(client, '/a'), get(client, '/b')];
    for (const answer of answers) {
      await assert.rejects(answer, {
        reason: 'connect',
        unprocessed: true,
        message: /cannot connect to 127\.0\.0\.1:\d+: ECONNREFUSED/,
      });
    }
    assert.deepEqual(client.stats, { connections: 0, idle: 0, connecting: 0, pending: 0 });
  });

  it('gives up on a target that does not answer to connecting', async () => {
    const clock = new FakeClock();
    // A backlog that is full: the kernel leaves further connections unanswered; here the clock just runs out first.
    const client = createHttp1Pool({ target: { host: '127.0.0.1', port: 1 }, clock, connectTimeoutMs: 100 });
    const answer = get(client, '/');
    clock.advance(200);
    await assert.rejects(answer, { reason: 'connect', unprocessed: true, message: /ETIMEDOUT/ });
  });

  it('closes connections that stay idle, oldest first', async () => {
    const clock = new FakeClock();
    const port = await serve(echo);
    const client = pool(port, { clock, idleTimeoutMs: 1000 });
    await Promise.all([get(client, '/a'), get(client, '/b')]);
    assert.equal(client.stats.idle, 2);
    clock.advance(600);
    await get(client, '/c');
    clock.advance(600);
    assert.equal(client.stats.connections, 1);
    clock.advance(600);
    assert.equal(client.stats.connections, 0);
    assert.equal((await get(client, '/d')).body, 'GET /d x []');
  });

  it('forgets idle connections that the server closed', async () => {
    const sockets: net.Socket[] = [];
    const port = await serveRaw((socket) => {
      sockets.push(socket);
      socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'));
    });
    const client = pool(port);
    await get(client, '/a');
    sockets[0]?.end();
    while (client.stats.connections > 0) await new Promise((resolve) => setImmediate(resolve));
    assert.equal((await get(client, '/b')).body, 'ok');
    assert.equal(sockets.length, 2);
  });

  it('reports a request on a connection that was just being closed as perhaps processed', async () => {
    let requests = 0;
    const port = await serveRaw((socket) =>
      socket.on('data', () => {
        if (++requests === 2) socket.destroy();
        else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      }),
    );
    const client = pool(port);
    await get(client, '/a');
    await assert.rejects(get(client, '/b'), { reason: 'connection-lost', unprocessed: false });
    assert.equal((await get(client, '/c')).body, 'ok');
  });

  it('does not use a connection again on which more came than was asked for', async () => {
    let connections = 0;
    const evil = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil';
    const port = await serveRaw((socket) => {
      connections++;
      socket.on('data', () => socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok${evil}`));
    });
    const client = pool(port, { connectionsMax: 1 });
    const answers = await Promise.all([get(client, '/a'), get(client, '/b'), get(client, '/c')]);
    assert.deepEqual(
      answers.map((answer) => answer.body),
      ['ok', 'ok', 'ok'],
    );
    assert.equal(connections, 3);
  });

  it('frees the place of a request that was given up, waiting or running', async () => {
    const port = await serve((req, res) => {
      if (req.url === '/never') return;
      echo(req, res);
    });
    const client = pool(port, { connectionsMax: 1 });
    const never = client.open(request('GET', '/never'), true, new Answer());
    const also = client.open(request('GET', '/also'), true, new Answer());
    const last = get(client, '/last');
    also.reset('cancel');
    while (client.stats.connecting > 0) await new Promise((resolve) => setImmediate(resolve));
    never.reset('timeout');
    assert.equal((await last).body, 'GET /last x []');
  });

  it('streams a large body both ways with back-pressure', async () => {
    const port = await serve((req, res) => req.pipe(res));
    const client = pool(port);
    const bytes = 16 * 1024 * 1024;
    const piece = Buffer.alloc(100_000, 'x');
    let received = 0;
    let sent = 0;
    let peak = 0;
    await new Promise<void>((resolve, reject) => {
      const pump = (): void => {
        while (sent < bytes) {
          const writable = stream.write(piece);
          sent += piece.length;
          peak = Math.max(peak, sent - received);
          if (!writable) return;
        }
        stream.end();
      };
      const stream = client.open(request('POST', '/'), false, {
        onHead: () => {},
        onData: (_chunk, start, end) => {
          received += end - start;
        },
        onEnd: () => resolve(),
        onReset: reject,
        onDrain: pump,
      });
      pump();
    });
    assert.equal(received, sent);
    assert.ok(peak < bytes / 2, `${peak} bytes were on their way`);
  });

  it('hands over a connection whose server agrees to another protocol', async () => {
    const server = http.createServer();
    server.on('upgrade', (req, socket) => {
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: ${req.headers.upgrade}\r\n\r\nhello`,
      );
      socket.on('data', (part: Buffer) => socket.end(`you said ${part}`));
    });
    const port = await serve(() => {}, server);
    const client = pool(port);
    const said = await new Promise<string>((resolve, reject) => {
      let got = '';
      client.openUpgrade(request('GET', '/'), 'echo', {
        onHead: () => reject(new Error('no upgrade')),
        onData: () => {},
        onEnd: () => {},
        onReset: reject,
        onDrain: () => {},
        onUpgrade: (head: ResponseHead, transport: Transport) => {
          assert.equal(head.headers.get('upgrade'), 'echo');
          transport.receiver = {
            onBytes: (buffer, start, end) => {
              const first = got === '';
              got += buffer.toString('latin1', start, end);
              if (!first) return;
              transport.slab.ensure(2);
              transport.slab.end += transport.slab.buffer.write('hi', transport.slab.end, 'latin1');
              transport.markDirty();
            },
            onDrain: () => {},
            onEnd: () => {
              transport.end();
              resolve(got);
            },
            onClose: () => {},
          };
        },
      });
    });
    assert.equal(said, 'helloyou said hi');
    assert.equal(client.stats.connections, 0);
  });

  it('closes: what waits is refused, what runs ends, nothing new begins', async () => {
    const responses: http.ServerResponse[] = [];
    const server = http.createServer();
    const port = await serve((_req, res) => responses.push(res), server);
    const client = pool(port, { connectionsMax: 1 });
    const running = get(client, '/running');
    const waiting = get(client, '/waiting');
    await once(server, 'request');
    client.close();
    await assert.rejects(waiting, { reason: 'refused', unprocessed: true });
    await assert.rejects(get(client, '/new'), { reason: 'refused', unprocessed: true });
    responses[0]?.end('ok');
    assert.equal((await running).body, 'ok');
    assert.equal(client.stats.connections, 0);
  });

  describe('by TLS', () => {
    let authority: TestAuthority;
    let keyPair: TlsKeyPair;
    before(() => {
      authority = new TestAuthority();
      keyPair = authority.issue('localhost', 'IP:127.0.0.1');
    });
    after(() => authority.remove());

    it('agrees with node:https, and names what is wrong with a certificate', async () => {
      const port = await serve(echo, https.createServer({ ...keyPair }));
      const client = pool(port, { tls: { ca: authority.ca } });
      assert.equal((await get(client, '/a')).body, 'GET /a x []');
      assert.equal((await get(client, '/b')).body, 'GET /b x []');
      assert.equal(client.stats.connections, 1);
      const careful = pool(port, { tls: {} });
      await assert.rejects(get(careful, '/'), { reason: 'connect', message: /UNABLE_TO_VERIFY_LEAF_SIGNATURE/ });
    });
  });
});
