/** What a sidecar says of itself on /metrics, and its memory while a test does something to it. */
import type { Sidecar } from './sidecar.js';

/** Sum of the series of `name`, or undefined when there is none. */
export function seriesSum(text: string, name: string): number | undefined {
  let sum: number | undefined;
  for (const line of text.split('\n')) {
    if (!line.startsWith(name) || !/^[ {]/.test(line.slice(name.length))) continue;
    sum = (sum ?? 0) + Number(line.slice(line.lastIndexOf(' ') + 1));
  }
  return sum;
}

export async function metric(sidecar: Sidecar, name: string): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${sidecar.metricsPort}/metrics`);
  const value = seriesSum(await response.text(), name);
  if (value === undefined) throw new Error(`${name} is not among the metrics of ${sidecar.actor.name}`);
  return value;
}

export const RESIDENT_BYTES = 'process_resident_memory_bytes';
export const HEAP_BYTES = 'nodejs_heap_size_used_bytes';

const SAMPLE_MS = 50;

export interface MemoryWatch {
  /** Resident bytes when the watch began, and the most since. */
  readonly before: number;
  readonly peak: number;
  stop(): Promise<void>;
}

/** Asks the sidecar for its memory again and again until `stop`. */
export async function watchMemory(sidecar: Sidecar): Promise<MemoryWatch> {
  const before = await metric(sidecar, RESIDENT_BYTES);
  let peak = before;
  let stopped = false;
  const sample = async (): Promise<void> => {
    peak = Math.max(peak, await metric(sidecar, RESIDENT_BYTES));
  };
  const running = (async () => {
    while (!stopped) {
      await sample();
      // A sampling interval, not a wait for something.
      await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
    }
  })();
  return {
    before,
    get peak() {
      return peak;
    },
    async stop() {
      stopped = true;
      await running;
      await sample();
    },
  };
}
