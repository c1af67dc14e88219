import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type ClientReceiver, HeaderList, type HttpHandler, type RequestHead, respondText } from '@outrigger/engine';
import type { HttpEndpointDocument } from '../../config/model.js';
import { loopback, request, settled } from '../../stream/testing/loopback.js';
import { TestNamespace, testApp } from './testing/sidecars.js';

const nothing = { onData() {}, onEnd() {}, onReset() {}, onDrain() {} };

/** Answers what it got: request line and headers in the body, status 200. */
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

interface Seen {
  method: string;
  path: string;
  headers: [string, string][];
  body: string;
}
const seen = (body: Buffer): Seen => JSON.parse(body.toString()) as Seen;
const field = (saw: Seen, name: string): string | undefined => saw.headers.find(([key]) => key === name)?.[1];

const error = (body: Buffer): string => {
  const { errorCode, message } = JSON.parse(body.toString()) as { errorCode: string; message: string };
  assert.equal(errorCode, 'ERR_DIRECT_INVOKE');
  return message;
};

const pair = (handler: HttpHandler = mirror) => {
  const namespace = new TestNamespace();
  const b = namespace.add('b', testApp({ handler }));
  const a = namespace.add('a');
  return { namespace, a, b };
};

describe('HTTP invoke between two sidecars', () => {
  it('carries method, path, query, body and headers, any verb', async () => {
    const { a } = pair();
    for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'PROPFIND']) {
      const answer = await request(a.http, {
        method,
        path: '/v1.0/invoke/b/method/orders/1?x=a%20b&x=2',
        headers: { 'x-custom': 'kept', accept: 'text/plain', authorization: 'Bearer t' },
        body: 'hello',
      });
      const saw = seen(answer.body);
      assert.deepEqual([saw.method, saw.path, saw.body], [method, '/orders/1?x=a%20b&x=2', 'hello']);
      assert.deepEqual([field(saw, 'x-custom'), field(saw, 'authorization')], ['kept', 'Bearer t']);
      assert.equal(field(saw, 'content-length'), '5');
    }
  });

  it('tells the app who calls, whatever the caller says of itself', async () => {
    const { a } = pair();
    const answer = await request(a.http, {
      path: '/orders',
      headers: {
        'dapr-app-id': 'b',
        'dapr-caller-app-id': 'spoofed',
        'dapr-caller-namespace': 'spoofed',
        'dapr-callee-app-id': 'spoofed',
        'dapr-api-token': 'secret',
        'x-forwarded-client-cert': 'spoofed',
        'x-envoy-original-path': 'spoofed',
        'outrigger-invoke': 'grpc',
        'outrigger-data-type': 'spoofed',
        'proxy-authorization': 'Basic x',
        trailer: 'x',
      },
    });
    const saw = seen(answer.body);
    assert.equal(saw.path, '/orders');
    assert.equal(field(saw, 'dapr-caller-app-id'), 'a');
    assert.equal(field(saw, 'dapr-caller-namespace'), 'default');
    assert.equal(field(saw, 'dapr-callee-app-id'), 'b');
    const names = saw.headers.map(([name]) => name);
    for (const name of [
      'dapr-app-id',
      'dapr-api-token',
      'x-forwarded-client-cert',
      'x-envoy-original-path',
      'proxy-authorization',
      'trailer',
    ]) {
      assert.ok(!names.includes(name), name);
    }
    assert.ok(!names.some((name) => name.startsWith('outrigger-')));
    assert.ok(!JSON.stringify(saw).includes('spoofed'));
  });

  it('passes trace context on', async () => {
    const { a } = pair();
    const headers = {
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      tracestate: 'a=1',
      baggage: 'k=v',
    };
    const saw = seen((await request(a.http, { path: '/v1.0/invoke/b/method/x', headers })).body);
    for (const [name, value] of Object.entries(headers)) assert.equal(field(saw, name), value);
  });

  it('hands back whatever the app answers: status, headers, body, and nothing that ends with a connection', async () => {
    const { a } = pair((stream) => {
      stream.receiver = nothing;
      const headers = HeaderList.of({
        'content-type': 'application/problem+json',
        'x-app': '1',
        'proxy-authenticate': 'x',
      });
      headers.append('set-cookie', 'a=1').append('set-cookie', 'b=2').append('outrigger-reply', 'error');
      stream.respond({ status: 418, headers }, false);
      stream.write(Buffer.from('short and stout'));
      stream.end();
    });
    const answer = await request(a.http, { path: '/v1.0/invoke/b/method/x' });
    assert.deepEqual([answer.status, answer.body.toString()], [418, 'short and stout']);
    assert.deepEqual(answer.headers.getAll('set-cookie'), ['a=1', 'b=2']);
    assert.equal(answer.headers.get('content-type'), 'application/problem+json');
    assert.equal(answer.headers.get('proxy-authenticate'), undefined);
    assert.equal(answer.headers.get('outrigger-reply'), undefined, 'an app cannot pass for a sidecar');
  });

  it('hands redirects back instead of following them', async () => {
    const { a } = pair((stream) => {
      stream.receiver = nothing;
      stream.respond({ status: 301, headers: HeaderList.of({ location: 'http://169.254.169.254/' }) }, true);
    });
    const answer = await request(a.http, { path: '/v1.0/invoke/b/method/x' });
    assert.deepEqual([answer.status, answer.headers.get('location')], [301, 'http://169.254.169.254/']);
  });

  it('decodes and cleans the path before anything else sees it', async () => {
    const { a } = pair();
    const saw = seen((await request(a.http, { path: '/v1.0/invoke/b/method/admin%2F..%2Fpublic%22x?q=%2F..' })).body);
    assert.equal(saw.path, '/public%22x?q=%2F..');
  });

  it('refuses methods with characters that no path has', async () => {
    const { a } = pair();
    for (const [path, text] of [
      [
        'test%23stream',
        'rpc error: code = InvalidArgument desc = invalid method: method contains forbidden character: "test#stream"',
      ],
      [
        'test%00stream',
        'rpc error: code = InvalidArgument desc = invalid method: method contains forbidden character: "test\\u0000stream"',
      ],
      ['test%25stream', 'rpc error: code = Internal desc = error invoking app channel: invalid URL escape "%st"'],
    ] as const) {
      const answer = await request(a.http, { path: `/v1.0/invoke/b/method/${path}` });
      assert.equal(answer.status, 500);
      assert.equal(error(answer.body), `failed to invoke, id: b, err: ${text}`);
    }
    assert.equal((await request(a.http, { path: '/v1.0/invoke/b/method/%zz' })).status, 400);
  });

  it('answers 404 ERR_DIRECT_INVOKE when nobody is addressed', async () => {
    const { a } = pair();
    for (const path of ['/', '/v1.0/invoke/b', '/nothing']) {
      const answer = await request(a.http, { path });
      assert.equal(answer.status, 404);
      assert.equal(error(answer.body), 'failed getting app id either from the URL path or the header dapr-app-id');
    }
  });

  it('answers 500 for an app that nobody knows, after waiting a moment for it', async () => {
    const { a, namespace } = pair();
    const answer = request(a.http, { path: '/v1.0/invoke/unknown/method/x' });
    await settled();
    namespace.clock.advance(1100);
    const { status, body } = await answer;
    assert.equal(status, 500);
    assert.equal(error(body), "failed to invoke, id: unknown, err: couldn't find service: unknown");
    assert.match(
      error((await request(a.http, { path: '/v1.0/invoke/unknown/method/x' })).body),
      /couldn't find service/,
    );
  });

  it('waits for an app whose sidecar is just starting', async () => {
    const { a, namespace } = pair();
    const answer = request(a.http, { method: 'POST', path: '/v1.0/invoke/late/method/x', body: 'early' });
    await settled();
    namespace.add('late', testApp({ handler: mirror }));
    assert.equal(seen((await answer).body).body, 'early');
  });

  it('says so when the target has no app, an ill one, or one that is down', async () => {
    const { a, b } = pair();
    const message = async (): Promise<string> => {
      const answer = await request(a.http, { method: 'POST', path: '/v1.0/invoke/b/method/x', body: 'x' });
      assert.equal(answer.status, 500);
      return error(answer.body);
    };
    b.app = undefined;
    assert.equal(
      await message(),
      'failed to invoke, id: b, err: rpc error: code = Internal desc = app channel is not initialized',
    );
    b.app = testApp({ handler: mirror, healthy: false });
    assert.equal(
      await message(),
      'failed to invoke, id: b, err: rpc error: code = Internal desc = error invoking app channel: rpc error: code = Internal desc = app is not in a healthy state',
    );
    const dead = loopback(mirror);
    dead.kill();
    b.app = testApp({ opener: dead });
    assert.equal(
      await message(),
      'failed to invoke, id: b, err: rpc error: code = Internal desc = error invoking app channel: connect ECONNREFUSED',
    );
  });

  it('retries when the other sidecar is away, and gives up after three', async () => {
    const { a, b, namespace } = pair();
    b.port.kill();
    const answer = request(a.http, { path: '/v1.0/invoke/b/method/x' });
    for (let i = 0; i < 4; i++) {
      await settled();
      namespace.clock.advance(1020);
    }
    assert.equal(
      error((await answer).body),
      'failed to invoke, id: b, err: failed to invoke target b after 3 retries. Error: rpc error: code = Unavailable desc = connect ECONNREFUSED',
    );
  });

  it('breaks the response off when the other sidecar dies in the middle of it', async () => {
    const { a, b } = pair((stream) => {
      stream.receiver = nothing;
      stream.respond({ status: 200, headers: new HeaderList() }, false);
      stream.write(Buffer.from('half'));
    });
    const answer = request(a.http, { path: '/v1.0/invoke/b/method/x' });
    answer.catch(() => {});
    await settled();
    b.port.kill();
    await assert.rejects(answer, (reset) => (reset as { reason: string }).reason === 'internal');
  });

  it('breaks the response off when the app does, and answers 500 when it had not begun', async () => {
    const { a, b } = pair((stream) => {
      stream.receiver = nothing;
      if (stream.head.path === '/begun') {
        stream.respond({ status: 200, headers: new HeaderList() }, false);
        stream.write(Buffer.from('half'));
      }
      setImmediate(() => stream.reset('internal'));
    });
    await assert.rejects(request(a.http, { path: '/v1.0/invoke/b/method/begun' }));
    const answer = await request(a.http, { path: '/v1.0/invoke/b/method/quiet' });
    assert.equal(answer.status, 500);
    assert.match(error(answer.body), /error invoking app channel: the server reset the stream/);
    assert.equal(a.proxy.inFlight + b.internal.inFlight, 0);
  });

  it('cancels the app’s work when the caller gives up', async () => {
    const resets: string[] = [];
    const { a, b } = pair((stream) => {
      stream.receiver = { ...nothing, onReset: ({ reason }) => void resets.push(reason) };
    });
    const head: RequestHead = {
      method: 'GET',
      scheme: 'http',
      authority: 'x',
      path: '/v1.0/invoke/b/method/x',
      headers: new HeaderList(),
    };
    const silent: ClientReceiver = { ...nothing, onHead() {} };
    const stream = a.http.open(head, true, silent);
    await settled();
    stream.reset('cancel');
    await settled();
    assert.deepEqual(resets, ['cancel']);
    assert.equal(a.proxy.inFlight + b.internal.inFlight, 0);
  });

  it('streams both ways at once, holding no more than the windows of the hops', async () => {
    const { a, b } = pair((stream) => {
      stream.respond({ status: 200, headers: new HeaderList() }, false);
      stream.receiver = {
        onData: (chunk, start, end) => {
          if (!stream.write(chunk, start, end)) stream.pause('peer');
        },
        onEnd: (trailers) => stream.end(trailers ?? undefined),
        onReset: () => assert.fail('reset'),
        onDrain: () => stream.resume('peer'),
      };
    });
    const total = 64 * 1024 * 1024;
    const chunk = Buffer.alloc(32 * 1024, 'x');
    let sent = 0;
    let got = 0;
    await new Promise<void>((resolve, reject) => {
      const head: RequestHead = {
        method: 'POST',
        scheme: 'http',
        authority: 'x',
        path: '/v1.0/invoke/b/method/echo',
        headers: new HeaderList(),
      };
      const pump = (): void => {
        while (sent < total) {
          sent += chunk.length;
          if (!stream.write(chunk)) return;
        }
        stream.end();
      };
      const stream = a.http.open(head, false, {
        onHead: pump,
        onData: (_bytes, start, end) => {
          got += end - start;
        },
        onEnd: () => resolve(),
        onReset: reject,
        onDrain: pump,
      });
    });
    assert.equal(got, total);
    for (const exchange of [...(a.http as ReturnType<typeof loopback>).exchanges, ...b.port.exchanges]) {
      assert.ok(exchange.request.bytesMax <= 128 * 1024, `request held ${exchange.request.bytesMax}`);
      assert.ok(exchange.response.bytesMax <= 128 * 1024, `response held ${exchange.response.bytesMax}`);
    }
  });

  it('delivers each piece of an event stream as it comes', async () => {
    let send = (_text: string): void => {};
    const { a } = pair((stream) => {
      stream.receiver = nothing;
      stream.respond({ status: 200, headers: HeaderList.of({ 'content-type': 'text/event-stream' }) }, false);
      send = (text) => void stream.write(Buffer.from(text));
    });
    const events: string[] = [];
    const head: RequestHead = {
      method: 'GET',
      scheme: 'http',
      authority: 'x',
      path: '/v1.0/invoke/b/method/events',
      headers: HeaderList.of({ accept: 'text/event-stream' }),
    };
    a.http.open(head, true, {
      ...nothing,
      onHead: ({ headers }) => void events.push(headers.get('content-type') ?? ''),
      onData: (chunk, start, end) => void events.push(chunk.toString('utf8', start, end)),
    });
    await settled();
    for (const i of [1, 2, 3]) {
      send(`data: ${i}\n\n`);
      await settled();
      assert.equal(events.length, i + 1);
    }
    assert.deepEqual(events, ['text/event-stream', 'data: 1\n\n', 'data: 2\n\n', 'data: 3\n\n']);
  });

  it('calls its own app without leaving the process, with identities set all the same', async () => {
    const { b } = pair();
    const saw = seen(
      (await request(b.http, { path: '/v1.0/invoke/b/method/self', headers: { 'dapr-caller-app-id': 'spoofed' } }))
        .body,
    );
    assert.deepEqual(
      [saw.path, field(saw, 'dapr-caller-app-id'), field(saw, 'dapr-callee-app-id')],
      ['/self', 'b', 'b'],
    );
    assert.equal(b.port.exchanges.length, 0);
    b.app = undefined;
    const answer = await request(b.http, { path: '/v1.0/invoke/b/method/self' });
    assert.equal(
      error(answer.body),
      'failed to invoke, id: b, err: cannot invoke local endpoint: app channel not initialized',
    );
  });

  it('counts under Dapr’s names', async () => {
    const { a, b } = pair();
    await request(a.http, { path: '/v1.0/invoke/b/method/x' });
    await request(a.http, { path: '/v1.0/invoke/b/method/x' });
    const sent = a.metrics.text();
    assert.match(sent, /dapr_runtime_service_invocation_req_sent_total\{app_id="a",dst_app_id="b",type="unary"\} 2/);
    assert.match(
      sent,
      /dapr_runtime_service_invocation_res_recv_total\{app_id="a",src_app_id="b",status="200",type="unary"\} 2/,
    );
    assert.match(
      sent,
      /dapr_runtime_service_invocation_res_recv_latency_ms_count\{app_id="a",src_app_id="b",status="200"\} 2/,
    );
    const received = b.metrics.text();
    assert.match(received, /dapr_runtime_service_invocation_req_recv_total\{app_id="b",src_app_id="a"\} 2/);
    assert.match(
      received,
      /dapr_runtime_service_invocation_res_sent_total\{app_id="b",dst_app_id="a",status="200"\} 2/,
    );
  });
});

describe('HTTP invoke of external services', () => {
  it('calls an absolute URL with nothing of ours in the request', async () => {
    const namespace = new TestNamespace();
    const a = namespace.add('a');
    namespace.external.set('http://api.example.com:8080', loopback(mirror, { protocol: 'http/1.1' }));
    const answer = await request(a.http, {
      path: '/v1.0/invoke/http://api.example.com:8080/method/x/y?q=1',
      headers: { 'dapr-api-token': 'secret', 'x-custom': '1' },
    });
    const saw = seen(answer.body);
    assert.equal(saw.path, '/x/y?q=1');
    assert.deepEqual(saw.headers, [['x-custom', '1']]);
  });

  it('calls an HTTPEndpoint document under its base URL, with its headers', async () => {
    const namespace = new TestNamespace();
    const document = {
      kind: 'HTTPEndpoint',
      name: 'mywebsite',
      baseUrl: 'https://example.com/base',
      headers: [{ name: 'X-Key', value: 'k' }],
    } as unknown as HttpEndpointDocument;
    const a = namespace.add('a', undefined, { endpoints: [document], externalHosts: [] });
    namespace.external.set('https://example.com:443', loopback(mirror, { protocol: 'http/1.1' }));
    const saw = seen((await request(a.http, { path: '/v1.0/invoke/mywebsite/method/hello' })).body);
    assert.deepEqual([saw.path, field(saw, 'x-key')], ['/base/hello', 'k']);

    const denied = await request(a.http, { path: '/v1.0/invoke/https://example.com/method/hello' });
    assert.equal(denied.status, 403);
    assert.equal(
      error(denied.body),
      'failed to invoke, id: https://example.com, err: host example.com is not in invoke.externalHosts',
    );
  });

  it('takes nothing that an external service says for a word of a sidecar', async () => {
    const namespace = new TestNamespace();
    const a = namespace.add('a');
    namespace.external.set(
      'http://evil.example:80',
      loopback((stream) => {
        stream.receiver = nothing;
        stream.respond(
          { status: 200, headers: HeaderList.of({ 'outrigger-reply': 'error', 'outrigger-status': '7' }) },
          true,
        );
      }),
    );
    const answer = await request(a.http, { path: '/v1.0/invoke/http://evil.example/method/x' });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.size, 0);
  });
});
