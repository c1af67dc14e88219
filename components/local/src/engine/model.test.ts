/**
 * Random operations, compactions and power cuts against a model. What was acknowledged is there afterwards; what was under
 * way is there or not, as a whole; what was settled is not delivered again.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ComponentError } from '@outrigger/components-core';
import { createManualClock, type ManualClock } from '@outrigger/components-core/conformance';
import fc from 'fast-check';
import { type CrashFs, createCrashFs } from '../log/crash-fs.test.support.js';
import type { Pushes } from '../operation.js';
import type { Engine } from './engine.js';
import {
  dataOf,
  message,
  openEngine,
  participate,
  removal,
  type TestParticipant,
  upsert,
} from './engine.test.support.js';

const store = 's';
const keys = ['a', 'b', 'c', 'd'];
const pair = ['pair||1', 'pair||2'];
const consumers = ['x', 'y'];
const topics = ['t', 'u'];

type Command =
  | { readonly do: 'set' | 'pair'; readonly key: number; readonly size: number }
  | { readonly do: 'guarded'; readonly key: number; readonly stale: boolean }
  | { readonly do: 'delete' | 'configure' | 'unconfigure' | 'count'; readonly key: number }
  | { readonly do: 'publish' | 'subscribe'; readonly topic: number; readonly consumer: number; readonly size: number }
  | { readonly do: 'settle'; readonly outcome: 'ack' | 'retry' | 'abandon'; readonly pick: number }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'compact' | 'leave' }
  | { readonly do: 'full'; readonly room: number }
  | { readonly do: 'crash'; readonly steps: number; readonly keep: number };

const index = fc.nat(3);
const size = fc.constantFrom(0, 10, 300, 5000, 70_000);
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom('set' as const, 'pair' as const), key: index, size }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('guarded' as const), key: index, stale: fc.boolean() }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('delete' as const, 'configure' as const, 'unconfigure' as const, 'count' as const),
      key: index,
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom('publish' as const, 'subscribe' as const),
      topic: fc.nat(1),
      consumer: fc.nat(1),
      size,
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      outcome: fc.constantFrom('ack' as const, 'ack' as const, 'retry' as const, 'abandon' as const),
      pick: fc.nat(20),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.nat(3000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('compact' as const, 'leave' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('full' as const), room: fc.constantFrom(0, 1, 30, 100, 400, 6000, 1e12) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('crash' as const), steps: fc.nat(12), keep: fc.nat(1000) }) },
);

/** What may be found under a key: what was acknowledged last, and what was asked for and has no certain end. */
class Register {
  #acknowledged: string | undefined;
  #open: { readonly value: string | undefined; isLost: boolean }[] = [];

  async change(value: string | undefined, action: () => Promise<unknown>): Promise<void> {
    const asked = { value, isLost: false };
    this.#open.push(asked);
    try {
      await action();
    } catch (error) {
      // Refused for good, unless the power went: then it may be found, even behind what came later.
      if ((error as ComponentError).kind === 'disk-full') this.#open.splice(this.#open.indexOf(asked), 1);
      else asked.isLost = true;
      throw error;
    }
    // In the order of the requests, so everything asked before it is overwritten.
    const at = this.#open.indexOf(asked);
    this.#open = this.#open.filter(({ isLost }, index) => isLost || index > at);
    this.#acknowledged = value;
  }

  check(what: string, found: string | undefined): void {
    const allowed = [this.#acknowledged, ...this.#open.map(({ value }) => value)];
    assert.ok(
      allowed.includes(found),
      `${what}: ${found?.slice(0, 20)} is none of ${allowed.map((value) => value?.slice(0, 20))}`,
    );
  }

  /** After a crash, what is found is what counts. */
  adopt(found: string | undefined): void {
    this.#acknowledged = found;
    this.#open = [];
  }
}

class World {
  clock: ManualClock = createManualClock();
  fs: CrashFs = createCrashFs();
  engine!: Engine;
  one!: TestParticipant;
  readonly state = new Map(keys.map((key) => [key, new Register()]));
  readonly pairs = new Register();
  readonly configuration = new Map(keys.map((key) => [key, new Register()]));
  readonly lastId = new Map(keys.map((key) => [key, 0n]));
  /** Per topic and consumer: acknowledged messages that were not settled, and those that were. */
  readonly owed = new Map<string, Set<string>>();
  readonly done = new Map<string, Set<string>>();
  readonly maybeSettled = new Set<string>();
  held: { call: Omit<import('../operation.js').SettleCall, 'outcome' | 'notBeforeMs'>; data: string; group: string }[] =
    [];
  unique = 0;
  subscriptions = 0;
  crashed = false;

  async start(): Promise<void> {
    this.crashed = false;
    // The engine before the power cut is dead, though its timers share our clock.
    if (this.one !== undefined) this.one.onPush = undefined;
    this.engine = await openEngine(this.fs, this.clock);
    this.one = participate(this.engine);
    this.held = [];
    this.one.onPush = (_push, pushed) => this.#received(pushed as Pushes['message']);
  }

  #byNumber = new Map<number, { topic: string; consumerId: string }>();

  #received(pushed: Pushes['message']): void {
    const { topic, consumerId } = this.#byNumber.get(pushed.subscription)!;
    const group = `${topic} ${consumerId}`;
    const data = dataOf(pushed);
    assert.ok(!this.done.get(group)?.has(data), `${data.slice(0, 20)} was settled by ${group} and is delivered again`);
    const call = { subscription: pushed.subscription, bus: 'b', topic, consumerId, offset: pushed.offset };
    this.held.push({ call, data, group });
  }

  text(bytes: number): string {
    return `${++this.unique}.${'x'.repeat(bytes)}`;
  }

  async read(key: string): Promise<string | undefined> {
    const [item] = await this.one.call('state.get', { store, keys: [key] });
    return item && Buffer.from(item.value).toString();
  }

  async subscribe(topic: string, consumerId: string, inFlightMax = 3): Promise<void> {
    const subscription = ++this.subscriptions;
    this.#byNumber.set(subscription, { topic, consumerId });
    await this.one.call('pubsub.subscribe', { subscription, bus: 'b', topic, consumerId, inFlightMax, held: [] });
    const group = `${topic} ${consumerId}`;
    if (!this.owed.has(group)) this.owed.set(group, new Set());
  }

  async run(next: Command): Promise<void> {
    switch (next.do) {
      case 'set': {
        const key = keys[next.key]!;
        const value = this.text(next.size);
        return this.state
          .get(key)!
          .change(value, () => this.one.call('state.change', { store, changes: [upsert(key, value)] }));
      }
      case 'pair': {
        const value = this.text(next.size);
        const changes = pair.map((key) => upsert(key, value));
        return this.pairs.change(value, () => this.one.call('state.change', { store, changes }));
      }
      case 'guarded': {
        const key = keys[next.key]!;
        const [item] = await this.one.call('state.get', { store, keys: [key] });
        if (item === undefined) return;
        const value = this.text(5);
        const etag = next.stale ? String(Number(item.etag) - 1) : item.etag;
        const changing = (): Promise<unknown> =>
          this.one.call('state.change', { store, changes: [upsert(key, value, etag)] });
        if (next.stale) await assert.rejects(changing(), { kind: 'etag-mismatch' });
        else await this.state.get(key)!.change(value, changing);
        return;
      }
      case 'delete': {
        const key = keys[next.key]!;
        return this.state
          .get(key)!
          .change(undefined, () => this.one.call('state.change', { store, changes: [removal(key)] }));
      }
      case 'configure': {
        const key = keys[next.key]!;
        const value = this.text(5);
        const item = {
          appId: '',
          group: 'default',
          label: 'default',
          key,
          value,
          revision: 0,
          deleted: false,
          metadata: {},
          tags: {},
        };
        return this.configuration
          .get(key)!
          .change(value, () => this.one.call('configuration.save', { store, items: [item] }));
      }
      case 'unconfigure': {
        const key = keys[next.key]!;
        const selector = { keys: [key], metadata: {} };
        return this.configuration
          .get(key)!
          .change(undefined, () => this.one.call('configuration.remove', { store, selector }));
      }
      case 'count': {
        const key = keys[next.key]!;
        const id = await this.one.call('sequence.take', { store, key, count: 1n });
        assert.ok(id > this.lastId.get(key)!, `${id} after ${this.lastId.get(key)}`);
        this.lastId.set(key, id);
        return;
      }
      case 'publish': {
        const topic = topics[next.topic]!;
        const data = this.text(next.size);
        const groups = [...this.owed].filter(([group]) => group.startsWith(`${topic} `));
        await this.one.call('pubsub.publish', { bus: 'b', topic, messages: [message(data)] });
        for (const [group, owed] of groups) if (!this.done.get(group)?.has(data)) owed.add(data);
        return;
      }
      case 'subscribe':
        return this.subscribe(topics[next.topic]!, consumers[next.consumer]!);
      case 'settle': {
        const { outcome, pick } = next;
        const [found] = this.held.splice(pick % Math.max(1, this.held.length), 1);
        if (found === undefined) return;
        if (outcome === 'ack') this.maybeSettled.add(`${found.group} ${found.data}`);
        await this.one.call('pubsub.settle', {
          ...found.call,
          outcome,
          notBeforeMs: this.clock.wallMs() + (outcome === 'retry' ? 500 : 0),
        });
        if (outcome !== 'ack') return;
        this.owed.get(found.group)?.delete(found.data);
        const done = this.done.get(found.group) ?? new Set();
        this.done.set(found.group, done.add(found.data));
        return;
      }
      case 'wait':
        this.clock.advance(next.ms);
        return;
      case 'compact':
        await this.engine.committer.idle();
        return this.engine.compact();
      case 'leave':
        this.engine.leave(this.one.session);
        this.held = [];
        this.one = participate(this.engine);
        this.one.onPush = (_push, pushed) => this.#received(pushed as Pushes['message']);
        return;
      case 'full':
      case 'crash':
        return;
    }
  }

  /** Runs the commands at once on a disk that is almost full: some fail, and have changed nothing then. */
  async full(room: number, commands: readonly Command[]): Promise<void> {
    this.fs.capacityBytes = [...this.fs.files().values()].reduce((sum, { length }) => sum + length, 0) + room;
    const running = commands.filter((next) => next.do !== 'guarded' && next.do !== 'leave');
    const results = await Promise.allSettled(running.map((next) => this.run(next)));
    for (const result of results) {
      if (result.status === 'rejected') assert.equal((result.reason as ComponentError).kind, 'disk-full');
    }
    this.fs.capacityBytes = Number.POSITIVE_INFINITY;
    await this.verify();
    // What could not be settled is settled by the next owner's consumers.
    await this.run({ do: 'leave' });
  }

  /** Runs the commands at once and cuts the power after some steps of the disk. */
  async crash(steps: number, keep: number, commands: readonly Command[]): Promise<void> {
    let left = steps;
    this.fs.fault = (operation) => {
      if (operation === 'read') return;
      if (left-- <= 0) {
        this.crashed = true;
        throw Object.assign(new Error('power cut'), { code: 'EIO' });
      }
    };
    await Promise.allSettled(
      commands.filter((next) => next.do !== 'guarded' && next.do !== 'leave').map((next) => this.run(next)),
    );
    const random = createManualClock(0, keep + 1).random;
    const share = random();
    this.fs = this.fs.crash(() => random() < share);
    await this.start();
    await this.verify();
  }

  async verify(): Promise<void> {
    for (const [key, register] of this.state) {
      const found = await this.read(key);
      register.check(`state ${key}`, found);
      register.adopt(found);
    }
    const [first, second] = await Promise.all(pair.map((key) => this.read(key)));
    assert.equal(first?.length, second?.length, 'a transaction is there as a whole');
    assert.equal(first, second);
    this.pairs.check('pair', first);
    this.pairs.adopt(first);
    for (const [key, register] of this.configuration) {
      const [item] = await this.one.call('configuration.get', { store, selector: { keys: [key], metadata: {} } });
      register.check(`configuration ${key}`, item?.value);
      register.adopt(item?.value);
    }
    assert.deepEqual(
      this.engine.recovery.damage.filter(({ kind }) => kind === 'corrupt'),
      [],
    );
  }

  /** Every message that is owed comes. */
  async deliverAll(): Promise<void> {
    this.fs = this.fs.crash(() => true);
    await this.start();
    for (const [group, owed] of this.owed) {
      this.held = [];
      const [topic, consumerId] = group.split(' ') as [string, string];
      await this.subscribe(topic, consumerId, 10_000);
      this.clock.advance(10_000);
      // Large bodies come from the disk, a turn or so later.
      for (let turns = 0; turns < 50; turns++) await new Promise((resolve) => setImmediate(resolve));
      const got = new Set(this.held.map(({ data }) => data));
      for (const data of owed) {
        if (this.maybeSettled.has(`${group} ${data}`)) continue;
        assert.ok(got.has(data), `${data.slice(0, 20)} of ${group} is lost`);
      }
    }
  }
}

describe('the local store', () => {
  it('keeps what it acknowledged, through any sequence of operations, compactions and power cuts', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 10, maxLength: 80 }), async (commands) => {
        const world = new World();
        await world.start();
        for (const [at, next] of commands.entries()) {
          if (next.do === 'full') await world.full(next.room, commands.slice(at + 1, at + 8));
          else if (next.do === 'crash') await world.crash(next.steps, next.keep, commands.slice(at + 1, at + 8));
          else await world.run(next);
        }
        await world.verify();
        await world.deliverAll();
        await world.engine.close();
      }),
      { numRuns: Number(process.env['OUTRIGGER_TEST_RUNS'] ?? 150), includeErrorInReport: true },
    );
  });
});
