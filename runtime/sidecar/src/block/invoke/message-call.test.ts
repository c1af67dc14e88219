import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import {
  type CallOptions,
  type GrpcClient,
  GrpcCode,
  GrpcStatusError,
  HeaderList,
  type HttpHandler,
  Metadata,
  type OutriggerError,
  respondText,
} from '@outrigger/engine';
import {
  HTTPExtension_Verb,
  type InvokeRequest,
  type InvokeResponse,
  InvokeResponseSchema,
} from '@outrigger/proto/dapr/common/v1';
import { ErrorInfoSchema, StatusSchema } from '@outrigger/proto/google/rpc';
import { request, settled } from '../../stream/testing/loopback.js';
import type { InvokeCall, InvokeMessage } from './message.js';
import { TestNamespace, testApp } from './testing/sidecars.js';

const nothing = { onData() {}, onEnd() {}, onReset() {}, onDrain() {} };

const mirror: HttpHandler = (stream) => {
  const chunks: Buffer[] = [];
  stream.receiver = {
    ...nothing,
    onData: (chunk, start, end) => void chunks.push(Buffer.from(chunk.subarray(start, end))),
    onEnd: () => {
      const { method, path, headers } = stream.head;
      respondText(
        stream,
        200,
        JSON.stringify({ method, path, headers: [...headers], body: Buffer.concat(chunks).toString() }),
      );
    },
  };
};

/** A gRPC app: OnInvoke by a function of the test. */
function grpcApp(onInvoke: (message: InvokeRequest, options: CallOptions) => InvokeResponse | Promise<InvokeResponse>) {
  const client = {
    unary: async (_method: unknown, message: InvokeRequest, options: CallOptions) => onInvoke(message, options),
  } as unknown as GrpcClient;
  return testApp({ protocol: 'grpc', client, handler: () => {} });
}

const reply = (value: string, contentType = 'text/plain', typeUrl = ''): InvokeResponse =>
  create(InvokeResponseSchema, { contentType, data: { typeUrl, value: Buffer.from(value) } });

const message = (more: Partial<InvokeMessage> = {}): InvokeMessage => ({
  method: 'orders',
  data: Buffer.from('hello'),
  dataType: '',
  contentType: 'text/plain',
  http: { verb: 'POST', query: '' },
  ...more,
});
const call = (more: Partial<InvokeCall> = {}): InvokeCall => ({
  id: 'b',
  metadata: new HeaderList(),
  timeoutMs: 0,
  ...more,
});
const text = (error: unknown): string => (error as OutriggerError).message;

interface Seen {
  method: string;
  path: string;
  headers: [string, string][];
  body: string;
}

describe('InvokeService to an HTTP app', () => {
  const scene = (handler: HttpHandler = mirror) => {
    const namespace = new TestNamespace();
    const b = namespace.add('b', testApp({ handler }));
    return { namespace, a: namespace.add('a'), b };
  };

  it('becomes an HTTP request: verb, path, query, content type, metadata', async () => {
    const { a } = scene();
    const metadata = new HeaderList([
      'x-custom',
      '1',
      'bytes-bin',
      'AAEC',
      'grpc-trace',
      't',
      'dapr-caller-app-id',
      'spoofed',
    ]);
    const answer = await a.invoke.message(
      message({ method: 'orders/1', http: { verb: 'PUT', query: 'a=b c' }, contentType: 'application/json' }),
      call({ metadata }),
    );
    const saw = JSON.parse(answer.data.toString()) as Seen;
    const field = (name: string): string | undefined => saw.headers.find(([key]) => key === name)?.[1];
    assert.deepEqual([saw.method, saw.path, saw.body], ['PUT', '/orders/1?a=b%20c', 'hello']);
    assert.deepEqual(
      [
        'content-type',
        'content-length',
        'x-custom',
        'bytes-bin',
        'grpc-trace',
        'dapr-grpc-trace',
        'dapr-caller-app-id',
      ].map(field),
      ['application/json', '5', '1', undefined, undefined, 't', 'a'],
    );
    assert.deepEqual(
      [answer.httpStatus, answer.contentType, answer.error],
      [200, 'text/plain; charset=utf-8', undefined],
    );
    assert.ok(!saw.headers.some(([name]) => name.startsWith('outrigger-')));
  });

  it('sends typed data as protobuf', async () => {
    const { a } = scene();
    const answer = await a.invoke.message(
      message({ dataType: 'type.googleapis.com/x.Y', contentType: 'application/json' }),
      call(),
    );
    const saw = JSON.parse(answer.data.toString()) as Seen;
    assert.equal(saw.headers.find(([name]) => name === 'content-type')?.[1], 'application/x-protobuf');
  });

  it('hands back any status; what to make of it is the surface’s', async () => {
    const { a } = scene((stream) => {
      stream.receiver = nothing;
      respondText(stream, 404, 'no such order');
    });
    const answer = await a.invoke.message(message(), call());
    assert.deepEqual([answer.httpStatus, answer.data.toString()], [404, 'no such order']);
  });

  it('needs an HTTP extension with a verb', async () => {
    const { a, b } = scene();
    const channel = 'failed to invoke, id: b, err: rpc error: code = Internal desc = error invoking app channel: ';
    await assert.rejects(
      a.invoke.message(message({ http: undefined }), call()),
      (error) => text(error) === `${channel}rpc error: code = InvalidArgument desc = missing HTTP extension field`,
    );
    for (const verb of ['NONE', 'CONNECT']) {
      await assert.rejects(
        a.invoke.message(message({ http: { verb, query: '' } }), call()),
        (error) => text(error) === `${channel}rpc error: code = InvalidArgument desc = invalid HTTP verb`,
      );
    }
    await assert.rejects(
      b.invoke.message(message({ http: undefined }), call()),
      (error) =>
        text(error) ===
        'failed to invoke, id: b, err: rpc error: code = InvalidArgument desc = missing HTTP extension field',
    );
  });

  it('refuses a method or content type that cannot be sent', async () => {
    const { a } = scene();
    await assert.rejects(a.invoke.message(message({ method: 'a?b' }), call()), /forbidden character/);
    await assert.rejects(a.invoke.message(message({ contentType: 'a\r\nx: y' }), call()), /not a header value/);
  });

  it('carries messages up to the limit and refuses larger answers', async () => {
    const namespace = new TestNamespace();
    namespace.add('b', testApp({ handler: mirror }));
    const a = namespace.add('a', undefined, { messageBytesMax: 3 * 1024 * 1024 });
    const data = Buffer.alloc(2 * 1024 * 1024, 'x');
    const answer = await a.invoke.message(message({ data }), call());
    assert.equal((JSON.parse(answer.data.toString()) as Seen).body.length, data.length);
    await assert.rejects(
      a.invoke.message(message({ data: Buffer.alloc(3 * 1024 * 1024, 'x') }), call()),
      /max-body-size/,
    );
    assert.equal(a.proxy.inFlight, 0);
  });

  it('waits with a large message until the app is found', async () => {
    const namespace = new TestNamespace();
    const a = namespace.add('a');
    const answer = a.invoke.message(message({ data: Buffer.alloc(3 * 1024 * 1024, 'x') }), call());
    await settled();
    namespace.add('b', testApp({ handler: mirror }));
    assert.equal((JSON.parse((await answer).data.toString()) as Seen).body.length, 3 * 1024 * 1024);
  });

  it('ends at its timeout, and when the caller gives up', async () => {
    const resets: string[] = [];
    const { a, namespace } = scene((stream) => {
      stream.receiver = { ...nothing, onReset: ({ reason }) => void resets.push(reason) };
    });
    const late = a.invoke.message(message(), call({ timeoutMs: 3000 }));
    late.catch(() => {});
    await settled();
    namespace.clock.advance(3020);
    await assert.rejects(late, (error) => (error as OutriggerError).code === 'INVOKE_TIMEOUT');

    const controller = new AbortController();
    const given = a.invoke.message(message(), call({ signal: controller.signal }));
    given.catch(() => {});
    await settled();
    controller.abort();
    await assert.rejects(given, /context canceled/);
    await settled();
    assert.deepEqual([resets.length, a.proxy.inFlight], [2, 0]);
    await assert.rejects(a.invoke.message(message(), call({ signal: AbortSignal.abort() })), /context canceled/);
  });

  it('knows no app of that id', async () => {
    const { a, namespace } = scene();
    const answer = a.invoke.message(message(), call({ id: 'unknown' }));
    answer.catch(() => {});
    await settled();
    namespace.clock.advance(1100);
    await assert.rejects(
      answer,
      (error) => text(error) === "failed to invoke, id: unknown, err: couldn't find service: unknown",
    );
  });
});

describe('InvokeService to a gRPC app', () => {
  const scene = (onInvoke: Parameters<typeof grpcApp>[0]) => {
    const namespace = new TestNamespace();
    const b = namespace.add('b', grpcApp(onInvoke));
    return { namespace, a: namespace.add('a'), b };
  };

  it('becomes OnInvoke, message and metadata unchanged', async () => {
    let got: InvokeRequest | undefined;
    let metadata: HeaderList | undefined;
    const { a } = scene((invoked, options) => {
      got = invoked;
      metadata = options.metadata?.fields;
      options.onMetadata?.(Metadata.of({ 'x-header': 'h', 'bytes-bin': 'AAEC' }));
      options.onTrailers?.(Metadata.of({ 'x-trailer': 't' }));
      return reply('answer', 'application/json', 'mytype');
    });
    const fields = new HeaderList(['x-custom', '1', 'bytes-bin', 'AAEC', 'dapr-caller-app-id', 'spoofed']);
    const answer = await a.invoke.message(
      message({
        method: 'multiple/segments',
        dataType: 'pfm',
        contentType: 'x/y',
        http: { verb: 'NONE', query: 'q=1' },
      }),
      call({ metadata: fields }),
    );
    assert.deepEqual(
      [got?.method, got?.contentType, got?.data?.typeUrl, Buffer.from(got?.data?.value ?? []).toString()],
      ['multiple/segments', 'x/y', 'pfm', 'hello'],
    );
    assert.deepEqual([got?.httpExtension?.verb, got?.httpExtension?.querystring], [HTTPExtension_Verb.NONE, 'q=1']);
    assert.deepEqual(
      ['x-custom', 'bytes-bin', 'dapr-caller-app-id', 'dapr-callee-app-id', 'content-type', 'outrigger-invoke'].map(
        (name) => metadata?.get(name),
      ),
      ['1', 'AAEC', 'a', 'b', undefined, undefined],
    );
    assert.deepEqual(
      [
        answer.httpStatus,
        answer.data.toString(),
        answer.dataType,
        answer.contentType,
        answer.headers.get('x-header'),
        answer.headers.get('bytes-bin'),
        answer.trailers.get('x-trailer'),
      ],
      [undefined, 'answer', 'mytype', 'application/json', 'h', 'AAEC', 't'],
    );
  });

  it('carries a message without an HTTP extension and methods that no path could hold', async () => {
    const got: InvokeRequest[] = [];
    const { a } = scene((invoked) => {
      got.push(invoked);
      return reply('');
    });
    await a.invoke.message(message({ http: undefined, method: 'Größe 100%', data: new Uint8Array(0) }), call());
    assert.deepEqual([got[0]?.method, got[0]?.httpExtension], ['Größe 100%', undefined]);
  });

  it('hands back the app’s own error with its details', async () => {
    const info = create(ErrorInfoSchema, { reason: 'R', domain: 'd', metadata: { k: 'v' } });
    const details = toBinary(
      StatusSchema,
      create(StatusSchema, { code: 5, message: 'gone', details: [anyPack(ErrorInfoSchema, info)] }),
    );
    const { a } = scene(() => {
      throw new GrpcStatusError(GrpcCode.NOT_FOUND, 'gone — weg', { details });
    });
    const { error, data } = await a.invoke.message(message(), call());
    assert.deepEqual([error?.code, error?.message, data.length], [GrpcCode.NOT_FOUND, 'gone — weg', 0]);
    assert.deepEqual(Buffer.from(error?.details ?? []), Buffer.from(details));

    const answer = await request(a.http, { method: 'POST', path: '/v1.0/invoke/b/method/x', body: '{}' });
    assert.equal(answer.status, 404);
    assert.deepEqual(JSON.parse(answer.body.toString()), {
      code: 5,
      message: 'gone — weg',
      details: [
        { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'R', domain: 'd', metadata: { k: 'v' } },
      ],
    });
  });

  it('counts the gRPC status', async () => {
    const { a } = scene(() => {
      throw new GrpcStatusError(GrpcCode.NOT_FOUND, 'gone');
    });
    await a.invoke.message(message(), call());
    assert.match(a.metrics.text(), /res_recv_total\{app_id="a",src_app_id="b",status="5",type="unary"\} 1/);
  });

  it('aborts the app’s call when the caller gives up', async () => {
    let signal: AbortSignal | undefined;
    const { a } = scene((_invoked, options) => {
      signal = options.signal;
      return new Promise<InvokeResponse>(() => {});
    });
    const controller = new AbortController();
    const given = a.invoke.message(message(), call({ signal: controller.signal }));
    given.catch(() => {});
    await settled();
    controller.abort();
    await settled();
    assert.equal(signal?.aborted, true);
  });
});

describe('HTTP invoke of a gRPC app', () => {
  const scene = (onInvoke: Parameters<typeof grpcApp>[0]) => {
    const namespace = new TestNamespace();
    const b = namespace.add('b', grpcApp(onInvoke));
    return { a: namespace.add('a'), b };
  };

  it('becomes OnInvoke; permanent header fields are called dapr-…', async () => {
    let got: InvokeRequest | undefined;
    let metadata: HeaderList | undefined;
    const { a } = scene((invoked, options) => {
      got = invoked;
      metadata = options.metadata?.fields;
      options.onMetadata?.(Metadata.of({ 'x-header': 'h', 'bytes-bin': 'AAEC', 'grpc-x': '1' }));
      return reply('{"ok":true}', 'application/json');
    });
    const answer = await request(a.http, {
      method: 'DELETE',
      path: '/v1.0/invoke/b/method/orders%20x?q=1',
      headers: {
        'content-type': 'application/json',
        accept: 'a/b',
        'x-custom': '1',
        'user-agent': 'curl',
        'not-bin': '!!',
      },
      body: '{"a":1}',
    });
    assert.deepEqual(
      [
        got?.method,
        got?.contentType,
        Buffer.from(got?.data?.value ?? []).toString(),
        got?.httpExtension?.verb,
        got?.httpExtension?.querystring,
      ],
      ['orders x', 'application/json', '{"a":1}', HTTPExtension_Verb.DELETE, 'q=1'],
    );
    assert.deepEqual(
      [
        'dapr-content-type',
        'dapr-accept',
        'x-custom',
        'user-agent',
        'not-bin',
        'content-type',
        'dapr-caller-app-id',
      ].map((name) => metadata?.get(name)),
      ['application/json', 'a/b', '1', undefined, undefined, undefined, 'a'],
    );
    assert.deepEqual(
      [
        answer.status,
        answer.body.toString(),
        answer.headers.get('content-type'),
        answer.headers.get('x-header'),
        answer.headers.get('bytes-bin'),
        answer.headers.get('dapr-grpc-x'),
      ],
      [200, '{"ok":true}', 'application/json', 'h', undefined, '1'],
    );
  });

  it('answers typed data as protobuf, and HEAD without a body', async () => {
    const { a } = scene(() => reply('bytes', 'application/json', 'mytype'));
    const answer = await request(a.http, { path: '/v1.0/invoke/b/method/x' });
    assert.deepEqual([answer.headers.get('content-type'), answer.body.toString()], ['application/x-protobuf', 'bytes']);
    const head = await request(a.http, { method: 'HEAD', path: '/v1.0/invoke/b/method/x' });
    assert.deepEqual([head.status, head.body.length, head.headers.get('content-length')], [200, 0, '5']);
  });

  it('does not let the app write header fields through its content type', async () => {
    const { a } = scene(() => reply('x', 'a\r\nset-cookie: evil'));
    const answer = await request(a.http, { path: '/v1.0/invoke/b/method/x' });
    assert.deepEqual([answer.status, answer.headers.get('content-type')], [200, undefined]);
  });

  it('says when the app cannot be reached, and refuses what is too large for a message', async () => {
    const { a } = scene(() => {
      throw new GrpcStatusError(GrpcCode.UNAVAILABLE, 'connection refused');
    });
    const down = await request(a.http, { path: '/v1.0/invoke/b/method/x' });
    assert.deepEqual(
      [down.status, JSON.parse(down.body.toString())],
      [503, { code: 14, message: 'connection refused' }],
    );
    const large = await request(a.http, {
      method: 'POST',
      path: '/v1.0/invoke/b/method/x',
      body: Buffer.alloc(5 * 1024 * 1024),
    });
    assert.equal(large.status, 500);
    assert.match(large.body.toString(), /larger than 4194304 bytes/);
  });
});
