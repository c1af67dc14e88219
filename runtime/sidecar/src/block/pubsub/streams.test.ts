import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pubsubInMemory } from '@outrigger/components-memory';
import { open } from '../testing/registry.js';
import { type EventStream, type StreamRequest, streamReplies } from './streams.js';
import { Scene, settle, textOf } from './testing/scene.js';
import type { TopicEvent } from './topic-event.js';

class Client {
  readonly events: TopicEvent[] = [];
  stream!: EventStream;
  ended: string | undefined;

  static async open(scene: Scene, more: Partial<StreamRequest> = {}): Promise<Client> {
    const client = new Client();
    client.stream = await scene.block.openStream(
      { pubsubName: 'bus', topic: 'orders', metadata: {}, deadLetterTopic: undefined, exclusive: false, ...more },
      {
        send: (event) => {
          client.events.push(event);
          return undefined;
        },
        ended: (reason) => {
          client.ended = reason;
        },
      },
    );
    return client;
  }

  get texts(): string[] {
    return this.events.map(textOf);
  }
}

describe('streams', () => {
  it('hold events back until the client knows that it is subscribed, and keep their order', async () => {
    const scene = new Scene();
    const client = await Client.open(scene);
    await scene.publish('1');
    await scene.publish('2');
    assert.deepEqual(client.texts, []);
    client.stream.begin();
    await scene.publish('3');
    assert.deepEqual(client.texts, ['1', '2', '3']);
    assert.equal(client.events[0]?.path, '/');
  });

  it('settle events by id, in any order', async () => {
    const scene = new Scene();
    const client = await Client.open(scene, { deadLetterTopic: 'dead' });
    client.stream.begin();
    for (const text of ['1', '2', '3']) await scene.publish(text);
    const ids = client.events.map(({ id }) => id);
    assert.equal(client.stream.answer(ids[2]!, streamReplies.success), true);
    assert.equal(client.stream.answer(ids[0]!, streamReplies.drop), true);
    assert.equal(client.stream.answer('unknown', streamReplies.success), false);
    await settle();
    assert.equal(scene.published.filter(({ topic }) => topic === 'dead').length, 1);
    assert.equal(client.stream.answer(ids[0]!, streamReplies.success), false);
  });

  it('tell two events with one id apart by their order', async () => {
    const scene = new Scene();
    const client = await Client.open(scene);
    client.stream.begin();
    for (const text of ['1', '2']) await scene.publish(text, { metadata: { 'cloudevent.id': 'same' } });
    assert.equal(client.stream.answer('same', streamReplies.success), true);
    assert.equal(client.stream.answer('same', streamReplies.success), true);
    assert.equal(client.stream.answer('same', streamReplies.success), false);
  });

  it('give back what the client did not answer when it leaves', async () => {
    const scene = new Scene();
    const first = await Client.open(scene, { deadLetterTopic: 'dead' });
    first.stream.begin();
    await scene.publish('1');
    await first.stream.close();
    const second = await Client.open(scene);
    second.stream.begin();
    await scene.pass(2_000);
    assert.deepEqual(second.texts, ['1']);
    assert.equal(scene.published.length, 1);
  });

  it('compete for a topic under one consumer id', async () => {
    const scene = new Scene();
    const clients = [await Client.open(scene), await Client.open(scene)];
    for (const { stream } of clients) stream.begin();
    for (let i = 0; i < 10; i++) await scene.publish(`${i}`);
    assert.equal(
      clients.reduce((sum, { events }) => sum + events.length, 0),
      10,
    );
  });

  it('each get every event of an in-memory bus, as in Dapr', async () => {
    const scene = new Scene();
    const bus = open(pubsubInMemory, 'memory', scene.clock);
    scene.registry.declare({ kind: 'pubsub', name: 'memory', component: bus, type: 'pubsub.in-memory' });
    const clients = [];
    for (let i = 0; i < 3; i++) clients.push(await Client.open(scene, { pubsubName: 'memory' }));
    for (const { stream } of clients) stream.begin();
    await scene.publish('x', { pubsubName: 'memory' });
    assert.deepEqual(
      clients.map(({ texts }) => texts),
      [['x'], ['x'], ['x']],
    );
  });

  it('are one for each topic where the dialect says so', async () => {
    const scene = new Scene();
    const client = await Client.open(scene, { exclusive: true });
    await assert.rejects(
      Client.open(scene, { exclusive: true }),
      /^OutriggerError: already subscribed to pubsub "bus" topic "orders"$/,
    );
    await client.stream.close();
    await Client.open(scene, { exclusive: true });
  });

  it('are refused where the component is missing or the topic not allowed', async () => {
    const scene = new Scene({ metadata: { subscriptionScopes: 'app=other' } });
    await assert.rejects(Client.open(scene, { pubsubName: 'no' }), /pubsub no is not found/);
    await assert.rejects(
      Client.open(scene),
      /failed to create subscription for bus: subscription to topic 'orders' on pubsub 'bus' is not allowed/,
    );
    assert.equal(scene.block.subscriptions().length, 0);
  });

  it('end when the sidecar drains: unanswered events go back, nothing is dead-lettered', async () => {
    const scene = new Scene();
    const client = await Client.open(scene, { deadLetterTopic: 'dead' });
    client.stream.begin();
    await scene.publish('1');
    await scene.publish('2');
    const draining = scene.block.drain(scene.clock.now() + 1_000);
    client.stream.answer(client.events[0]!.id, streamReplies.retry);
    await scene.pass(1_000);
    await draining;
    assert.equal(client.ended, 'the sidecar shuts down');
    assert.equal(scene.published.length, 2);
    await assert.rejects(Client.open(scene), /shuts down/);
  });

  it('do not care whether the app takes callbacks', async () => {
    const scene = new Scene();
    const client = await Client.open(scene);
    client.stream.begin();
    scene.app.receptive.set(false);
    await scene.publish('1');
    assert.deepEqual(client.texts, ['1']);
    assert.deepEqual(
      scene.block.subscriptions().map(({ topic, type }) => [topic, type]),
      [['orders', 'streaming']],
    );
  });

  it('go on when their component is replaced', async () => {
    const scene = new Scene();
    const client = await Client.open(scene);
    client.stream.begin();
    const replacement = open(pubsubInMemory, 'bus', scene.clock);
    scene.registry.declare({ kind: 'pubsub', name: 'bus', component: replacement, type: 'pubsub.test' });
    await settle();
    await scene.publish('new');
    assert.deepEqual(client.texts, ['new']);
  });
});
