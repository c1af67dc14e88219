import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ResetReason, StreamReset } from '@outrigger/engine';
import fc from 'fast-check';
import { backoffMs, conditionsOf, mayRetry, NO_RETRY, RetryOn, type RetryPolicy, SERVICE_RETRY } from './retry.js';

const reset = (reason: ResetReason, unprocessed: boolean): StreamReset => ({ reason, unprocessed, message: reason });

describe('retry policy', () => {
  it('retries a refused connection, and a stream that the peer never began', () => {
    assert.ok(mayRetry(SERVICE_RETRY, conditionsOf(reset('connect', true)), 0));
    assert.ok(mayRetry(SERVICE_RETRY, conditionsOf(reset('refused', true)), 0));
  });

  it('does not retry by default when the peer may have acted on the request', () => {
    for (const reason of ['connection-lost', 'internal', 'protocol', 'timeout', 'cancel'] as const) {
      assert.ok(!mayRetry(SERVICE_RETRY, conditionsOf(reset(reason, false)), 0), reason);
    }
  });

  it('does not retry a request that cannot be sent as it is', () => {
    assert.ok(!mayRetry(SERVICE_RETRY, conditionsOf(reset('protocol', true)), 0));
  });

  it('retries a broken connection when a policy says so', () => {
    const policy: RetryPolicy = { ...SERVICE_RETRY, retryOn: RetryOn.reset };
    assert.ok(mayRetry(policy, conditionsOf(reset('connection-lost', false)), 0));
    assert.ok(!mayRetry(policy, conditionsOf(reset('cancel', false)), 0));
  });

  it('counts exactly: as many retries as the policy says, not one more', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 20 }), (retriesMax) => {
        const policy: RetryPolicy = { ...SERVICE_RETRY, retriesMax };
        let retries = 0;
        while (mayRetry(policy, RetryOn.unprocessed, retries)) retries++;
        return retries === retriesMax;
      }),
    );
    assert.ok(!mayRetry(NO_RETRY, RetryOn.unprocessed, 0));
  });

  it('waits one second between service retries', () => {
    for (const retries of [0, 1, 2]) assert.equal(backoffMs(SERVICE_RETRY.backoff, retries, 0.5), 1000);
  });

  it('spreads exponential delays under a cap that never overflows', () => {
    fc.assert(
      fc.property(fc.nat(2000), fc.double({ min: 0, max: 0.999, noNaN: true }), (retries, random) => {
        const delay = backoffMs({ kind: 'exponential', baseMs: 25, delayMsMax: 1000 }, retries, random);
        return delay >= 0 && delay < 1000;
      }),
    );
  });
});
