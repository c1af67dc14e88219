import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import tls from 'node:tls';
import { promisify } from 'node:util';
import { silentLogger } from '../base/log.js';
import { createGrpcService } from '../codec/grpc/service.js';
import { HeaderList } from '../codec/http/headers.js';
import { collectBody, respondEmpty, respondText } from '../codec/http/respond.js';
import type { HttpHandler, ServerStream } from '../codec/http/stream.js';
import { http1Limits } from '../codec/http1/limits.js';
import { TestAuthority } from '../network/certificates.test.support.js';
import type { TlsKeyPair } from '../network/tls-options.js';
import { createServer, type Server, type ServerOptions } from './server.js';

const run = promisify(execFile);

/** Says what it got. */
const describeRequest: HttpHandler = (stream) =>
  collectBody(stream, 1_000_000, (error, body) => {
    if (error !== null) {
      respondEmpty(stream, error.row.http);
      return;
    }
    const { method, path, authority, scheme, headers } = stream.head;
    const connectionFields = headers.flat.filter(
      (name, i) => i % 2 === 0 && /upgrade|connection|settings|host/.test(name),
    );
    respondText(
      stream,
      200,
      `${stream.protocol} ${method} ${scheme} ${authority} ${path} [${body}]${connectionFields}`,
    );
  });

const servers: Server[] = [];
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) cleanup();
  for (const server of servers.splice(0)) await server.close();
});

interface Started {
  readonly server: Server;
  readonly port: number;
  readonly url: string;
}

async function start(handler: HttpHandler = describeRequest, options: Partial<ServerOptions> = {}): Promise<Started> {
  const server = createServer({ http: handler, log: silentLogger, ...options });
  servers.push(server);
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
  return { server, port, url: `${options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}` };
}

async function curl(...args: string[]): Promise<string> {
  const { stdout } = await run('curl', ['-sS', '--max-time', '10', '--noproxy', '*', ...args]);
  return stdout;
}

/** Sends raw bytes, and gives back what came until the server ended. */
async function raw(port: number, text: string): Promise<string> {
  const socket = net.connect({ host: '127.0.0.1', port });
  cleanups.push(() => socket.destroy());
  socket.write(text, 'latin1');
  let got = '';
  for await (const chunk of socket) got += (chunk as Buffer).toString('latin1');
  return got;
}

describe('a server on one port', () => {
  it('answers curl by HTTP/1.1, HTTP/2 with prior knowledge, and Upgrade: h2c', async () => {
    const { url, port, server } = await start();
    const expected = (protocol: string): string => `${protocol} GET http 127.0.0.1:${port} /a?b=c []`;
    assert.equal(await curl('--http1.1', `${url}/a?b=c`), expected('http/1.1'));
    assert.equal(await curl('--http1.0', `${url}/a?b=c`), expected('http/1.1'));
    assert.equal(await curl('--http2-prior-knowledge', `${url}/a?b=c`), expected('h2'));
    assert.equal(await curl('--http2', `${url}/a?b=c`), expected('h2'));
    assert.equal(server.counters.upgrades, 1);
    assert.equal(server.counters.connections, 4);
    assert.equal(server.counters.http1.requests, 3);
  });

  it('takes bodies with the upgrade, and goes on with HTTP/2 on the same connection', async () => {
    const { url, server } = await start();
    const out = await curl(
      '--http2',
      '-d',
      'first',
      `${url}/1`,
      '--next',
      '-sS',
      '--http2',
      '-d',
      'second',
      `${url}/2`,
    );
    assert.match(out, /^h2 POST http \S+ \/1 \[first\]h2 POST http \S+ \/2 \[second\]$/);
    assert.equal(server.counters.connections, 1);
  });

  it('ignores the wish for h2c when the body is too large to hold, chunked, or it is not allowed', async () => {
    const { url } = await start(describeRequest, { limits: { upgradeBodyBytesMax: 10 } });
    assert.match(await curl('--http2', '-d', 'x'.repeat(11), url), /^http\/1\.1 POST/);
    assert.match(
      await curl('--http2', '-d', 'x', '-H', 'transfer-encoding: chunked', url),
      /^http\/1\.1 POST .*\[x\]$/,
    );
    const strict = await start(describeRequest, { allowUpgradeH2c: false });
    assert.match(await curl('--http2', strict.url), /^http\/1\.1 GET/);
  });

  it('switches only when HTTP2-Settings is there once and sound', async () => {
    const { port } = await start();
    const ask = (fields: string): Promise<string> =>
      raw(port, `GET / HTTP/1.1\r\nHost: x\r\n${fields}\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    for (const fields of [
      'Connection: Upgrade\r\nUpgrade: h2c\r\n',
      'Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n',
      'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nHTTP2-Settings: AAMAAABk\r\n',
      'Connection: HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n',
      'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2\r\nHTTP2-Settings: AAMAAABk\r\n',
    ]) {
      const answer = await ask(fields);
      assert.doesNotMatch(answer, /101/);
      assert.equal(answer.match(/HTTP\/1\.1 200 /g)?.length, 2, fields);
    }
    const broken = await ask('Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAM\r\n');
    assert.match(broken, /^HTTP\/1\.1 400 .*HTTP2-Settings is not/s);
  });

  it('gives stream 1 its settings and the client preface right after the 101', async () => {
    const { port } = await start();
    const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'latin1').toString('latin1');
    // INITIAL_WINDOW_SIZE 3: three bytes of the body may come, no more until the window grows.
    const settings = Buffer.from([0, 4, 0, 0, 0, 3]).toString('base64url');
    const socket = net.connect({ host: '127.0.0.1', port });
    cleanups.push(() => socket.destroy());
    socket.write(
      `GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: ${settings}\r\n\r\n${preface}`,
      'latin1',
    );
    let got = Buffer.alloc(0);
    for await (const chunk of socket) {
      got = Buffer.concat([got, chunk as Buffer]);
      if (got.includes('\0\0\x03\0\0\0\0\0\x01h2 ', 0, 'latin1')) break;
    }
    const text = got.toString('latin1');
    assert.ok(text.startsWith('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n\0\0'));
    assert.doesNotMatch(text, /h2 G/);
  });

  it('tells a preface that comes byte by byte from requests that begin like it', async () => {
    const { port } = await start();
    const bytes = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0';
    const socket = net.connect({ host: '127.0.0.1', port, noDelay: true });
    cleanups.push(() => socket.destroy());
    for (const byte of bytes) {
      socket.write(byte, 'latin1');
      await new Promise((resolve) => setImmediate(resolve));
    }
    const [first] = (await once(socket, 'data')) as [Buffer];
    assert.equal(first[3], 4, 'a SETTINGS frame');
    const other = await raw(port, 'PRINT / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    assert.match(other, /http\/1\.1 PRINT/);
    assert.match(await raw(port, 'PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n'), /^HTTP\/1\.1 400 |^HTTP\/1\.1 505 /);
  });

  it('closes a peer that says nothing', async () => {
    const { port, server } = await start(describeRequest, { limits: { sniffTimeoutMs: 20 } });
    assert.equal(await raw(port, ''), '');
    assert.equal(await raw(port, 'PRI'), '');
    await server.drain(1000);
    assert.equal(server.counters.connectionsOpen, 0);
  });

  it('refuses connections above its limit', async () => {
    const { port } = await start(describeRequest, { limits: { connectionsMax: 2 } });
    const agent = new http.Agent({ keepAlive: true });
    cleanups.push(() => agent.destroy());
    const get = (): Promise<number> =>
      new Promise((resolve, reject) => {
        const request = http.get({ host: '127.0.0.1', port, agent }, (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        });
        request.on('error', reject);
      });
    assert.deepEqual(await Promise.all([get(), get()]), [200, 200]);
    const third = net.connect({ host: '127.0.0.1', port });
    await once(third, 'close');
  });

  it('listens on several addresses, Unix sockets among them', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'outrigger-server-'));
    cleanups.push(() => rmSync(directory, { recursive: true, force: true }));
    const { server, url } = await start();
    const path = join(directory, 'api.sock');
    assert.deepEqual(await server.listen({ path }), { kind: 'unix', address: path, port: 0 });
    assert.match(await curl('--unix-socket', path, 'http://localhost/x'), /^http\/1\.1 GET http localhost \/x/);
    assert.match(await curl('--http2-prior-knowledge', '--unix-socket', path, 'http://localhost/x'), /^h2 GET/);
    assert.match(await curl(url), /^http/);
    assert.equal(server.addresses.length, 2);
    await assert.rejects(server.listen({ path }), { code: 'EADDRINUSE' });
  });

  it('tells its owner of every connection', async () => {
    const seen: string[] = [];
    const { url, server } = await start(describeRequest, {
      onConnection: (transport, open) => seen.push(`${transport.remote.kind} ${open}`),
    });
    await curl('--http2', url);
    await server.close();
    assert.deepEqual(seen, ['tcp true', 'tcp false']);
    assert.equal(server.counters.connectionsOpen, 0);
    assert.equal(server.counters.http1.connectionsOpen, 0);
    assert.equal(server.counters.http2.connectionsOpen, 0);
    await assert.rejects(server.listen({ host: '127.0.0.1', port: 0 }));
  });
});

describe('a server with a gRPC service', () => {
  it('says what is wrong when gRPC comes by HTTP/1.1, and serves other requests', async () => {
    const grpc = createGrpcService([]);
    const { url } = await start(describeRequest, { grpc });
    const type = ['-H', 'content-type: application/grpc'];
    const refused = await curl('--http1.1', '-i', '-d', 'x', ...type, `${url}/a.B/C`);
    assert.match(refused, /^HTTP\/1\.1 505 .*\r\n\r\ngRPC needs HTTP\/2: .*prior knowledge/s);
    const call = ['-i', '-X', 'POST', ...type, `${url}/a.B/C`];
    assert.match(await curl('--http2-prior-knowledge', ...call), /grpc-status: 12/);
    assert.match(await curl('--http2', ...call), /grpc-status: 12/);
    assert.match(await curl('-d', 'x', '-H', 'content-type: application/grpc-web', url), /^http\/1\.1 POST/);
    assert.match(await curl('--http2-prior-knowledge', url), /^h2 GET/);
  });
});

describe('a server and node:http', () => {
  it('agree on keep-alive, lengths, chunks, trailers and HEAD', async () => {
    const { port } = await start((stream) => {
      if (stream.head.path === '/plain') {
        describeRequest(stream);
        return;
      }
      let body = '';
      stream.receiver = {
        onData: (chunk, from, to) => {
          body += chunk.toString('latin1', from, to);
        },
        onEnd: (trailers) => {
          stream.respond({ status: 201, headers: HeaderList.of({ 'x-a': '\xe4' }) }, false);
          stream.write(Buffer.from(body.slice(0, 3)));
          stream.write(Buffer.from(body.slice(3)));
          stream.end(HeaderList.of({ 'x-sum': trailers?.get('x-in') ?? 'none' }));
        },
        onReset: () => {},
        onDrain: () => {},
      };
    });
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    cleanups.push(() => agent.destroy());
    const ports = new Set<number>();
    const call = (
      options: http.RequestOptions,
      body: string[],
      trailers?: http.OutgoingHttpHeaders,
    ): Promise<{ status: number; headers: http.IncomingHttpHeaders; body: string; trailers: NodeJS.Dict<string> }> =>
      new Promise((resolve, reject) => {
        const request = http.request({ host: '127.0.0.1', port, agent, ...options }, (response) => {
          ports.add(response.socket.localPort ?? 0);
          let text = '';
          response.setEncoding('latin1');
          response.on('data', (part: string) => {
            text += part;
          });
          response.on('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              body: text,
              trailers: response.trailers,
            }),
          );
        });
        request.on('error', reject);
        for (const part of body) request.write(part, 'latin1');
        if (trailers !== undefined) request.addTrailers(trailers as Record<string, string>);
        request.end();
      });
    const chunked = await call(
      { method: 'POST', path: '/', headers: { trailer: 'x-in', 'transfer-encoding': 'chunked' } },
      ['abc', 'def', 'g'],
      { 'x-in': '1' },
    );
    assert.deepEqual([chunked.status, chunked.body, chunked.headers['x-a']], [201, 'abcdefg', '\xe4']);
    assert.equal(chunked.trailers['x-sum'], '1');
    const head = await call({ method: 'HEAD', path: '/plain' }, []);
    assert.equal(head.headers['content-length'], `http/1.1 HEAD http 127.0.0.1:${port} /plain []`.length.toString());
    const sized = await call({ method: 'PUT', path: '/plain', headers: { 'content-length': 3 } }, ['xyz']);
    assert.match(sized.body, /\[xyz\]$/);
    const expecting = await call({ method: 'PUT', path: '/plain', headers: { expect: '100-continue' } }, ['xyz']);
    assert.match(expecting.body, /\[xyz\]$/);
    assert.equal(ports.size, 1, 'one connection served them all');
  });
});

describe('a server and a large body', () => {
  it('passes it both ways at constant memory, at the pace of the slower side', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'outrigger-large-'));
    cleanups.push(() => rmSync(directory, { recursive: true, force: true }));
    const bytes = 96 * 1024 * 1024;
    const file = join(directory, 'zeros');
    writeFileSync(file, '');
    truncateSync(file, bytes);
    let peak = 0;
    const { url } = await start((stream) => {
      stream.respond({ status: 200, headers: new HeaderList() }, false);
      stream.receiver = {
        onData: (chunk, from, to) => {
          peak = Math.max(peak, process.memoryUsage.rss());
          if (!stream.write(chunk, from, to)) stream.pause('peer');
        },
        onEnd: () => stream.end(),
        onReset: () => {},
        onDrain: () => stream.resume('peer'),
      };
    });
    const before = process.memoryUsage.rss();
    const send = ['-T', file, '-o', '/dev/null', '-w', '%{size_download} %{http_code}', url];
    for (const framing of ['content-length', 'chunked']) {
      const extra = framing === 'chunked' ? ['-H', 'transfer-encoding: chunked'] : [];
      assert.equal(await curl('--http1.1', ...extra, ...send), `${bytes} 200`);
    }
    assert.ok(peak - before < 40 * 1024 * 1024, `memory grew by ${peak - before} bytes`);
  });

  it('takes no more of it while the client does not read the answer', async () => {
    let taken = 0;
    let paused: () => void = () => {};
    const full = new Promise<void>((resolve) => {
      paused = resolve;
    });
    const { port } = await start((stream) => {
      stream.respond({ status: 200, headers: new HeaderList() }, false);
      stream.receiver = {
        onData: (chunk, from, to) => {
          taken += to - from;
          if (stream.write(chunk, from, to)) return;
          stream.pause('peer');
          paused();
        },
        onEnd: () => stream.end(),
        onReset: () => {},
        onDrain: () => stream.resume('peer'),
      };
    });
    const bytes = 64 * 1024 * 1024;
    const socket = net.connect({ host: '127.0.0.1', port });
    cleanups.push(() => socket.destroy());
    socket.write(`POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${bytes}\r\n\r\n`);
    const piece = Buffer.alloc(64 * 1024, 'x');
    const sending = (async () => {
      for (let sent = 0; sent < bytes; sent += piece.length) if (!socket.write(piece)) await once(socket, 'drain');
    })();
    await full;
    assert.ok(taken < bytes / 2, `${taken} bytes were taken`);
    let received = 0;
    for await (const chunk of socket) received += (chunk as Buffer).length;
    await sending;
    assert.ok(received > bytes && taken === bytes);
  });
});

describe('a TLS server', () => {
  let authority: TestAuthority;
  let keyPair: TlsKeyPair;
  before(() => {
    authority = new TestAuthority();
    keyPair = authority.issue('localhost', 'DNS:localhost', 'IP:127.0.0.1');
  });
  after(() => authority.remove());

  it('speaks HTTP/2 or HTTP/1.1 as ALPN says', async () => {
    const { url, port } = await start(describeRequest, { tls: keyPair });
    const ca = ['--cacert', authority.caPath];
    assert.equal(await curl(...ca, '--http2', `${url}/x`), `h2 GET https 127.0.0.1:${port} /x []`);
    assert.equal(await curl(...ca, '--http1.1', `${url}/x`), `http/1.1 GET https 127.0.0.1:${port} /x []`);
    assert.match(await curl(...ca, '--no-alpn', '--http1.1', url), /^http\/1\.1 GET https/);
  });

  it('does not change to h2c inside TLS', async () => {
    const { port } = await start(describeRequest, { tls: keyPair });
    const socket = tls.connect({ host: '127.0.0.1', port, ca: authority.ca, ALPNProtocols: ['http/1.1'] });
    cleanups.push(() => socket.destroy());
    socket.write(
      'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n',
    );
    let got = '';
    for await (const chunk of socket) got += chunk;
    assert.match(got, /^HTTP\/1\.1 200 /);
  });

  it('agrees with node:https and node:http2', async () => {
    const { port } = await start(describeRequest, { tls: keyPair });
    const request = https.request({ host: '127.0.0.1', port, ca: authority.ca, method: 'POST', agent: false });
    request.end('body');
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    let text = '';
    for await (const chunk of response) text += chunk;
    assert.match(text, /^http\/1\.1 POST https .* \[body\]$/);
    const session = http2.connect(`https://127.0.0.1:${port}`, { ca: authority.ca });
    cleanups.push(() => session.destroy());
    const bodies = await Promise.all(
      ['/a', '/b'].map(async (path) => {
        const stream = session.request({ ':path': path, ':method': 'POST' });
        stream.end('body');
        let got = '';
        for await (const chunk of stream) got += chunk;
        return got;
      }),
    );
    assert.deepEqual(bodies, [
      `h2 POST https 127.0.0.1:${port} /a [body]`,
      `h2 POST https 127.0.0.1:${port} /b [body]`,
    ]);
  });
});

describe('draining', () => {
  /** Holds requests until the test answers them. */
  function hold(): { handler: HttpHandler; next(): Promise<ServerStream> } {
    const streams: ServerStream[] = [];
    const waiting: ((stream: ServerStream) => void)[] = [];
    return {
      handler: (stream) => {
        const take = waiting.shift();
        if (take === undefined) streams.push(stream);
        else take(stream);
      },
      next: () => {
        const stream = streams.shift();
        return stream === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(stream);
      },
    };
  }

  it('lets running exchanges of every protocol end, closes idle connections, takes no new ones', async () => {
    const held = hold();
    const { server, port, url } = await start(held.handler);
    const idle = net.connect({ host: '127.0.0.1', port });
    const silent = net.connect({ host: '127.0.0.1', port });
    idle.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    respondText(await held.next(), 200, 'first');
    await once(idle, 'data');
    const one = curl('--http1.1', '-i', url);
    const first = await held.next();
    const two = curl('--http2-prior-knowledge', url);
    const second = await held.next();
    const three = curl('--http2', url);
    const third = await held.next();
    const drained = server.drain(60_000);
    idle.resume();
    silent.resume();
    await Promise.all([once(idle, 'end'), once(silent, 'end')]);
    idle.destroy();
    silent.destroy();
    await assert.rejects(curl(url), /refused|Failed to connect|Couldn't connect/);
    for (const stream of [first, second, third]) respondText(stream, 200, 'late');
    assert.match(await one, /connection: close\r\n.*\r\nlate$/s);
    assert.deepEqual(await Promise.all([two, three]), ['late', 'late']);
    await drained;
    assert.equal(server.counters.connectionsOpen, 0);
  });

  it('cuts what is still running at the deadline', async () => {
    const held = hold();
    const { server, url } = await start(held.handler);
    const calls = [curl('--http1.1', url), curl('--http2-prior-knowledge', url)];
    for (const call of calls) call.catch(() => {});
    await held.next();
    await held.next();
    await server.drain(20);
    for (const call of calls) await assert.rejects(call);
    assert.equal(server.counters.connectionsOpen, 0);
  });
});

describe('peers that are slow on purpose', () => {
  it('are cut off: a slow head, a slow body, a slow reader', async () => {
    const limits = {
      ...http1Limits,
      headerTimeoutMs: 50,
      bodyIdleTimeoutMs: 50,
      writeStallTimeoutMs: 50,
      writeBytesPerSecondMin: 1024 ** 3,
      lingerTimeoutMs: 50,
    };
    const { port, server } = await start(
      (stream) => {
        if (stream.head.method === 'POST') return;
        stream.respond({ status: 200, headers: new HeaderList() }, false);
        const piece = Buffer.alloc(64 * 1024);
        const pour = (): void => {
          while (stream.write(piece));
        };
        stream.receiver = { onData: () => {}, onEnd: () => {}, onReset: () => {}, onDrain: pour };
        pour();
      },
      { limits: { http1: limits } },
    );
    assert.match(await raw(port, 'GET / HTTP/1.1\r\nHost'), /^HTTP\/1\.1 408 .*head took too long/s);
    assert.match(
      await raw(port, 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab'),
      /^HTTP\/1\.1 408 .*body took/s,
    );
    const reader = net.connect({ host: '127.0.0.1', port });
    reader.pause();
    reader.on('error', () => {});
    reader.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(reader, 'connect');
    while (server.counters.http1.timeouts < 3) await new Promise((resolve) => setImmediate(resolve));
    await server.drain(10_000);
    assert.equal(server.counters.connectionsOpen, 0);
    reader.destroy();
  });
});
