import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  type Answer,
  advanceDelivery,
  beginDelivery,
  type DeliveryInput,
  type DeliveryRules,
  type DeliveryState,
  type Verdict,
} from './delivery.js';

const rules = (deadLetter: boolean, retries = 0): DeliveryRules => ({
  deadLetter,
  retryDelayMs: (attempt) => (attempt <= retries ? 100 * attempt : undefined),
});

function run(verdict: Verdict, under: DeliveryRules, ...inputs: DeliveryInput[]): DeliveryState {
  return inputs.reduce((state, input) => advanceDelivery(state, input, under), beginDelivery(verdict, under));
}

const answered = (answer: Answer): DeliveryInput => ({ type: 'answered', answer });
const outcome = (state: DeliveryState): string => (state.stage === 'settled' ? state.disposition.outcome : state.stage);

describe('delivery of one message', () => {
  it('acknowledges what the subscriber took', () => {
    assert.equal(outcome(run('deliver', rules(true), answered('success'))), 'ack');
  });

  it('leaves a failure to the broker when there is neither a retry policy nor a dead letter topic', () => {
    assert.equal(outcome(run('deliver', rules(false), answered('retry'))), 'retry');
  });

  it('tries again as the policy says, then publishes to the dead letter topic and acknowledges', () => {
    const under = rules(true, 2);
    let state = beginDelivery('deliver', under);
    for (const attempt of [1, 2]) {
      assert.deepEqual(state, { stage: 'attempting', attempt, closing: false });
      state = advanceDelivery(state, answered('retry'), under);
      assert.deepEqual(state, { stage: 'waiting', attempt, delayMs: 100 * attempt });
      state = advanceDelivery(state, { type: 'waited' }, under);
    }
    state = advanceDelivery(state, answered('retry'), under);
    assert.equal(state.stage, 'dead-lettering');
    assert.equal(outcome(advanceDelivery(state, { type: 'dead-lettered', ok: true }, under)), 'ack');
  });

  it('sends a dropped message to the dead letter topic, or drops it when there is none', () => {
    assert.equal(outcome(run('deliver', rules(true), answered('drop'))), 'dead-lettering');
    assert.equal(outcome(run('deliver', rules(false), answered('drop'))), 'ack');
  });

  it('keeps a message whose dead letter could not be published with the broker', () => {
    for (const verdict of ['expired', 'unmatched', 'unreadable'] as const) {
      assert.equal(outcome(run(verdict, rules(true), { type: 'dead-lettered', ok: false })), 'retry');
    }
  });

  it('drops expired and unmatched messages, and redelivers unreadable ones, without a dead letter topic', () => {
    assert.equal(outcome(run('expired', rules(false))), 'ack');
    assert.equal(outcome(run('unmatched', rules(false))), 'ack');
    assert.equal(outcome(run('unreadable', rules(false))), 'retry');
  });

  it('abandons what nobody could decide on', () => {
    assert.equal(outcome(run('deliver', rules(true, 3), answered('away'))), 'abandon');
  });

  it('abandons a failure that comes while the subscription closes, and a message that waits for its next attempt', () => {
    const under = rules(true, 3);
    assert.equal(outcome(run('deliver', under, { type: 'closing' }, answered('retry'))), 'abandon');
    assert.equal(outcome(run('deliver', under, answered('retry'), { type: 'closing' })), 'abandon');
  });

  it('dead-letters what the subscriber does not survive, even while it closes for that', () => {
    assert.equal(outcome(run('deliver', rules(true, 3), { type: 'closing' }, answered('fatal'))), 'dead-lettering');
    assert.equal(outcome(run('deliver', rules(false, 3), answered('fatal'))), 'retry');
    assert.equal(outcome(run('deliver', rules(false, 3), { type: 'closing' }, answered('fatal'))), 'abandon');
  });

  it('still acknowledges an attempt that succeeds while the subscription closes', () => {
    assert.equal(outcome(run('deliver', rules(true), { type: 'closing' }, answered('success'))), 'ack');
  });
});

/** A broker, a subscriber and a dead letter topic that behave as chance says, with the machine between them. */
interface World {
  readonly deadLetter: boolean;
  readonly retries: number;
  readonly verdicts: readonly Verdict[];
  readonly answers: readonly Answer[];
  readonly deadLettersOk: readonly boolean[];
  /** Before which step the subscription closes and when time is up; -1: never. */
  readonly closeAt: number;
  readonly abandonAt: number;
}

const world: fc.Arbitrary<World> = fc.record({
  deadLetter: fc.boolean(),
  retries: fc.nat(4),
  verdicts: fc.array(fc.constantFrom<Verdict>('deliver', 'deliver', 'deliver', 'expired', 'unmatched', 'unreadable'), {
    minLength: 1,
    maxLength: 6,
  }),
  answers: fc.array(fc.constantFrom<Answer>('success', 'retry', 'retry', 'drop', 'away', 'fatal'), {
    minLength: 1,
    maxLength: 40,
  }),
  deadLettersOk: fc.array(fc.boolean(), { minLength: 1, maxLength: 10 }),
  closeAt: fc.integer({ min: -1, max: 12 }),
  abandonAt: fc.integer({ min: -1, max: 20 }),
});

interface Trace {
  readonly verdict: Verdict;
  readonly answers: Answer[];
  readonly attempts: number[];
  readonly deadLetters: boolean[];
  closedBefore: boolean;
  abandoned: boolean;
  end: DeliveryState & { stage: 'settled' };
}

/** Delivers every message until it is settled. */
function simulate(at: World): Trace[] {
  const under = rules(at.deadLetter, at.retries);
  const traces: Trace[] = [];
  let answers = 0;
  let deadLetters = 0;
  let steps = 0;
  for (const verdict of at.verdicts) {
    let state = beginDelivery(verdict, under);
    const trace = {
      verdict,
      answers: [],
      attempts: [],
      deadLetters: [],
      closedBefore: false,
      abandoned: false,
    } as unknown as Trace;
    for (let own = 0; state.stage !== 'settled'; own++) {
      assert.ok(own < 40, 'does not come to an end');
      steps++;
      if (at.closeAt >= 0 && steps >= at.closeAt && !trace.closedBefore) {
        trace.closedBefore = true;
        state = advanceDelivery(state, { type: 'closing' }, under);
      } else if (at.abandonAt >= 0 && steps >= at.abandonAt) {
        trace.abandoned = true;
        state = advanceDelivery(state, { type: 'abandon' }, under);
      } else if (state.stage === 'attempting') {
        const answer = at.answers[answers++ % at.answers.length] as Answer;
        trace.attempts.push(state.attempt);
        trace.answers.push(answer);
        state = advanceDelivery(state, answered(answer), under);
      } else if (state.stage === 'waiting') {
        state = advanceDelivery(state, { type: 'waited' }, under);
      } else {
        const ok = at.deadLettersOk[deadLetters++ % at.deadLettersOk.length] as boolean;
        trace.deadLetters.push(ok);
        state = advanceDelivery(state, { type: 'dead-lettered', ok }, under);
      }
    }
    trace.end = state;
    traces.push(trace);
  }
  return traces;
}

describe('delivery, whatever happens', () => {
  const holds = (check: (trace: Trace, at: World) => void): void => {
    fc.assert(
      fc.property(world, (at) => {
        for (const trace of simulate(at)) check(trace, at);
      }),
      { numRuns: 2_000 },
    );
  };

  it('acknowledges only what is done: taken, dropped, over, or in the dead letter topic', () => {
    holds((trace, at) => {
      if (trace.end.disposition.outcome !== 'ack') return;
      const last = trace.answers.at(-1);
      const inDeadLetters = trace.deadLetters.at(-1) === true;
      const over = !at.deadLetter && (trace.verdict === 'expired' || trace.verdict === 'unmatched');
      assert.ok(last === 'success' || inDeadLetters || over || (last === 'drop' && !at.deadLetter));
    });
  });

  it('publishes to the dead letter topic at most once, and exactly when it is due', () => {
    holds((trace, at) => {
      const spent = trace.answers.length > at.retries && trace.answers.at(-1) === 'retry';
      const due =
        at.deadLetter &&
        (trace.verdict !== 'deliver' ||
          trace.answers.at(-1) === 'drop' ||
          trace.answers.at(-1) === 'fatal' ||
          (spent && !trace.closedBefore));
      if (trace.deadLetters.length > 0) assert.ok(due || trace.closedBefore);
      if (due && !trace.abandoned) assert.equal(trace.deadLetters.length, 1);
      assert.ok(trace.deadLetters.length <= 1);
      if (!at.deadLetter) assert.equal(trace.deadLetters.length, 0);
    });
  });

  it('never rejects a message because something goes away, and counts no attempt past the policy', () => {
    holds((trace, at) => {
      if (trace.closedBefore || trace.abandoned || trace.answers.includes('away')) {
        const { outcome } = trace.end.disposition;
        const before = trace.verdict === 'unreadable' && !at.deadLetter;
        assert.ok(outcome !== 'retry' || before, `rejected: ${JSON.stringify(trace)}`);
      }
      assert.deepEqual(
        trace.attempts,
        trace.attempts.map((_, index) => index + 1),
      );
      assert.ok(trace.attempts.length <= at.retries + 1);
    });
  });

  it('does not move once it is settled', () => {
    holds((trace, at) => {
      const inputs: DeliveryInput[] = [
        answered('success'),
        answered('retry'),
        { type: 'waited' },
        { type: 'dead-lettered', ok: false },
        { type: 'closing' },
        { type: 'abandon' },
      ];
      for (const input of inputs) assert.equal(advanceDelivery(trace.end, input, rules(at.deadLetter)), trace.end);
    });
  });
});
