import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock } from '@outrigger/engine';
import { collector, createMemoryTidy } from './memory-tidy.js';

const MIB = 1024 * 1024;

describe('memory after a burst of large messages', () => {
  it('is collected once the burst is over, and once for each burst', () => {
    const clock = new FakeClock();
    let collections = 0;
    const tidy = createMemoryTidy(clock, () => () => collections++);
    for (let i = 0; i < 10; i++) {
      tidy.large(3 * MIB);
      clock.advance(1_000);
    }
    assert.equal(collections, 0);
    clock.advance(3_000);
    assert.equal(collections, 1);
    clock.advance(60_000);
    assert.equal(collections, 1);
    assert.equal(clock.pending, 0);
  });

  it('is left alone after a few large messages', () => {
    const clock = new FakeClock();
    const tidy = createMemoryTidy(clock, () => assert.fail('collected'));
    tidy.large(3 * MIB);
    assert.equal(clock.pending, 0);
  });

  it('can be collected in this runtime', () => {
    const collect = collector();
    assert.ok(collect !== undefined);
    collect();
  });
});
