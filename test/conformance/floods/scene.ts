/** What every flood is measured by: the memory of the sidecar, and somebody else who must not notice. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { watchMemory } from '../../harness/metrics.js';
import type { Sidecar } from '../../harness/sidecar.js';
import { startBystander } from './bystander.js';

/** What "flat" means: garbage that waits for its collection, and pools that fill once. */
export const FLAT_BYTES: number = 96 * 1024 * 1024;
/** Two cores are shared with the attacker, who may be several processes. */
const BYSTANDER_SLOWEST_MS = 5_000;

const mib = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(1)} MiB`;

/** Runs `attack` and checks that the sidecar's memory grew by at most `growthMax` and that a bystander was served. */
export async function underWatch<T>(
  t: TestContext,
  sidecar: Sidecar,
  attack: () => Promise<T>,
  growthMax: number = FLAT_BYTES,
): Promise<T> {
  const memory = await watchMemory(sidecar);
  const bystander = startBystander(sidecar);
  let result: T;
  try {
    result = await attack();
  } finally {
    await memory.stop();
  }
  const { calls, slowestMs } = await bystander.stop(BYSTANDER_SLOWEST_MS);
  const growth = memory.peak - memory.before;
  t.diagnostic(
    `${t.name}: memory +${mib(Math.max(0, growth))} of ${mib(growthMax)}; ${calls} calls of others, the slowest ${slowestMs.toFixed(0)} ms`,
  );
  assert.ok(growth <= growthMax, `memory grew by ${mib(growth)}, from ${mib(memory.before)}`);
  return result;
}

/** Fails instead of waiting for ever. */
export async function within<T>(timeoutMs: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not happen within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
