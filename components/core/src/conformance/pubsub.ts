/** What every pub/sub component does. Order is not promised; at-least-once delivery is. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Deliver, Disposition, PublishRequest, PubSub, SubscribeRequest, Subscription } from '../pubsub.js';
import {
  bytes,
  type ConformanceSubject,
  conformanceTimeoutMs,
  createCollector,
  type OpenSubject,
  textOf,
} from './fixture.js';

export interface PubSubConformanceOptions {
  /** Messages published while no subscriber of a known consumer id is there are kept for it. */
  readonly durableSubscriptions: boolean;
}

export function pubsubConformance(name: string, open: OpenSubject<PubSub>, options: PubSubConformanceOptions): void {
  describe(`${name} is a pub/sub component`, { timeout: conformanceTimeoutMs }, () => {
    let subject: ConformanceSubject<PubSub>;
    let bus: PubSub;
    let topics = 0;
    const fresh = (): string => `conformance-topic-${++topics}`;
    const publish = async (topic: string, data: string, more: Partial<PublishRequest> = {}): Promise<void> =>
      bus.publish({ topic, data: bytes(data), metadata: {}, ...more });
    const subscribe = (
      topic: string,
      deliver: Deliver,
      more: Partial<SubscribeRequest> = {},
      at = bus,
    ): Promise<Subscription> =>
      at.subscribe({ topic, consumerId: 'consumer', metadata: {}, inFlightMax: 10, ...more }, deliver);
    const texts = (messages: readonly { data: Uint8Array }[]): string[] => messages.map(({ data }) => textOf(data)!);
    before(async () => {
      subject = await open();
      bus = subject.component;
    });
    after(() => subject.close());

    it('delivers a message as it was published', async () => {
      const topic = fresh();
      const collector = createCollector();
      const subscription = await subscribe(topic, collector.deliver);
      const data = Uint8Array.from({ length: 256 }, (_, index) => index);
      await bus.publish({
        topic,
        data: data.slice(),
        contentType: 'application/octet-stream',
        metadata: { 'a-key': 'ä value' },
      });
      const [message] = await collector.received(1);
      assert.deepEqual(Buffer.from(message!.data), Buffer.from(data));
      assert.equal(message!.topic, topic);
      assert.equal(message!.attempt, 1);
      assert.equal(message!.metadata['a-key'], 'ä value');
      if (message!.contentType !== undefined) assert.equal(message!.contentType, 'application/octet-stream');
      assert.notEqual(message!.id, '');
      await subscription.close();
    });

    it('delivers every message, empty and large ones too', async () => {
      const topic = fresh();
      const collector = createCollector();
      const subscription = await subscribe(topic, collector.deliver);
      const sent = ['', 'x', 'y'.repeat(200_000), ...Array.from({ length: 200 }, (_, index) => `message ${index}`)];
      await Promise.all(sent.map((data) => publish(topic, data)));
      const got = texts(await collector.received(sent.length));
      assert.deepEqual([...got].sort(), [...sent].sort());
      assert.equal(new Set(collector.messages.map(({ id }) => id)).size, sent.length);
      await subscription.close();
    });

    it('publishes in bulk and answers per entry', async (t) => {
      if (bus.bulkPublish === undefined) return t.skip('bulk publish is left to the block');
      const topic = fresh();
      const collector = createCollector();
      const subscription = await subscribe(topic, collector.deliver);
      const sent = ['one', 'two', 'three'];
      const results = await bus.bulkPublish(sent.map((data) => ({ topic, data: bytes(data), metadata: {} })));
      assert.deepEqual(results, [undefined, undefined, undefined]);
      assert.deepEqual(texts(await collector.received(3)).sort(), [...sent].sort());
      await subscription.close();
    });

    it('gives each consumer id every message, and keeps topics apart', async () => {
      const [topic, other] = [fresh(), fresh()];
      const [one, two, elsewhere] = [createCollector(), createCollector(), createCollector()];
      const subscriptions = [
        await subscribe(topic, one.deliver, { consumerId: 'one' }),
        await subscribe(topic, two.deliver, { consumerId: 'two' }),
        await subscribe(other, elsewhere.deliver),
      ];
      for (const data of ['a', 'b', 'c']) await publish(topic, data);
      await publish(other, 'elsewhere');
      assert.deepEqual(texts(await one.received(3)).sort(), ['a', 'b', 'c']);
      assert.deepEqual(texts(await two.received(3)).sort(), ['a', 'b', 'c']);
      assert.deepEqual(texts(await elsewhere.received(1)), ['elsewhere']);
      for (const subscription of subscriptions) await subscription.close();
    });

    it('divides messages among consumers of one id, each to one of them', async () => {
      const topic = fresh();
      const all = createCollector();
      const seen: [number, number] = [0, 0];
      // A consumer answers only after both have got one, so one consumer alone would hang here.
      let bothBusy!: () => void;
      const busy = new Promise<void>((resolve) => {
        bothBusy = resolve;
      });
      const consumer =
        (index: 0 | 1): Deliver =>
        async (message) => {
          const settled = all.deliver(message);
          seen[index]++;
          if (seen[0] > 0 && seen[1] > 0) bothBusy();
          await busy;
          return settled;
        };
      const subscriptions = [
        await subscribe(topic, consumer(0), { inFlightMax: 1 }),
        await subscribe(topic, consumer(1), { inFlightMax: 1 }),
      ];
      const sent = Array.from({ length: 20 }, (_, index) => String(index));
      for (const data of sent) await publish(topic, data);
      await all.received(sent.length);
      for (const subscription of subscriptions) await subscription.close();
      assert.deepEqual(texts(all.messages).sort(), [...sent].sort());
    });

    it('has no more messages in flight than it was told', async () => {
      const topic = fresh();
      let inFlight = 0;
      let most = 0;
      const collector = createCollector(async () => {
        most = Math.max(most, ++inFlight);
        await new Promise((resolve) => setImmediate(resolve));
        inFlight--;
        return { outcome: 'ack' };
      });
      const subscription = await subscribe(topic, collector.deliver, { inFlightMax: 3 });
      for (let index = 0; index < 30; index++) await publish(topic, String(index));
      await collector.received(30);
      await subscription.close();
      assert.ok(most <= 3, `${most} in flight`);
    });

    it('delivers one by one in order where only one may be in flight', async () => {
      const topic = fresh();
      const collector = createCollector();
      const subscription = await subscribe(topic, collector.deliver, { inFlightMax: 1 });
      const sent = Array.from({ length: 20 }, (_, index) => String(index));
      for (const data of sent) await publish(topic, data);
      assert.deepEqual(texts(await collector.received(20)), sent);
      await subscription.close();
    });

    it('delivers again what asks for a retry, with the same id, counting attempts, and not before its delay', async () => {
      const topic = fresh();
      const answers: Disposition[] = [
        { outcome: 'retry', delayMs: 0 },
        { outcome: 'retry', delayMs: 5000 },
      ];
      const collector = createCollector(() => answers.shift() ?? { outcome: 'ack' });
      const subscription = await subscribe(topic, collector.deliver);
      await publish(topic, 'again');
      await collector.received(2);
      // A later message passes the one that waits, and proves that the wait holds nothing else up.
      await publish(topic, 'meanwhile');
      await collector.received(3);
      await subject.advance(5000);
      await collector.received(4);
      await subscription.close();
      assert.deepEqual(texts(collector.messages), ['again', 'again', 'meanwhile', 'again']);
      const attempts = collector.messages.filter(({ data }) => textOf(data) === 'again');
      assert.deepEqual(
        attempts.map(({ attempt }) => attempt),
        [1, 2, 3],
      );
      assert.equal(new Set(attempts.map(({ id }) => id)).size, 1);
    });

    it('delivers again what was abandoned, and counts no attempt', async () => {
      const topic = fresh();
      let answer!: (disposition: Disposition) => void;
      const held = createCollector(
        () =>
          new Promise((resolve) => {
            answer = resolve;
          }),
      );
      const first = await subscribe(topic, held.deliver);
      await publish(topic, 'left over');
      await held.received(1);
      const closed = first.close();
      const next = createCollector();
      const second = await subscribe(topic, next.deliver);
      answer({ outcome: 'abandon' });
      await closed;
      await subject.advance(1000);
      const [message] = await next.received(1);
      assert.deepEqual([textOf(message!.data), message!.attempt], ['left over', 1]);
      await second.close();
    });

    it('waits at close for messages in hand, and delivers none afterwards', async () => {
      const topic = fresh();
      let answer!: (disposition: Disposition) => void;
      const collector = createCollector(
        () =>
          new Promise((resolve) => {
            answer = resolve;
          }),
      );
      const subscription = await subscribe(topic, collector.deliver, { inFlightMax: 1 });
      const other = createCollector();
      const witness = await subscribe(topic, other.deliver, { consumerId: 'witness' });
      await publish(topic, 'in hand');
      await collector.received(1);
      let isClosed = false;
      const closing = subscription.close().then(() => {
        isClosed = true;
      });
      await publish(topic, 'after');
      await other.received(2);
      assert.equal(isClosed, false);
      answer({ outcome: 'ack' });
      await closing;
      assert.deepEqual(texts(collector.messages), ['in hand']);
      await witness.close();
    });

    it('drops messages whose time is over', async (t) => {
      if (!bus.features.has('MESSAGE_TTL') || !options.durableSubscriptions) return t.skip('no MESSAGE_TTL feature');
      const topic = fresh();
      const collector = createCollector();
      await (await subscribe(topic, collector.deliver)).close();
      await publish(topic, 'too old', { metadata: { ttlInSeconds: '2' } });
      await publish(topic, 'still good', { metadata: { ttlInSeconds: '60' } });
      await subject.advance(3000);
      const subscription = await subscribe(topic, collector.deliver);
      await collector.received(1);
      await subscription.close();
      assert.deepEqual(texts(collector.messages), ['still good']);
    });

    it('subscribes to all topics with one beginning', async (t) => {
      if (!bus.features.has('SUBSCRIBE_WILDCARDS')) return t.skip('no SUBSCRIBE_WILDCARDS feature');
      const topic = fresh();
      const collector = createCollector();
      const subscription = await subscribe(`${topic}.*`, collector.deliver);
      await publish(topic, 'no');
      await publish(`${topic}.one`, 'one');
      await publish(`${topic}.two.three`, 'two');
      const got = await collector.received(2);
      assert.deepEqual(got.map((message) => [message.topic, textOf(message.data)]).sort(), [
        [`${topic}.one`, 'one'],
        [`${topic}.two.three`, 'two'],
      ]);
      await subscription.close();
    });

    it('carries messages between instances', async (t) => {
      if (subject.another === undefined) return t.skip('data is not shared');
      const other = await subject.another();
      const topic = fresh();
      const [here, there] = [createCollector(), createCollector()];
      const subscriptions = [
        await subscribe(topic, here.deliver, { consumerId: 'here' }),
        await subscribe(topic, there.deliver, { consumerId: 'there' }, other),
      ];
      await publish(topic, 'from here');
      await other.publish({ topic, data: bytes('from there'), metadata: {} });
      assert.deepEqual(texts(await here.received(2)).sort(), ['from here', 'from there']);
      assert.deepEqual(texts(await there.received(2)).sort(), ['from here', 'from there']);
      for (const subscription of subscriptions) await subscription.close();
    });

    it('keeps messages for a consumer that is away', async (t) => {
      if (!options.durableSubscriptions) return t.skip('subscriptions are not durable');
      const topic = fresh();
      const collector = createCollector();
      const first = await subscribe(topic, collector.deliver);
      await publish(topic, 'present');
      await collector.received(1);
      await first.close();
      await publish(topic, 'away 1');
      if (subject.reopen !== undefined) bus = await subject.reopen();
      await publish(topic, 'away 2');
      const second = await subscribe(topic, collector.deliver);
      await collector.received(3);
      await second.close();
      assert.deepEqual(texts(collector.messages), ['present', 'away 1', 'away 2']);
    });
  });
}
