import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { bytes, createManualClock } from '../conformance/fixture.js';
import type { StateFilter } from '../state.js';
import { createExpiryQueue } from './expiry.js';
import { likeMatcher } from './like.js';
import { queryItems } from './state-query.js';

describe('the expiry queue', () => {
  it('removes what is due, keeps what was extended, and holds few stale notes', () => {
    const clock = createManualClock();
    const expiries = new Map<string, number>();
    const queue = createExpiryQueue<string>({
      clock,
      expiresAtMs: (key) => expiries.get(key),
      expire: (key) => expiries.delete(key),
    });
    const note = (key: string, inMs: number): void => {
      expiries.set(key, clock.wallMs() + inMs);
      queue.note(key, clock.wallMs() + inMs);
    };
    note('short', 1500);
    note('extended', 1500);
    note('extended', 10_000);
    clock.advance(3000);
    assert.deepEqual([...expiries.keys()], ['extended']);
    for (let count = 0; count < 100_000; count++) note('extended', 10_000 + count);
    assert.ok(queue.size <= 2048, `${queue.size} notes`);
    clock.advance(200_000);
    assert.equal(expiries.size, 0);
    assert.equal(clock.pending, 0);
  });

  it('agrees with a model for any sequence', () => {
    const step = fc.record({
      key: fc.integer({ min: 0, max: 9 }),
      inMs: fc.integer({ min: 1, max: 20_000 }),
      waitMs: fc.nat(5000),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const clock = createManualClock();
        const expiries = new Map<number, number>();
        const queue = createExpiryQueue<number>({
          clock,
          expiresAtMs: (key) => expiries.get(key),
          expire: (key) => {
            assert.ok(expiries.get(key)! <= clock.wallMs(), 'not before its time');
            expiries.delete(key);
          },
        });
        for (const { key, inMs, waitMs } of steps) {
          expiries.set(key, clock.wallMs() + inMs);
          queue.note(key, clock.wallMs() + inMs);
          clock.advance(waitMs);
          for (const atMs of expiries.values()) assert.ok(atMs > clock.wallMs() - 2100, 'at most a sweep late');
        }
        clock.advance(60_000);
        assert.equal(expiries.size, 0);
      }),
    );
  });
});

describe('LIKE patterns', () => {
  it('match as SQL does', () => {
    const cases: [string, string, boolean][] = [
      ['%', '', true],
      ['_', '', false],
      ['a%c', 'abbbc', true],
      ['a%c', 'abbbd', false],
      ['a_c', 'a🛶c', true],
      ['100\\%', '100%', true],
      ['100\\%', '1000', false],
      ['a.c', 'abc', false],
      ['%b%b%', 'abab', true],
      ['end\\', 'end\\', true],
    ];
    for (const [pattern, text, expected] of cases)
      assert.equal(likeMatcher(pattern)(text), expected, `${pattern} ${text}`);
  });

  it('agree with the regular expression of the same meaning', () => {
    const part = fc.constantFrom('a', 'b', '%', '_');
    fc.assert(
      fc.property(
        fc.array(part, { maxLength: 8 }),
        fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 12 }),
        (tokens, letters) => {
          const expression = new RegExp(
            `^${tokens.map((token) => (token === '%' ? '.*' : token === '_' ? '.' : token)).join('')}$`,
          );
          assert.equal(likeMatcher(tokens.join(''))(letters.join('')), expression.test(letters.join('')));
        },
      ),
    );
  });

  it('take bounded time for hostile patterns', () => {
    assert.equal(likeMatcher(`${'%a'.repeat(500)}%`)('b'.repeat(20_000)), false);
    assert.equal(likeMatcher(`${'%a'.repeat(50)}b`)('a'.repeat(20_000)), false);
  });
});

describe('state queries', () => {
  it('refuse filters nested too deep and tokens of somebody else', () => {
    let filter: StateFilter = { op: 'EQ', path: 'a', value: 1 };
    for (let depth = 0; depth < 100; depth++) filter = { op: 'OR', filters: [filter, filter].slice(0, 1) };
    const items = [{ key: 'k', value: bytes('{}'), etag: '1' }];
    const query = (more: object) => () =>
      queryItems(items, { sort: [], page: { limit: 0, token: '' }, keyPrefix: '', ...more });
    assert.throws(query({ filter }), /nested deeper/);
    assert.throws(query({ page: { limit: 1, token: '-1' } }), /page token/);
    assert.deepEqual(query({ filter: { op: 'EQ', path: '__proto__.x', value: undefined } })().items.length, 1);
  });
});
