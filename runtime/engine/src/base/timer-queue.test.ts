import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Timer } from './clock.js';
import { sleep } from './clock.js';
import { FakeClock } from './fake-clock.js';
import { systemClock } from './system-clock.js';
import { TimerQueue } from './timer-queue.js';

describe('the timer queue', () => {
  it('fires in order of tick, then of adding, exactly those not cancelled', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ tick: fc.nat(50), cancel: fc.boolean() }), { maxLength: 200 }), (plan) => {
        const queue = new TimerQueue((error) => assert.fail(String(error)));
        const fired: number[] = [];
        const timers: Timer[] = plan.map(({ tick }, i) => queue.add(tick, () => fired.push(i)));
        plan.forEach(({ cancel }, i) => {
          if (cancel) timers[i]?.cancel();
        });
        queue.run(50);
        const expected = plan
          .map((entry, i) => ({ ...entry, i }))
          .filter((entry) => !entry.cancel)
          .sort((a, b) => a.tick - b.tick || a.i - b.i)
          .map((entry) => entry.i);
        assert.deepEqual(fired, expected);
        assert.equal(queue.pending, 0);
        assert.equal(queue.nextTick(), -1);
      }),
    );
  });

  it('goes on after a callback that throws', () => {
    const errors: unknown[] = [];
    const queue = new TimerQueue((error) => errors.push(error));
    let fired = 0;
    queue.add(1, () => {
      throw new Error('first');
    });
    queue.add(1, () => fired++);
    queue.run(1);
    assert.equal(fired, 1);
    assert.equal(errors.length, 1);
  });

  it('takes a cancel from inside a callback of the same tick, and a cancel after firing', () => {
    const queue = new TimerQueue((error) => assert.fail(String(error)));
    const fired: string[] = [];
    const first = queue.add(1, () => {
      fired.push('first');
      second.cancel();
    });
    const second = queue.add(1, () => fired.push('second'));
    queue.run(1);
    first.cancel();
    assert.deepEqual(fired, ['first']);
    assert.equal(queue.pending, 0);
  });
});

describe('FakeClock', () => {
  it('moves through the timers that become due, also those set on the way', () => {
    const clock = new FakeClock();
    const times: number[] = [];
    clock.after(10, () => {
      times.push(clock.now());
      clock.after(5, () => times.push(clock.now()));
    });
    clock.advance(100);
    assert.deepEqual(times, [10, 15]);
    assert.equal(clock.now(), 100);
  });

  it('repeats its random numbers for a seed', () => {
    const draw = (): number[] => {
      const clock = new FakeClock({ seed: 7 });
      return [clock.random(), clock.random(), clock.random()];
    };
    assert.deepEqual(draw(), draw());
    for (const value of draw()) assert.ok(value >= 0 && value < 1);
  });
});

describe('systemClock', () => {
  it('fires after at least the delay, the earlier timer first although it was set later', async () => {
    // The clock's own timers do not keep the process alive, so the test does.
    const alive = setInterval(() => {}, 1000);
    try {
      const start = systemClock.now();
      const order: number[] = [];
      const late = sleep(systemClock, 40).then(() => order.push(40));
      const early = sleep(systemClock, 15).then(() => {
        order.push(15);
        assert.ok(systemClock.now() - start >= 15);
      });
      await Promise.all([late, early]);
      assert.ok(systemClock.now() - start >= 40);
      assert.deepEqual(order, [15, 40]);
    } finally {
      clearInterval(alive);
    }
  });
});
