import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock } from '@outrigger/engine';
import { goDurationMs, hasExpired, rfc3339, timeToLiveMs } from './time-to-live.js';

describe('time to live', () => {
  it('is whole seconds or a Go duration, under ttl or ttlInSeconds in any case', () => {
    assert.equal(timeToLiveMs({ ttlInSeconds: '60' }), 60_000);
    assert.equal(timeToLiveMs({ TTLINSECONDS: '1' }), 1_000);
    assert.equal(timeToLiveMs({ ttlInSeconds: '60', ttl: '1m30s' }), 90_000);
    assert.equal(timeToLiveMs({ ttl: '-5s' }), 0);
  });

  it('is absent when it is not there, not positive, or cannot be read', () => {
    for (const text of ['', '0x', '-1', '1.5', 'soon', '1 s']) {
      assert.equal(timeToLiveMs({ ttlInSeconds: text }), undefined, text);
    }
    assert.equal(timeToLiveMs({}), undefined);
  });

  it('reads Go durations', () => {
    assert.equal(goDurationMs('1h1m1.5s'), 3_661_500);
    assert.equal(goDurationMs('-250ms'), -250);
    assert.equal(goDurationMs('2us'), 0.002);
    assert.equal(goDurationMs('.5s'), 500);
    assert.equal(goDurationMs('0'), 0);
    for (const text of ['', '5', 's', '1d', '1.s.']) assert.equal(goDurationMs(text), undefined, text);
  });

  it('has passed when the moment lies before now', () => {
    const clock = new FakeClock({ wallMs: Date.UTC(2026, 0, 1, 12) });
    assert.equal(hasExpired('2026-01-01T11:59:59Z', clock), true);
    assert.equal(hasExpired('2026-01-01T12:00:01Z', clock), false);
    assert.equal(hasExpired('2026-01-01T13:30:00+02:00', clock), true);
    for (const never of [undefined, '', 5, 'yesterday', '2020']) assert.equal(hasExpired(never, clock), false);
  });

  it('writes moments in whole seconds', () => {
    assert.equal(rfc3339(Date.UTC(2026, 0, 1, 0, 0, 0, 999)), '2026-01-01T00:00:00Z');
  });
});
