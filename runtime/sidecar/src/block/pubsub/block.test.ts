import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pubsubInMemory } from '@outrigger/components-memory';
import { open } from '../testing/registry.js';
import { IN_FLIGHT_MAX } from './open-subscription.js';
import { type Reply, SUCCESS } from './subscriber.js';
import { documentOf, Scene, settle, specOf, textOf } from './testing/scene.js';

const retry: Reply = { answer: 'retry', asked: true };
const drop: Reply = { answer: 'drop', asked: true };
const away: Reply = { answer: 'away', reason: 'connection refused' };

describe('subscriptions of an app', () => {
  it('begin when the app is ready, and deliver to the path of the route', async () => {
    const scene = new Scene();
    scene.app.list = () => [specOf()];
    const started = scene.block.startSubscriptions();
    await settle();
    assert.equal(scene.app.asked, 0);
    scene.app.receptive.set(true);
    await started;
    await scene.publish('one');
    const [delivered] = scene.app.deliveries;
    assert.equal(delivered?.event.path, '/orders');
    assert.equal(textOf(delivered!.event), 'one');
  });

  it('redeliver what the app wants again, and not what it took', async () => {
    const scene = new Scene();
    let failures = 2;
    scene.app.auto = () => (failures-- > 0 ? retry : SUCCESS);
    await scene.start({});
    await scene.publish('one');
    await scene.pass(5_000);
    assert.deepEqual(scene.texts, ['one', 'one', 'one']);
  });

  it('send what the app drops, and what fails, to the dead letter topic', async () => {
    for (const reply of [drop, retry, { answer: 'retry', reason: 'HTTP 500' } as const]) {
      const scene = new Scene();
      scene.app.auto = (event) => (event.topic === 'dead' ? SUCCESS : reply);
      await scene.start({ deadLetterTopic: 'dead' }, { topic: 'dead', defaultPath: '/dead' });
      await scene.publish('bad');
      await scene.pass(2_000);
      assert.deepEqual(
        scene.app.deliveries.map(({ event }) => [event.path, textOf(event)]),
        [
          ['/orders', 'bad'],
          ['/dead', 'bad'],
        ],
      );
    }
  });

  it('keep a message whose dead letter was refused', async () => {
    const scene = new Scene({ metadata: { allowedTopics: 'orders' } });
    scene.app.auto = () => retry;
    await scene.start({ deadLetterTopic: 'dead' });
    await scene.publish('bad');
    await scene.pass(1_000);
    assert.ok(scene.texts.length > 1);
    assert.equal(scene.published.length, 1);
  });

  it('try again as the inbound policy says before that, each attempt within its time', async () => {
    const policy = { timeoutMs: 50, retryDelayMs: (attempt: number) => (attempt < 3 ? 200 : undefined) };
    const scene = new Scene({ deps: { deliveryPolicies: { inbound: () => policy } } });
    await scene.start({ deadLetterTopic: 'dead' });
    await scene.publish('slow');
    assert.equal(scene.app.deliveries.length, 1);
    await scene.pass(50, 50);
    assert.equal(scene.app.deliveries[0]?.signal.aborted, true);
    await scene.pass(200, 50);
    assert.equal(scene.app.deliveries.length, 2);
    // The answer to the first attempt comes too late to count for the second.
    scene.app.deliveries[0]?.reply(SUCCESS);
    await scene.pass(1_000, 50);
    assert.equal(scene.app.deliveries.length, 3);
    assert.equal(scene.published.at(-1)?.topic, 'dead');
  });

  it('drop expired messages, and those no rule matches, to the dead letter topic if there is one', async () => {
    const rules = [{ match: 'event.type == "wanted"', path: '/wanted' }];
    for (const deadLetterTopic of [undefined, 'dead']) {
      const scene = new Scene();
      await scene.start({ rules, defaultPath: undefined, deadLetterTopic });
      scene.app.receptive.set(false);
      await scene.publish('unmatched');
      await scene.publish('late', { metadata: { ttlInSeconds: '1', 'cloudevent.type': 'wanted' } });
      await scene.pass(3_000);
      scene.app.receptive.set(true);
      await scene.pass(1_000);
      assert.deepEqual(scene.texts, []);
      assert.equal(scene.published.filter(({ topic }) => topic === 'dead').length, deadLetterTopic ? 2 : 0);
    }
  });

  it('leave a message that is no event with the broker', async () => {
    const scene = new Scene();
    await scene.start({});
    await scene.publish('no event', { metadata: { rawPayload: 'true' } });
    await scene.pass(1_000);
    assert.deepEqual(scene.texts, []);
    const metric = /ingress_count\{[^}]*process_status="retry"[^}]*\} ([2-9]|\d\d)/;
    assert.match(scene.deps.metrics.text(), metric);
  });

  it('take raw payload where the subscription says so', async () => {
    const scene = new Scene();
    await scene.start({ metadata: { rawPayload: 'true' } });
    await scene.publish('raw', { metadata: { rawPayload: 'true' } });
    assert.deepEqual(scene.texts, ['raw']);
  });

  it('hold no more messages at the app than the limit', async () => {
    const scene = new Scene();
    await scene.start({});
    for (let i = 0; i < IN_FLIGHT_MAX + 5; i++)
      await scene.block.publish({ ...publishInput, data: Buffer.from(`${i}`) });
    await settle();
    assert.equal(scene.app.deliveries.length, IN_FLIGHT_MAX);
    scene.app.deliveries[0]?.reply(SUCCESS);
    await settle();
    assert.equal(scene.app.deliveries.length, IN_FLIGHT_MAX + 1);
  });

  it('deliver one at a time with concurrencyMode single', async () => {
    const scene = new Scene({ metadata: { concurrencyMode: 'single' } });
    await scene.start({});
    await scene.publish('1');
    await scene.publish('2');
    assert.deepEqual(scene.texts, ['1']);
    scene.app.deliveries[0]?.reply(SUCCESS);
    await settle();
    assert.deepEqual(scene.texts, ['1', '2']);
  });

  it('come from documents too; the app itself has the last word, scopes are kept', async () => {
    const scene = new Scene({ metadata: { subscriptionScopes: 'app=a,b,c' } });
    scene.block.setDocuments([
      documentOf('one', { topic: 'a', defaultPath: '/document' }),
      documentOf('two', { topic: 'a', defaultPath: '/shadowed' }),
      documentOf('three', { topic: 'b', defaultPath: '/document' }),
      documentOf('other', { topic: 'c' }, ['another-app']),
      documentOf('denied', { topic: 'denied' }),
    ]);
    scene.app.auto = () => SUCCESS;
    await scene.start({ topic: 'b', defaultPath: '/app' });
    for (const topic of ['a', 'b', 'c', 'denied']) await scene.publish(topic, { topic });
    assert.deepEqual(
      scene.app.deliveries.map(({ event }) => event.path),
      ['/document', '/app'],
    );
    assert.deepEqual(
      scene.block.subscriptions().map(({ topic, type, rules }) => [topic, type, rules]),
      [
        ['a', 'declarative', [{ match: '', path: '/document' }]],
        ['b', 'programmatic', [{ match: '', path: '/app' }]],
        ['denied', 'declarative', [{ match: '', path: '/orders' }]],
      ],
    );
  });

  it('follow changes of documents while they run', async () => {
    const scene = new Scene();
    scene.app.auto = () => SUCCESS;
    await scene.start();
    scene.block.setDocuments([documentOf('one', { defaultPath: '/one' })]);
    await settle();
    await scene.publish('1');
    scene.block.setDocuments([documentOf('one', { defaultPath: '/two' })]);
    await settle();
    await scene.publish('2');
    scene.block.setDocuments([]);
    await settle();
    await scene.publish('3');
    assert.deepEqual(
      scene.app.deliveries.map(({ event }) => event.path),
      ['/one', '/two'],
    );
  });

  it('leave out a subscription whose rules are not CEL, and say so', async () => {
    const scene = new Scene();
    scene.app.auto = () => SUCCESS;
    await scene.start({ topic: 'bad', rules: [{ match: 'event.', path: '/x' }] }, { topic: 'good' });
    await scene.publish('x', { topic: 'bad' });
    await scene.publish('x', { topic: 'good' });
    assert.deepEqual(
      scene.app.deliveries.map(({ event }) => event.topic),
      ['good'],
    );
    await scene.pass(120_000, 10_000);
    assert.equal(scene.clock.pending, 0, 'goes on trying what cannot work');
  });

  it('that a scope denies begin when the component comes back without it', async () => {
    const scene = new Scene({ metadata: { subscriptionScopes: 'app=other' } });
    scene.app.auto = () => SUCCESS;
    await scene.start({});
    await scene.publish('denied');
    const component = open(pubsubInMemory, 'bus', scene.clock);
    scene.registry.declare({ kind: 'pubsub', name: 'bus', component, type: 'pubsub.test' });
    await settle();
    await scene.publish('allowed');
    assert.deepEqual(scene.texts, ['allowed']);
  });

  it('are asked for again until the app could answer', async () => {
    const scene = new Scene();
    scene.app.list = () => {
      if (scene.app.asked < 3) throw new Error('garbage');
      return [specOf()];
    };
    scene.app.receptive.set(true);
    await scene.block.startSubscriptions();
    await scene.pass(3_000);
    await scene.publish('x');
    assert.deepEqual(scene.texts, ['x']);
  });

  it('are not asked for when the app has no pub/sub component, and are when one comes', async () => {
    const scene = new Scene();
    scene.registry.remove('pubsub', 'bus');
    await scene.start({});
    assert.equal(scene.app.asked, 0);
    scene.registry.declare({ kind: 'pubsub', name: 'bus', component: scene.bus, type: 'pubsub.test' });
    await settle();
    await scene.publish('x');
    assert.deepEqual(scene.texts, ['x']);
  });

  it('try a component that fails to subscribe again, later and later', async () => {
    const scene = new Scene();
    const subscribe = scene.bus.subscribe.bind(scene.bus);
    let attempts = 0;
    scene.bus.subscribe = async (...args) => {
      if (++attempts < 4) throw new Error('broker away');
      return subscribe(...args);
    };
    await scene.start({});
    assert.equal(attempts, 1);
    await scene.pass(10_000);
    assert.equal(attempts, 4);
    await scene.publish('x');
    assert.deepEqual(scene.texts, ['x']);
  });

  it('move to a component that was replaced, without losing what the old one still has', async () => {
    const scene = new Scene();
    await scene.start({});
    await scene.publish('old');
    const replacement = open(pubsubInMemory, 'bus', scene.clock);
    scene.registry.declare({ kind: 'pubsub', name: 'bus', component: replacement, type: 'pubsub.test' });
    await settle();
    await scene.publish('new');
    assert.deepEqual(scene.texts, ['old', 'new']);
    scene.app.deliveries[0]?.reply(SUCCESS);
    await settle();
    scene.registry.remove('pubsub', 'bus');
    await settle();
    assert.equal(scene.block.subscriptions().length, 1);
  });
});

const publishInput = {
  pubsubName: 'bus',
  topic: 'orders',
  data: Buffer.from('x'),
  contentType: '',
  metadata: {},
  context: {
    surface: 'internal' as const,
    trace: { traceparent: undefined, tracestate: undefined, baggage: undefined },
    deadline: undefined,
    signal: new AbortController().signal,
  },
};

describe('an app that goes away', () => {
  it('gets nothing while it is not receptive, and then what it missed, nothing dead-lettered', async () => {
    const scene = new Scene();
    scene.app.auto = () => SUCCESS;
    await scene.start({ deadLetterTopic: 'dead' });
    scene.app.receptive.set(false);
    await scene.publish('missed');
    await scene.pass(5_000);
    assert.deepEqual(scene.texts, []);
    scene.app.receptive.set(true);
    await scene.pass(1_000);
    assert.deepEqual(scene.texts, ['missed']);
    assert.equal(scene.published.length, 1);
    assert.equal(scene.app.restarts, 2);
  });

  it('has its message abandoned when it refuses the connection, and is not tried again until it is back', async () => {
    const scene = new Scene();
    let reply = away;
    scene.app.auto = () => reply;
    await scene.start({ deadLetterTopic: 'dead' });
    await scene.publish('one');
    assert.equal(scene.app.receptive.value, false);
    await scene.pass(5_000);
    assert.deepEqual(scene.texts, ['one']);
    reply = SUCCESS;
    scene.app.receptive.set(true);
    await scene.pass(1_000);
    assert.deepEqual(scene.texts, ['one', 'one']);
    assert.equal(scene.published.length, 1, 'dead-lettered');
  });
});

describe('draining', () => {
  it('lets attempts under way end, takes nothing more, and rejects nothing', async () => {
    const scene = new Scene();
    await scene.start({ deadLetterTopic: 'dead' });
    await scene.publish('one');
    let drained = false;
    const draining = scene.block.drain(scene.clock.now() + 5_000).then(() => (drained = true));
    await scene.publish('two');
    assert.deepEqual(scene.texts, ['one']);
    await scene.pass(1_000);
    assert.equal(drained, false);
    scene.app.deliveries[0]?.reply(retry);
    await draining;
    assert.deepEqual(
      scene.published.map(({ topic }) => topic),
      ['orders', 'orders'],
    );
  });

  it('gives messages back when time is up, and gives up their calls', async () => {
    const scene = new Scene();
    await scene.start({ deadLetterTopic: 'dead' });
    await scene.publish('one');
    const draining = scene.block.drain(scene.clock.now() + 1_000);
    await scene.pass(1_000);
    await draining;
    assert.equal(scene.app.deliveries[0]?.signal.aborted, true);
    assert.equal(scene.published.length, 1);
    scene.app.deliveries[0]?.reply(SUCCESS);
    await settle();
  });

  it('does not wait longer for what was closing already', async () => {
    const scene = new Scene();
    await scene.start({});
    await scene.publish('one');
    scene.app.receptive.set(false);
    await settle();
    const draining = scene.block.drain(scene.clock.now() + 500);
    await scene.pass(500);
    await draining;
    assert.equal(scene.app.deliveries[0]?.signal.aborted, true);
  });

  it('does not wait for a component that is still opening', async () => {
    const scene = new Scene();
    let ready = (_bus: typeof scene.bus): void => {};
    const component = new Promise<typeof scene.bus>((resolve) => {
      ready = resolve;
    });
    scene.registry.declare({ kind: 'pubsub', name: 'bus', component, type: 'pubsub.test' });
    scene.app.list = () => [specOf()];
    scene.app.receptive.set(true);
    void scene.block.startSubscriptions();
    await settle();
    const draining = scene.block.drain(scene.clock.now() + 100);
    await scene.pass(100);
    await draining;
    ready(scene.bus);
    await scene.publish('x');
    assert.deepEqual(scene.texts, []);
  });

  it('does not begin subscriptions afterwards', async () => {
    const scene = new Scene();
    await scene.block.drain(0);
    scene.app.receptive.set(true);
    await assert.rejects(scene.block.startSubscriptions(), /shuts down/);
    scene.block.setDocuments([documentOf('one', {})]);
    await scene.publish('x');
    assert.deepEqual(scene.texts, []);
  });

  it('ends while the app is awaited', async () => {
    const scene = new Scene();
    const started = scene.block.startSubscriptions();
    await scene.block.drain(0);
    await assert.rejects(started, /shuts down/);
  });
});

describe('bulk subscriptions', () => {
  const bulk = { messagesMax: 3, awaitMs: 500 };

  it('gather messages up to the count, or until the time has passed', async () => {
    const scene = new Scene();
    await scene.start({ bulk });
    for (const text of ['1', '2', '3', '4']) await scene.publish(text);
    const texts = (): string[][] => scene.app.batches.map(({ entries }) => entries.map(({ event }) => textOf(event)));
    assert.deepEqual(texts(), [['1', '2', '3']]);
    await scene.pass(400);
    assert.equal(scene.app.batches.length, 1);
    await scene.pass(200);
    assert.deepEqual(texts(), [['1', '2', '3'], ['4']]);
  });

  it('settle each entry by its own status; one without a status comes again', async () => {
    const scene = new Scene();
    const seen: string[] = [];
    scene.app.autoBatch = ({ entries }) => {
      const replies = new Map<string, Reply>();
      for (const { entryId, event } of entries) {
        const text = textOf(event);
        seen.push(text);
        if (text === 'ok' || seen.filter((one) => one === text).length > 1) replies.set(entryId, SUCCESS);
        else if (text === 'drop') replies.set(entryId, drop);
        else if (text === 'again') replies.set(entryId, retry);
      }
      return replies;
    };
    await scene.start({ bulk: { messagesMax: 4, awaitMs: 100 } });
    for (const text of ['ok', 'drop', 'again', 'silent']) await scene.publish(text);
    await scene.pass(3_000);
    assert.deepEqual(seen.sort(), ['again', 'again', 'drop', 'ok', 'silent', 'silent']);
  });

  it('send entries with different paths in calls of their own', async () => {
    const scene = new Scene();
    const rules = [{ match: 'event.data == "a"', path: '/a' }];
    await scene.start({ bulk, rules, defaultPath: '/rest' });
    for (const text of ['a', 'b', 'a']) await scene.publish(text);
    assert.deepEqual(
      scene.app.batches.map(({ path, entries }) => [path, entries.length]),
      [
        ['/a', 2],
        ['/rest', 1],
      ],
    );
  });

  it('dead-letter the entries that failed, and only those', async () => {
    const scene = new Scene();
    scene.app.autoBatch = ({ entries }) =>
      new Map(entries.map(({ entryId, event }) => [entryId, textOf(event) === 'bad' ? retry : SUCCESS]));
    await scene.start({ bulk, deadLetterTopic: 'dead' });
    for (const text of ['good', 'bad', 'good']) await scene.publish(text);
    await scene.pass(500);
    assert.equal(scene.published.filter(({ topic }) => topic === 'dead').length, 1);
  });

  it('send what was being gathered when the sidecar drains', async () => {
    const scene = new Scene();
    await scene.start({ bulk });
    await scene.publish('1');
    await scene.block.drain(scene.clock.now() + 1_000);
    assert.deepEqual(
      scene.app.batches.map(({ entries }) => entries.length),
      [1],
    );
  });

  it('give what was being gathered back when the app is gone', async () => {
    const scene = new Scene();
    await scene.start({ bulk, deadLetterTopic: 'dead' });
    await scene.publish('1');
    scene.app.receptive.set(false);
    await scene.pass(2_000);
    assert.equal(scene.app.batches.length, 0);
    scene.app.receptive.set(true);
    await scene.pass(2_000);
    assert.equal(scene.app.batches.length, 1);
    assert.equal(scene.published.length, 1);
  });

  it('count batches and their entries', async () => {
    const scene = new Scene();
    await scene.start({ bulk });
    for (const text of ['1', '2', '3']) await scene.publish(text);
    const text = scene.deps.metrics.text();
    assert.match(text, /ingress_bulk_count\{[^}]*topic="orders"\} 1/);
    assert.match(text, /ingress_bulk_event_count\{[^}]*process_status="success",topic="orders"\} 3/);
  });
});
