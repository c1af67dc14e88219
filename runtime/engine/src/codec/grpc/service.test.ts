import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { errorsOf, GrpcCode } from '../../base/error.js';
import { FakeClock } from '../../base/fake-clock.js';
import { grpcLimits } from '../../base/limits.js';
import { createMemoryPair, type MemoryPair } from '../../network/memory-transport.js';
import { HeaderList } from '../http/headers.js';
import type { ClientReceiver, HttpOpener, StreamReset } from '../http/stream.js';
import { Http2ClientConnection } from '../http2/client-connection.js';
import { data, frame, headers, RawPeer, setting, u32 } from '../http2/raw-peer.test.support.js';
import { Http2ServerConnection } from '../http2/server-connection.js';
import { textCodec } from './bytes-codec.test.support.js';
import { createGrpcClient } from './client.js';
import { Metadata } from './metadata.js';
import type {
  BidiHandler,
  ClientStreamHandler,
  GrpcClient,
  MethodInfo,
  MethodKind,
  ServerCall,
  ServerStreamHandler,
  UnaryHandler,
} from './method.js';
import {
  type AnyGrpcMethod,
  combineGrpcServices,
  createGrpcService,
  type GrpcService,
  type GrpcServiceOptions,
} from './service.js';
import { GrpcStatusError } from './status.js';

function info(name: string, kind: MethodKind = 'unary'): MethodInfo<string, string> {
  return { path: `/t.T/${name}`, kind, request: textCodec, response: textCodec };
}

type Handler =
  | UnaryHandler<string, string>
  | ServerStreamHandler<string, string>
  | ClientStreamHandler<string, string>
  | BidiHandler<string, string>;

function method(name: string, kind: MethodKind, handler: Handler): AnyGrpcMethod {
  return { ...info(name, kind), handler } as unknown as AnyGrpcMethod;
}

const serverStreaming = (name: string, handler: ServerStreamHandler<string, string>): AnyGrpcMethod =>
  method(name, 'server-stream', handler);
const clientStreaming = (name: string, handler: ClientStreamHandler<string, string>): AnyGrpcMethod =>
  method(name, 'client-stream', handler);
const bidiStreaming = (name: string, handler: BidiHandler<string, string>): AnyGrpcMethod =>
  method(name, 'bidi', handler);

interface Scene {
  readonly clock: FakeClock;
  readonly pair: MemoryPair;
  readonly client: GrpcClient;
  readonly connection: Http2ClientConnection;
  readonly server: Http2ServerConnection;
  readonly calls: string[];
}

function scene(methods: AnyGrpcMethod[], options: GrpcServiceOptions = {}, service?: GrpcService): Scene {
  const clock = new FakeClock();
  const pair = createMemoryPair();
  const calls: string[] = [];
  const onCall = (path: string, code: number, ms: number): void => void calls.push(`${path} ${code} ${ms}`);
  const grpc = service ?? createGrpcService(methods, { clock, onCall, ...options });
  const server = new Http2ServerConnection(pair.server, {
    clock,
    grpc,
    http: (stream) => stream.respond({ status: 404, headers: new HeaderList() }, true),
  });
  const connection = new Http2ClientConnection(pair.client, { clock });
  return { clock, pair, connection, server, calls, client: createGrpcClient(connection, { authority: 'a', clock }) };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
async function turns(count = 5): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}

describe('a unary call', () => {
  it('is answered at once by a handler that returns a value, later by one that returns a promise', async () => {
    const { client, clock, calls } = scene([
      method('Now', 'unary', (text: string) => `now ${text}`),
      method('Later', 'unary', async (text: string) => `later ${text}`),
    ]);
    assert.equal(await client.unary(info('Now'), 'a'), 'now a');
    assert.equal(await client.unary(info('Later'), 'b'), 'later b');
    assert.deepEqual(calls, ['/t.T/Now 0 0', '/t.T/Later 0 0']);
    assert.equal(clock.pending, 0);
  });

  it('knows its deadline, and sets a timer only while the handler is busy', async () => {
    const deadlines: (number | undefined)[] = [];
    let finish!: (text: string) => void;
    const { client, clock } = scene([
      method('Now', 'unary', (_text: string, call: ServerCall) => {
        deadlines.push(call.deadline);
        assert.equal(clock.pending, 1, 'the client has one, the server none');
        return '';
      }),
      method(
        'Later',
        'unary',
        () =>
          new Promise<string>((resolve) => {
            finish = resolve;
          }),
      ),
    ]);
    clock.advance(1000);
    await client.unary(info('Now'), '', { timeoutMs: 500 });
    assert.deepEqual(deadlines, [1500]);
    const late = client.unary(info('Later'), '', { timeoutMs: 500 });
    await turns();
    assert.equal(clock.pending, 2);
    finish('done');
    assert.equal(await late, 'done');
    assert.equal(clock.pending, 0);
  });

  it('fails with DEADLINE_EXCEEDED on both sides, and a late answer is dropped', async () => {
    let signal: AbortSignal | undefined;
    let finish!: (text: string) => void;
    const { client, clock, calls, server } = scene([
      method('Slow', 'unary', (_text: string, call: ServerCall) => {
        signal = call.signal;
        return new Promise<string>((resolve) => {
          finish = resolve;
        });
      }),
    ]);
    const answer = client.unary(info('Slow'), '', { timeoutMs: 100 });
    const rejected = assert.rejects(answer, { code: GrpcCode.DEADLINE_EXCEEDED });
    await turns();
    clock.advance(100);
    await rejected;
    await turns();
    assert.equal(signal?.aborted, true);
    assert.equal((signal?.reason as GrpcStatusError | undefined)?.code, GrpcCode.DEADLINE_EXCEEDED);
    finish('too late');
    await turns();
    assert.equal(server.streams.size, 0);
    assert.deepEqual(calls, ['/t.T/Slow 4 100']);
  });

  it('tells a stream that the server cancels at the deadline from one that it cancels before', async () => {
    const clock = new FakeClock();
    let lateMs = 0;
    const receivers: ClientReceiver[] = [];
    const opener: HttpOpener = {
      open(_head, _end, receiver) {
        receivers.push(receiver);
        const nothing = (): void => {};
        const write = (): boolean => true;
        return { protocol: 'h2', writable: true, write, end: nothing, reset: nothing, pause: nothing, resume: nothing };
      },
    };
    const client = createGrpcClient(opener, {
      authority: 'a',
      // Timers of the real clock are late by up to 10 ms.
      clock: {
        now: () => clock.now() + lateMs,
        wallMs: () => clock.wallMs(),
        random: () => clock.random(),
        after: (delayMs, fire) => clock.after(delayMs, fire),
      },
    });
    const calls = [0, 1].map(() => client.unary(info('Slow'), '', { timeoutMs: 5 }));
    const reset: StreamReset = { reason: 'cancel', message: 'the peer reset the stream: CANCEL', unprocessed: false };
    receivers[0]?.onReset(reset);
    lateMs = 5;
    receivers[1]?.onReset(reset);
    await assert.rejects(calls[0] as Promise<string>, { code: GrpcCode.CANCELLED });
    await assert.rejects(calls[1] as Promise<string>, { code: GrpcCode.DEADLINE_EXCEEDED });
  });

  it('is refused by authorize before its request is read', async () => {
    const fail = errorsOf({ NO: { grpc: 'PERMISSION_DENIED', http: 403, text: '{who} may not' } });
    let ran = false;
    const { client } = scene(
      [
        method('A', 'unary', () => {
          ran = true;
          return '';
        }),
      ],
      {
        authorize: (call) =>
          call.metadata.get('who') === 'me' ? undefined : fail('NO', { who: call.metadata.get('who') ?? 'nobody' }),
      },
    );
    await assert.rejects(client.unary(info('A'), ''), { code: GrpcCode.PERMISSION_DENIED, message: 'nobody may not' });
    assert.equal(ran, false);
    await client.unary(info('A'), '', { metadata: Metadata.of({ who: 'me' }) });
    assert.equal(ran, true);
  });

  it('turns whatever a handler throws into a status, and the connection lives on', async () => {
    const { client, connection } = scene([
      method('Sync', 'unary', () => {
        throw new TypeError('sync');
      }),
      method('Async', 'unary', async () => {
        throw 'text';
      }),
      method('Odd', 'unary', () => Promise.reject(undefined)),
      method('Bad', 'unary', () => 'bad'),
      method('Good', 'unary', () => 'good'),
    ]);
    await assert.rejects(client.unary(info('Sync'), ''), { code: 2, message: 'sync' });
    await assert.rejects(client.unary(info('Async'), ''), { code: 2, message: 'text' });
    await assert.rejects(client.unary(info('Odd'), ''), { code: 2, message: 'unknown error' });
    await assert.rejects(client.unary(info('Bad'), ''), { code: 13, message: /test\.Text: unwritable/ });
    assert.equal(await client.unary(info('Good'), ''), 'good');
    assert.equal(connection.retired, false);
  });

  it('names limit, size and setting when a message is too large, as the options name it', async () => {
    const limits = { ...grpcLimits, messageBytesMax: 100 };
    const { client } = scene([method('Echo', 'unary', (text: string) => text + text)], {
      limits,
      messageBytesSetting: 'max-body-size',
    });
    await assert.rejects(client.unary(info('Echo'), 'x'.repeat(101)), {
      code: 8,
      message: 'received message of 101 bytes exceeds the limit of 100 bytes (max-body-size)',
    });
    await assert.rejects(client.unary(info('Echo'), 'x'.repeat(51)), {
      code: 8,
      message: 'response message of 102 bytes exceeds the limit of 100 bytes (max-body-size)',
    });
    assert.equal((await client.unary(info('Echo'), 'x'.repeat(50))).length, 100);
  });

  it('leaves out metadata that cannot be sent and what is reserved', async () => {
    const { client } = scene([
      method('A', 'unary', (_text: string, call: ServerCall) => {
        call.sendMetadata(Metadata.of({ good: '1', bad: 'a\nb', 'content-type': 'evil', 'grpc-status': '0' }));
        call.trailers.set('also', '2').set('grpc-status', '13');
        return 'ok';
      }),
    ]);
    let initial: Metadata | undefined;
    let trailers: Metadata | undefined;
    await client.unary(info('A'), '', {
      onMetadata: (m) => {
        initial = m;
      },
      onTrailers: (m) => {
        trailers = m;
      },
    });
    assert.deepEqual(initial?.fields.flat, ['content-type', 'application/grpc', 'good', '1']);
    assert.deepEqual(trailers?.fields.flat, ['grpc-status', '0', 'also', '2']);
  });

  it('shows the handler the metadata of the application, not of the protocol', async () => {
    let seen: string[] = [];
    const { client } = scene([
      method('A', 'unary', (_text: string, call: ServerCall) => {
        seen = call.metadata.fields.flat;
        return '';
      }),
    ]);
    await client.unary(info('A'), '', { metadata: Metadata.of({ mine: '1', 'grpc-timeout': '9H' }), timeoutMs: 1000 });
    assert.deepEqual(seen, ['content-type', 'application/grpc', 'user-agent', 'grpc-outrigger/0.1', 'mine', '1']);
  });
});

describe('streams of messages', () => {
  it('hold a sender back until the reader has taken what was sent', async () => {
    let sent = 0;
    const { client, pair } = scene([
      serverStreaming('Many', async (_text, _call, sink) => {
        for (; sent < 500; sent++) await sink.send('x'.repeat(20_000));
      }),
    ]);
    const responses = client.serverStream(info('Many', 'server-stream'), '')[Symbol.asyncIterator]();
    await responses.next();
    await turns(50);
    const held = sent;
    assert.ok(held < 200, `${held} messages of 20 kB were sent, one was read`);
    assert.ok(pair.server.bufferedBytes < 1 << 20);
    let read = 1;
    while (!(await responses.next()).done) read++;
    assert.equal(read, 500);
  });

  it('hold a client back until the handler has taken what was sent', async () => {
    let take!: () => void;
    const mayTake = new Promise<void>((resolve) => {
      take = resolve;
    });
    const { client, server } = scene([
      clientStreaming('Up', async (requests) => {
        await mayTake;
        let count = 0;
        for await (const _ of requests) count++;
        return `${count}`;
      }),
    ]);
    const call = client.stream(info('Up', 'client-stream'));
    let sent = 0;
    const sending = (async () => {
      for (; sent < 500; sent++) await call.send('x'.repeat(20_000));
      call.closeSend();
    })();
    await turns(50);
    assert.ok(sent < 200, `${sent} messages of 20 kB were sent, none was read`);
    assert.equal([...server.streams.values()][0]?.paused, true);
    take();
    await sending;
    const answers: string[] = [];
    for await (const answer of call.responses) answers.push(answer);
    assert.deepEqual(answers, ['500']);
  });

  it('end an endless handler when the client is gone: its send rejects, its requests throw, its signal aborts', async () => {
    const ended: string[] = [];
    const { client } = scene([
      serverStreaming('Endless', async (_text, call, sink) => {
        call.signal.addEventListener('abort', () => ended.push('signal'));
        try {
          for (;;) {
            await sink.send('tick');
            await turn();
          }
        } catch (error) {
          ended.push(`send ${(error as GrpcStatusError).code}`);
          throw error;
        }
      }),
      bidiStreaming('Listen', async (requests) => {
        try {
          for await (const _ of requests);
        } catch (error) {
          ended.push(`requests ${(error as GrpcStatusError).code}`);
        }
      }),
    ]);
    for await (const tick of client.serverStream(info('Endless', 'server-stream'), '')) if (tick === 'tick') break;
    await turns(10);
    const chat = client.stream(info('Listen', 'bidi'));
    await turns();
    chat.cancel();
    await turns(10);
    assert.deepEqual(ended, ['signal', 'send 1', 'requests 1']);
  });

  it('give the status after the messages', async () => {
    const { client } = scene([
      serverStreaming('Partly', async (_text, call, sink) => {
        void sink.send('one');
        call.trailers.set('seen', '1');
        throw new GrpcStatusError(GrpcCode.DATA_LOSS, 'half');
      }),
    ]);
    const seen: string[] = [];
    await assert.rejects(
      async () => {
        for await (const text of client.serverStream(info('Partly', 'server-stream'), '')) seen.push(text);
      },
      { code: 15, message: 'half' },
    );
    assert.deepEqual(seen, ['one']);
  });

  it('stop a client that goes on sending after the status', async () => {
    const { client, server } = scene([clientStreaming('Early', async () => 'enough')]);
    const call = client.stream(info('Early', 'client-stream'));
    void call.send('a');
    const answers: string[] = [];
    for await (const answer of call.responses) answers.push(answer);
    assert.deepEqual(answers, ['enough']);
    await assert.rejects(async () => call.send('b'), { code: 1 });
    await turns();
    assert.equal(server.streams.size, 0);
  });
});

describe('the table of methods', () => {
  it('refuses a path twice, and joins services with options of their own', async () => {
    const one = createGrpcService([method('A', 'unary', () => 'a')], { dialect: 'dapr' });
    assert.throws(
      () => createGrpcService([method('A', 'unary', () => 'a'), method('A', 'unary', () => 'b')]),
      /\/t\.T\/A is served twice/,
    );
    assert.throws(() => combineGrpcServices([one, one]), /twice/);
    const fail = errorsOf({
      E: { grpc: 'INTERNAL', http: 500, text: 'e', dapr: { code: 'X', grpcApi: { grpc: 'ABORTED' } } },
    });
    const failing = (name: string): AnyGrpcMethod =>
      method(name, 'unary', () => {
        throw fail('E');
      });
    const both = combineGrpcServices([
      createGrpcService([failing('Dapr')], { dialect: 'dapr' }),
      createGrpcService([failing('Plain')]),
    ]);
    assert.deepEqual([...both.paths], ['/t.T/Dapr', '/t.T/Plain']);
    const { client } = scene([], {}, both);
    await assert.rejects(client.unary(info('Dapr'), ''), { code: GrpcCode.ABORTED });
    await assert.rejects(client.unary(info('Plain'), ''), { code: GrpcCode.INTERNAL });
  });

  it('gives calls of unknown paths to the proxy, when there is one, as plain HTTP/2', async () => {
    const paths: string[] = [];
    const { client } = scene([method('A', 'unary', () => 'a')], {
      unknown: (stream) => {
        paths.push(stream.head.path);
        stream.respond(
          {
            status: 200,
            headers: HeaderList.of({
              'content-type': 'application/grpc',
              'grpc-status': '9',
              'grpc-message': 'from the proxy',
            }),
          },
          true,
        );
      },
    });
    assert.equal(await client.unary(info('A'), ''), 'a');
    await assert.rejects(client.unary(info('Other'), ''), { code: 9, message: 'from the proxy' });
    assert.deepEqual(paths, ['/t.T/Other']);
  });
});

const CALL: readonly (readonly [string, string])[] = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/t.T/Echo'],
  [':authority', 'a'],
  ['content-type', 'application/grpc'],
  ['te', 'trailers'],
];
const message = (text: string, flag = 0, encoding: BufferEncoding = 'utf8'): Buffer => {
  const bytes = Buffer.from(text, encoding);
  const head = Buffer.alloc(5);
  head[0] = flag;
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
};

describe('a gRPC request in raw frames', () => {
  const open = (options: GrpcServiceOptions = {}, ...settings: Buffer[]): { peer: RawPeer; requests: string[] } => {
    const peer = new RawPeer('client');
    const requests: string[] = [];
    const echo = method('Echo', 'unary', (text: string) => {
      requests.push(text);
      return text;
    });
    new Http2ServerConnection(peer.subject, {
      ...peer.options,
      http: (stream) => stream.respond({ status: 415, headers: new HeaderList() }, true),
      grpc: createGrpcService([echo], { clock: peer.clock, ...options }),
    });
    peer.handshake(...settings);
    return { peer, requests };
  };
  const status = (peer: RawPeer): string => {
    const blocks = peer
      .takeFrames()
      .filter((f) => f.type === 1)
      .map((f) => peer.decode(f).fields);
    const flat = blocks.flat();
    return `${flat[flat.indexOf('grpc-status') + 1]} ${flat.includes('grpc-message') ? flat[flat.indexOf('grpc-message') + 1] : ''}`.trim();
  };

  it('is answered in head, data and trailers, golden bytes', () => {
    const { peer } = open();
    peer.send(headers(1, CALL, false), data(1, message('hi'), true));
    assert.deepEqual(
      peer.takeFrames().map((f) => `${f.type} ${f.flags} ${f.payload.toString('latin1')}`),
      ['1 4 \x88\x0f\x10\x10application/grpc', '0 0 \0\0\0\0\x02hi', '1 5 \0\x0bgrpc-status\x010'],
    );
  });

  it('is the same however its message is cut into frames, with an empty END_STREAM or without', () => {
    const bytes = message('a message');
    for (let at = 0; at <= bytes.length; at++) {
      for (const emptyEnd of [true, false]) {
        const { peer, requests } = open();
        peer.send(
          headers(1, CALL, false),
          data(1, bytes.subarray(0, at), false),
          data(1, bytes.subarray(at), !emptyEnd),
        );
        if (emptyEnd) peer.send(data(1, '', true));
        assert.deepEqual(requests, ['a message']);
        assert.equal(status(peer), '0');
      }
    }
  });

  it('fails when its messages are not as promised', () => {
    for (const [what, frames, expected] of [
      ['no message', [data(1, '', true)], /^12 .*exactly one request message, none came/],
      [
        'two messages',
        [data(1, Buffer.concat([message('a'), message('b')]), true)],
        /^12 .*exactly one request message, more came/,
      ],
      ['a message cut off', [data(1, message('abc').subarray(0, 7), true)], /^13 the request ended inside a message/],
      [
        'an unreadable message',
        [data(1, message('bad'), true)],
        /^13 the request is not a valid test\.Text: unreadable/,
      ],
      ['a compressed message without grpc-encoding', [data(1, message('abc', 1), true)], /^13 .*names no compression/],
      ['an unknown flag', [data(1, message('abc', 7), true)], /^13 /],
      [
        'a prefix above the limit',
        [data(1, Buffer.from([0, 0xff, 0xff, 0xff, 0xff]), false)],
        /^8 .*4294967295 bytes exceeds/,
      ],
    ] as const) {
      const { peer, requests } = open();
      peer.send(headers(1, CALL, false), ...frames);
      assert.match(status(peer), expected, what);
      assert.deepEqual(requests, what === 'two messages' ? [] : [], what);
      peer.send(headers(3, CALL, false), data(3, message('next'), true));
      assert.deepEqual(requests, ['next'], what);
    }
  });

  it('fails for a grpc-timeout or grpc-encoding that is not understood', () => {
    const timeout = open();
    timeout.peer.send(headers(1, [...CALL, ['grpc-timeout', '1x']], false), data(1, message('a'), true));
    assert.match(status(timeout.peer), /^13 malformed grpc-timeout/);
    const encoding = open();
    encoding.peer.send(headers(1, [...CALL, ['grpc-encoding', 'zstd']], false));
    const [head] = encoding.peer.takeFrames();
    const { fields } = encoding.peer.decode(head as never);
    assert.equal(fields[fields.indexOf('grpc-status') + 1], '12');
    assert.equal(fields[fields.indexOf('grpc-accept-encoding') + 1], 'identity,gzip');
  });

  it('is gRPC by method and content-type only: gRPC-Web and GET go to the HTTP handler', () => {
    const withType = (type: string): readonly (readonly [string, string])[] =>
      CALL.map((field) => (field[0] === 'content-type' ? ['content-type', type] : field));
    for (const [fields, grpc] of [
      [withType('application/grpc+proto'), true],
      [withType('application/grpc;charset=utf-8'), true],
      [withType('application/grpc-web'), false],
      [withType('application/grpc-web+proto'), false],
      [withType('application/json'), false],
      [CALL.map((field) => (field[0] === ':method' ? ([':method', 'GET'] as const) : field)), false],
    ] as const) {
      const { peer, requests } = open();
      peer.send(headers(1, fields, false), data(1, message('x'), true));
      assert.equal(requests.length === 1, grpc, JSON.stringify(fields));
    }
  });

  it('reads gzip, answers in kind when asked, and does not unpack a bomb', () => {
    const gzip: readonly (readonly [string, string])[] = [
      ...CALL,
      ['grpc-encoding', 'gzip'],
      ['grpc-accept-encoding', 'gzip'],
    ];
    const packed = (text: string): Buffer => message(gzipSync(text).toString('latin1'), 1, 'latin1');
    const { peer, requests } = open();
    peer.send(headers(1, gzip, false), data(1, packed('small'), true));
    assert.deepEqual(requests, ['small']);
    assert.equal(peer.body(1).charCodeAt(0), 0, 'too small to compress');
    peer.take();
    const text = 'large '.repeat(1000);
    peer.send(headers(3, gzip, false), data(3, packed(text), true));
    const answer = Buffer.from(peer.body(3), 'latin1');
    assert.equal(answer[0], 1);
    assert.equal(gunzipSync(answer.subarray(5)).toString(), text);
    peer.take();
    const bomb = packed('\0'.repeat(4 * 1024 * 1024));
    peer.send(headers(5, gzip, false), data(5, bomb, true));
    assert.match(peer.body(5), /^$/);
    const blocks = peer.takeFrames().filter((f) => f.type === 1 && f.id === 5);
    const flat = blocks.flatMap((f) => peer.decode(f).fields);
    assert.equal(flat[flat.indexOf('grpc-status') + 1], '8');
    assert.equal(requests.length, 2);
  });

  it('answers metadata above the limit with RESOURCE_EXHAUSTED', () => {
    const { peer } = open();
    const block = Array.from({ length: 18 }, (_, i) => [`x-${i}`, 'v'.repeat(3800)] as const);
    const all = headers(1, [...CALL, ...block], false).subarray(9);
    const pieces = [frame(1, 0, 1, all.subarray(0, 16000))];
    for (let at = 16000; at < all.length; at += 16000)
      pieces.push(frame(9, at + 16000 >= all.length ? 4 : 0, 1, all.subarray(at, at + 16000)));
    peer.send(...pieces);
    assert.match(status(peer), /^8 .*65536 bytes \(headerListBytesMax\)/);
  });

  it('fits its status into what the client can take', () => {
    const { peer } = open(
      {
        toStatus: () => ({
          code: GrpcCode.INTERNAL,
          message: `é${'x'.repeat(10_000)}`,
          details: Buffer.alloc(20_000),
          trailers: undefined,
        }),
      },
      setting(6, 2000),
    );
    peer.send(headers(1, [...CALL, ['grpc-timeout', '1S']], false), data(1, Buffer.concat([message('a')]), true));
    assert.equal(status(peer), '0');
    const failing = open(
      {
        authorize: () => errorsOf({ E: { grpc: 'ABORTED', http: 1, text: '' } })('E'),
        toStatus: () => ({
          code: GrpcCode.INTERNAL,
          message: `é${'x'.repeat(10_000)}`,
          details: Buffer.alloc(20_000),
          trailers: undefined,
        }),
      },
      setting(6, 2000),
    );
    failing.peer.send(headers(1, CALL, false));
    const [head] = failing.peer.takeFrames();
    const block = failing.peer.decode(head as never);
    assert.ok(block.listBytes < 2000, `${block.listBytes}`);
    assert.equal(block.fields.includes('grpc-status-details-bin'), false);
  });

  it('sends a response larger than the window as the window opens, then its trailers', () => {
    const { peer } = open({}, setting(4, 10));
    peer.send(headers(1, CALL, false), data(1, message('0123456789'), true));
    assert.deepEqual(peer.take(), ['HEADERS 1', 'DATA 1']);
    peer.send(frame(8, 0, 1, u32(5)));
    assert.deepEqual(peer.take(), ['DATA 1', 'HEADERS 1 END']);
  });

  it('holds little of messages that are begun and never finished', () => {
    const limits = { ...grpcLimits, partialBytesMax: 200_000 };
    const { peer } = open({ limits });
    const begun = message('x'.repeat(50_000)).subarray(0, 16_000);
    let refused = 0;
    for (let id = 1; id < 200; id += 2) {
      peer.send(headers(id, CALL, false), data(id, begun, false));
      if (/^8 .*partialBytesMax/.test(status(peer))) refused++;
    }
    assert.ok(refused > 80, `${refused} of 100 were refused`);
  });
});
