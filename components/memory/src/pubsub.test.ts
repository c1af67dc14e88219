import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ComponentError, type PubSub, type SubscribeRequest } from '@outrigger/components-core';
import {
  bytes,
  createCollector,
  createManualClock,
  type ManualClock,
  testConfig,
  testDeps,
} from '@outrigger/components-core/conformance';
import { pubsubInMemory } from './pubsub.js';

const request = (more: Partial<SubscribeRequest> = {}): SubscribeRequest => ({
  topic: 'orders',
  consumerId: 'consumer',
  metadata: {},
  inFlightMax: 1,
  ...more,
});

function opened(metadata: Record<string, string> = {}): { bus: PubSub; clock: ManualClock } {
  const clock = createManualClock();
  return { clock, bus: pubsubInMemory.create(testConfig('pubsub.in-memory', metadata), testDeps(clock)) };
}

const publish = (bus: PubSub, data: string): unknown =>
  bus.publish({ topic: 'orders', data: bytes(data), metadata: {} });
const unavailable = (error: unknown): boolean => error instanceof ComponentError && error.kind === 'unavailable';

describe('pubsub.in-memory', () => {
  it('refuses to publish when a consumer is too far behind, for every consumer alike', async () => {
    const { bus } = opened({ backlogMessagesMax: '3' });
    const slow = createCollector(() => new Promise(() => {}));
    const quick = createCollector();
    await bus.subscribe(request({ consumerId: 'slow' }), slow.deliver);
    await bus.subscribe(request({ consumerId: 'quick' }), quick.deliver);
    for (const data of ['1', '2', '3']) publish(bus, data);
    assert.throws(() => publish(bus, '4'), unavailable);
    await quick.received(3);
    assert.throws(() => publish(bus, '4'), unavailable);
    assert.equal(quick.messages.length, 3);
  });

  it('gives each consumer bytes of its own', async () => {
    const { bus } = opened();
    const one = createCollector((message) => {
      message.data.fill(0);
      return { outcome: 'ack' };
    });
    const two = createCollector();
    await bus.subscribe(request({ consumerId: 'one' }), one.deliver);
    await bus.subscribe(request({ consumerId: 'two' }), two.deliver);
    publish(bus, 'mine');
    await one.received(1);
    const [message] = await two.received(1);
    assert.equal(Buffer.from(message!.data).toString(), 'mine');
  });

  it('keeps messages over the replacement of a subscription, and forgets a consumer that stays away', async () => {
    const { bus, clock } = opened({ backlogMessagesMax: '1' });
    const collector = createCollector();
    await (await bus.subscribe(request(), collector.deliver)).close();
    publish(bus, 'in between');
    const again = await bus.subscribe(request(), collector.deliver);
    await collector.received(1);
    await again.close();
    publish(bus, 'dropped');
    assert.throws(() => publish(bus, 'refused'), unavailable);
    clock.advance(60_000);
    publish(bus, 'to nobody');
    assert.equal(clock.pending, 0);
  });

  it('waits longer with every attempt when no delay is named', async () => {
    const { bus, clock } = opened();
    const collector = createCollector(() => ({ outcome: 'retry' }));
    await bus.subscribe(request(), collector.deliver);
    publish(bus, 'failing');
    for (const [attempt, delayMs] of [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000].entries()) {
      await collector.received(attempt + 1);
      await new Promise((resolve) => setImmediate(resolve));
      clock.advance(delayMs - 1);
      assert.equal(clock.pending, 1, `still waiting before ${delayMs} ms`);
      clock.advance(1);
    }
    bus.close();
  });

  it('is quiet after close', async () => {
    const { bus, clock } = opened();
    await bus.subscribe(request(), createCollector(() => ({ outcome: 'retry', delayMs: 50 })).deliver);
    publish(bus, 'x');
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    bus.close();
    assert.equal(clock.pending, 0);
    assert.throws(
      () => publish(bus, 'y'),
      (error) => error instanceof ComponentError && error.kind === 'closed',
    );
  });
});
