import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type ClientReceiver,
  HeaderList,
  type HttpHandler,
  type RequestHead,
  type ResponseHead,
  type StreamReset,
} from '@outrigger/engine';
import { type Answer, request, settled } from '../../stream/testing/loopback.js';
import { TestNamespace, testApp } from './testing/sidecars.js';

const nothing = { onData() {}, onEnd() {}, onReset() {}, onDrain() {} };
const GRPC = { 'content-type': 'application/grpc' };

/** Echoes bytes; answers its request metadata as header metadata, and ends with a status. */
const echo: HttpHandler = (stream) => {
  const headers = HeaderList.of(GRPC).append('path', stream.head.path);
  for (const [name, value] of stream.head.headers)
    if (!name.startsWith('content-')) headers.append(`got-${name}`, value);
  stream.respond({ status: 200, headers }, false);
  stream.receiver = {
    onData: (chunk, start, end) => {
      if (!stream.write(chunk, start, end)) stream.pause('peer');
    },
    onEnd: () => stream.end(HeaderList.of({ 'grpc-status': '0', 'trailer-bin': 'AAEC' })),
    onReset() {},
    onDrain: () => stream.resume('peer'),
  };
};

const grpcApp = (handler: HttpHandler) => testApp({ protocol: 'grpc', handler });
const pair = (handler: HttpHandler = echo) => {
  const namespace = new TestNamespace();
  const b = namespace.add('b', grpcApp(handler));
  const a = namespace.add('a');
  return { namespace, a, b };
};
const call = (metadata: Record<string, string>, body = 'raw bytes') => ({
  method: 'POST',
  path: '/helloworld.Greeter/SayHello',
  headers: { ...GRPC, ...metadata },
  body,
});
const status = ({ headers, trailers }: Answer): [string | undefined, string | undefined] => {
  const fields = trailers ?? headers;
  return [fields.get('grpc-status'), decodeURIComponent(fields.get('grpc-message') ?? '')];
};

describe('transparent gRPC proxying between two sidecars', () => {
  it('carries bytes and metadata both ways, trailers included, and strips dapr-app-id', async () => {
    const { a } = pair();
    const answer = await request(
      a.grpc,
      call({
        'dapr-app-id': 'b',
        'x-custom': '1',
        'bytes-bin': 'AAEC',
        'grpc-timeout': '1S',
        'dapr-caller-app-id': 'spoofed',
      }),
    );
    const { headers, trailers } = answer;
    assert.equal(answer.body.toString(), 'raw bytes');
    assert.equal(headers.get('path'), '/helloworld.Greeter/SayHello');
    assert.deepEqual(
      [
        'x-custom',
        'bytes-bin',
        'grpc-timeout',
        'dapr-caller-app-id',
        'dapr-callee-app-id',
        'dapr-app-id',
        'outrigger-invoke',
      ].map((name) => headers.get(`got-${name}`)),
      ['1', 'AAEC', '1S', 'a', 'b', undefined, undefined],
    );
    assert.deepEqual([trailers?.get('grpc-status'), trailers?.get('trailer-bin')], ['0', 'AAEC']);
  });

  it('passes an answer of headers only', async () => {
    const { a } = pair((stream) => {
      stream.receiver = nothing;
      stream.respond(
        { status: 200, headers: HeaderList.of({ ...GRPC, 'grpc-status': '5', 'grpc-message': 'gone' }) },
        true,
      );
    });
    const answer = await request(a.grpc, call({ 'dapr-app-id': 'b' }));
    assert.deepEqual([answer.trailers, ...status(answer)], [null, '5', 'gone']);
  });

  it('streams in both directions at once', async () => {
    const { a } = pair();
    const got: string[] = [];
    let trailers: HeaderList | null = null;
    const head: RequestHead = {
      method: 'POST',
      scheme: 'http',
      authority: 'x',
      path: '/s/Bidi',
      headers: HeaderList.of({ ...GRPC, 'dapr-app-id': 'b' }),
    };
    const stream = a.grpc.open(head, false, {
      ...nothing,
      onHead() {},
      onData: (chunk, start, end) => void got.push(chunk.toString('utf8', start, end)),
      onEnd: (fields) => {
        trailers = fields;
      },
    });
    for (const text of ['one', 'two', 'three']) {
      stream.write(Buffer.from(text));
      await settled();
      assert.equal(got.at(-1), text);
    }
    assert.equal(trailers, null);
    stream.end();
    await settled();
    assert.equal((trailers as HeaderList | null)?.get('grpc-status'), '0');
  });

  it('says what is missing: the metadata, the app, its port, its protocol', async () => {
    const { a, b, namespace } = pair();
    const [code, text] = status(await request(a.grpc, call({})));
    assert.equal(code, '12');
    assert.match(text ?? '', /required metadata dapr-callee-app-id or dapr-app-id not found/);

    const unknown = request(a.grpc, call({ 'dapr-app-id': 'unknown' }));
    await settled();
    namespace.clock.advance(1100);
    assert.deepEqual(status(await unknown), ['2', "couldn't find service: unknown"]);
    assert.deepEqual(status(await request(a.grpc, call({ 'dapr-app-id': 'a.b.c' }))), ['2', 'invalid app id a.b.c']);
    assert.deepEqual(status(await request(a.grpc, call({ 'dapr-app-id': 'http://x' }))), [
      '2',
      'http://x is not an app id',
    ]);

    b.app = undefined;
    assert.deepEqual(status(await request(a.grpc, call({ 'dapr-app-id': 'b' }))), [
      '13',
      'app channel is not initialized',
    ]);
    b.app = testApp({ handler: echo });
    assert.equal(status(await request(a.grpc, call({ 'dapr-app-id': 'b' })))[0], '12');
  });

  it('lets an h2c app have gRPC calls', async () => {
    const { a, b } = pair();
    b.app = testApp({ protocol: 'h2c', handler: echo });
    assert.equal(status(await request(a.grpc, call({ 'dapr-app-id': 'b' })))[0], '0');
  });

  it('answers UNAVAILABLE when the app cannot be reached', async () => {
    const { a } = pair((stream) => {
      stream.receiver = nothing;
      stream.reset('internal');
    });
    assert.equal(status(await request(a.grpc, call({ 'dapr-app-id': 'b' })))[0], '14');
  });

  it('ends a call that has begun with a status when the other side is lost', async () => {
    const { a, b } = pair((stream) => {
      stream.receiver = nothing;
      stream.respond({ status: 200, headers: HeaderList.of(GRPC) }, false);
      stream.write(Buffer.from('half'));
    });
    const answer = request(a.grpc, call({ 'dapr-app-id': 'b' }));
    await settled();
    b.port.kill();
    assert.equal(status(await answer)[0], '14');
    assert.equal(a.proxy.inFlight, 0);
  });

  it('retries a call that no sidecar took, its bytes sent again', async () => {
    const namespace = new TestNamespace();
    const first = namespace.add('b', grpcApp(echo));
    namespace.add('b', grpcApp(echo));
    const a = namespace.add('a');
    first.port.kill();
    for (let i = 0; i < 4; i++) {
      const answer = await request(a.grpc, call({ 'dapr-app-id': 'b' }, `message ${i}`));
      assert.equal(answer.body.toString(), `message ${i}`);
    }
  });

  it('cancels the app’s call when the caller cancels', async () => {
    const resets: string[] = [];
    const { a, b } = pair((stream) => {
      stream.receiver = { ...nothing, onReset: ({ reason }) => void resets.push(reason) };
      stream.respond({ status: 200, headers: HeaderList.of(GRPC) }, false);
    });
    const heads: ResponseHead[] = [];
    const silent: ClientReceiver = {
      ...nothing,
      onHead: (head) => void heads.push(head),
      onReset: (_reset: StreamReset) => assert.fail('told after its own reset'),
    };
    const head: RequestHead = {
      method: 'POST',
      scheme: 'http',
      authority: 'x',
      path: '/s/M',
      headers: HeaderList.of({ ...GRPC, 'dapr-app-id': 'b' }),
    };
    const stream = a.grpc.open(head, false, silent);
    await settled();
    stream.reset('cancel');
    await settled();
    assert.deepEqual([heads.length, resets, b.internal.inFlight], [1, ['cancel'], 0]);
  });

  it('calls its own app in process', async () => {
    const { b } = pair();
    const answer = await request(b.grpc, call({ 'dapr-app-id': 'b' }));
    assert.deepEqual(
      [status(answer)[0], answer.headers.get('got-dapr-caller-app-id'), b.port.exchanges.length],
      ['0', 'b', 0],
    );
  });

  it('counts calls by status, streams apart', async () => {
    const { a } = pair();
    await request(a.grpc, call({ 'dapr-app-id': 'b' }));
    await request(a.grpc, call({ 'dapr-app-id': 'b', 'dapr-stream': 'true' }));
    const text = a.metrics.text();
    for (const kind of ['unary', 'streaming']) {
      assert.ok(
        text.includes(`dapr_runtime_service_invocation_req_sent_total{app_id="a",dst_app_id="b",type="${kind}"} 1`),
      );
      assert.ok(
        text.includes(
          `dapr_runtime_service_invocation_res_recv_total{app_id="a",src_app_id="b",status="0",type="${kind}"} 1`,
        ),
      );
    }
    assert.ok(
      text.includes(
        'dapr_runtime_service_invocation_res_recv_latency_ms_count{app_id="a",src_app_id="b",status="0"} 1',
      ),
    );
  });
});
