import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { IntervalSet } from './interval-set.js';

describe('a set of intervals', () => {
  it('is a set, whatever is added', () => {
    const range = fc.record({ first: fc.nat(60), length: fc.nat(8) });
    fc.assert(
      fc.property(fc.array(range, { maxLength: 40 }), (ranges) => {
        const set = IntervalSet.of([]);
        const model = new Set<number>();
        for (const { first, length } of ranges) {
          set.addRange(first, first + length);
          for (let value = first; value < first + length; value++) model.add(value);
          for (let value = 0; value < 80; value++) {
            assert.equal(set.has(value), model.has(value));
            let gap = value;
            while (model.has(gap)) gap++;
            assert.equal(set.gap(value), gap);
          }
        }
        const { bounds } = set;
        for (let index = 1; index < bounds.length; index++)
          assert.ok(bounds[index]! > bounds[index - 1]!, 'runs never touch');
        assert.deepEqual(IntervalSet.of(bounds).bounds, bounds);
      }),
    );
  });

  it('holds a million settled offsets in one run', () => {
    const set = IntervalSet.of([]);
    for (let offset = 1; offset <= 1_000_000; offset++) set.add(offset);
    assert.deepEqual(set.bounds, [1, 1_000_001]);
  });
});
