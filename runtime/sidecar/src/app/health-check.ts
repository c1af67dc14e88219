/**
 * App health checks as Dapr runs them (pkg/apphealth): the app counts as unhealthy until a first probe succeeds, then
 * after `threshold` failures in a row; one success makes it healthy again. Probes never overlap.
 */
import type { Clock, Logger, Timer } from '@outrigger/engine';
import type { Flag } from './flag.js';
import { MutableFlag } from './flag.js';

export interface ProbeResult {
  readonly ok: boolean;
  /** One sentence when not ok. */
  readonly reason?: string;
}

/** Asks the app once. A rejection counts as a failure; the signal aborts at the probe's timeout. */
export type Probe = (signal: AbortSignal) => Promise<ProbeResult>;

export interface HealthCheckOptions {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly threshold: number;
}

export interface HealthCheck {
  readonly healthy: Flag;
  /** Probes now, then every interval. */
  start(): void;
  close(): void;
}

export function createHealthCheck(
  options: HealthCheckOptions,
  probe: Probe,
  deps: { readonly clock: Clock; readonly log: Logger },
): HealthCheck {
  const { clock, log } = deps;
  const healthy = new MutableFlag(false);
  const threshold = Math.max(1, options.threshold);
  let failures = threshold;
  let timer: Timer | undefined;
  let running: AbortController | undefined;
  let due = false;
  let closed = false;

  const report = (result: ProbeResult): void => {
    if (result.ok) {
      failures = 0;
      if (!healthy.value) log.info('app is healthy');
      healthy.set(true);
      return;
    }
    if (failures < threshold) failures++;
    if (failures < threshold || !healthy.value) return;
    log.warn({ reason: result.reason }, `app is unhealthy: ${failures} health checks in a row failed`);
    healthy.set(false);
  };

  const run = async (): Promise<void> => {
    const controller = new AbortController();
    running = controller;
    let result: ProbeResult;
    const timeout = new Promise<ProbeResult>((resolve) => {
      controller.signal.addEventListener(
        'abort',
        () => resolve({ ok: false, reason: `no answer within ${options.timeoutMs} ms` }),
        { once: true },
      );
    });
    const limit = clock.after(options.timeoutMs, () => controller.abort(new Error('health check timed out')));
    try {
      result = await Promise.race([probe(controller.signal), timeout]);
    } catch (error) {
      result = { ok: false, reason: error instanceof Error ? error.message : String(error) };
    }
    limit.cancel();
    running = undefined;
    if (closed) return;
    report(result);
    // An interval that passed during a slow probe is made up for at once, but only one.
    if (due && !closed) {
      due = false;
      void run();
    }
  };

  const tick = (): void => {
    timer = clock.after(options.intervalMs, tick);
    if (running === undefined) void run();
    else due = true;
  };

  return {
    healthy,
    start: () => {
      if (timer === undefined && !closed) tick();
    },
    close: () => {
      closed = true;
      timer?.cancel();
      running?.abort(new Error('closed'));
    },
  };
}
