import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock } from '@outrigger/engine';
import { createBalancer } from './balancer.js';
import { Host } from './host.js';

const hosts = (count: number): Host[] =>
  Array.from(
    { length: count },
    (_, i) =>
      new Host({ address: `127.0.0.1:${i + 1}`, metadata: {} }, () => ({
        open: () => assert.fail('not used here'),
        drain() {},
        close() {},
      })),
  );

const count = (chosen: readonly (Host | null)[]): number[] => {
  const counts = new Map<Host | null, number>();
  for (const host of chosen) counts.set(host, (counts.get(host) ?? 0) + 1);
  return [...counts.values()].sort((a, b) => a - b);
};

describe('balancer', () => {
  it('round robin gives every host the same share', () => {
    const clock = new FakeClock();
    const balancer = createBalancer('round-robin', () => clock.random());
    const all = hosts(3);
    assert.deepEqual(count(Array.from({ length: 30 }, () => balancer.choose(all, null))), [10, 10, 10]);
  });

  it('least request leaves the busy host alone', () => {
    const clock = new FakeClock();
    const balancer = createBalancer('least-request', () => clock.random());
    const [busy, idle] = hosts(2) as [Host, Host];
    for (let i = 0; i < 5; i++) busy.pool.acquire();
    for (let i = 0; i < 20; i++) assert.equal(balancer.choose([busy, idle], null), idle);
  });

  it('least request spreads evenly when all are alike', () => {
    const clock = new FakeClock();
    const balancer = createBalancer('least-request', () => clock.random());
    const all = hosts(4);
    const counts = count(Array.from({ length: 4000 }, () => balancer.choose(all, null)));
    assert.equal(counts.length, 4);
    for (const share of counts) assert.ok(share > 850 && share < 1150, `share ${share}`);
  });

  for (const name of ['round-robin', 'least-request', 'random'] as const) {
    it(`${name} avoids hosts that were tried, but prefers one of them to none`, () => {
      const clock = new FakeClock();
      const balancer = createBalancer(name, () => clock.random());
      const [a, b] = hosts(2) as [Host, Host];
      for (let i = 0; i < 10; i++) assert.equal(balancer.choose([a, b], [a]), b);
      assert.ok(balancer.choose([a], [a]) === a);
      assert.equal(balancer.choose([], null), null);
    });
  }
});
