import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock, silentLogger } from '@outrigger/engine';
import { createHealthCheck, type HealthCheck, type ProbeResult } from './health-check.js';
import { settled } from './testing/fake-opener.js';

interface Scene {
  readonly clock: FakeClock;
  readonly check: HealthCheck;
  readonly probes: { signal: AbortSignal; answer: (result: ProbeResult) => void }[];
  readonly changes: boolean[];
}

function scene(threshold = 3): Scene {
  const clock = new FakeClock();
  const probes: Scene['probes'] = [];
  const check = createHealthCheck(
    { intervalMs: 5_000, timeoutMs: 500, threshold },
    (signal) => new Promise((answer) => probes.push({ signal, answer })),
    { clock, log: silentLogger },
  );
  const changes: boolean[] = [];
  check.healthy.onChange((healthy) => changes.push(healthy));
  return { clock, check, probes, changes };
}

async function answer(at: Scene, ok: boolean): Promise<void> {
  at.probes.at(-1)?.answer({ ok });
  await settled();
}

describe('app health check', () => {
  it('is unhealthy until the first probe succeeds', async () => {
    const at = scene();
    assert.equal(at.check.healthy.value, false);
    at.check.start();
    assert.equal(at.probes.length, 1);
    await answer(at, true);
    assert.deepEqual(at.changes, [true]);
  });

  it('turns unhealthy after as many failures in a row as the threshold says, and healthy after one success', async () => {
    const at = scene(3);
    at.check.start();
    await answer(at, true);
    for (const ok of [false, false, true, false, false]) {
      at.clock.advance(5_000);
      await answer(at, ok);
      assert.equal(at.check.healthy.value, true);
    }
    at.clock.advance(5_000);
    await answer(at, false);
    assert.equal(at.check.healthy.value, false);
    at.clock.advance(5_000);
    await answer(at, true);
    assert.deepEqual(at.changes, [true, false, true]);
  });

  it('counts a probe without an answer as failed and aborts it', async () => {
    const at = scene(1);
    at.check.start();
    await answer(at, true);
    at.clock.advance(5_000);
    at.clock.advance(500);
    await settled();
    assert.equal(at.probes.at(-1)?.signal.aborted, true);
    assert.equal(at.check.healthy.value, false);
  });

  it('stops when closed', async () => {
    const at = scene();
    at.check.start();
    at.check.close();
    at.clock.advance(60_000);
    await settled();
    assert.equal(at.probes.length, 1);
    assert.equal(at.clock.pending, 0);
  });
});
