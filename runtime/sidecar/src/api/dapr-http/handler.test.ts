import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock, type HttpHandler, respondText, silentLogger } from '@outrigger/engine';
import { fail } from '../../errors.js';
import { MetricsRegistry } from '../../telemetry/metrics.js';
import { noApiLogging } from '../api-logging.js';
import { allApis } from '../api-rules.js';
import { exchange, TestExchange, type TestRequest } from '../testing/http-exchange.js';
import { createDaprHttpHandler, type DaprHttpDeps } from './handler.js';
import { HTTP_SERIES_MAX, pathLabel } from './metrics.js';
import type { HttpReply, HttpRoute } from './route.js';

const LIMIT = 100;

function setup(overrides: Partial<DaprHttpDeps> = {}, handle?: HttpRoute['handle']) {
  const metrics = new MetricsRegistry();
  const lines: Record<string, unknown>[] = [];
  const common = { api: 'state', version: 'v1.0' } as const;
  const routes: HttpRoute[] = [
    {
      ...common,
      methods: ['GET'],
      pattern: '/v1.0/state/{store}/{key}',
      name: 'GetState',
      body: 'none',
      handle:
        (handle as never) ??
        (({ params, query, metadata }): HttpReply => ({ status: 200, body: { params, query: [...query], metadata } })),
    },
    {
      ...common,
      methods: ['POST'],
      pattern: '/v1.0/state/{store}',
      body: 'buffer',
      handle: ({ body }) => ({ status: 201, headers: { 'content-type': 'text/x' }, body }),
    },
    {
      ...common,
      api: 'healthz',
      methods: ['GET'],
      pattern: '/v1.0/healthz',
      open: true,
      body: 'none',
      handle: () => ({ status: 204 }),
    },
    {
      ...common,
      api: 'publish',
      methods: ['GET'],
      pattern: '/v1.0/stream',
      body: 'stream',
      handle: ({ stream }) => respondText(stream, 200, 'streamed'),
    },
  ];
  const handler = createDaprHttpHandler({
    clock: new FakeClock(),
    log: { ...silentLogger, info: ((fields: Record<string, unknown>) => lines.push(fields)) as never },
    metrics,
    appId: 'app',
    apiToken: undefined,
    allowedOrigins: [],
    apiRules: allApis,
    apiLogging: noApiLogging,
    messageBytesMax: LIMIT,
    routes,
    fallback: undefined,
    ...overrides,
  });
  return { ask: (request: TestRequest) => exchange(handler, request), handler, metrics, lines };
}

const fallback: HttpHandler = (stream) => {
  stream.receiver = { onData() {}, onEnd() {}, onReset() {}, onDrain() {} };
  respondText(stream, 202, `fallback ${stream.head.headers.get('dapr-api-token') ?? 'no token'}`);
};

describe('HTTP API', () => {
  it('decodes places, query and metadata, with + as a space', async () => {
    const { ask } = setup();
    const { json, headers } = await ask({
      path: '/v1.0//state/my+store/a%2Fb/?x=1+2&metadata.k=v+w&metadata.k=no&metadata.__proto__=p',
    });
    assert.equal(headers.get('content-type'), 'application/json');
    assert.deepEqual(
      json(),
      JSON.parse(
        '{"params":{"store":"my store","key":"a/b"},"query":[["x","1 2"],["metadata.k","v w"],["metadata.k","no"],["metadata.__proto__","p"]],"metadata":{"k":"v w","__proto__":"p"}}',
      ),
    );
  });

  it('refuses a place that is malformed', async () => {
    const { status, text } = await setup().ask({ path: '/v1.0/state/s/%zz' });
    assert.equal(status, 400);
    assert.equal(text, 'failed to unescape request parameter "key". Error: invalid URL escape\n');
  });

  it('takes bodies whole, up to the limit', async () => {
    const { ask } = setup();
    const reply = await ask({ method: 'POST', path: '/v1.0/state/s', body: 'x'.repeat(LIMIT) });
    assert.deepEqual([reply.status, reply.headers.get('content-type'), reply.body.length], [201, 'text/x', LIMIT]);
    const refused = await ask({ method: 'POST', path: '/v1.0/state/s', body: 'x'.repeat(LIMIT + 1) });
    assert.equal(refused.status, 413);
    assert.deepEqual(refused.json(), {
      errorCode: 'ERR_BODY_READ',
      message: `failed to read request body: it is larger than the limit of ${LIMIT} bytes (max-body-size)`,
    });
  });

  it('hands what no route serves to the fallback, else answers 404', async () => {
    const { status, text } = await setup().ask({ path: '/v1.0/nothing' });
    assert.deepEqual([status, text], [404, '404 page not found\n']);
    const { ask } = setup({ fallback });
    assert.equal((await ask({ path: '/v1.0/nothing' })).status, 202);
    assert.equal((await ask({ method: 'PATCH', path: '/v1.0/state/s/k' })).status, 202);
    assert.equal((await ask({ path: '/v1.0/state/s/k' })).status, 200);
  });

  it("answers errors of the table in Dapr's JSON, faults of its own without their text", async () => {
    const answer = async (error: unknown) => {
      const { status, json } = await setup({}, () => {
        throw error;
      }).ask({ path: '/v1.0/state/s/k' });
      return [status, json()];
    };
    assert.deepEqual(await answer(fail('STATE_STORE_NOT_FOUND', { name: 's', appID: 'app' })), [
      400,
      {
        errorCode: 'ERR_STATE_STORE_NOT_FOUND',
        message: 'state store s is not found',
        details: [
          {
            '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
            domain: 'dapr.io',
            metadata: { appID: 'app' },
            reason: 'DAPR_STATE_NOT_FOUND',
          },
        ],
      },
    ]);
    assert.deepEqual(await answer(fail('STATE_GET_FAILED', { key: 'k', name: 's', error: 'x' })), [
      500,
      { errorCode: 'ERR_STATE_GET', message: 'fail to get k from state store s: x' },
    ]);
    assert.deepEqual(await answer(new TypeError('secret detail')), [
      500,
      { errorCode: 'ERR_INTERNAL', message: 'internal error; the log of the sidecar says more' },
    ]);
  });

  it('answers with an error of its own when an answer cannot be sent', async () => {
    const cyclic: Record<string, unknown> = {};
    cyclic['self'] = cyclic;
    for (const reply of [{ status: 200, body: cyclic }, Promise.resolve({ status: 200, body: cyclic })]) {
      const { status, json } = await setup({}, () => reply).ask({ path: '/v1.0/state/s/k' });
      assert.equal(status, 500);
      assert.equal((json() as { errorCode: string }).errorCode, 'ERR_INTERNAL');
    }
  });

  it('answers nothing to a caller that left, and tells the handler', async () => {
    let signal: AbortSignal | undefined;
    let release = (_reply: HttpReply): void => {};
    const { handler, metrics } = setup({}, ({ context }) => {
      signal = context.signal;
      return new Promise((resolve) => {
        release = resolve;
      });
    });
    const stream = new TestExchange({ path: '/v1.0/state/s/k' });
    handler(stream);
    stream.receiver.onReset({ reason: 'cancel', message: 'gone', unprocessed: false });
    assert.equal(signal?.aborted, true);
    release({ status: 200, body: 'late' });
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(stream.responded, false);
    assert.match(metrics.text(), /request_count\{app_id="app",method="GET",path="\/v1.0\/state\/s",status="499"\} 1/);
  });

  describe('token', () => {
    it('is needed everywhere but for health, and forwarded to nobody', async () => {
      const { ask } = setup({ apiToken: 'secret', fallback });
      const headers = { 'dapr-api-token': 'secret' };
      assert.equal((await ask({ path: '/v1.0/state/s/k', headers })).status, 200);
      assert.equal((await ask({ path: '/v1.0/healthz/' })).status, 204);
      for (const path of ['/v1.0/state/s/k', '/v1.0/nothing', '/v1.0/stream']) {
        const refused = await ask({ path, headers: { 'dapr-api-token': 'guess' } });
        assert.deepEqual([refused.status, refused.text], [401, 'invalid api token\n']);
      }
      assert.equal((await ask({ path: '/v1.0/nothing', headers })).text, 'fallback no token');
    });
  });

  describe('rules', () => {
    const rule = (name: string, version: string, protocol: 'http' | 'grpc' = 'http') => ({ name, version, protocol });

    it('take routes away by name and version, or by the beginning of the path', async () => {
      for (const denied of [rule('state', 'v1'), rule('state', 'v1.0'), rule('state/{store}/{key}', 'v1.0')]) {
        const { ask } = setup({ apiRules: { allowed: [], denied: [denied] }, fallback });
        assert.equal((await ask({ path: '/v1.0/state/s/k' })).status, 202, denied.name);
      }
      const { ask } = setup({
        apiRules: { allowed: [], denied: [rule('state', 'v1alpha1'), rule('state', 'v1', 'grpc')] },
      });
      assert.equal((await ask({ path: '/v1.0/state/s/k' })).status, 200);
    });

    it('leave only what is allowed, and health', async () => {
      const { ask } = setup({ apiRules: { allowed: [rule('publish', 'v1')], denied: [] }, fallback });
      assert.equal((await ask({ path: '/v1.0/stream' })).status, 200);
      assert.equal((await ask({ path: '/v1.0/healthz' })).status, 204);
      assert.equal((await ask({ path: '/v1.0/state/s/k' })).status, 404);
    });
  });

  describe('pages in a browser', () => {
    const path = '/v1.0/state/s/k';
    const statusOf = async (request: Partial<TestRequest>, allowedOrigins: readonly string[] = []) =>
      (await setup({ allowedOrigins }).ask({ path, ...request })).status;

    it('of other sites are refused', async () => {
      const { status, json } = await setup().ask({ path, headers: { origin: 'http://evil.example' } });
      assert.equal(status, 403);
      assert.equal((json() as { errorCode: string }).errorCode, 'ERR_ORIGIN_REFUSED');
      assert.equal(await statusOf({ headers: { origin: 'null' } }), 403);
      assert.equal(await statusOf({ headers: { 'sec-fetch-site': 'cross-site' } }), 403);
      assert.equal(await statusOf({ headers: { 'sec-fetch-site': 'same-site' } }), 403);
    });

    it('of this address, and programs, are not', async () => {
      assert.equal(await statusOf({}), 200);
      assert.equal(await statusOf({ headers: { 'sec-fetch-site': 'none' } }), 200);
      assert.equal(
        await statusOf({ headers: { origin: 'http://localhost:3500', 'sec-fetch-site': 'same-origin' } }),
        200,
      );
    });

    it('that rebind a DNS name to loopback are refused by their Host', async () => {
      const { status, json } = await setup().ask({ path, authority: 'evil.example:3500' });
      assert.equal(status, 403);
      assert.equal((json() as { errorCode: string }).errorCode, 'ERR_HOST_REFUSED');
      for (const authority of [
        '127.0.0.1:3500',
        '[::1]:3500',
        'app.localhost',
        'LOCALHOST',
        '',
        'sidecar:3500',
        'host.docker.internal:3500',
      ]) {
        assert.equal(await statusOf({ authority }), 200, authority);
      }
      assert.equal(await statusOf({ authority: 'sidecar:3500', local: '172.17.0.2' }), 200);
      assert.equal(await statusOf({ authority: 'dev.example' }, ['http://dev.example:8080']), 200);
    });

    it('of allowed origins get CORS answers', async () => {
      const allowedOrigins = ['https://app.example', 'http://*.dev.example'];
      const { ask } = setup({ allowedOrigins });
      const answer = await ask({ path, headers: { origin: 'https://app.example', 'sec-fetch-site': 'cross-site' } });
      assert.equal(answer.headers.get('access-control-allow-origin'), 'https://app.example');
      assert.equal(await statusOf({ headers: { origin: 'http://a.dev.example' } }, allowedOrigins), 200);
      assert.equal(await statusOf({ headers: { origin: 'http://dev.example' } }, allowedOrigins), 403);
      const preflight = await ask({
        method: 'OPTIONS',
        path,
        headers: {
          origin: 'https://app.example',
          'access-control-request-method': 'PUT',
          'access-control-request-headers': 'content-type',
        },
      });
      assert.equal(preflight.status, 200);
      assert.equal(preflight.headers.get('access-control-allow-methods'), 'PUT');
      assert.equal(preflight.headers.get('access-control-allow-headers'), 'content-type');
      assert.deepEqual(preflight.headers.getAll('vary'), [
        'Origin',
        'Access-Control-Request-Method',
        'Access-Control-Request-Headers',
      ]);
    });

    it('of every site are answered when * is allowed, as by daprd', async () => {
      const { ask } = setup({ allowedOrigins: ['*'] });
      const answer = await ask({
        path: '/v1.0/stream',
        authority: 'evil.example',
        headers: { origin: 'http://evil.example' },
      });
      assert.equal(answer.status, 200);
      assert.equal(answer.headers.get('access-control-allow-origin'), '*');
    });
  });

  describe('is observed', () => {
    it('by method, path and status, with sizes', async () => {
      const { ask, metrics } = setup({ fallback });
      await ask({ path: '/v1.0/state/s/k' });
      await ask({ path: '/v1.0/stream' });
      await ask({ method: 'BREW', path: '/coffee' });
      const text = metrics.text();
      for (const line of [
        'dapr_http_server_request_count{app_id="app",method="GET",path="/v1.0/state/s",status="200"} 1',
        'dapr_http_server_response_count{app_id="app",method="GET",path="/v1.0/stream",status="200"} 1',
        'dapr_http_server_request_count{app_id="app",method="UNKNOWN",path="/coffee",status="202"} 1',
        'dapr_http_server_latency_count{app_id="app",method="GET",path="/v1.0/state/s",status="200"} 1',
        'dapr_http_server_response_bytes_count{app_id="app"} 3',
      ]) {
        assert.ok(text.includes(`${line}\n`), `${line}\n${text}`);
      }
    });

    it('with a bounded number of paths', async () => {
      const { ask, metrics } = setup({ fallback });
      for (let i = 0; i < HTTP_SERIES_MAX + 10; i++) await ask({ path: `/x/${i}` });
      assert.match(metrics.text(), /request_count\{app_id="app",method="GET",path="overflow",status="202"\} 10\n/);
    });

    it('with the labels of Dapr', () => {
      const cases: readonly (readonly [string, string])[] = [
        ['/v1.0/state/s/k', '/v1.0/state/s'],
        ['/v1.0/secrets/v/name', '/v1.0/secrets/v'],
        ['/v1.0/metadata', '/v1.0/metadata'],
        ['/v1.0/publish/p/t', '/v1.0/publish/p/t'],
        ['/v1.0/actors/T/1/timers/x', '/v1.0/actors/T/{id}/timers'],
        ['/v1.0/workflows/c/1', '/v1.0/workflows/c/{instanceId}'],
        ['/v1.0/workflows/c/w/start', '/v1.0/workflows/c/w/start'],
        ['/v1.0/workflows/c/1/pause', '/v1.0/workflows/c/{instanceId}/pause'],
        ['/v1.0/workflows/c/1/raiseEvent/e', '/v1.0/workflows/c/{instanceId}/raiseEvent/{eventName}'],
        ['//v1.0//invoke/a/method/b/c/d', '/v1.0/invoke/a/method/b/c/d'],
      ];
      for (const [path, label] of cases) assert.equal(pathLabel(path), label);
    });

    it('in the log when asked for, by name where URLs are hidden, without health checks if told so', async () => {
      const { ask, lines } = setup({ apiLogging: { enabled: true, obfuscateUrls: false, omitHealthChecks: true } });
      await ask({ path: '/v1.0/state/s/k', headers: { 'user-agent': 'curl' } });
      await ask({ path: '/v1.0/healthz' });
      assert.equal(lines.length, 1);
      assert.equal(lines[0]?.['method'], 'GET /v1.0/state/s/k');
      assert.equal(lines[0]?.['useragent'], 'curl');
      assert.equal(lines[0]?.['code'], 200);
      const hidden = setup({ apiLogging: { enabled: true, obfuscateUrls: true, omitHealthChecks: false } });
      await hidden.ask({ path: '/v1.0/state/s/k' });
      assert.equal(hidden.lines[0]?.['method'], 'GetState');
    });
  });
});
