import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ComponentError } from '@outrigger/components-core';
import { createManualClock } from '@outrigger/components-core/conformance';
import { createCrashFs } from '../log/crash-fs.test.support.js';
import type { Pushes } from '../operation.js';
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
const place = { bus: 'b', topic: 't', consumerId: 'c' };

async function textAt(participant: TestParticipant, key: string): Promise<string | undefined> {
  const [item] = await participant.call('state.get', { store, keys: [key] });
  return item && Buffer.from(item.value).toString();
}
const failsWith = (kind: string) => (error: unknown) => error instanceof ComponentError && error.kind === kind;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const messagesOf = (participant: TestParticipant): Pushes['message'][] =>
  participant.pushed.filter(({ push }) => push === 'message').map((pushed) => pushed.message as Pushes['message']);

describe('the owner acknowledges', () => {
  it('after the record is written and synced, and puts writes of one turn into one batch', async () => {
    const fs = createCrashFs();
    const one = participate(await openEngine(fs));
    await one.call('state.change', { store, changes: [upsert('first', '1')] });
    fs.events.length = 0;
    await Promise.all(
      Array.from({ length: 50 }, async (_, index) => {
        await one.call('state.change', { store, changes: [upsert(`k${index}`, 'v')] });
        fs.events.push('ack');
      }),
    );
    assert.deepEqual(fs.events.slice(0, 2), ['write 000000000001.log', 'sync 000000000001.log']);
    assert.deepEqual(
      fs.events.slice(2),
      Array.from({ length: 50 }, () => 'ack'),
    );
  });

  it('and shows nobody what is not on the disk yet', async () => {
    const fs = createCrashFs();
    const one = participate(await openEngine(fs));
    await one.call('state.change', { store, changes: [upsert('key', 'old')] });
    let goOn!: () => void;
    fs.delay = () => new Promise((resolve) => (goOn = resolve));
    const writing = one.call('state.change', { store, changes: [upsert('key', 'new'), upsert('other', 'x')] });
    await turn();
    assert.deepEqual([await textAt(one, 'key'), await textAt(one, 'other')], ['old', undefined]);
    fs.delay = undefined;
    goOn();
    await writing;
    assert.deepEqual([await textAt(one, 'key'), await textAt(one, 'other')], ['new', 'x']);
  });
});

describe('a full disk', () => {
  it('fails the writes as disk-full, changes nothing, and takes writes again when there is room', async () => {
    const fs = createCrashFs();
    const clock = createManualClock();
    const engine = await openEngine(fs, clock);
    const one = participate(engine);
    await one.call('state.change', { store, changes: [upsert('key', 'kept')] });
    const [item] = await one.call('state.get', { store, keys: ['key'] });
    fs.capacityBytes = [...fs.files().values()].reduce((sum, { length }) => sum + length, 0) + 40;
    const big = upsert('key', 'x'.repeat(500), item!.etag);
    await assert.rejects(one.call('state.change', { store, changes: [big] }), failsWith('disk-full'));
    await assert.rejects(
      one.call('state.change', { store, changes: [removal('key'), upsert('k2', 'y'.repeat(200))] }),
      failsWith('disk-full'),
    );
    await assert.rejects(
      one.call('pubsub.publish', { bus: 'b', topic: 't', messages: [message('m'.repeat(100))] }),
      failsWith('disk-full'),
    );
    await assert.rejects(
      one.call('lock.try', { store, resource: 'r'.repeat(100), owner: 'o', expiresAtMs: clock.wallMs() + 1000 }),
      failsWith('disk-full'),
    );
    assert.equal(engine.health().ok, false);
    assert.equal(await textAt(one, 'key'), 'kept');
    fs.capacityBytes = Number.POSITIVE_INFINITY;
    await one.call('state.change', { store, changes: [big] });
    assert.equal(engine.health().ok, true);
    assert.equal(
      await one.call('lock.try', { store, resource: 'r'.repeat(100), owner: 'o', expiresAtMs: clock.wallMs() + 1000 }),
      true,
    );
    await engine.close();
    const after = participate(await openEngine(fs.crash(), clock));
    assert.equal(await textAt(after, 'key'), 'x'.repeat(500));
    assert.equal(await textAt(after, 'k2'), undefined);
  });

  it('does not stop a start: what is there can be read', async () => {
    const fs = createCrashFs();
    await participate(await openEngine(fs)).call('state.change', { store, changes: [upsert('key', 'kept')] });
    const next = fs.crash();
    next.capacityBytes = 0;
    const one = participate(await openEngine(next));
    assert.equal(await textAt(one, 'key'), 'kept');
    await assert.rejects(one.call('state.change', { store, changes: [upsert('key', 'new')] }), failsWith('disk-full'));
    next.capacityBytes = Number.POSITIVE_INFINITY;
    await one.call('state.change', { store, changes: [upsert('key', 'new')] });
    assert.equal(await textAt(one, 'key'), 'new');
  });
});

describe('a disk whose sync fails', () => {
  it('is not trusted with that file again, and nothing of the failed batch comes back', async () => {
    const fs = createCrashFs();
    const one = participate(await openEngine(fs));
    await one.call('state.change', { store, changes: [upsert('key', 'kept')] });
    let isBroken = true;
    fs.fault = (operation, name) => {
      const isHit = operation === 'truncate' || (operation === 'sync' && isBroken);
      if (isHit && name === '000000000001.log') throw Object.assign(new Error('EIO'), { code: 'EIO' });
    };
    await assert.rejects(
      one.call('state.change', { store, changes: [upsert('key', 'lost')] }),
      failsWith('unavailable'),
    );
    assert.equal(await textAt(one, 'key'), 'kept');
    isBroken = false;
    await one.call('state.change', { store, changes: [upsert('other', 'new file')] });
    assert.ok(fs.files().get('000000000001.log')!.includes('lost'), 'the bytes could not be cut off');
    assert.ok(fs.files().has('000000000002.log'));
    const after = participate(await openEngine(fs.crash(() => true)));
    assert.deepEqual([await textAt(after, 'key'), await textAt(after, 'other')], ['kept', 'new file']);
  });
});

describe('a request that is sent again', () => {
  it('is answered as before and not applied twice, in the same owner and in the next', async () => {
    const fs = createCrashFs();
    const clock = createManualClock();
    const expiresAtMs = clock.wallMs() + 10_000;
    let engine = await openEngine(fs, clock);
    const id = (request: number) => ({ request, floor: 1 });
    const once = async (one: TestParticipant): Promise<unknown[]> =>
      Promise.all([
        one.call('state.change', { store, changes: [{ ...upsert('key', 'v'), concurrency: 'first-write' }] }, id(1)),
        one.call('pubsub.publish', { bus: 'b', topic: 't', messages: [message('m')] }, id(2)),
        one.call('lock.try', { store, resource: 'r', owner: 'o', expiresAtMs }, id(3)),
        one.call('state.change', { store, changes: [upsert('p||1', 'x'), upsert('p||2', 'y')] }, id(4)),
        one.call('state.delete-prefix', { store, prefix: 'p' }, id(5)),
        one.call('configuration.save', { store, items: [configured('k', 'v')] }, id(6)),
      ]);
    const one = participate(engine);
    await one.call('pubsub.subscribe', { ...place, subscription: 1, inFlightMax: 10, held: [] });
    const [first, second] = await Promise.all([once(one), once(one)]);
    assert.deepEqual(first, [undefined, undefined, true, undefined, 2, undefined]);
    assert.deepEqual(second, first);
    await engine.close();
    engine = await openEngine(fs.crash(), clock);
    const again = participate(engine);
    assert.deepEqual(await once(again), first);
    await again.call('pubsub.subscribe', { ...place, subscription: 1, inFlightMax: 10, held: [] });
    await turn();
    assert.equal(messagesOf(again).length, 1, 'published once');
    const [item] = await again.call('configuration.get', { store, selector: { keys: ['k'], metadata: {} } });
    assert.equal(
      item!.revision,
      (await again.call('configuration.get', { store, selector: { keys: ['k'], metadata: {} } }))[0]!.revision,
    );
  });
});

const configured = (key: string, value: string) => ({
  appId: '',
  group: 'default',
  label: 'default',
  key,
  value,
  revision: 0,
  deleted: false,
  metadata: {},
  tags: {},
});

describe('messages', () => {
  it('go to another consumer when theirs is gone, with an attempt more', async () => {
    const engine = await openEngine(createCrashFs());
    const [one, two] = [participate(engine, 'one'), participate(engine, 'two')];
    await one.call('pubsub.subscribe', { ...place, subscription: 1, inFlightMax: 2, held: [] });
    await one.call('pubsub.publish', { bus: 'b', topic: 't', messages: ['1', '2', '3'].map((data) => message(data)) });
    assert.deepEqual(messagesOf(one).map(dataOf), ['1', '2']);
    await two.call('pubsub.subscribe', { ...place, subscription: 7, inFlightMax: 10, held: [] });
    assert.deepEqual(messagesOf(two).map(dataOf), ['3']);
    engine.leave(one.session);
    assert.deepEqual(
      messagesOf(two).map((pushed) => [dataOf(pushed), pushed.attempt]),
      [
        ['3', 1],
        ['1', 2],
        ['2', 2],
      ],
    );
  });

  it('are kept by their consumer over a takeover, and given to others after a while', async () => {
    const fs = createCrashFs();
    const clock = createManualClock();
    let engine = await openEngine(fs, clock);
    const one = participate(engine, 'one');
    await one.call('pubsub.subscribe', { ...place, subscription: 1, inFlightMax: 2, held: [] });
    await one.call('pubsub.publish', { bus: 'b', topic: 't', messages: ['1', '2', '3'].map((data) => message(data)) });
    const [held] = messagesOf(one);
    engine = await openEngine(fs.crash(), clock);
    engine.awaitReturn();
    const other = participate(engine, 'other');
    await other.call('pubsub.subscribe', { ...place, subscription: 1, inFlightMax: 10, held: [] });
    assert.deepEqual(messagesOf(other), [], 'the others wait');
    const back = participate(engine, 'one');
    await back.call('pubsub.subscribe', {
      ...place,
      subscription: 1,
      inFlightMax: 1,
      held: [{ offset: held!.offset, attempt: 1 }],
    });
    clock.advance(250);
    await turn();
    assert.deepEqual(messagesOf(other).map(dataOf), ['2', '3']);
    assert.deepEqual(messagesOf(back), []);
    await back.call('pubsub.settle', {
      ...place,
      subscription: 1,
      offset: held!.offset,
      outcome: 'ack',
      notBeforeMs: 0,
    });
    await other.call('pubsub.publish', { bus: 'b', topic: 't', messages: [message('4')] });
    assert.equal([...messagesOf(other), ...messagesOf(back)].length, 3);
  });

  it('stay on the disk until every consumer has settled them, and leave it then', async () => {
    const fs = createCrashFs();
    const engine = await openEngine(fs);
    const one = participate(engine);
    for (const consumerId of ['c', 'd']) {
      await one.call('pubsub.subscribe', {
        ...place,
        consumerId,
        subscription: consumerId === 'c' ? 1 : 2,
        inFlightMax: 100,
        held: [],
      });
    }
    const messages = Array.from({ length: 100 }, (_, index) => message(`${index}`.repeat(1000)));
    await one.call('pubsub.publish', { bus: 'b', topic: 't', messages });
    const topic = engine.tables.topic('b', 't');
    for (const [index, consumerId] of ['c', 'd'].entries()) {
      assert.equal(topic.messages.size, 100);
      for (let offset = 1; offset <= 100; offset++) {
        await one.call('pubsub.settle', {
          ...place,
          consumerId,
          subscription: index + 1,
          offset,
          outcome: 'ack',
          notBeforeMs: 0,
        });
      }
    }
    assert.equal(topic.messages.size, 0);
    await engine.compact();
    assert.ok(engine.logBytes < 1000, `${engine.logBytes} bytes`);
    await engine.close();
    const after = participate(await openEngine(fs.crash()));
    await after.call('pubsub.subscribe', { ...place, subscription: 1, inFlightMax: 100, held: [] });
    await after.call('pubsub.publish', { bus: 'b', topic: 't', messages: [message('new')] });
    assert.deepEqual(
      messagesOf(after).map((pushed) => [dataOf(pushed), pushed.offset]),
      [['new', 101]],
    );
  });

  it('without any consumer are kept within bounds, the newest', async () => {
    const clock = createManualClock();
    const engine = await openEngine(createCrashFs(), clock);
    const one = participate(engine);
    for (let round = 0; round < 11; round++) {
      const messages = Array.from({ length: 1000 }, (_, index) => message(String(round * 1000 + index)));
      await one.call('pubsub.publish', { bus: 'b', topic: 't', messages });
    }
    assert.equal(engine.tables.topic('b', 't').messages.size, 10_000);
    await one.call('pubsub.subscribe', { ...place, subscription: 1, inFlightMax: 1, held: [] });
    assert.deepEqual(messagesOf(one).map(dataOf), ['1000']);
    await one.call('pubsub.publish', { bus: 'b', topic: 'other', messages: [message('old')] });
    clock.advance(25 * 3_600_000);
    assert.equal(engine.tables.topic('b', 'other').messages.size, 0);
  });

  it('of a consumer that does not come back are dropped after a week, with a warning', async () => {
    const clock = createManualClock();
    const warnings: string[] = [];
    const nothing = (): void => {};
    const log = {
      debug: nothing,
      info: nothing,
      error: nothing,
      warn: (...line: unknown[]) => void warnings.push(String(line.at(-1))),
    };
    const engine = await openEngine(createCrashFs(), clock, { log });
    const one = participate(engine);
    await one.call('pubsub.subscribe', { ...place, subscription: 1, inFlightMax: 1, held: [] });
    await one.call('pubsub.unsubscribe', { subscription: 1, isOver: false });
    await one.call('pubsub.publish', { bus: 'b', topic: 't', messages: [message('forgotten')] });
    clock.advance(8 * 24 * 3_600_000);
    await engine.committer.idle();
    assert.equal(engine.tables.topic('b', 't').groups.size, 0);
    assert.equal(warnings.length, 1);
  });
});

describe('values', () => {
  it('that are large are not held in memory, and come from the disk unharmed', async () => {
    const fs = createCrashFs();
    const engine = await openEngine(fs);
    const one = participate(engine);
    const large = Buffer.alloc(200_000, 'large');
    await one.call('state.change', {
      store,
      changes: [upsert('large', new Uint8Array(large)), upsert('small', 'small')],
    });
    assert.ok(engine.tables.context.cache.bytes < 1000);
    assert.equal(await textAt(one, 'large'), large.toString());
    await engine.compact();
    assert.equal(await textAt(one, 'large'), large.toString());
    fs.alter('000000000001.snapshot', (content) => {
      content[content.indexOf('largelarge') + 100]! ^= 1;
      return content;
    });
    await assert.rejects(textAt(one, 'large'), failsWith('corrupt'));
    assert.equal(await textAt(one, 'small'), 'small');
  });

  it('and messages over the limit are refused', async () => {
    const one = participate(await openEngine(createCrashFs()));
    const huge = new Uint8Array(33 * 1024 * 1024);
    await assert.rejects(one.call('state.change', { store, changes: [upsert('k', huge)] }), failsWith('too-large'));
    await assert.rejects(
      one.call('pubsub.publish', { bus: 'b', topic: 't', messages: [message(huge)] }),
      failsWith('too-large'),
    );
    const half = new Uint8Array(21 * 1024 * 1024);
    await assert.rejects(
      one.call('state.change', { store, changes: [upsert('a', half), upsert('b', half)] }),
      failsWith('too-large'),
    );
    assert.deepEqual(await one.call('state.get', { store, keys: ['a', 'b', 'k'] }), [undefined, undefined, undefined]);
    await one.call('state.change', { store, changes: [upsert('a', 'fits')] });
    assert.equal(await textAt(one, 'a'), 'fits');
  });
});
