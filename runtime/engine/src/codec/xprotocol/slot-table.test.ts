import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { SLOTS_MAX, SLOTS_MIN } from './limits.js';
import { SlotTable } from './slot-table.js';

describe('the slot table', () => {
  for (const wide of [false, true]) {
    const name = wide ? '64-bit' : '32-bit';

    it(`finds with ${name} ids what is under way and nothing else, whatever is acquired and released`, () => {
      fc.assert(
        fc.property(fc.array(fc.oneof(fc.constant(-1), fc.nat(1000)), { maxLength: 300 }), (steps) => {
          const table = new SlotTable<string, string>(50, wide);
          const live: { slot: number; id: number; idHigh: number; owner: string }[] = [];
          const dead: { id: number; idHigh: number }[] = [];
          for (const [i, step] of steps.entries()) {
            if (step < 0) {
              const slot = table.acquire(`owner ${i}`, 'link');
              assert.equal(slot < 0, live.length === 50);
              if (slot < 0) continue;
              live.push({ slot, id: table.upstreamId(slot), idHigh: table.upstreamIdHigh(slot), owner: `owner ${i}` });
            } else if (live.length > 0) {
              const [gone] = live.splice(step % live.length, 1) as [(typeof live)[number]];
              table.release(gone.slot);
              dead.push(gone);
            }
          }
          assert.equal(table.size, live.length);
          for (const { slot, id, idHigh, owner } of live) {
            assert.equal(table.find(id, idHigh), slot);
            assert.equal(table.owner[slot], owner);
          }
          for (const { id, idHigh } of dead) assert.equal(table.find(id, idHigh), -1);
        }),
      );
    });

    it(`finds nothing under ${name} ids that it never gave`, () => {
      const table = new SlotTable<string, string>(10, wide);
      assert.equal(table.find(0, 0), -1);
      const slot = table.acquire('a', 'b');
      fc.assert(
        fc.property(fc.integer(), fc.integer(), (id, idHigh) => {
          const given = id === table.upstreamId(slot) && (!wide || idHigh === table.upstreamIdHigh(slot));
          assert.equal(table.find(id, idHigh), given ? slot : -1);
        }),
      );
    });
  }

  it('does not give an id again for 2^24 requests', () => {
    const table = new SlotTable<string, string>(SLOTS_MAX, false);
    const first = table.acquire('a', 'b');
    const id = table.upstreamId(first);
    table.release(first);
    let between = 0;
    for (;;) {
      const slot = table.acquire('a', 'b');
      if (table.upstreamId(slot) === id) break;
      table.release(slot);
      between++;
    }
    assert.equal(between, SLOTS_MIN * 4096 - 1);
  });

  it('grows to its limit and keeps what is in it', () => {
    const table = new SlotTable<number, string>(3 * SLOTS_MIN, false);
    const slots: number[] = [];
    for (let i = 0; ; i++) {
      const slot = table.acquire(i, 'link');
      if (slot < 0) break;
      table.id[slot] = -i;
      slots.push(slot);
    }
    assert.equal(slots.length, 3 * SLOTS_MIN);
    assert.equal(new Set(slots).size, slots.length);
    for (const [i, slot] of slots.entries()) assert.deepEqual([table.owner[slot], table.id[slot]], [i, -i | 0]);
    for (const slot of slots) table.release(slot);
    assert.equal(table.size, 0);
    assert.ok(table.acquire(1, 'link') >= 0);
  });
});
