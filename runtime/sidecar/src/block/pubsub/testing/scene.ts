/** A pub/sub block on an in-memory bus, with an app that a test plays. */
import type { PublishRequest, PubSub } from '@outrigger/components-core';
import { pubsubInMemory } from '@outrigger/components-memory';
import { FakeClock } from '@outrigger/engine';
import type { AppChannel } from '../../../app/channel.js';
import { MutableFlag } from '../../../app/flag.js';
import type { SubscriptionDocument, SubscriptionSpec } from '../../../config/model.js';
import type { CallContext } from '../../context.js';
import { open, TestRegistry, testBlockDeps, testContext } from '../../testing/registry.js';
import type { AppCallback } from '../app-callback.js';
import { createPubSubBlock, type PubSubBlock, type PubSubBlockDeps } from '../block.js';
import type { BatchReply, EventBatch, Reply } from '../subscriber.js';
import type { TopicEvent } from '../topic-event.js';

export interface Delivered {
  readonly event: TopicEvent;
  readonly signal: AbortSignal;
  reply(reply: Reply): void;
}

/** The app as the block sees it: its channel and its callbacks, under the test's control. */
export class TestApp implements AppCallback {
  readonly receptive: MutableFlag = new MutableFlag(false);
  readonly deliveries: Delivered[] = [];
  readonly batches: EventBatch[] = [];
  asked = 0;
  /** What a connection attempt would find. */
  listening = true;
  restarts = 0;
  /** What GET /dapr/subscribe would answer. */
  list: () => readonly SubscriptionSpec[] = () => [];
  /** Answers every event at once when set; else the test answers. */
  auto: ((event: TopicEvent) => Reply | undefined) | undefined;
  autoBatch: ((batch: EventBatch) => BatchReply) | undefined;

  get channel(): AppChannel {
    const { receptive } = this;
    const unreachable = (): void => receptive.set(false);
    return {
      protocol: 'http',
      address: 'test',
      grpc: undefined,
      healthy: true,
      onHealth: () => () => {},
      get receptive() {
        return receptive.value;
      },
      onReceptive: (listener) => receptive.onChange(listener),
      unreachable,
      listens: async () => {
        if (!this.listening) unreachable();
        return this.listening;
      },
      ready: (signal) => receptive.whenTrue(signal),
      close: async () => {},
      open: () => {
        throw new Error('not in this test');
      },
    };
  }

  async listSubscriptions(): Promise<readonly SubscriptionSpec[]> {
    this.asked++;
    return this.list();
  }

  restarted(): void {
    this.restarts++;
  }

  deliver(event: TopicEvent, signal: AbortSignal): Promise<Reply> {
    return new Promise((reply) => {
      this.deliveries.push({ event, signal, reply });
      const answer = this.auto?.(event);
      if (answer !== undefined) reply(answer);
    });
  }

  async deliverBatch(batch: EventBatch): Promise<BatchReply> {
    this.batches.push(batch);
    return this.autoBatch?.(batch) ?? { answer: 'success' };
  }
}

export class Scene {
  readonly clock: FakeClock = new FakeClock();
  readonly registry: TestRegistry = new TestRegistry();
  readonly app: TestApp = new TestApp();
  readonly bus: PubSub;
  readonly block: PubSubBlock;
  readonly deps: PubSubBlockDeps;
  /** Everything that went to the component, in order. */
  readonly published: PublishRequest[] = [];

  constructor(setup: { readonly metadata?: Record<string, unknown>; readonly deps?: Partial<PubSubBlockDeps> } = {}) {
    this.bus = this.#recording(open(pubsubInMemory, 'bus', this.clock));
    this.registry.declare({
      kind: 'pubsub',
      name: 'bus',
      component: this.bus,
      type: 'pubsub.test',
      metadata: setup.metadata ?? {},
    });
    const { clock, registry, app } = this;
    this.deps = { ...testBlockDeps({ clock, registry }), app: app.channel, callback: app, ...setup.deps };
    this.block = createPubSubBlock(this.deps);
  }

  #recording(bus: PubSub): PubSub {
    const publish = bus.publish.bind(bus);
    bus.publish = (request) => {
      this.published.push(request);
      return publish(request);
    };
    return bus;
  }

  async start(...specs: Partial<SubscriptionSpec>[]): Promise<void> {
    this.app.list = () => specs.map(specOf);
    this.app.receptive.set(true);
    await this.block.startSubscriptions();
  }

  /** Text on topic `orders` unless said otherwise. */
  async publish(data: string, more: Partial<Parameters<PubSubBlock['publish']>[0]> = {}): Promise<void> {
    await this.block.publish({
      pubsubName: 'bus',
      topic: 'orders',
      data: Buffer.from(data),
      contentType: 'text/plain',
      metadata: {},
      context: testContext(),
      ...more,
    });
    await settle();
  }

  /** Time passes in small steps, so that what it sets off can run. */
  async pass(ms: number, stepMs = 100): Promise<void> {
    for (let passed = 0; passed < ms; passed += stepMs) {
      await settle();
      this.clock.advance(Math.min(stepMs, ms - passed));
    }
    await settle();
  }

  get texts(): string[] {
    return this.app.deliveries.map(({ event }) => textOf(event));
  }
}

export function specOf(spec: Partial<SubscriptionSpec> = {}): SubscriptionSpec {
  return {
    pubsubName: 'bus',
    topic: 'orders',
    metadata: {},
    rules: [],
    defaultPath: '/orders',
    deadLetterTopic: undefined,
    bulk: undefined,
    ...spec,
  };
}

export function documentOf(name: string, spec: Partial<SubscriptionSpec>, scopes: string[] = []): SubscriptionDocument {
  return {
    kind: 'Subscription',
    name,
    namespace: undefined,
    origin: { source: 'test' },
    dialect: 'dapr',
    scopes,
    subscription: specOf(spec),
  };
}

export function textOf(event: TopicEvent): string {
  return Buffer.from(event.data()).toString();
}

/** Lets everything that is ready to run do so. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve));
}

export type { CallContext };
