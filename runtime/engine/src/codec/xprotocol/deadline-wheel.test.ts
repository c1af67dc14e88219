import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { FakeClock } from '../../base/fake-clock.js';
import { DeadlineWheel } from './deadline-wheel.js';

describe('the deadline wheel', () => {
  it('fires every deadline once, in its time, and none that was removed', () => {
    const step = fc.oneof(
      fc.record({ add: fc.constantFrom(0, 1, 9, 10, 11, 95, 1000, 5000, 10_239, 10_240, 10_241, 25_000, 600_000) }),
      fc.record({ remove: fc.nat(200) }),
      fc.record({ advance: fc.constantFrom(1, 7, 10, 100, 3000, 10_240, 30_000, 700_000) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.nat(1000), (steps, startMs) => {
        const clock = new FakeClock();
        clock.advance(startMs);
        const dueMs = new Map<number, number>();
        const wheel = new DeadlineWheel(clock, (slot) => {
          const due = dueMs.get(slot);
          assert.ok(due !== undefined, 'fired once, and not after its removal');
          assert.ok(clock.now() >= due && clock.now() <= due + 20, `due at ${due}, fired at ${clock.now()}`);
          dueMs.delete(slot);
        });
        let slot = 0;
        for (const one of steps) {
          if ('add' in one) {
            wheel.add(slot, one.add);
            dueMs.set(slot++, clock.now() + one.add);
          } else if ('remove' in one) {
            wheel.remove(one.remove);
            dueMs.delete(one.remove);
          } else clock.advance(one.advance);
          for (const due of dueMs.values()) assert.ok(due + 20 >= clock.now(), 'nothing is overdue');
        }
        clock.advance(1_300_000);
        assert.equal(dueMs.size, 0);
        assert.equal(clock.pending, 0, 'no timer is left');
      }),
    );
  });

  it('lets a callback add and remove others that are due with it', () => {
    const clock = new FakeClock();
    const fired: number[] = [];
    const wheel: DeadlineWheel = new DeadlineWheel(clock, (slot) => {
      fired.push(slot);
      if (fired.length > 1) return;
      // Two of the three that are due at the same moment.
      for (const other of [0, 1, 2, 3].filter((any) => any !== slot).slice(1)) wheel.remove(other);
      wheel.add(9, 0);
    });
    for (const slot of [0, 1, 2, 3]) wheel.add(slot, 50);
    clock.advance(60);
    assert.equal(fired.length, 2);
    clock.advance(1000);
    assert.equal(fired.length, 3);
    assert.equal(fired[2], 9);
  });

  it('wakes for no request that ended in time, but once for all of them', () => {
    const clock = new FakeClock();
    let wakes = 0;
    const after = clock.after.bind(clock);
    clock.after = (delayMs, fire) =>
      after(delayMs, () => {
        wakes++;
        fire();
      });
    const wheel = new DeadlineWheel(clock, () => assert.fail());
    for (let request = 0; request < 1000; request++) {
      wheel.add(request, 5000);
      clock.advance(1);
      wheel.remove(request);
    }
    clock.advance(20_000);
    assert.equal(wakes, 1);
    assert.equal(clock.pending, 0);
  });

  it('costs nothing once it was stopped', () => {
    const clock = new FakeClock();
    const wheel = new DeadlineWheel(clock, () => assert.fail());
    wheel.add(1, 10);
    wheel.stop();
    wheel.remove(1);
    assert.equal(clock.pending, 0);
  });

  it('holds a burst of different timeouts without going through them again and again', () => {
    const clock = new FakeClock();
    let fired = 0;
    const wheel = new DeadlineWheel(clock, () => fired++);
    // All in one bucket, half of them for a later turn of the wheel.
    for (let slot = 0; slot < 60_000; slot++) wheel.add(slot, slot % 2 === 0 ? 5000 : 5000 + 10_240);
    clock.advance(5100);
    assert.equal(fired, 30_000);
    clock.advance(10_240);
    assert.equal(fired, 60_000);
  });
});
