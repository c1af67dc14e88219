import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ComponentError } from '@outrigger/components-core';
import { Scene } from '../../block/pubsub/testing/scene.js';
import { exchange, type TestRequest, type TestResponse } from '../testing/http-exchange.js';
import { createTestSurfaces } from '../testing/surfaces.js';
import { createPubSubRoutes } from './pubsub.js';

interface Stage {
  readonly scene: Scene;
  ask(path: string, body: string, more?: Partial<TestRequest>): Promise<TestResponse>;
  metrics(): string;
}

function stage(metadata: Record<string, unknown> = {}): Stage {
  const scene = new Scene({ metadata });
  const { httpHandler, metrics } = createTestSurfaces({ moreRoutes: createPubSubRoutes(scene.block, 'app') });
  return {
    scene,
    ask: (path, body, more = {}) => exchange(httpHandler, { method: 'POST', path, body, ...more }),
    metrics: () => metrics.text(),
  };
}

const json = { headers: { 'content-type': 'application/json' } };
const eventOf = (scene: Scene, index = -1): Record<string, unknown> =>
  JSON.parse(Buffer.from(scene.published.at(index)?.data ?? []).toString());

describe('publishing over HTTP', () => {
  it('answers 204 and publishes the body with its content type, metadata and trace', async () => {
    const { scene, ask } = stage();
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-02';
    const headers = { 'content-type': 'application/json', traceparent };
    const { status, body } = await ask('/v1.0/publish/bus/a/b?metadata.key=k%201', '{"n":1}', { headers });
    assert.deepEqual([status, body.length], [204, 0]);
    assert.equal(scene.published[0]?.topic, 'a/b');
    assert.deepEqual(scene.published[0]?.metadata, { key: 'k 1' });
    const { data, datacontenttype, traceid } = eventOf(scene);
    assert.deepEqual([data, datacontenttype, traceid], [{ n: 1 }, 'application/json', traceparent]);
    assert.equal((await ask('/v1.0/publish/bus/a', 'x', { method: 'PUT' })).status, 204);
  });

  it("says what is wrong in Dapr's words and details, and counts it", async () => {
    const { ask, metrics } = stage({ allowedTopics: 'orders' });
    const resource = (description: string): object => ({
      '@type': 'type.googleapis.com/google.rpc.ResourceInfo',
      description,
      owner: '',
      resource_name: 'bus',
      resource_type: 'pubsub',
    });
    const info = (reason: string, metadata: object): object => ({
      '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
      domain: 'dapr.io',
      reason,
      metadata,
    });
    const rawText =
      "failed deserializing metadata. Error: rawPayload value must be a valid boolean: actual is 'invalidBooleanValue'";
    const forbidden = 'topic secret is not allowed for app id app';
    const cases = [
      ['/v1.0/publish/no/orders', {}, 404, 'ERR_PUBSUB_NOT_FOUND', 'pubsub no is not found'],
      ['/v1.0/publish/bus/secret', {}, 403, 'ERR_PUBSUB_FORBIDDEN', forbidden],
      [
        '/v1.0/publish/bus/orders?metadata.rawPayload=invalidBooleanValue',
        {},
        400,
        'ERR_PUBSUB_REQUEST_METADATA',
        rawText,
      ],
      [
        '/v1.0/publish/bus/orders',
        { headers: { 'content-type': 'application/cloudevents+json' } },
        500,
        'ERR_PUBSUB_CLOUD_EVENTS_SER',
        'cannot create cloudevent',
      ],
    ] as const;
    for (const [path, more, status, errorCode, message] of cases) {
      const answer = await ask(path, '{"}', more);
      assert.equal(answer.status, status, path);
      const said = answer.json() as { errorCode: string; message: string; details: object[] };
      assert.deepEqual([said.errorCode, said.message], [errorCode, message]);
      assert.match(metrics(), new RegExp(`dapr_error_code_total\\{[^}]*error_code="${errorCode}"[^}]*\\} 1`));
      if (errorCode === 'ERR_PUBSUB_FORBIDDEN') {
        const detail = info('DAPR_PUBSUB_FORBIDDEN', { topic: 'secret', error: forbidden });
        assert.deepEqual(said.details, [resource(forbidden), detail]);
      }
      if (errorCode === 'ERR_PUBSUB_NOT_FOUND') assert.equal(said.details.length, 1);
    }
  });

  it('says that the component failed', async () => {
    const { scene, ask } = stage();
    scene.bus.publish = () => {
      throw new ComponentError('unavailable', 'away');
    };
    const { status, json } = await ask('/v1.0/publish/bus/orders', 'x');
    const { errorCode, message } = json() as { errorCode: string; message: string };
    assert.deepEqual(
      [status, errorCode, message],
      [500, 'ERR_PUBSUB_PUBLISH_MESSAGE', 'error when publishing to topic orders in pubsub bus: away'],
    );
  });
});

describe('publishing in bulk over HTTP', () => {
  it('publishes each entry by its content type, on both versions', async () => {
    for (const version of ['v1.0', 'v1.0-alpha1']) {
      const { scene, ask } = stage();
      const { status } = await ask(
        `/${version}/publish/bulk/bus/orders?metadata.ttlInSeconds=60`,
        '[{"entryId":"1","event":{"n": 9007199254740993},"contentType":"application/json"},' +
          '{"entryID":"2","event":"text","contentType":"text/plain","metadata":{"key":"k"}},' +
          '{"entryId":"3","event":"AQI=","contentType":"application/octet-stream"}]',
        json,
      );
      assert.equal(status, 204);
      assert.match(Buffer.from(scene.published[0]?.data ?? []).toString(), /"data":\{"n": 9007199254740993\}/);
      assert.equal(eventOf(scene, 1)['data'], 'text');
      assert.deepEqual(scene.published[1]?.metadata, { ttlInSeconds: '60', key: 'k' });
      assert.equal(eventOf(scene, 2)['data_base64'], 'AQI=');
      assert.equal(eventOf(scene, 2)['expiration'], '2026-01-01T00:01:00Z');
    }
  });

  it('refuses what it cannot read as a whole', async () => {
    const { scene, ask } = stage();
    const prefix = 'error when unmarshaling the request for topic orders pubsub bus: ';
    const cases = [
      ['{"entryID": "}', `${prefix}unexpected EOF`],
      ['', `${prefix}EOF`],
      [
        '{"entryID": ""}',
        `${prefix}json: cannot unmarshal object into Go value of type []http.bulkPublishMessageEntry`,
      ],
      ['[1]', `${prefix}entry 0 is not an object`],
      ['[{"entryId":5}]', `${prefix}entryid is not a string`],
      ['[{"entryId":"1","metadata":{"a":1}}]', `${prefix}metadata is not an object of strings`],
      [
        '[{"entryId":"1","event":5,"contentType":"text/plain"}]',
        'error when marshalling cloud event envelope for topic orders pubsub bus: error: mismatch between contentType and event',
      ],
      [
        '[{"entryId":"","event":"x","contentType":"text/plain"}]',
        'error marshaling events to bytes for topic orders pubsub bus. error: entryId is duplicated or not present for entry',
      ],
    ] as const;
    for (const [body, message] of cases) {
      const answer = await ask('/v1.0/publish/bulk/bus/orders', body, json);
      const said = answer.json() as { errorCode: string; message: string; details: object[] };
      assert.deepEqual([answer.status, said.errorCode, said.message], [400, 'ERR_PUBSUB_EVENTS_SER', message], body);
      assert.equal(said.details.length, 2);
    }
    assert.equal(scene.published.length, 0);
    const missing = await ask('/v1.0/publish/bulk/no/orders', 'garbage', json);
    assert.equal((missing.json() as { errorCode: string }).errorCode, 'ERR_PUBSUB_NOT_FOUND');
  });

  it('names the entries that failed', async () => {
    const { scene, ask } = stage();
    const { publish } = scene.bus;
    scene.bus.publish = (request) => {
      if (Buffer.from(request.data).includes('"two"')) throw new Error('full');
      return publish(request);
    };
    const entries = ['one', 'two'].map((event) => ({ entryId: event, event, contentType: 'text/plain' }));
    const { status, json: parsed, headers } = await ask('/v1.0/publish/bulk/bus/orders', JSON.stringify(entries), json);
    assert.equal(status, 500);
    assert.deepEqual(parsed(), {
      failedEntries: [{ entryId: 'two', error: 'full' }],
      errorCode: 'ERR_PUBSUB_PUBLISH_MESSAGE',
    });
    assert.equal(
      headers.get('metadata.error'),
      'api error: code = Internal desc = error when publishing to topic orders in pubsub bus: full',
    );
  });
});
