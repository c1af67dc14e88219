import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ComponentError, type PubSub } from '@outrigger/components-core';
import { OutriggerError } from '@outrigger/engine';
import { testContext } from '../testing/registry.js';
import type { BulkEntry, BulkOutcome } from './bulk-publish.js';
import { Scene } from './testing/scene.js';

async function errorOf(run: () => unknown): Promise<OutriggerError> {
  try {
    await run();
  } catch (error) {
    assert.ok(error instanceof OutriggerError, String(error));
    return error;
  }
  assert.fail('it succeeded');
}

const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
const traced = { ...testContext(), trace: { traceparent, tracestate: 'a=b', baggage: undefined } };

describe('publishing', () => {
  it('wraps the data, with the trace of the request, and passes metadata on', async () => {
    const scene = new Scene();
    await scene.publish('{"n":1}', { contentType: 'application/json', metadata: { key: 'k' }, context: traced });
    const [request] = scene.published;
    assert.deepEqual(request?.metadata, { key: 'k' });
    assert.equal(request?.contentType, 'application/cloudevents+json');
    const event = JSON.parse(Buffer.from(request?.data ?? []).toString());
    assert.deepEqual([event.data, event.source, event.topic, event.pubsubname], [{ n: 1 }, 'app', 'orders', 'bus']);
    assert.deepEqual([event.traceid, event.traceparent, event.tracestate], [traceparent, traceparent, 'a=b']);
  });

  it('sends raw payload as it is, the trace beside it', async () => {
    const scene = new Scene();
    await scene.publish('raw', { metadata: { rawPayload: 'true' }, context: traced });
    const [request] = scene.published;
    assert.equal(Buffer.from(request?.data ?? []).toString(), 'raw');
    assert.deepEqual(request?.metadata, { rawPayload: 'true', traceid: traceparent, traceparent, tracestate: 'a=b' });
    assert.equal(request?.contentType, undefined);
  });

  it('writes the expiry where the component has none of its own', async () => {
    const scene = new Scene();
    const expiry = async (): Promise<unknown> => {
      await scene.publish('x', { metadata: { ttlInSeconds: '60' } });
      return JSON.parse(Buffer.from(scene.published.at(-1)?.data ?? []).toString()).expiration;
    };
    assert.equal(await expiry(), '2026-01-01T00:01:00Z');
    (scene.bus.features as Set<string>).add('MESSAGE_TTL');
    assert.equal(await expiry(), undefined);
  });

  it('passes over a traceparent that is none', async () => {
    const scene = new Scene();
    const trace = { traceparent: 'garbage', tracestate: 'a=b', baggage: undefined };
    await scene.publish('x', { context: { ...testContext(), trace } });
    const event = JSON.parse(Buffer.from(scene.published[0]?.data ?? []).toString());
    assert.deepEqual([event.traceparent, event.tracestate], ['', '']);
  });

  it('answers without a promise when the component does', () => {
    const scene = new Scene();
    const input = { pubsubName: 'bus', topic: 't', data: Buffer.from('x'), contentType: '', metadata: {} };
    assert.equal(scene.block.publish({ ...input, context: testContext() }), undefined);
  });

  it('says in order what is wrong with a request, with the details of Dapr', async () => {
    const scene = new Scene({ metadata: { allowedTopics: 'orders' } });
    const metadata = { a: 'b' };
    const cases = [
      [{ pubsubName: '', topic: '' }, 'PUBSUB_NAME_EMPTY', 'pubsub name is empty', metadata],
      [{ pubsubName: 'no', topic: '' }, 'PUBSUB_NOT_FOUND', 'pubsub no is not found', {}],
      [{ topic: '' }, 'PUBSUB_TOPIC_EMPTY', 'topic is empty in pubsub bus', metadata],
      [
        { topic: 'secret' },
        'PUBSUB_FORBIDDEN',
        'topic secret is not allowed for app id app',
        { topic: 'secret', error: 'topic secret is not allowed for app id app' },
      ],
      [
        { contentType: 'application/cloudevents+json', topic: 'secret' },
        'PUBSUB_CLOUD_EVENT_INVALID',
        'cannot create cloudevent',
        { appID: 'app', error: 'the data is not a JSON object' },
      ],
    ] as const;
    for (const [more, code, text, info] of cases) {
      const error = await errorOf(() => scene.publish('x', { metadata, ...more }));
      assert.equal(error.code, code);
      assert.equal(error.message, text);
      const detail = error.details.at(-1);
      assert.equal(detail?.type, 'ErrorInfo');
      assert.deepEqual(detail?.type === 'ErrorInfo' && detail.metadata, info);
      assert.equal(error.details.length, code === 'PUBSUB_NOT_FOUND' ? 1 : 2);
    }
    const raw = await errorOf(() => scene.publish('x', { metadata: { rawPayload: 'yes' } }));
    assert.equal(
      raw.message,
      "failed deserializing metadata. Error: rawPayload value must be a valid boolean: actual is 'yes'",
    );
    assert.equal(scene.published.length, 0);
  });

  it('names the component, the topic and the reason when the component fails', async () => {
    const scene = new Scene();
    scene.bus.publish = () => {
      throw new ComponentError('unavailable', 'the broker is away');
    };
    const error = await errorOf(() => scene.publish('x'));
    assert.equal(error.code, 'PUBSUB_PUBLISH_FAILED');
    assert.equal(error.message, 'error when publishing to topic orders in pubsub bus: the broker is away');
  });

  it('waits for a component that is still opening', async () => {
    const scene = new Scene();
    scene.registry.declare({ kind: 'pubsub', name: 'late', component: Promise.resolve(scene.bus) });
    await scene.publish('x', { pubsubName: 'late' });
    assert.equal(scene.published.length, 1);
  });

  it('holds the scopes of a component from when it is ready, and those of its replacement', async () => {
    const scene = new Scene();
    const declare = (allowedTopics: string): void =>
      scene.registry.declare({
        kind: 'pubsub',
        name: 'bus',
        component: Promise.resolve(Object.create(scene.bus)),
        metadata: { allowedTopics },
      });
    declare('a');
    assert.equal((await errorOf(() => scene.publish('x', { topic: 'b' }))).code, 'PUBSUB_FORBIDDEN');
    declare('b');
    await scene.publish('x', { topic: 'b' });
    assert.equal((await errorOf(() => scene.publish('x', { topic: 'a' }))).code, 'PUBSUB_FORBIDDEN');
  });

  it('counts and times what it publishes', async () => {
    const scene = new Scene();
    await scene.publish('x');
    scene.bus.publish = () => Promise.reject(new Error('no'));
    await errorOf(() => scene.publish('x'));
    const text = scene.deps.metrics.text();
    const series = (success: string): string =>
      `dapr_component_pubsub_egress_count{app_id="app",component="bus",namespace="",success="${success}",topic="orders"} 1`;
    assert.ok(text.includes(series('true')) && text.includes(series('false')), text);
  });
});

describe('publishing in bulk', () => {
  const entry = (entryId: string, more: Partial<BulkEntry> = {}): BulkEntry => ({
    entryId,
    event: Buffer.from(`{"id":"${entryId}"}`),
    contentType: 'application/json',
    metadata: {},
    ...more,
  });
  const bulk = (scene: Scene, entries: BulkEntry[], metadata = {}): Promise<BulkOutcome> =>
    scene.block.bulkPublish({ pubsubName: 'bus', topic: 'orders', entries, metadata, context: testContext() });

  it('publishes entries one by one, in order, where the component takes no batches', async () => {
    const scene = new Scene();
    const outcome = await bulk(scene, [entry('1'), entry('2', { metadata: { own: 'y', both: 'entry' } })], {
      both: 'request',
    });
    assert.deepEqual(outcome, { failed: [], error: undefined });
    const [one, two] = scene.published;
    assert.deepEqual([one?.metadata, two?.metadata], [{ both: 'request' }, { own: 'y', both: 'entry' }]);
    assert.deepEqual(JSON.parse(Buffer.from(one?.data ?? []).toString()).data, { id: '1' });
  });

  it('names the entries that failed', async () => {
    const scene = new Scene();
    const publish = scene.bus.publish;
    scene.bus.publish = (request) => {
      if (Buffer.from(request.data).includes('"id":"2"')) throw new Error('full');
      return publish(request);
    };
    const { failed, error } = await bulk(scene, [entry('1'), entry('2'), entry('3')]);
    assert.deepEqual(failed, [{ entryId: '2', error: 'full' }]);
    assert.equal(error?.message, 'error when publishing to topic orders in pubsub bus: full');
    assert.equal(scene.published.length, 2);
  });

  it('hands a batch over whole where the component takes it, raw or not', async () => {
    const scene = new Scene();
    const batches: number[] = [];
    const component: PubSub = Object.assign(scene.bus, {
      bulkPublish: (requests: readonly unknown[]) => {
        batches.push(requests.length);
        return requests.map((_, index) => (index === 1 ? new Error('no') : undefined));
      },
    });
    assert.ok(component);
    const { failed } = await bulk(scene, [entry('1'), entry('2')], { rawPayload: 'true' });
    assert.deepEqual(batches, [2]);
    assert.deepEqual(failed, [{ entryId: '2', error: 'no' }]);
  });

  it('sends only what failed again when a policy repeats the call', async () => {
    let attempts = 0;
    const again = {
      version: 0,
      outbound: () => ({
        run: async <T>(_context: unknown, call: () => T | Promise<T>): Promise<T> => {
          for (;;) {
            try {
              return await call();
            } catch (error) {
              if (++attempts === 2) throw error;
            }
          }
        },
      }),
    };
    const scene = new Scene({ deps: { policies: again } });
    const sizes: number[] = [];
    Object.assign(scene.bus, {
      bulkPublish: (requests: readonly unknown[]) => {
        sizes.push(requests.length);
        return requests.map((_, index) => (index === 0 ? new Error('no') : undefined));
      },
    });
    const { failed } = await bulk(scene, [entry('1'), entry('2'), entry('3')]);
    assert.deepEqual(sizes, [3, 1]);
    assert.deepEqual(failed, [{ entryId: '1', error: 'no' }]);
  });

  it('refuses entries without an id of their own', async () => {
    const scene = new Scene();
    for (const entries of [[entry('')], [entry('1'), entry('1')]]) {
      const error = await errorOf(() => bulk(scene, entries));
      assert.equal(
        error.message,
        'error marshaling events to bytes for topic orders pubsub bus. error: entryId is duplicated or not present for entry',
      );
    }
    assert.equal(scene.published.length, 0);
  });
});
