import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ConcurrencyGate, type Ticket } from './concurrency-gate.js';

describe('app-max-concurrency', () => {
  it('lets calls pass up to the limit and the rest in the order they came', () => {
    const gate = new ConcurrencyGate(2);
    const entered: string[] = [];
    const tickets = ['a', 'b', 'c', 'd'].map((name) => gate.request(() => entered.push(name)) as Ticket);
    assert.deepEqual(entered, ['a', 'b']);
    assert.equal(gate.waiting, 2);
    tickets[1]?.release();
    assert.deepEqual(entered, ['a', 'b', 'c']);
    tickets[0]?.release();
    assert.deepEqual(entered, ['a', 'b', 'c', 'd']);
    assert.equal(gate.running, 2);
  });

  it('forgets a call that leaves the line, and gives a place back only once', () => {
    const gate = new ConcurrencyGate(1);
    const entered: string[] = [];
    const first = gate.request(() => entered.push('first')) as Ticket;
    const second = gate.request(() => entered.push('second')) as Ticket;
    gate.request(() => entered.push('third'));
    second.release();
    first.release();
    first.release();
    assert.deepEqual(entered, ['first', 'third']);
    assert.equal(gate.running, 1);
  });

  it('refuses a call when the line is full', () => {
    const gate = new ConcurrencyGate(1, 1);
    gate.request(() => {});
    assert.notEqual(
      gate.request(() => {}),
      undefined,
    );
    assert.equal(
      gate.request(() => {}),
      undefined,
    );
  });

  it('has no limit with 0', () => {
    const gate = new ConcurrencyGate(0);
    let entered = 0;
    for (let i = 0; i < 100; i++) gate.request(() => entered++);
    assert.equal(entered, 100);
  });

  it('never runs more than the limit, loses no call and leaves no place idle, whatever the order of releases', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.array(fc.nat(20), { maxLength: 60 }), (max, steps) => {
        const gate = new ConcurrencyGate(max);
        const tickets: Ticket[] = [];
        let inside = 0;
        const insideOf: boolean[] = [];
        for (const step of steps) {
          if (step % 2 === 0) {
            const at = tickets.length;
            insideOf.push(false);
            tickets.push(
              gate.request(() => {
                insideOf[at] = true;
                inside++;
              }) as Ticket,
            );
          } else if (tickets.length > 0) {
            const at = step % tickets.length;
            if (insideOf[at]) {
              insideOf[at] = false;
              inside--;
            }
            tickets[at]?.release();
          }
          assert.ok(inside <= max);
          assert.equal(gate.running, inside);
          assert.ok(gate.waiting === 0 || gate.running === max);
        }
      }),
    );
  });
});
