/** Our gRPC against @grpc/grpc-js, which we did not write: its client on our server, our client on its server. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import { GrpcCode } from '../../base/error.js';
import { type Channel, createChannel } from '../../client/channel.js';
import { type Listener, listen } from '../../network/listener.js';
import { Http2ServerConnection } from '../http2/server-connection.js';
import { textCodec } from './bytes-codec.test.support.js';
import { Metadata } from './metadata.js';
import type { MethodInfo, MethodKind } from './method.js';
import { type AnyGrpcMethod, createGrpcService } from './service.js';
import { GrpcStatusError } from './status.js';

const toBytes = (text: string): Buffer => Buffer.from(text);
const toText = (bytes: Buffer): string => bytes.toString();

function info(name: string, kind: MethodKind): MethodInfo<string, string> {
  return { path: `/test.Echo/${name}`, kind, request: textCodec, response: textCodec };
}

const unary = info('Unary', 'unary');
const serverStream = info('ServerStream', 'server-stream');
const clientStream = info('ClientStream', 'client-stream');
const bidi = info('Bidi', 'bidi');
const fail = info('Fail', 'unary');
const hang = info('Hang', 'unary');
const meta = info('Meta', 'unary');

const BINARY = Buffer.from([0, 1, 2, 253, 254, 255]);
const UNICODE = '\t\nbad ☺ 😈 100%\r\n';

describe('a grpc-js client on our server', () => {
  let listener: Listener;
  let client: grpc.Client;
  let aborted = 0;
  let onAborted: (() => void) | undefined;
  const calls: string[] = [];

  before(async () => {
    const methods = [
      { ...unary, handler: (text: string) => `echo ${text}` },
      {
        ...serverStream,
        handler: async (text: string, _call: unknown, sink: { send(m: string): Promise<void> | undefined }) => {
          for (let i = 0; i < Number(text); i++) await sink.send(`${i} ${'x'.repeat(1000)}`);
        },
      },
      {
        ...clientStream,
        handler: async (requests: AsyncIterable<string>) => {
          let count = 0;
          let length = 0;
          for await (const text of requests) {
            count++;
            length += text.length;
          }
          return `${count} messages, ${length} characters`;
        },
      },
      {
        ...bidi,
        handler: async (
          requests: AsyncIterable<string>,
          _call: unknown,
          sink: { send(m: string): Promise<void> | undefined },
        ) => {
          for await (const text of requests) await sink.send(`echo ${text}`);
        },
      },
      {
        ...fail,
        handler: (text: string) => {
          if (text === 'plain') throw new Error('plain error');
          throw new GrpcStatusError(GrpcCode.ABORTED, UNICODE, {
            details: BINARY,
            trailers: Metadata.of({ 'x-trailer': 'kept' }),
          });
        },
      },
      {
        ...hang,
        handler: (_text: string, call: { signal: AbortSignal }) =>
          new Promise<string>((resolve) => {
            call.signal.addEventListener('abort', () => {
              aborted++;
              onAborted?.();
              resolve('too late');
            });
          }),
      },
      {
        ...meta,
        handler: (
          _text: string,
          call: {
            metadata: Metadata;
            trailers: Metadata;
            sendMetadata(m: Metadata): void;
            deadline: number | undefined;
          },
        ) => {
          call.sendMetadata(new Metadata().set('x-initial', 'first').setBinary('x-initial-bin', BINARY));
          call.trailers.set('x-trailer', 'last').setBinary('x-trailer-bin', BINARY);
          const { metadata } = call;
          return `${metadata.get('x-text')} ${metadata.getBinary('x-data-bin')?.toString('hex')} ${call.deadline !== undefined}`;
        },
      },
    ] as unknown as AnyGrpcMethod[];
    const service = createGrpcService(methods, { onCall: (path, code) => calls.push(`${path} ${code}`) });
    listener = await listen({ host: '127.0.0.1', port: 0 }, (transport) => {
      new Http2ServerConnection(transport, { http: (stream) => stream.reset('refused'), grpc: service });
    });
    client = new grpc.Client(`127.0.0.1:${listener.address.port}`, grpc.credentials.createInsecure());
  });

  after(async () => {
    client.close();
    for (const transport of listener.connections) transport.destroy();
    await listener.close();
  });

  const call = (
    method: MethodInfo<string, string>,
    text: string,
    options: grpc.CallOptions = {},
    metadata = new grpc.Metadata(),
  ): Promise<{ text: string; initial: grpc.Metadata; trailers: grpc.Metadata }> =>
    new Promise((resolve, reject) => {
      let initial = new grpc.Metadata();
      let answer = '';
      const running = client.makeUnaryRequest(method.path, toBytes, toText, text, metadata, options, (error, value) => {
        if (error !== null) reject(error);
        else answer = value ?? '';
      });
      running.on('metadata', (received) => {
        initial = received;
      });
      running.on('status', (status) => {
        if (status.code === 0) setImmediate(() => resolve({ text: answer, initial, trailers: status.metadata }));
      });
    });

  it('calls a unary method, small, empty and near the limit', async () => {
    assert.equal((await call(unary, 'a')).text, 'echo a');
    assert.equal((await call(unary, '')).text, 'echo ');
    const large = 'x'.repeat(4 * 1024 * 1024 - 5);
    assert.equal((await call(unary, large)).text, `echo ${large}`);
    assert.equal(calls.at(-1), '/test.Echo/Unary 0');
  });

  it('calls hundreds at once', async () => {
    const answers = await Promise.all(Array.from({ length: 300 }, (_, i) => call(unary, `${i}`)));
    assert.deepEqual(
      answers.map(({ text }) => text),
      answers.map((_, i) => `echo ${i}`),
    );
  });

  it('is refused a message above the limit, either way, by name', async () => {
    const text = (size: number) =>
      new RegExp(`message of ${size} bytes exceeds the limit of 4194304 bytes \\(messageBytesMax\\)`);
    await assert.rejects(call(unary, 'x'.repeat(4 * 1024 * 1024 + 1)), { code: 8, details: text(4194305) });
    await assert.rejects(call(unary, 'x'.repeat(4 * 1024 * 1024)), { code: 8, details: text(4194309) });
  });

  it('exchanges metadata, text and binary, before and after the answer', async () => {
    const metadata = new grpc.Metadata();
    metadata.set('x-text', 'hello world');
    metadata.set('x-data-bin', BINARY);
    const { text, initial, trailers } = await call(meta, '', { deadline: Date.now() + 60_000 }, metadata);
    assert.equal(text, 'hello world 000102fdfeff true');
    assert.deepEqual([initial.get('x-initial'), trailers.get('x-trailer')], [['first'], ['last']]);
    assert.deepEqual([initial.get('x-initial-bin'), trailers.get('x-trailer-bin')], [[BINARY], [BINARY]]);
  });

  it('sees status, message, details and trailers of an error', async () => {
    await assert.rejects(call(fail, 'rich'), (error: grpc.ServiceError) => {
      assert.deepEqual([error.code, error.details], [10, UNICODE]);
      assert.deepEqual(error.metadata.get('grpc-status-details-bin'), [BINARY]);
      assert.deepEqual(error.metadata.get('x-trailer'), ['kept']);
      return true;
    });
    await assert.rejects(call(fail, 'plain'), { code: 2, details: 'plain error' });
    assert.equal((await call(unary, 'still there')).text, 'echo still there');
  });

  it('gets UNIMPLEMENTED for methods and services that do not exist', async () => {
    await assert.rejects(call(info('None', 'unary'), ''), {
      code: 12,
      details: 'unknown method None for service test.Echo',
    });
    const other = { ...unary, path: '/test.Other/Unary' };
    await assert.rejects(call(other, ''), { code: 12, details: 'unknown service test.Other' });
  });

  it('gets INTERNAL when a message cannot be decoded or encoded, with the reason', async () => {
    await assert.rejects(call(unary, 'bad'), { code: 13, details: /test\.Text: unreadable/ });
  });

  it('runs into its deadline, and the handler learns of it', async () => {
    const before = aborted;
    const told = new Promise<void>((resolve) => {
      onAborted = resolve;
    });
    await assert.rejects(call(hang, '', { deadline: Date.now() + 50 }), { code: 4 });
    await told;
    assert.equal(aborted, before + 1);
  });

  it('cancels, and the handler learns of it', async () => {
    const told = new Promise<void>((resolve) => {
      onAborted = resolve;
    });
    const running = client.makeUnaryRequest(hang.path, toBytes, toText, '', (error) => assert.equal(error?.code, 1));
    setImmediate(() => running.cancel());
    await told;
  });

  it('reads a long server stream at its own pace', async () => {
    const stream = client.makeServerStreamRequest(serverStream.path, toBytes, toText, '3000');
    let count = 0;
    for await (const text of stream as AsyncIterable<string>) assert.ok(text.startsWith(`${count++} `));
    assert.equal(count, 3000);
  });

  it('sends a client stream', async () => {
    const answer = await new Promise<string>((resolve, reject) => {
      const stream = client.makeClientStreamRequest<string, string>(
        clientStream.path,
        toBytes,
        toText,
        (error, value) => (error === null ? resolve(value ?? '') : reject(error)),
      );
      for (let i = 0; i < 500; i++) stream.write('y'.repeat(1000));
      stream.end();
    });
    assert.equal(answer, '500 messages, 500000 characters');
  });

  it('talks both ways', async () => {
    const stream = client.makeBidiStreamRequest<string, string>(bidi.path, toBytes, toText);
    const seen: string[] = [];
    stream.write('0');
    for await (const text of stream as AsyncIterable<string>) {
      seen.push(text);
      if (seen.length < 50) stream.write(`${seen.length}`);
      else stream.end();
    }
    assert.equal(seen.length, 50);
    assert.equal(seen[49], 'echo 49');
  });

  it('sends gzip and gets gzip back', async () => {
    const compressing = new grpc.Client(`127.0.0.1:${listener.address.port}`, grpc.credentials.createInsecure(), {
      'grpc.default_compression_algorithm': 2,
    });
    const text = 'z'.repeat(100_000);
    const answer = await new Promise<string>((resolve, reject) => {
      compressing.makeUnaryRequest(unary.path, toBytes, toText, text, (error, value) =>
        error === null ? resolve(value ?? '') : reject(error),
      );
    });
    assert.equal(answer, `echo ${text}`);
    compressing.close();
  });
});

/** grpc-js takes a request that is falsy for none at all. */
interface Request {
  readonly text: string;
}

describe('our client on a grpc-js server', () => {
  let server: grpc.Server;
  let channel: Channel;
  let cancelled!: () => void;

  before(async () => {
    server = new grpc.Server();
    const definition = (method: MethodInfo<string, string>): grpc.MethodDefinition<Request, string> => ({
      path: method.path,
      requestStream: method.kind === 'client-stream' || method.kind === 'bidi',
      responseStream: method.kind === 'server-stream' || method.kind === 'bidi',
      requestSerialize: (request) => toBytes(request.text),
      requestDeserialize: (bytes) => ({ text: toText(bytes) }),
      responseSerialize: toBytes,
      responseDeserialize: toText,
    });
    server.addService(
      {
        Unary: definition(unary),
        ServerStream: definition(serverStream),
        ClientStream: definition(clientStream),
        Bidi: definition(bidi),
        Fail: definition(fail),
        Hang: definition(hang),
        Meta: definition(meta),
      },
      {
        Unary: (call: grpc.ServerUnaryCall<Request, string>, reply: grpc.sendUnaryData<string>) =>
          reply(null, `echo ${call.request.text}`),
        ServerStream: (call: grpc.ServerWritableStream<Request, string>) => {
          let i = 0;
          const more = (): void => {
            while (i < Number(call.request.text))
              if (!call.write(`${i++} ${'x'.repeat(1000)}`)) return void call.once('drain', more);
            call.end();
          };
          more();
        },
        ClientStream: (call: grpc.ServerReadableStream<Request, string>, reply: grpc.sendUnaryData<string>) => {
          let count = 0;
          call.on('data', () => count++);
          call.on('end', () => reply(null, `${count}`));
        },
        Bidi: (call: grpc.ServerDuplexStream<Request, string>) => {
          call.on('data', (request: Request) => call.write(`echo ${request.text}`));
          call.on('end', () => call.end());
        },
        Fail: (_call: grpc.ServerUnaryCall<Request, string>, reply: grpc.sendUnaryData<string>) => {
          const metadata = new grpc.Metadata();
          metadata.set('grpc-status-details-bin', BINARY);
          metadata.set('x-trailer', 'kept');
          reply({ code: 10, details: UNICODE, metadata });
        },
        Hang: (call: grpc.ServerUnaryCall<Request, string>) => call.on('cancelled', () => cancelled()),
        Meta: (call: grpc.ServerUnaryCall<Request, string>, reply: grpc.sendUnaryData<string>) => {
          const initial = new grpc.Metadata();
          initial.set('x-initial-bin', BINARY);
          call.sendMetadata(initial);
          const trailers = new grpc.Metadata();
          trailers.set('x-trailer', 'last');
          const deadline = call.getDeadline();
          reply(
            null,
            `${call.metadata.get('x-text')} ${(call.metadata.get('x-data-bin')[0] as Buffer).toString('hex')} ${deadline !== Infinity}`,
            trailers,
          );
        },
      },
    );
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    channel = createChannel({ target: `127.0.0.1:${port}` });
  });

  after(async () => {
    await channel.close();
    server.forceShutdown();
  });

  it('calls a unary method, small, empty, and large in both directions', async () => {
    assert.equal(await channel.unary(unary, 'a'), 'echo a');
    assert.equal(await channel.unary(unary, ''), 'echo ');
    const large = 'x'.repeat(3 * 1024 * 1024);
    assert.equal(await channel.unary(unary, large), `echo ${large}`);
  });

  it('calls hundreds at once over one connection', async () => {
    const answers = await Promise.all(Array.from({ length: 300 }, (_, i) => channel.unary(unary, `${i}`)));
    assert.deepEqual(
      answers,
      answers.map((_, i) => `echo ${i}`),
    );
  });

  it('exchanges metadata', async () => {
    let initial: Metadata | undefined;
    let trailers: Metadata | undefined;
    const text = await channel.unary(meta, '', {
      metadata: new Metadata().set('x-text', 'hello').setBinary('x-data-bin', BINARY),
      timeoutMs: 60_000,
      onMetadata: (received) => {
        initial = received;
      },
      onTrailers: (received) => {
        trailers = received;
      },
    });
    assert.equal(text, 'hello 000102fdfeff true');
    assert.deepEqual(initial?.getBinary('x-initial-bin'), BINARY);
    assert.equal(trailers?.get('x-trailer'), 'last');
  });

  it('sees status, message, details and trailers of an error', async () => {
    await assert.rejects(channel.unary(fail, ''), (error: unknown) => {
      assert.ok(error instanceof GrpcStatusError);
      assert.deepEqual([error.code, error.message, error.unprocessed], [10, UNICODE, false]);
      assert.deepEqual(Buffer.from(error.details as Uint8Array), BINARY);
      assert.equal(error.trailers.get('x-trailer'), 'kept');
      return true;
    });
    await assert.rejects(channel.unary(info('None', 'unary'), ''), { code: 12 });
  });

  it('enforces its deadline and cancels on the server', async () => {
    const told = new Promise<void>((resolve) => {
      cancelled = resolve;
    });
    await assert.rejects(channel.unary(hang, '', { timeoutMs: 50 }), { code: 4 });
    await told;
    const again = new Promise<void>((resolve) => {
      cancelled = resolve;
    });
    const controller = new AbortController();
    const running = channel.unary(hang, '', { signal: controller.signal });
    setImmediate(() => controller.abort(new Error('enough')));
    await assert.rejects(running, { code: 1 });
    await again;
    await assert.rejects(channel.unary(unary, 'a', { signal: controller.signal }), { code: 1 });
    await assert.rejects(channel.unary(unary, 'a', { timeoutMs: 0 }), { code: 4 });
  });

  it('reads a long server stream, all of it or a part', async () => {
    let count = 0;
    for await (const text of channel.serverStream(serverStream, '3000')) assert.ok(text.startsWith(`${count++} `));
    assert.equal(count, 3000);
    for await (const text of channel.serverStream(serverStream, '100000')) if (text.startsWith('5 ')) break;
    assert.equal(await channel.unary(unary, 'alive'), 'echo alive');
  });

  it('sends a client stream under back-pressure, and talks both ways', async () => {
    const upload = channel.stream(clientStream);
    let waited = 0;
    for (let i = 0; i < 2000; i++) {
      const full = upload.send('y'.repeat(10_000));
      if (full !== undefined) {
        waited++;
        await full;
      }
    }
    upload.closeSend();
    const answers: string[] = [];
    for await (const text of upload.responses) answers.push(text);
    assert.deepEqual(answers, ['2000']);
    assert.ok(waited > 0, 'never held back');
    const chat = channel.stream(bidi);
    void chat.send('0');
    const seen: string[] = [];
    for await (const text of chat.responses) {
      seen.push(text);
      if (seen.length < 50) void chat.send(`${seen.length}`);
      else chat.closeSend();
    }
    assert.equal(seen[49], 'echo 49');
  });

  it('cancels a stream, whose loop then throws', async () => {
    const chat = channel.stream(bidi);
    void chat.send('0');
    await assert.rejects(
      async () => {
        for await (const text of chat.responses) if (text === 'echo 0') chat.cancel();
      },
      { code: 1 },
    );
    await assert.rejects(async () => chat.send('late'), { code: 1 });
  });
});
