/** gRPC over real sockets: @grpc/grpc-js as client and as app, node:http as the HTTP app of InvokeService. */
import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import grpc from '@grpc/grpc-js';
import { methodsOf } from '@outrigger/proto';
import { HTTPExtension_Verb, type InvokeRequest, type InvokeResponse } from '@outrigger/proto/dapr/common/v1';
import { AppCallback, Dapr } from '@outrigger/proto/dapr/runtime/v1';
import { ErrorInfoSchema, StatusSchema } from '@outrigger/proto/google/rpc';
import { LiveNames, type LiveSidecar, startLive } from './testing/live.js';

const raw = (value: Buffer): Buffer => value;
const bytes = { requestSerialize: raw, requestDeserialize: raw, responseSerialize: raw, responseDeserialize: raw };
const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/test.Echo/${name}`,
  requestStream,
  responseStream,
  ...bytes,
});
const echoService = {
  unary: method('Unary', false, false),
  clientStream: method('ClientStream', true, false),
  serverStream: method('ServerStream', false, true),
  bidi: method('Bidi', true, true),
};

/** A grpc-js definition of one of our methods. */
function definitionOf<I, O>(info: {
  path: string;
  request: { decode(b: Buffer, s: number, e: number): I; encode(m: I, w: unknown): void };
  response: { decode(b: Buffer, s: number, e: number): O; encode(m: O, w: unknown): void };
}): grpc.MethodDefinition<I, O> {
  const encode = (codec: { encode(m: never, w: unknown): void }) => (message: unknown) => {
    const writer = {
      buffer: Buffer.alloc(256),
      end: 0,
      ensure(more: number): void {
        if (this.end + more <= this.buffer.length) return;
        const grown = Buffer.alloc((this.end + more) * 2);
        this.buffer.copy(grown);
        this.buffer = grown;
      },
    };
    codec.encode(message as never, writer);
    return writer.buffer.subarray(0, writer.end);
  };
  return {
    path: info.path,
    requestStream: false,
    responseStream: false,
    requestSerialize: encode(info.request as never),
    requestDeserialize: (buffer) => info.request.decode(buffer, 0, buffer.length),
    responseSerialize: encode(info.response as never),
    responseDeserialize: (buffer) => info.response.decode(buffer, 0, buffer.length),
  };
}

const onInvokeMethod = definitionOf(methodsOf(AppCallback).onInvoke as never) as grpc.MethodDefinition<
  InvokeRequest,
  InvokeResponse
>;
const invokeServiceMethod = definitionOf(methodsOf(Dapr).invokeService as never);

function metadataOf(fields: Record<string, string | Buffer>): grpc.Metadata {
  const metadata = new grpc.Metadata();
  for (const [name, value] of Object.entries(fields)) metadata.set(name, value);
  return metadata;
}

interface Result<T> {
  readonly response: T | undefined;
  readonly error: grpc.ServiceError | null;
  readonly headers: grpc.Metadata;
  readonly trailers: grpc.Metadata;
}

function unary<I, O>(
  client: grpc.Client,
  definition: grpc.MethodDefinition<I, O>,
  request: I,
  metadata: grpc.Metadata,
  options: grpc.CallOptions = {},
): Promise<Result<O>> {
  return new Promise((resolve) => {
    let headers = new grpc.Metadata();
    let result: { response: O | undefined; error: grpc.ServiceError | null } | undefined;
    const call = client.makeUnaryRequest(
      definition.path,
      definition.requestSerialize,
      definition.responseDeserialize,
      request,
      metadata,
      options,
      (error, response) => {
        result = { error, response };
      },
    );
    call.on('metadata', (given) => {
      headers = given;
    });
    // The callback comes before the status event.
    call.on('status', ({ metadata: trailers }) =>
      setImmediate(() => resolve({ headers, trailers, response: result?.response, error: result?.error ?? null })),
    );
  });
}

describe('gRPC invoke over two sidecars on sockets', () => {
  const names = new LiveNames();
  let app: grpc.Server;
  let web: http.Server;
  let a: LiveSidecar;
  let b: LiveSidecar;
  let c: LiveSidecar;
  let client: grpc.Client;
  let cancelled: () => void = () => {};

  before(async () => {
    app = new grpc.Server();
    app.addService(echoService as unknown as grpc.ServiceDefinition, {
      unary: (call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) => {
        const text = call.request.toString();
        const headers = new grpc.Metadata();
        for (const [name, value] of Object.entries(call.metadata.getMap())) {
          if (!/^(user-agent|grpc-|content-|te$)/.test(name)) headers.set(`got-${name}`, value);
        }
        headers.set('peer-bin', Buffer.from([0, 1, 255]));
        call.sendMetadata(headers);
        const trailers = metadataOf({ 'x-trailer': 't', 'trailer-bin': Buffer.from([9, 8]) });
        if (text === 'fail') {
          const error = Object.assign(new Error('ünbekannt'), { code: grpc.status.NOT_FOUND, metadata: trailers });
          return done(error);
        }
        if (text === 'hang') {
          call.on('cancelled', () => cancelled());
          return undefined;
        }
        return done(null, call.request, trailers);
      },
      clientStream: (call: grpc.ServerReadableStream<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) => {
        let total = 0;
        call.on('data', (message: Buffer) => {
          total += message.length;
        });
        call.on('end', () => done(null, Buffer.from(String(total))));
      },
      serverStream: (call: grpc.ServerWritableStream<Buffer, Buffer>) => {
        const count = Number(call.request.toString());
        for (let i = 0; i < count; i++) call.write(Buffer.alloc(1000, i & 0xff));
        call.end();
      },
      bidi: (call: grpc.ServerDuplexStream<Buffer, Buffer>) => {
        call.on('data', (message: Buffer) => call.write(message));
        call.on('end', () => call.end());
      },
    });
    app.addService({ onInvoke: onInvokeMethod } as unknown as grpc.ServiceDefinition, {
      onInvoke: (
        call: grpc.ServerUnaryCall<InvokeRequest, InvokeResponse>,
        done: grpc.sendUnaryData<InvokeResponse>,
      ) => {
        const { request } = call;
        if (request.method !== 'echo') return done({ code: grpc.status.UNKNOWN, details: 'invalid method' });
        call.sendMetadata(metadataOf({ caller: String(call.metadata.get('dapr-caller-app-id')[0]) }));
        return done(null, {
          contentType: request.contentType,
          data: request.data,
        } as InvokeResponse);
      },
    });
    const appPort = await new Promise<number>((resolve, reject) =>
      app.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(port) : reject(error),
      ),
    );
    web = http.createServer((request, response) => {
      const status = Number(request.headers['x-status'] ?? 200);
      response.writeHead(status, { 'content-type': 'text/plain', 'x-app': 'yes' });
      request.on('data', () => {});
      request.on('end', () => response.end(`${request.method} ${request.url}`));
    });
    const webPort = await new Promise<number>((resolve) =>
      web.listen(0, '127.0.0.1', () => resolve((web.address() as AddressInfo).port)),
    );
    b = await startLive({ appId: 'b', names, app: { port: appPort, protocol: 'grpc' } });
    c = await startLive({ appId: 'c', names, app: { port: webPort, protocol: 'http' } });
    a = await startLive({ appId: 'a', names });
    client = new grpc.Client(`127.0.0.1:${a.grpcPort}`, grpc.credentials.createInsecure());
  });

  after(async () => {
    client.close();
    await Promise.all([a.close(), b.close(), c.close()]);
    app.forceShutdown();
    web.closeAllConnections();
    web.close();
  });

  const toB = (fields: Record<string, string | Buffer> = {}): grpc.Metadata =>
    metadataOf({ 'dapr-app-id': 'b', ...fields });

  it('proxies unary calls with metadata of both directions and kinds', async () => {
    const { response, error, headers, trailers } = await unary(
      client,
      echoService.unary,
      Buffer.from('hello'),
      toB({ 'x-custom': '1', 'bytes-bin': Buffer.from([1, 2]), 'dapr-caller-app-id': 'spoofed' }),
    );
    assert.equal(error, null);
    assert.equal(response?.toString(), 'hello');
    assert.deepEqual(
      ['got-x-custom', 'got-dapr-caller-app-id', 'got-dapr-callee-app-id', 'got-dapr-app-id'].map(
        (name) => headers.get(name)[0],
      ),
      ['1', 'a', 'b', undefined],
    );
    assert.deepEqual(
      [headers.get('peer-bin')[0], trailers.get('trailer-bin')[0]],
      [Buffer.from([0, 1, 255]), Buffer.from([9, 8])],
    );
    assert.equal(trailers.get('x-trailer')[0], 't');
  });

  it('proxies errors with their status, message and trailers', async () => {
    const { error, trailers } = await unary(client, echoService.unary, Buffer.from('fail'), toB());
    assert.deepEqual(
      [error?.code, error?.details, trailers.get('x-trailer')[0]],
      [grpc.status.NOT_FOUND, 'ünbekannt', 't'],
    );
  });

  it('proxies messages of any size, compressed or not', async () => {
    const message = Buffer.alloc(3 * 1024 * 1024, 'x');
    assert.deepEqual((await unary(client, echoService.unary, message, toB())).response, message);
    const packing = new grpc.Client(`127.0.0.1:${a.grpcPort}`, grpc.credentials.createInsecure(), {
      'grpc.default_compression_algorithm': grpc.compressionAlgorithms.gzip,
    });
    assert.deepEqual((await unary(packing, echoService.unary, message, toB())).response, message);
    packing.close();
  });

  it('proxies streams of every kind', async () => {
    const total = await new Promise<string>((resolve, reject) => {
      const { clientStream: to } = echoService;
      const call = client.makeClientStreamRequest(to.path, raw, raw, toB(), (error, response) =>
        error === null ? resolve(String(response)) : reject(error),
      );
      for (let i = 0; i < 100; i++) call.write(Buffer.alloc(10_000));
      call.end();
    });
    assert.equal(total, '1000000');

    const got = await new Promise<number>((resolve, reject) => {
      let count = 0;
      const call = client.makeServerStreamRequest(echoService.serverStream.path, raw, raw, Buffer.from('5000'), toB());
      call.on('data', (message: Buffer) => {
        assert.equal(message[0], count++ & 0xff);
      });
      call.on('end', () => resolve(count));
      call.on('error', reject);
    });
    assert.equal(got, 5000);

    const echoes: string[] = [];
    await new Promise<void>((resolve, reject) => {
      const call = client.makeBidiStreamRequest(echoService.bidi.path, raw, raw, toB());
      call.on('data', (message: Buffer) => {
        echoes.push(message.toString());
        if (echoes.length < 20) call.write(Buffer.from(`m${echoes.length}`));
        else call.end();
      });
      call.on('end', resolve);
      call.on('error', reject);
      call.write(Buffer.from('m0'));
    });
    assert.deepEqual(
      echoes,
      Array.from({ length: 20 }, (_, i) => `m${i}`),
    );
  });

  it('proxies many calls at once, each answer to its own caller', async () => {
    const answers = await Promise.all(
      Array.from({ length: 300 }, (_, i) => unary(client, echoService.unary, Buffer.from(`call ${i}`), toB())),
    );
    assert.deepEqual(
      answers.map(({ response }) => response?.toString()),
      Array.from({ length: 300 }, (_, i) => `call ${i}`),
    );
  });

  it('passes deadlines and cancellation on', async () => {
    const late = await unary(client, echoService.unary, Buffer.from('hang'), toB(), {
      deadline: new Date(Date.now() + 200),
    });
    assert.equal(late.error?.code, grpc.status.DEADLINE_EXCEEDED);
    const seen = new Promise<void>((resolve) => {
      cancelled = resolve;
    });
    const call = client.makeUnaryRequest(echoService.unary.path, raw, raw, Buffer.from('hang'), toB(), () => {});
    call.on('metadata', () => call.cancel());
    await seen;
  });

  it('says what no app can serve', async () => {
    const missing = await unary(client, echoService.unary, Buffer.from('x'), new grpc.Metadata());
    assert.equal(missing.error?.code, grpc.status.UNIMPLEMENTED);
    const toHttpApp = await unary(client, echoService.unary, Buffer.from('x'), metadataOf({ 'dapr-app-id': 'c' }));
    assert.equal(toHttpApp.error?.code, grpc.status.UNIMPLEMENTED);
    assert.match(toHttpApp.error?.details ?? '', /speaks HTTP\/1\.1/);
    const unknown = await unary(client, { ...echoService.unary, path: '/test.Other/X' }, Buffer.from('x'), toB());
    assert.equal(unknown.error?.code, grpc.status.UNIMPLEMENTED);
  });

  const invoke = (id: string, message: object, metadata = new grpc.Metadata()) =>
    unary(client, invokeServiceMethod, { id, message } as never, metadata) as Promise<Result<InvokeResponse>>;
  const data = (text: string, typeUrl = '') => ({ typeUrl, value: Buffer.from(text) });
  const extension = (verb: number, querystring = '') => ({ verb, querystring });

  it('invokes a gRPC app by InvokeService', async () => {
    const { response, error, headers } = await invoke('b', {
      method: 'echo',
      data: data('hi', 'a/b'),
      contentType: 'x/y',
    });
    assert.equal(error, null);
    assert.deepEqual(
      [
        Buffer.from(response?.data?.value ?? []).toString(),
        response?.data?.typeUrl,
        response?.contentType,
        headers.get('caller')[0],
      ],
      ['hi', 'a/b', 'x/y', 'a'],
    );
    const failed = await invoke('b', {
      method: 'nothing',
      data: data(''),
      contentType: '',
      httpExtension: extension(HTTPExtension_Verb.GET),
    });
    assert.deepEqual([failed.error?.code, failed.error?.details], [grpc.status.UNKNOWN, 'invalid method']);
  });

  it('invokes an HTTP app by InvokeService; its status becomes the call’s', async () => {
    const good = await invoke('c', {
      method: 'orders/1',
      data: data('body'),
      contentType: 'text/plain',
      httpExtension: extension(HTTPExtension_Verb.PUT, 'q=1'),
    });
    assert.deepEqual(
      [good.error, Buffer.from(good.response?.data?.value ?? []).toString()],
      [null, 'PUT /orders/1?q=1'],
    );
    assert.deepEqual(
      ['dapr-http-status', 'x-app', 'dapr-content-type'].map((name) => good.headers.get(name)[0]),
      ['200', 'yes', 'text/plain'],
    );

    const bad = await invoke(
      'c',
      { method: 'x', data: data(''), contentType: '', httpExtension: extension(HTTPExtension_Verb.GET) },
      metadataOf({ 'x-status': '404' }),
    );
    assert.deepEqual([bad.error?.code, bad.error?.details], [grpc.status.NOT_FOUND, 'Not Found']);
    assert.equal(bad.headers.get('dapr-http-status')[0], '404');
    const status = fromBinary(StatusSchema, bad.trailers.get('grpc-status-details-bin')[0] as Buffer);
    const info = anyUnpack(status.details[0] as never, ErrorInfoSchema);
    assert.deepEqual(
      [info?.reason, info?.domain, info?.metadata],
      ['Not Found', 'dapr.io', { 'http.code': '404', 'http.error_message': 'GET /x' }],
    );

    const missing = await invoke('c', { method: 'x', data: data(''), contentType: '' });
    assert.equal(missing.error?.code, grpc.status.INTERNAL);
  });
});
