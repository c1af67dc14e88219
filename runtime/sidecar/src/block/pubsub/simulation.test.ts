/**
 * The whole block against a broker that forgets nothing, an app that answers as chance says and comes and goes, and
 * sidecars that are stopped and replaced in the middle of it all.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Deliver, Disposition, PublishRequest, PubSub, SubscribeRequest } from '@outrigger/components-core';
import { FakeClock } from '@outrigger/engine';
import fc from 'fast-check';
import { TestRegistry, testBlockDeps } from '../testing/registry.js';
import { createPubSubBlock, type PubSubBlock } from './block.js';
import type { Reply } from './subscriber.js';
import { settle, specOf, TestApp } from './testing/scene.js';
import type { TopicEvent } from './topic-event.js';

interface Kept {
  readonly id: string;
  readonly topic: string;
  readonly data: Uint8Array;
  attempt: number;
  state: 'waiting' | 'delivered' | 'done';
  /** Every way it was given back; `!` marks those of a sidecar that was draining. */
  readonly returned: (Disposition['outcome'] | `${Disposition['outcome']}!`)[];
}

/** One sidecar's connection to the broker. */
interface Connection {
  draining: boolean;
}

interface Member {
  readonly connection: Connection;
  readonly request: SubscribeRequest;
  readonly deliver: Deliver;
  inFlight: number;
  open: boolean;
  settled: () => void;
}

/** Durable: a message stays until it is acknowledged, whoever subscribes. */
class SimBroker {
  readonly messages: Kept[] = [];
  readonly #clock: FakeClock;
  readonly #members: Member[] = [];
  /** Dead letters that a draining sidecar published. */
  readonly lateDeadLetters: string[] = [];
  deadLettersFail = false;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  /** A connection of one sidecar to the broker. */
  connect(connection: Connection = { draining: false }): PubSub {
    return {
      features: new Set(),
      open: () => {},
      drain: () => {},
      close: () => {},
      health: () => ({ ok: true }),
      publish: (request) => this.#publish(request, connection),
      subscribe: async (request, deliver) => {
        const member: Member = { connection, request, deliver, inFlight: 0, open: true, settled: () => {} };
        this.#members.push(member);
        this.#pump();
        return {
          close: () => {
            member.open = false;
            this.#members.splice(this.#members.indexOf(member), 1);
            if (member.inFlight === 0) return Promise.resolve();
            return new Promise<void>((resolve) => {
              member.settled = resolve;
            });
          },
        };
      },
    };
  }

  #publish({ topic, data }: PublishRequest, { draining }: Connection): void {
    if (topic === 'dead' && this.deadLettersFail) throw new Error('the dead letter topic is full');
    if (topic === 'dead' && draining) this.lateDeadLetters.push(idOf(data));
    const id = String(this.messages.length);
    this.messages.push({ id, topic, data, attempt: 0, state: 'waiting', returned: [] });
    queueMicrotask(() => this.#pump());
  }

  #pump(): void {
    for (const message of this.messages) {
      if (message.state !== 'waiting') continue;
      const member = this.#members.find(
        ({ request, inFlight }) => request.topic === message.topic && inFlight < request.inFlightMax,
      );
      if (member !== undefined) void this.#deliver(message, member);
    }
  }

  async #deliver(message: Kept, member: Member): Promise<void> {
    message.state = 'delivered';
    message.attempt++;
    member.inFlight++;
    const { id, topic, data, attempt } = message;
    const disposition = await member.deliver({ id, topic, data, metadata: {}, attempt });
    member.inFlight--;
    const { outcome } = disposition;
    message.returned.push(member.connection.draining ? `${outcome}!` : outcome);
    if (outcome === 'ack') message.state = 'done';
    else this.#clock.after(outcome === 'retry' ? 100 : 20, () => this.#again(message));
    if (!member.open && member.inFlight === 0) member.settled();
    this.#pump();
  }

  #again(message: Kept): void {
    message.state = 'waiting';
    this.#pump();
  }
}

type Step =
  | { readonly do: 'publish' }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'app'; readonly up: boolean }
  | { readonly do: 'restart'; readonly graceMs: number }
  | { readonly do: 'dead-letters'; readonly fail: boolean };

interface Plan {
  readonly deadLetter: boolean;
  readonly bulk: boolean;
  readonly retries: number;
  readonly answers: readonly ('success' | 'retry' | 'drop' | 'away' | 'late' | 'never')[];
  readonly steps: readonly Step[];
}

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Step>({ do: 'publish' }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(20, 100, 500) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('app' as const), up: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const), graceMs: fc.constantFrom(0, 50, 1_000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('dead-letters' as const), fail: fc.boolean() }) },
);

const plan: fc.Arbitrary<Plan> = fc.record({
  deadLetter: fc.boolean(),
  bulk: fc.boolean(),
  retries: fc.nat(2),
  answers: fc.array(fc.constantFrom('success', 'success', 'retry', 'drop', 'away', 'late', 'never'), {
    minLength: 1,
    maxLength: 30,
  }),
  steps: fc.array(step, { minLength: 5, maxLength: 40 }),
});

class Simulation {
  readonly clock = new FakeClock();
  readonly broker = new SimBroker(this.clock);
  readonly plan: Plan;
  /** Data → what the app said about it, in order. */
  readonly said = new Map<string, string[]>();
  app = new TestApp();
  block!: PubSubBlock;
  connection: Connection = { draining: false };
  #answers = 0;
  #published = 0;
  #kind = false;

  constructor(plan: Plan) {
    this.plan = plan;
  }

  async run(): Promise<void> {
    await this.#start();
    for (const step of this.plan.steps) await this.#step(step);
    // From now on everything works: what is left must come through.
    this.#kind = true;
    this.broker.deadLettersFail = false;
    await this.#restart(0);
    this.app.receptive.set(true);
    for (let i = 0; i < 100 && this.broker.messages.some(({ state }) => state !== 'done'); i++) await this.#pass(200);
  }

  async #step(step: Step): Promise<void> {
    switch (step.do) {
      case 'publish': {
        const text = `m${this.#published++}`;
        await this.broker.connect().publish({
          topic: 'orders',
          data: Buffer.from(JSON.stringify({ id: text, datacontenttype: 'text/plain', data: text })),
          metadata: {},
        });
        return settle();
      }
      case 'pass':
        return this.#pass(step.ms);
      case 'app':
        this.app.receptive.set(step.up);
        return settle();
      case 'restart':
        return this.#restart(step.graceMs);
      case 'dead-letters':
        this.broker.deadLettersFail = step.fail;
    }
  }

  async #pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 20) {
      await settle();
      this.clock.advance(20);
    }
    await settle();
  }

  async #restart(graceMs: number): Promise<void> {
    let drained = false;
    this.connection.draining = true;
    const draining = this.block.drain(this.clock.now() + graceMs).then(() => {
      drained = true;
    });
    for (let i = 0; i < 100 && !drained; i++) await this.#pass(20);
    assert.ok(drained, 'drain does not end');
    await draining;
    this.app = new TestApp();
    await this.#start();
  }

  async #start(): Promise<void> {
    const { clock, app, plan } = this;
    const registry = new TestRegistry();
    this.connection = { draining: false };
    registry.declare({
      kind: 'pubsub',
      name: 'bus',
      component: this.broker.connect(this.connection),
      type: 'pubsub.sim',
    });
    const retryDelayMs = (attempt: number): number | undefined => (attempt <= plan.retries ? 40 : undefined);
    app.list = () => [
      specOf({
        deadLetterTopic: plan.deadLetter ? 'dead' : undefined,
        bulk: plan.bulk ? { messagesMax: 3, awaitMs: 60 } : undefined,
      }),
    ];
    app.auto = (event) => this.#answer(event, app);
    app.autoBatch = ({ entries }) => new Map(entries.map(({ entryId, event }) => [entryId, this.#inBatch(event)]));
    this.block = createPubSubBlock({
      ...testBlockDeps({ registry, clock }),
      app: app.channel,
      callback: app,
      deliveryPolicies: { inbound: () => ({ timeoutMs: 200, retryDelayMs }) },
    });
    app.receptive.set(true);
    await this.block.startSubscriptions();
  }

  #next(event: TopicEvent): Plan['answers'][number] {
    const answer = this.#kind
      ? 'success'
      : (this.plan.answers[this.#answers++ % this.plan.answers.length] ?? 'success');
    const text = Buffer.from(event.data()).toString();
    this.said.set(text, [...(this.said.get(text) ?? []), answer]);
    return answer;
  }

  #answer(event: TopicEvent, app: TestApp): Reply | undefined {
    const answer = this.#next(event);
    if (answer === 'never') return undefined;
    if (answer !== 'late') return { answer, asked: true };
    const delivered = app.deliveries.at(-1);
    this.clock.after(60, () => delivered?.reply({ answer: 'success' }));
    return undefined;
  }

  #inBatch(event: TopicEvent): Reply {
    const answer = this.#next(event);
    return { answer: answer === 'late' || answer === 'never' ? 'success' : answer };
  }
}

const idOf = (data: Uint8Array): string => JSON.parse(Buffer.from(data).toString()).id;

describe('pub/sub, whatever happens', () => {
  it('loses nothing, and acknowledges and dead-letters only what is due', async () => {
    await fc.assert(
      fc.asyncProperty(plan, async (at) => {
        const simulation = new Simulation(at);
        await simulation.run();
        const { messages } = simulation.broker;
        const dead = new Set(
          messages
            .filter(({ topic }) => topic === 'dead')
            .map(({ data }) => JSON.parse(Buffer.from(data).toString()).id),
        );
        for (const { topic, data, state, returned } of messages) {
          if (topic === 'dead') continue;
          const id = idOf(data);
          assert.ok(!returned.includes('retry!'), `${id} was rejected by a shutdown after ${simulation.said.get(id)}`);
          const said = simulation.said.get(id) ?? [];
          assert.equal(state, 'done', `${id} is still with the broker: ${said} ${returned}`);
          const taken = said.includes('success') || said.includes('late') || said.includes('never');
          const dropped = said.includes('drop') && !at.deadLetter;
          assert.ok(taken || dropped || dead.has(id), `${id} was acknowledged after ${said}`);
          // Rejected only because the app said so, or did not answer in time, as often as the policy allows.
          const failures = said.filter((answer) => answer !== 'success' && answer !== 'away').length;
          const rejections = returned.filter((outcome) => outcome === 'retry').length;
          assert.ok(rejections <= failures, `${id} was rejected ${rejections} times after ${said}`);
          if (simulation.broker.lateDeadLetters.includes(id))
            assert.ok(said.includes('drop'), `${id} by a shutdown: ${said}`);
          if (dead.has(id)) assert.ok(at.deadLetter && failures > 0, `${id} was dead-lettered after ${said}`);
        }
      }),
      { numRuns: 120 },
    );
  });
});
