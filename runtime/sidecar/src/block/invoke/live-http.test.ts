/** HTTP invoke over real sockets, with node:http as the app and as the client. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { LiveNames, type LiveSidecar, startLive } from './testing/live.js';

interface Reply {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });

function call(port: number, path: string, options: http.RequestOptions = {}, body?: string | Buffer): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port, path, agent, ...options }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString(),
        }),
      );
    });
    request.on('error', reject);
    request.end(body);
  });
}

const listen = (server: http.Server | net.Server): Promise<number> =>
  new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });

describe('HTTP invoke over two sidecars on sockets', () => {
  const directory = mkdtempSync(join(tmpdir(), 'invoke-'));
  const names = new LiveNames();
  let app: http.Server;
  let appPort: number;
  let a: LiveSidecar;
  let b: LiveSidecar;

  before(async () => {
    app = http.createServer((request, response) => {
      const { pathname } = new URL(request.url ?? '/', 'http://app');
      if (pathname === '/echo') {
        response.writeHead(200, {
          'content-type': request.headers['content-type'] ?? 'none',
          'x-method': request.method,
        });
        request.pipe(response);
      } else if (pathname === '/sink') {
        let bytes = 0;
        request.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
        });
        request.on('end', () => response.end(String(bytes)));
      } else if (pathname === '/source') {
        const piece = Buffer.alloc(64 * 1024, 'x');
        let left = Number(request.headers['x-bytes']);
        const pump = (): void => {
          while (left > 0) {
            left -= piece.length;
            if (!response.write(piece)) {
              response.once('drain', pump);
              return;
            }
          }
          response.end();
        };
        response.writeHead(200);
        pump();
      } else if (pathname === '/events') {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write('data: 1\n\n');
        app.once('next-event', () => response.end('data: 2\n\n'));
      } else if (pathname === '/early') {
        response.writeHead(413, { 'content-length': '3' }).end('big');
      } else if (pathname === '/cut') {
        response.writeHead(200, { 'content-length': '1000' });
        response.write('half');
        setImmediate(() => response.destroy());
      } else if (pathname === '/hang') {
        request.on('close', () => app.emit('left'));
        app.emit('hanging');
      } else {
        const status = Number(request.headers['x-status'] ?? 200);
        response
          .writeHead(status, { 'x-app': 'yes' })
          .end(status === 204 ? undefined : `${request.method} ${request.url}`);
      }
    });
    appPort = await listen(app);
    b = await startLive({ appId: 'b', names, app: { port: appPort, protocol: 'http' } });
    a = await startLive({ appId: 'a', names });
  });

  after(async () => {
    agent.destroy();
    await Promise.all([a.close(), b.close()]);
    app.closeAllConnections();
    app.close();
    rmSync(directory, { recursive: true, force: true });
  });

  it('answers as the app does, for every verb and status', async () => {
    for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      const reply = await call(
        a.httpPort,
        '/v1.0/invoke/b/method/orders?x=1',
        { method, headers: { 'content-length': 4 } },
        'body',
      );
      assert.deepEqual([reply.status, reply.body, reply.headers['x-app']], [200, `${method} /orders?x=1`, 'yes']);
    }
    for (const status of [201, 204, 301, 404, 409, 500, 503]) {
      const reply = await call(a.httpPort, '/x', { headers: { 'dapr-app-id': 'b', 'x-status': String(status) } });
      assert.equal(reply.status, status);
    }
    const head = await call(a.httpPort, '/v1.0/invoke/b/method/x', { method: 'HEAD' });
    assert.deepEqual([head.status, head.body], [200, '']);
  });

  it('carries bodies with a length and without, and many at once', async () => {
    const bodies = Array.from({ length: 200 }, (_, i) => `${i}:`.padEnd(1 + i * 37, 'y'));
    const replies = await Promise.all(
      bodies.map((body, i) =>
        call(
          a.httpPort,
          '/v1.0/invoke/b/method/echo',
          {
            method: 'POST',
            headers: i % 2 === 0 ? { 'content-length': body.length } : { 'transfer-encoding': 'chunked' },
          },
          body,
        ),
      ),
    );
    assert.deepEqual(
      replies.map(({ body }) => body),
      bodies,
    );
  });

  it('goes over a Unix socket too', async () => {
    const path = join(directory, 'internal.sock');
    const c = await startLive({ appId: 'c', names, app: { port: appPort, protocol: 'http' }, internal: { path } });
    try {
      assert.equal(c.internalAddress, `unix:${path}`);
      const reply = await call(a.httpPort, '/v1.0/invoke/c/method/hi');
      assert.equal(reply.body, 'GET /hi');
    } finally {
      await c.close();
      names.set('c');
    }
  });

  it('hands an early answer back while the request is still being sent', async () => {
    const reply = await call(
      a.httpPort,
      '/v1.0/invoke/b/method/early',
      { method: 'POST' },
      Buffer.alloc(8 * 1024 * 1024),
    );
    assert.deepEqual([reply.status, reply.body], [413, 'big']);
  });

  it('shows each event of an event stream as it is sent', async () => {
    const events: string[] = [];
    await new Promise<void>((resolve, reject) => {
      const request = http.get(
        { host: '127.0.0.1', port: a.httpPort, path: '/v1.0/invoke/b/method/events', agent },
        (response) => {
          assert.equal(response.headers['content-type'], 'text/event-stream');
          response.on('data', (chunk: Buffer) => {
            events.push(chunk.toString());
            if (events.length === 1) app.emit('next-event');
          });
          response.on('end', resolve);
          response.on('error', reject);
        },
      );
      request.on('error', reject);
    });
    assert.deepEqual(events, ['data: 1\n\n', 'data: 2\n\n']);
  });

  it('breaks off when the app closes in the middle of a body', async () => {
    await assert.rejects(call(a.httpPort, '/v1.0/invoke/b/method/cut'), /aborted|hang up|ECONNRESET/);
  });

  it('tells the app that its caller left', async () => {
    const left = new Promise((resolve) => app.once('left', resolve));
    const hanging = new Promise((resolve) => app.once('hanging', resolve));
    const request = http.get({ host: '127.0.0.1', port: a.httpPort, path: '/v1.0/invoke/b/method/hang' });
    request.on('error', () => {});
    await hanging;
    request.destroy();
    await left;
  });

  it('answers 500 when the app is gone or talks garbage, and serves on', async () => {
    const garbage = net.createServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', () => socket.end('SSH-2.0-OpenSSH_9.2\r\n'));
    });
    const port = await listen(garbage);
    const noisy = await startLive({ appId: 'noisy', names, app: { port, protocol: 'http' } });
    const reply = await call(a.httpPort, '/v1.0/invoke/noisy/method/x');
    assert.equal(reply.status, 500);
    assert.match(reply.body, /"errorCode":"ERR_DIRECT_INVOKE".*error invoking app channel/);
    await new Promise((resolve) => garbage.close(resolve));
    const down = await call(a.httpPort, '/v1.0/invoke/noisy/method/x');
    assert.match(down.body, /error invoking app channel: .*ECONNREFUSED/);
    await noisy.close();
    assert.equal((await call(a.httpPort, '/v1.0/invoke/b/method/x')).status, 200);
  });

  it('breaks off when the other sidecar is killed, and finds it again after a restart', async () => {
    const doomed = await startLive({ appId: 'd', names, app: { port: appPort, protocol: 'http' } });
    const hanging = new Promise((resolve) => app.once('hanging', resolve));
    const broken = call(a.httpPort, '/v1.0/invoke/d/method/hang');
    broken.catch(() => {});
    await hanging;
    await doomed.close();
    const reply = await broken;
    assert.equal(reply.status, 500);
    assert.match(reply.body, /failed to invoke target d after 0 retries. Error: rpc error: code = Unavailable/);

    names.set('d');
    const waiting = call(a.httpPort, '/v1.0/invoke/d/method/again');
    const again = await startLive({ appId: 'd', names, app: { port: appPort, protocol: 'http' } });
    assert.equal((await waiting).body, 'GET /again');
    await again.close();
  });

  it('retries at a second host when the first is dead', async () => {
    const dead = net.createServer();
    const port = await listen(dead);
    await new Promise((resolve) => dead.close(resolve));
    names.set('e', `127.0.0.1:${port}`, '127.0.0.1:1');
    const alive = await startLive({ appId: 'e', names, app: { port: appPort, protocol: 'http' }, register: false });
    names.set('e', `127.0.0.1:${port}`, alive.internalAddress);
    for (let i = 0; i < 6; i++) {
      const reply = await call(a.httpPort, '/v1.0/invoke/e/method/echo', { method: 'POST' }, `body ${i}`);
      assert.deepEqual([reply.status, reply.body], [200, `body ${i}`]);
    }
    await alive.close();
  });

  it('calls external services by absolute URL, but no metadata service', async () => {
    const reply = await call(a.httpPort, `/v1.0/invoke/http://127.0.0.1:${appPort}/method/ext?q=1`);
    assert.equal(reply.body, 'GET /ext?q=1');
    for (const host of ['169.254.169.254', '[::ffff:a9fe:a9fe]', '0.0.0.0']) {
      const refused = await call(a.httpPort, `/v1.0/invoke/http://${encodeURIComponent(host)}/method/latest`);
      assert.equal(refused.status, 500);
      assert.match(refused.body, /refused: .* link-local, metadata or reserved/);
    }
  });

  it('moves large bodies through both sidecars in flat memory', { timeout: 60_000 }, async () => {
    const bytesWanted = 1024 * 1024 * 1024;
    const deadline = performance.now() + 2000;
    const piece = Buffer.alloc(256 * 1024, 'x');
    const rss = (): number => process.memoryUsage().rss;
    const start = rss();
    let peak = start;
    const sent = await new Promise<number>((resolve, reject) => {
      let bytes = 0;
      const request = http.request(
        { host: '127.0.0.1', port: a.httpPort, path: '/v1.0/invoke/b/method/sink', method: 'POST' },
        (response) => {
          let text = '';
          response.on('data', (chunk: Buffer) => {
            text += chunk.toString();
          });
          response.on('end', () => {
            assert.equal(Number(text), bytes);
            resolve(bytes);
          });
        },
      );
      request.on('error', reject);
      const pump = (): void => {
        while (bytes < bytesWanted && (bytes < 64 * 1024 * 1024 || performance.now() < deadline)) {
          bytes += piece.length;
          peak = Math.max(peak, rss());
          if (!request.write(piece)) {
            request.once('drain', pump);
            return;
          }
        }
        request.end();
      };
      pump();
    });
    const received = await new Promise<number>((resolve, reject) => {
      let bytes = 0;
      http
        .get(
          {
            host: '127.0.0.1',
            port: a.httpPort,
            path: '/v1.0/invoke/b/method/source',
            headers: { 'x-bytes': String(sent) },
          },
          (response) => {
            response.on('data', (chunk: Buffer) => {
              bytes += chunk.length;
              peak = Math.max(peak, rss());
            });
            response.on('end', () => resolve(bytes));
            response.on('error', reject);
          },
        )
        .on('error', reject);
    });
    assert.equal(received, sent);
    const grownMiB = (peak - start) / 1024 / 1024;
    assert.ok(grownMiB < 128, `grew by ${grownMiB.toFixed(0)} MiB while ${sent / 1024 / 1024} MiB passed twice`);
  });
});
