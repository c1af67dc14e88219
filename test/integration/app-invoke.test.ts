/** An app that is down, dies, is slow or answers garbage, as its callers see it. */
import assert from 'node:assert/strict';
import {
  createServer as createHttp2Server,
  type Http2Server,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import { createServer, type Server, type Socket } from 'node:net';
import { after, before, beforeEach, describe, it } from 'node:test';
import { type Client, createApp, createClient, GrpcCode, type GrpcStatusError } from '@outrigger/sdk';
import { FaultApp, Inbox } from '../harness/fault-app.js';
import { freePort } from '../harness/ports.js';
import { ready, type Sidecar, scratchDir, startSidecar } from '../harness/sidecar.js';

interface Said {
  readonly status: number;
  readonly text: string;
}

const invoke = async (caller: Sidecar, method = 'm', init: RequestInit = {}): Promise<Said> => {
  const answer = await fetch(`${caller.http}/v1.0/invoke/callee/method/${method}`, init);
  return { status: answer.status, text: await answer.text() };
};

describe('invoking an HTTP app', () => {
  const home = scratchDir('home');
  let app: FaultApp;
  let caller: Sidecar;
  let callee: Sidecar;
  before(async () => {
    app = await FaultApp.create();
    [caller, callee] = await Promise.all([
      startSidecar({ appId: 'caller', home }),
      startSidecar({ appId: 'callee', appPort: app.port, home, noWait: true }),
    ]);
    await ready(callee, undefined, '/v1.0/healthz/outbound');
  });
  after(async () => {
    await Promise.all([caller?.stop(), callee?.stop(), app?.die()]);
  });
  beforeEach(() => {
    app.handler = () => ({ status: 200, body: 'fine' });
  });

  it('that is down at the start: the sidecar serves it without waiting, callers hear why', async () => {
    const { status, text } = await invoke(caller);
    assert.equal(status, 500);
    const { errorCode, message } = JSON.parse(text);
    assert.equal(errorCode, 'ERR_DIRECT_INVOKE');
    assert.match(message, /callee/);
    assert.match(
      message,
      new RegExp(
        `127\\.0\\.0\\.1:${app.port}.*(refused|ECONNREFUSED)|(refused|ECONNREFUSED).*127\\.0\\.0\\.1:${app.port}`,
      ),
    );
  });

  it('that came up is called at once', async () => {
    await app.listen();
    assert.deepEqual(await invoke(caller), { status: 200, text: 'fine' });
  });

  it('that dies with a call in hand: the caller hears of it at once, and is not called again by us', async () => {
    let calls = 0;
    app.handler = () => {
      calls++;
      void app.die();
      return 'hang';
    };
    const { status, text } = await invoke(caller, 'm', { method: 'POST', body: 'once' });
    assert.equal(status, 500);
    assert.match(JSON.parse(text).message, /callee.*(closed|reset|lost)/);
    assert.equal(calls, 1);
    await app.listen();
    app.handler = () => ({ status: 200, body: 'back' });
    assert.deepEqual(await invoke(caller), { status: 200, text: 'back' });
  });

  it('that dies and returns between calls: no call fails', async () => {
    assert.equal((await invoke(caller)).status, 200);
    await app.die();
    await app.listen();
    for (let i = 0; i < 3; i++)
      assert.deepEqual(await invoke(caller, 'm', { method: 'POST', body: 'x' }), { status: 200, text: 'fine' });
  });

  it('that answers errors: they pass through as they are', async () => {
    app.handler = () => ({
      status: 418,
      body: '{"short": "stout"}',
      headers: { 'content-type': 'application/json', 'x-a': 'b' },
    });
    const answer = await fetch(`${caller.http}/v1.0/invoke/callee/method/m`);
    assert.deepEqual([answer.status, answer.headers.get('x-a'), await answer.text()], [418, 'b', '{"short": "stout"}']);
  });

  for (const [what, raw, said] of [
    ['garbage', 'what is this?\r\n\r\n', 'the response is not valid: the response does not begin with HTTP/1.'],
    ['nothing', '', 'the server closed the connection before it answered'],
    ['half a head', 'HTTP/1.1 200 OK\r\ncontent-', 'the server closed the connection inside a response'],
    [
      'with TLS',
      '\x16\x03\x01\x02\x00\x01\x00\x01',
      'the response is not valid: the response does not begin with HTTP/1.',
    ],
    [
      'with two lengths',
      'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab',
      'the response is not valid: content-length is given more than once',
    ],
    [
      'with a head without end',
      `HTTP/1.1 200 OK\r\nx: ${'a'.repeat(1_000_000)}`,
      'the response is not valid: the response head is longer than 65536 bytes',
    ],
  ] as const) {
    it(`that answers ${what}: the caller is told, the next call is well`, async () => {
      app.handler = () => ({ raw });
      const { status, text } = await invoke(caller);
      assert.equal(status, 500, text);
      const { errorCode, message } = JSON.parse(text);
      assert.equal(errorCode, 'ERR_DIRECT_INVOKE');
      assert.equal(
        message,
        `failed to invoke, id: callee, err: rpc error: code = Internal desc = error invoking app channel: ${said}`,
      );
      app.handler = () => ({ status: 200, body: 'fine' });
      assert.deepEqual(await invoke(caller), { status: 200, text: 'fine' });
    });
  }

  for (const [what, raw] of [
    ['by its length', 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf of it'],
    ['within a chunk', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n64\r\nhalf of it'],
    ['between chunks', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n'],
    ['by a chunk that is none', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nxyz\r\n'],
  ] as const) {
    it(`that breaks off its answer, ${what}: the caller never takes a part for the whole`, async () => {
      app.handler = () => ({ raw });
      await assert.rejects(invoke(caller));
    });
  }

  it('that is slow: nothing of ours gives up, and a caller that goes away is followed', async () => {
    const asked = new Inbox<AbortSignal>();
    app.handler = async ({ gone }) => {
      asked.give(gone);
      await new Promise((resolve) => gone.addEventListener('abort', resolve, { once: true }));
      return 'hang' as const;
    };
    const leaving = new AbortController();
    const call = invoke(caller, 'slow', { signal: leaving.signal });
    const gone = await asked.take();
    leaving.abort();
    await assert.rejects(call, { name: 'AbortError' });
    if (!gone.aborted) await new Promise((resolve) => gone.addEventListener('abort', resolve, { once: true }));
  });

  it('that nobody registered: the caller is told which', async () => {
    const answer = await fetch(`${caller.http}/v1.0/invoke/nobody/method/m`);
    assert.equal(answer.status, 500);
    assert.match(JSON.parse(await answer.text()).message, /nobody/);
  });

  it('whose sidecar is killed with a call in hand: an error at once, and a restarted one is found', async () => {
    const asked = new Inbox<void>();
    app.handler = () => {
      asked.give();
      return 'hang';
    };
    const call = invoke(caller);
    await asked.take();
    callee.actor.kill('SIGKILL');
    assert.equal((await call).status, 500);
    app.handler = () => ({ status: 200, body: 'fine' });
    callee = await startSidecar({ appId: 'callee', appPort: app.port, home });
    assert.deepEqual(await invoke(caller), { status: 200, text: 'fine' });
  });
});

describe('invoking a gRPC app', () => {
  const home = scratchDir('home');
  let port: number;
  let caller: Sidecar;
  let callee: Sidecar;
  let client: Client;
  const sockets = new Set<Socket | ServerHttp2Session>();
  let server: Server | Http2Server | undefined;
  const die = async (): Promise<void> => {
    const closing = server;
    server = undefined;
    if (closing === undefined) return;
    const closed = new Promise((resolve) => closing.close(resolve));
    for (const socket of sockets) socket.destroy();
    sockets.clear();
    await closed;
  };
  /** In place of the app: whatever connects gets these bytes. */
  const answerRaw = async (raw: Buffer): Promise<void> => {
    await die();
    const garbage = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.once('data', () => socket.end(raw));
    });
    server = garbage;
    await new Promise<void>((resolve) => garbage.listen(port, '127.0.0.1', resolve));
  };
  /** In place of the app: HTTP/2 streams that are answered by hand. */
  const answerStreams = async (answer: (stream: ServerHttp2Stream) => void): Promise<void> => {
    await die();
    const http2 = createHttp2Server();
    http2.on('session', (session) => {
      sockets.add(session);
      session.on('error', () => {});
    });
    http2.on('stream', (stream) => {
      stream.on('error', () => {});
      answer(stream);
    });
    server = http2;
    await new Promise<void>((resolve) => http2.listen(port, '127.0.0.1', resolve));
  };

  /** Calls until it fails as it should: between two attempts to connect the reason of the last one is told. */
  const fails = async (code: GrpcCode, said: RegExp): Promise<void> => {
    let last = '';
    for (const deadline = AbortSignal.timeout(10_000); !deadline.aborted; ) {
      const error = await client.invoke('callee', 'm').then(
        () => assert.fail('the call was answered'),
        (failure: unknown) => failure as GrpcStatusError,
      );
      if (error.code === code && said.test(error.message)) return;
      last = `${error.code} ${error.message}`;
    }
    assert.fail(`not ${code} ${said}, but ${last}`);
  };

  before(async () => {
    port = await freePort();
    [caller, callee] = await Promise.all([
      startSidecar({ appId: 'caller', home }),
      startSidecar({ appId: 'callee', appPort: port, appProtocol: 'grpc', home, noWait: true }),
    ]);
    await ready(callee, undefined, '/v1.0/healthz/outbound');
    client = createClient({ address: `127.0.0.1:${caller.grpcPort}`, timeoutMs: 10_000 });
  });
  after(async () => {
    await client?.close();
    await Promise.all([caller?.stop(), callee?.stop()]);
    await die();
  });

  it('that is down at the start: callers hear why', async () => {
    await fails(GrpcCode.UNAVAILABLE, new RegExp(`cannot connect to 127\\.0\\.0\\.1:${port}: ECONNREFUSED`));
  });

  for (const [what, raw, said] of [
    ['speaks HTTP/1.1', 'HTTP/1.1 400 Bad Request\r\n\r\n', /:\d+ does not speak HTTP\/2: it answers in HTTP\/1/],
    ['answers garbage', 'what is this? what is this?', /:\d+ does not speak HTTP\/2: a frame of \d+ bytes exceeds/],
    ['closes at once', '', /:\d+ closed the connection before its SETTINGS/],
    ['sends frames too large', '\xff\xff\xff\0\0\0\0\0\0', /:\d+ does not speak HTTP\/2: a frame of 16777215 bytes/],
  ] as const) {
    it(`that ${what}: callers hear so`, async () => {
      await answerRaw(Buffer.from(raw, 'latin1'));
      await fails(GrpcCode.UNAVAILABLE, said);
    });
  }

  const head = { ':status': 200, 'content-type': 'application/grpc' };
  const cases: readonly (readonly [string, (stream: ServerHttp2Stream) => void, GrpcCode, RegExp])[] = [
    [
      'answers a page',
      (stream) => {
        stream.respond({ ':status': 200, 'content-type': 'text/html' });
        stream.end('<html>');
      },
      GrpcCode.UNKNOWN,
      /content-type "text\/html", not gRPC/,
    ],
    [
      'answers 502',
      (stream) => stream.respond({ ':status': 502 }, { endStream: true }),
      GrpcCode.UNAVAILABLE,
      /HTTP status 502/,
    ],
    [
      'answers without a status',
      (stream) => stream.respond(head, { endStream: true }),
      GrpcCode.UNKNOWN,
      /ended the call without a grpc-status/,
    ],
    [
      'answers with half a message',
      (stream) => {
        stream.respond(head);
        stream.end(Buffer.from([0, 0, 0, 0, 9, 1]));
      },
      GrpcCode.UNKNOWN,
      /ended the call without a grpc-status/,
    ],
    [
      'answers with no protobuf',
      (stream) => {
        stream.respond(head, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
        stream.end(Buffer.from([0, 0, 0, 0, 3, 255, 255, 255]));
      },
      GrpcCode.INTERNAL,
      /not a valid dapr\.proto\.common\.v1\.InvokeResponse/,
    ],
    ['resets the stream', (stream) => stream.close(2), GrpcCode.INTERNAL, /reset the stream: INTERNAL_ERROR/],
    [
      'announces 4 GiB',
      (stream) => {
        stream.respond(head);
        stream.write(Buffer.from([0, 255, 255, 255, 255, 1]));
      },
      GrpcCode.RESOURCE_EXHAUSTED,
      /message of 4294967295 bytes exceeds the limit of 4194304 bytes \(max-body-size\)/,
    ],
  ];
  for (const [what, answer, code, said] of cases) {
    it(`that ${what}: callers hear so`, async () => {
      await answerStreams(answer);
      await fails(code, said);
    });
  }

  it('that came back as it should be is called again', async () => {
    await die();
    const app = createApp({ port }).method('m', () => 'fine');
    await app.start();
    const deadline = AbortSignal.timeout(10_000);
    const call = (): Promise<string> =>
      client.invoke('callee', 'm').then(
        (answer) => answer.text(),
        (error: Error) => (deadline.aborted ? Promise.reject(error) : call()),
      );
    assert.equal(await call(), 'fine');
    await app.stop();
  });

  it('leaves both sidecars well', async () => {
    for (const sidecar of [caller, callee]) {
      assert.equal((await fetch(`${sidecar.http}/v1.0/healthz/outbound`)).status, 204);
      assert.doesNotMatch(sidecar.actor.output, /uncaught|unhandled|TypeError/i);
    }
  });
});
