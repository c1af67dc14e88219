import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createManualClock } from '@outrigger/components-core/conformance';
import fc from 'fast-check';
import { createPayloadCache, type Payload } from '../log/payload.js';
import { payloadOf } from '../wire/shape.js';
import { OffsetQueue } from './offset-queue.js';
import { RequestTable } from './request-table.js';

describe('a queue of offsets', () => {
  it('yields the lowest first, each once', () => {
    const step = fc.record({ offset: fc.nat(30), isAdded: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const queue = new OffsetQueue();
        const model = new Set<number>();
        for (const { offset, isAdded } of steps) {
          if (isAdded) queue.add(offset);
          else queue.delete(offset);
          if (isAdded) model.add(offset);
          else model.delete(offset);
          assert.equal(queue.first(), model.size === 0 ? undefined : Math.min(...model));
          assert.equal(queue.size, model.size);
        }
      }),
    );
  });
});

describe('the cache of payloads', () => {
  const payload = (bytes: number): Payload => payloadOf(new Uint8Array(bytes));

  it('holds no more than it may, what is read longest', () => {
    const cache = createPayloadCache(1000, 200);
    const [large, read, first] = [payload(201), payload(100), payload(100)];
    cache.add(large);
    assert.equal(large.bytes, undefined, 'too large to be held at all');
    cache.add(read);
    cache.add(first);
    for (let count = 0; count < 50; count++) {
      read.used = true;
      cache.add(payload(100));
      assert.ok(cache.bytes <= 1000);
    }
    assert.ok(read.bytes !== undefined);
    assert.equal(first.bytes, undefined);
    cache.drop(read);
    assert.equal(read.bytes, undefined);
    read.bytes = new Uint8Array(100);
    cache.add(read);
    assert.ok(cache.bytes <= 900, 'what is gone does not come back');
  });
});

describe('the table of requests', () => {
  const origin = (request: number, floor: number) => ({ participant: 'p', request, floor, result: request * 2 });

  it('remembers what was applied and may be asked again', () => {
    const table = new RequestTable(createManualClock());
    for (let request = 1; request <= 100; request++) table.apply(origin(request, Math.max(1, request - 10)));
    assert.equal(table.result({ participant: 'p', request: 95 }), 190);
    assert.equal(table.result({ participant: 'p', request: 80 }), undefined, 'answered long ago');
    assert.equal(table.result({ participant: 'q', request: 95 }), undefined);
    const restored = new RequestTable(createManualClock());
    for (const record of table.snapshot()) if (record.kind === 'participant') restored.restore(record);
    assert.equal(restored.result({ participant: 'p', request: 95 }), 190);
    assert.deepEqual([...restored.snapshot()], [...table.snapshot()]);
  });

  it('forgets participants that went, after a while, and takes no more than it may', () => {
    const clock = createManualClock();
    const table = new RequestTable(clock);
    table.connected('p');
    table.apply(origin(1, 1));
    clock.advance(3_600_000);
    assert.equal([...table.snapshot()].length, 1, 'it is connected');
    table.disconnected('p');
    clock.advance(11 * 60_000);
    assert.equal([...table.snapshot()].length, 0);
    for (let count = 0; count < 5000; count++) table.apply({ ...origin(1, 1), participant: `p${count}` });
    assert.ok([...table.snapshot()].length <= 4096);
    assert.equal(table.result({ participant: 'p4999', request: 1 }), 2);
  });
});
