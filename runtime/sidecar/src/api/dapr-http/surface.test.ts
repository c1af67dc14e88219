import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type ClientReceiver, type ClientStream, HeaderList, type RequestHead } from '@outrigger/engine';
import type { InvokeRequest } from '@outrigger/proto/dapr/common/v1';
import type { AppChannel } from '../../app/channel.js';
import { exchange, type TestRequest } from '../testing/http-exchange.js';
import { createTestSurfaces } from '../testing/surfaces.js';

/** An app that remembers what it was sent; the first `refusals` connections fail. */
function testApp(refusals = 0, status = 200) {
  const calls: { path: string; body: unknown }[] = [];
  let wake = (): void => {};
  let receptive = true;
  const listeners = new Set<(is: boolean) => void>();
  let left = refusals;
  const app = {
    protocol: 'http',
    address: '127.0.0.1:3000',
    grpc: undefined,
    healthy: true,
    onHealth: () => () => {},
    get receptive() {
      return receptive;
    },
    onReceptive: (listener: (is: boolean) => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    unreachable: () => {
      receptive = false;
      setImmediate(() => {
        receptive = true;
        for (const listener of listeners) listener(true);
      });
    },
    ready: async () => {},
    close: async () => {},
    open: (head: RequestHead, _end: boolean, receiver: ClientReceiver): ClientStream => {
      const chunks: Buffer[] = [];
      const answer = (): void => {
        if (left-- > 0) {
          receiver.onReset({ reason: 'connect', message: 'refused', unprocessed: true });
          return;
        }
        calls.push({ path: head.path, body: JSON.parse(Buffer.concat(chunks).toString('utf8')) });
        receiver.onHead({ status, headers: new HeaderList() }, true);
        wake();
      };
      return {
        protocol: 'http/1.1',
        writable: true,
        write: (chunk: Uint8Array) => {
          chunks.push(Buffer.from(chunk));
          return true;
        },
        end: () => setImmediate(answer),
        reset: () => {},
        pause: () => {},
        resume: () => {},
      };
    },
  } as unknown as AppChannel;
  const until = async (count: number): Promise<void> => {
    while (calls.length < count) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  return { app, calls, until };
}

function setup(app?: AppChannel) {
  const surfaces = createTestSurfaces({ app: () => app });
  const { configStore, target, shutdowns } = surfaces;
  const ask = (request: TestRequest) => exchange(surfaces.httpHandler, request);
  const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    ask({ method: 'POST', path, body: typeof body === 'string' ? body : JSON.stringify(body), headers });
  return { ask, post, configStore, target, shutdowns, surfaces };
}

const STORE = '/v1.0/state/store';

describe('Dapr HTTP: state', () => {
  it('saves, gets and deletes', async () => {
    const { ask, post } = setup();
    assert.equal((await post(STORE, [{ key: 'k', value: { b: 1, a: 'x' } }])).status, 204);
    const found = await ask({ path: `${STORE}/k` });
    assert.deepEqual([found.status, found.text], [200, '{"a":"x","b":1}']);
    assert.ok(found.headers.get('etag'));
    assert.equal((await ask({ method: 'DELETE', path: `${STORE}/k` })).status, 204);
    const gone = await ask({ path: `${STORE}/k` });
    assert.deepEqual([gone.status, gone.text], [204, '']);
  });

  it('stores values as JSON: strings quoted, integers whole, no value as null', async () => {
    const { ask, post } = setup();
    await post(
      STORE,
      '[{"key":"s","value":"text"},{"key":"n","value":12345678901234567890},{"Key":"none"},{"key":"h","value":"<"}]',
    );
    const text = async (key: string) => (await ask({ path: `${STORE}/${key}` })).text;
    assert.equal(await text('s'), '"text"');
    assert.equal(await text('n'), '12345678901234567890');
    assert.equal(await text('none'), 'null');
    assert.equal(await text('h'), '"\\u003c"');
  });

  it("answers a body that is no list of items in Go's words", async () => {
    const { post } = setup();
    const cases: readonly (readonly [string, string])[] = [
      ['', 'EOF'],
      ['[', 'unexpected end of JSON input'],
      ['{}', 'json: cannot unmarshal object into Go value of type []state.SetRequest'],
      ['[1]', 'json: cannot unmarshal number into Go value of type state.SetRequest'],
      ['[{"key":1}]', 'json: cannot unmarshal number into Go struct field SetRequest.key of type string'],
      ['[{"key":"k","etag":1}]', 'json: cannot unmarshal number into Go struct field SetRequest.etag of type string'],
      [
        '[{"key":"k","metadata":{"a":1}}]',
        'json: cannot unmarshal number into Go struct field SetRequest.metadata of type string',
      ],
      ['[{"value":1}]', '"key" is a required field'],
    ];
    for (const [body, message] of cases) {
      const { status, json } = await post(STORE, body);
      assert.deepEqual([status, json()], [400, { errorCode: 'ERR_MALFORMED_REQUEST', message }], body);
    }
    assert.equal((await post(STORE, 'null')).status, 204);
    assert.equal((await post(STORE, '[]')).status, 204);
  });

  it('guards by If-Match and etag; a mismatch is 409', async () => {
    const { ask, post } = setup();
    await post(STORE, [{ key: 'k', value: 1 }]);
    const etag = (await ask({ path: `${STORE}/k` })).headers.get('etag') as string;
    const save = await post(STORE, [{ key: 'k', value: 2, etag: 'no' }]);
    assert.equal(save.status, 409);
    assert.equal((save.json() as { errorCode: string }).errorCode, 'ERR_STATE_SAVE');
    assert.equal((save.json() as { details?: unknown }).details, undefined);
    const removal = await ask({ method: 'DELETE', path: `${STORE}/k`, headers: { 'if-match': 'no' } });
    assert.equal(removal.status, 409);
    assert.match(
      (removal.json() as { message: string }).message,
      /^failed deleting state with key k: possible etag mismatch/,
    );
    assert.equal((await ask({ method: 'DELETE', path: `${STORE}/k`, headers: { 'if-match': etag } })).status, 204);
    await post(STORE, [{ key: 'f', value: 1, options: { concurrency: 'first-write' } }]);
    assert.equal((await post(STORE, [{ key: 'f', value: 1, options: { Concurrency: 'first-write' } }])).status, 409);
  });

  it('refuses options it does not know', async () => {
    const { ask, post } = setup();
    const save = await post(STORE, [{ key: 'k', value: 1, options: { concurrency: 'fastest' } }]);
    assert.equal(save.status, 500);
    assert.deepEqual(save.json(), {
      errorCode: 'ERR_STATE_SAVE',
      message: "failed saving state in state store store: unrecognized concurrency model 'fastest'",
    });
    assert.equal((await ask({ method: 'DELETE', path: `${STORE}/k?consistency=weak` })).status, 500);
  });

  it('takes a TTL from the item or the URL and tells when it ends', async () => {
    const { ask, post } = setup();
    await post(`${STORE}?metadata.ttlInSeconds=60`, [{ key: 'k', value: 1, metadata: { ttlInSeconds: '5' } }]);
    const { headers } = await ask({ path: `${STORE}/k` });
    assert.equal(headers.get('metadata.ttlexpiretime'), '2026-01-01T00:01:00Z');
  });

  it('names a store that does not exist, before it reads the body', async () => {
    const { post } = setup();
    const { status, json } = await post('/v1.0/state/nope', 'garbage');
    assert.equal(status, 400);
    const { errorCode, message, details } = json() as {
      errorCode: string;
      message: string;
      details: { metadata: object }[];
    };
    assert.deepEqual([errorCode, message], ['ERR_STATE_STORE_NOT_FOUND', 'state store nope is not found']);
    assert.deepEqual(details[0]?.metadata, { appID: 'app' });
  });

  it("refuses a key with the separator with Dapr's details", async () => {
    const { ask } = setup();
    const { status, json } = await ask({ path: `${STORE}/a%7C%7Cb` });
    const message = "api error: code = InvalidArgument desc = input key/keyPrefix 'a||b' can't contain '||'";
    assert.equal(status, 400);
    assert.deepEqual(json(), {
      errorCode: 'ERR_MALFORMED_REQUEST',
      message,
      details: [
        {
          '@type': 'type.googleapis.com/google.rpc.BadRequest',
          field_violations: [{ field: 'a||b', description: message }],
        },
        {
          '@type': 'type.googleapis.com/google.rpc.ResourceInfo',
          description: '',
          owner: '',
          resource_name: 'store',
          resource_type: 'state',
        },
        {
          '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
          domain: 'dapr.io',
          metadata: null,
          reason: 'DAPR_STATE_ILLEGAL_KEY',
        },
      ],
    });
  });

  it('reads many', async () => {
    const { post } = setup();
    await post(STORE, [
      { key: 'a', value: 1 },
      { key: 'b', value: 'x', metadata: { ttlInSeconds: '60' } },
    ]);
    const { status, json } = await post(`${STORE}/bulk`, { keys: ['b', 'none', 'a'], parallelism: 2 });
    assert.equal(status, 200);
    const items = json() as { key: string; data?: unknown; etag?: string; metadata?: object }[];
    assert.deepEqual(
      items.map(({ key, data }) => [key, data]),
      [
        ['b', 'x'],
        ['none', undefined],
        ['a', 1],
      ],
    );
    assert.deepEqual(items[0]?.metadata, { ttlExpireTime: '2026-01-01T00:01:00Z' });
    assert.equal((await post(`${STORE}/bulk`, { keys: [] })).text, '[]');
    const bad = await post(`${STORE}/bulk`, '{');
    assert.deepEqual(bad.json(), {
      errorCode: 'ERR_MALFORMED_REQUEST',
      message: 'failed deserializing HTTP body: unexpected end of JSON input',
    });
  });

  it('runs transactions whole or not at all', async () => {
    const { ask, post } = setup();
    const operation = (name: string, key: string, more: object = {}) => ({
      operation: name,
      request: { key, value: 1, ...more },
    });
    const run = (...operations: object[]) => post(`${STORE}/transaction`, { operations });
    assert.equal((await run(operation('upsert', 'a'), operation('upsert', 'b'))).status, 204);
    const aborted = await run(operation('delete', 'a'), operation('upsert', 'b', { etag: 'no' }));
    assert.equal(aborted.status, 500);
    assert.equal((aborted.json() as { errorCode: string }).errorCode, 'ERR_STATE_TRANSACTION');
    assert.equal((await ask({ path: `${STORE}/a` })).status, 200);
    const unknown = await run(operation('increment', 'a'));
    assert.deepEqual(
      [unknown.status, unknown.json()],
      [400, { errorCode: 'ERR_NOT_SUPPORTED_STATE_OPERATION', message: 'operation type increment not supported' }],
    );
    assert.equal((await run()).status, 204);
  });

  it('queries', async () => {
    const { post } = setup();
    await post(STORE, [
      { key: 'a', value: { age: 30 } },
      { key: 'b', value: { age: 20 } },
    ]);
    const path = '/v1.0-alpha1/state/store/query';
    const { json } = await post(path, { filter: { EQ: { age: 30 } } });
    assert.deepEqual(
      (json() as { results: { key: string; data: object }[] }).results.map(({ key, data }) => [key, data]),
      [['a', { age: 30 }]],
    );
    assert.equal((await post(path, { filter: { EQ: { age: 99 } } })).status, 204);
    assert.equal((await post(path, '{')).status, 500);
  });
});

describe('Dapr HTTP: configuration', () => {
  const path = '/v1.0/configuration/config';

  it('gets items', async () => {
    const { ask, configStore } = setup();
    assert.equal((await ask({ path: `${path}?key=a` })).status, 204);
    await configStore.save?.({ metadata: {} }, [
      { key: 'a', value: '1' },
      { key: 'b', value: '2' },
    ]);
    const { json } = await ask({ path: `/v1.0-alpha1/configuration/config?key=a&key=x` });
    assert.deepEqual(Object.keys(json() as object), ['a']);
    assert.equal((json() as { a: { value: string } }).a.value, '1');
    const missing = await ask({ path: '/v1.0/configuration/nope' });
    assert.deepEqual(
      [missing.status, missing.json()],
      [400, { errorCode: 'ERR_CONFIGURATION_STORE_NOT_FOUND', message: 'configuration store nope not found' }],
    );
  });

  it('posts changes to the app until it unsubscribes', async () => {
    const { app, calls, until } = testApp();
    const { ask, configStore } = setup(app);
    const { id } = (await ask({ path: `${path}/subscribe?key=a/b%3F` })).json() as { id: string };
    await configStore.save?.({ metadata: {} }, [{ key: 'a/b?', value: '1' }]);
    await until(1);
    assert.equal(calls[0]?.path, '/configuration/config/a/b%3F');
    const body = calls[0]?.body as { id: string; items: Record<string, { value: string }> };
    assert.equal(body.id, id);
    assert.equal(body.items['a/b?']?.value, '1');
    assert.deepEqual((await ask({ path: `${path}/${id}/unsubscribe` })).json(), { ok: true });
    const again = await ask({ path: `${path}/${id}/unsubscribe` });
    assert.equal(again.status, 500);
    assert.deepEqual(again.json(), {
      message: `failed to unsubscribe to configuration request ${id}: subscription with id ${id} does not exist`,
    });
  });

  it('waits for an app that cannot be reached', async () => {
    const { app, calls, until } = testApp(2);
    const { ask, configStore } = setup(app);
    await ask({ path: `${path}/subscribe` });
    await configStore.save?.({ metadata: {} }, [{ key: 'a', value: '1' }]);
    await until(1);
    assert.equal(calls.length, 1);
  });

  it('goes on after an app that answered with an error', async () => {
    const { app, calls, until } = testApp(0, 500);
    const { ask, configStore } = setup(app);
    await ask({ path: `${path}/subscribe` });
    await configStore.save?.({ metadata: {} }, [{ key: 'a', value: '1' }]);
    await until(1);
    await configStore.save?.({ metadata: {} }, [{ key: 'a', value: '2' }]);
    await until(2);
    const second = calls[1]?.body as { items: { a: { value: string } } } | undefined;
    assert.equal(second?.items.a.value, '2');
  });

  it('calls OnInvoke of an app that speaks gRPC', async () => {
    const requests: InvokeRequest[] = [];
    let heard = (): void => {};
    const hearing = new Promise<void>((resolve) => {
      heard = resolve;
    });
    const unary = async (_: unknown, request: InvokeRequest): Promise<object> => {
      requests.push(request);
      heard();
      return {};
    };
    const app = Object.defineProperty(testApp().app, 'grpc', { value: { unary } });
    const { ask, configStore } = setup(app);
    await ask({ path: `${path}/subscribe` });
    await configStore.save?.({ metadata: {} }, [{ key: 'a', value: '1' }]);
    await hearing;
    assert.equal(requests[0]?.method, 'configuration/config/a');
    assert.equal(requests[0]?.contentType, 'application/json');
    const { items } = JSON.parse(Buffer.from(requests[0]?.data?.value ?? '').toString()) as {
      items: { a: { value: string } };
    };
    assert.equal(items.a.value, '1');
  });

  it('needs an app', async () => {
    const { status, json } = await setup().ask({ path: `${path}/subscribe` });
    assert.equal(status, 500);
    assert.equal((json() as { errorCode: string }).errorCode, 'ERR_APP_CHANNEL_NIL');
  });
});

describe('Dapr HTTP: lock, secrets, metadata, health, shutdown', () => {
  it('locks and unlocks', async () => {
    const { post } = setup();
    const body = { resourceId: 'r', lockOwner: 'me', expiryInSeconds: 10, unknown: 1 };
    const lock = (more: object = {}) => post('/v1.0-alpha1/lock/locks', { ...body, ...more });
    assert.equal((await lock()).text, '{"success":true}');
    assert.equal((await lock({ lockOwner: 'you' })).text, '{"success":false}');
    assert.equal(
      (await post('/v1.0-alpha1/unlock/locks', { resource_id: 'r', lock_owner: 'you' })).text,
      '{"status":2}',
    );
    assert.equal((await post('/v1.0-alpha1/unlock/locks', body)).text, '{"status":0}');
    assert.deepEqual((await lock({ expiryInSeconds: 0 })).json(), {
      errorCode: 'ERR_MALFORMED_REQUEST',
      message: 'ExpiryInSeconds is not positive in lock store locks',
    });
    assert.equal((await lock({ expiryInSeconds: 'x' })).status, 400);
    assert.equal((await post('/v1.0-alpha1/lock/locks', '')).status, 400);
  });

  it('reads secrets within their scopes', async () => {
    const { ask } = setup();
    assert.deepEqual((await ask({ path: '/v1.0/secrets/vault/a' })).json(), { k: 'v' });
    assert.deepEqual((await ask({ path: '/v1.0/secrets/vault/bulk' })).json(), { a: { k: 'v' } });
    const denied = await ask({ path: '/v1.0/secrets/vault/b' });
    assert.deepEqual(
      [denied.status, denied.json()],
      [403, { errorCode: 'ERR_PERMISSION_DENIED', message: 'access denied by policy to get "b" from "vault"' }],
    );
    assert.equal((await ask({ path: '/v1.0/secrets/nope/a' })).status, 401);
  });

  it('tells and takes metadata', async () => {
    const { ask } = setup();
    assert.equal((await ask({ method: 'PUT', path: '/v1.0/metadata/cli+PID', body: '42' })).status, 204);
    const metadata = (await ask({ path: '/v1.0/metadata' })).json() as Record<string, unknown>;
    assert.deepEqual(Object.keys(metadata), [
      'id',
      'runtimeVersion',
      'components',
      'extended',
      'subscriptions',
      'httpEndpoints',
      'appConnectionProperties',
      'actorRuntime',
      'resiliencies',
    ]);
    assert.deepEqual(metadata['extended'], { 'cli PID': '42', daprRuntimeVersion: '1.18.0' });
    assert.deepEqual(metadata['subscriptions'], [
      { pubsubname: 'p', topic: 't', rules: [{ path: '/t' }], deadLetterTopic: '', type: 'PROGRAMMATIC' },
    ]);
    assert.deepEqual(metadata['appConnectionProperties'], {
      port: 3000,
      protocol: 'http',
      channelAddress: '127.0.0.1',
      maxConcurrency: 5,
      health: {
        healthCheckPath: '/healthz',
        healthProbeInterval: '5s',
        healthProbeTimeout: '500ms',
        healthThreshold: 3,
      },
    });
    assert.deepEqual(metadata['actorRuntime'], { runtimeStatus: 'DISABLED', hostReady: false });
  });

  it('tells its health', async () => {
    const { ask, target } = setup();
    assert.equal((await ask({ path: '/v1.0/healthz' })).status, 204);
    assert.equal((await ask({ path: '/v1.0/healthz?appid=app' })).status, 204);
    const other = await ask({ path: '/v1.0/healthz?appid=other' });
    assert.deepEqual(
      [other.status, other.json()],
      [500, { errorCode: 'ERR_HEALTH_APPID_NOT_MATCH', message: 'dapr app-id does not match' }],
    );
    target.notReady();
    assert.deepEqual((await ask({ path: '/v1.0/healthz' })).json(), {
      errorCode: 'ERR_HEALTH_NOT_READY',
      message: 'dapr is not ready: [api]',
    });
    assert.equal((await ask({ path: '/v1.0/healthz/outbound' })).status, 500);
  });

  it('shuts down', async () => {
    const { ask, shutdowns } = setup();
    assert.equal((await ask({ method: 'POST', path: '/v1.0/shutdown' })).status, 204);
    await ask({ method: 'POST', path: '/v1.0/shutdown', headers: { 'dapr-force-shutdown': 'true' } });
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(shutdowns, ['graceful', 'forced']);
  });
});

describe('Dapr HTTP: every route', () => {
  it('that is not served answers 501 and says so; this list only ever shrinks', async () => {
    const { ask, surfaces } = setup();
    const notServed: string[] = [];
    for (const { methods, pattern } of surfaces.httpRoutes) {
      const method = methods[0] === '*' ? 'GET' : (methods[0] as string);
      const { status, text } = await ask({
        method,
        path: pattern.replace(/\{\w+…?\}/g, 'x'),
        ...(method === 'GET' ? {} : { body: '{}' }),
      });
      if (status !== 501) continue;
      const { errorCode, message } = JSON.parse(text) as { errorCode: string; message: string };
      assert.equal(errorCode, 'ERR_API_UNIMPLEMENTED');
      assert.equal(
        message,
        `this API is currently not implemented: ${methods.join('|')} ${pattern} is not served by this sidecar yet`,
      );
      notServed.push(`${methods.join('|')} ${pattern}`);
    }
    assert.deepEqual(
      notServed.filter((row) => !/\/(publish|invoke)\//.test(row)),
      NOT_SERVED,
    );
  });
});

const NOT_SERVED: readonly string[] = [
  'POST|PUT /v1.0/actors/{type}/{id}/state',
  'GET|POST|DELETE|PUT /v1.0/actors/{type}/{id}/method/{method}',
  'GET /v1.0/actors/{type}/{id}/state/{key}',
  'POST|PUT /v1.0/actors/{type}/{id}/reminders/{name}',
  'DELETE /v1.0/actors/{type}/{id}/reminders/{name}',
  'GET /v1.0/actors/{type}/{id}/reminders/{name}',
  'POST|PUT /v1.0/actors/{type}/{id}/timers/{name}',
  'DELETE /v1.0/actors/{type}/{id}/timers/{name}',
  'POST|PUT /v1.0/bindings/{name}',
  'POST /v1.0-alpha1/conversation/{name}/converse',
  'POST /v1.0-alpha2/conversation/{name}/converse',
  'PUT /v1.0-alpha1/crypto/{name}/encrypt',
  'PUT /v1.0-alpha1/crypto/{name}/decrypt',
  'POST /v1.0/jobs/{name}',
  'DELETE /v1.0/jobs/{name}',
  'GET /v1.0/jobs/{name}',
  'POST /v1.0-alpha1/jobs/{name}',
  'DELETE /v1.0-alpha1/jobs/{name}',
  'GET /v1.0-alpha1/jobs/{name}',
  'POST /v1.0-alpha1/subtlecrypto/{name}/getkey',
  'POST /v1.0-alpha1/subtlecrypto/{name}/encrypt',
  'POST /v1.0-alpha1/subtlecrypto/{name}/decrypt',
  'POST /v1.0-alpha1/subtlecrypto/{name}/wrapkey',
  'POST /v1.0-alpha1/subtlecrypto/{name}/unwrapkey',
  'POST /v1.0-alpha1/subtlecrypto/{name}/sign',
  'POST /v1.0-alpha1/subtlecrypto/{name}/verify',
  'GET /v1.0/workflows/{component}/{id}',
  'POST /v1.0/workflows/{component}/{id}/raiseEvent/{event}',
  'POST /v1.0/workflows/{component}/{workflow}/start',
  'POST /v1.0/workflows/{component}/{id}/pause',
  'POST /v1.0/workflows/{component}/{id}/resume',
  'POST /v1.0/workflows/{component}/{id}/terminate',
  'POST /v1.0/workflows/{component}/{id}/purge',
  'GET /v1.0-alpha1/workflows/{component}/{id}',
  'POST /v1.0-alpha1/workflows/{component}/{id}/raiseEvent/{event}',
  'POST /v1.0-alpha1/workflows/{component}/{workflow}/start',
  'POST /v1.0-alpha1/workflows/{component}/{id}/pause',
  'POST /v1.0-alpha1/workflows/{component}/{id}/resume',
  'POST /v1.0-alpha1/workflows/{component}/{id}/terminate',
  'POST /v1.0-alpha1/workflows/{component}/{id}/purge',
  'GET /v1.0-beta1/workflows/{component}/{id}',
  'POST /v1.0-beta1/workflows/{component}/{id}/raiseEvent/{event}',
  'POST /v1.0-beta1/workflows/{component}/{workflow}/start',
  'POST /v1.0-beta1/workflows/{component}/{id}/pause',
  'POST /v1.0-beta1/workflows/{component}/{id}/resume',
  'POST /v1.0-beta1/workflows/{component}/{id}/terminate',
  'POST /v1.0-beta1/workflows/{component}/{id}/purge',
];
