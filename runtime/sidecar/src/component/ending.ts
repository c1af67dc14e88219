/** Drains and closes instances within bounds: one that hangs is left behind with a line in the log. */
import type { Clock, Logger } from '@outrigger/engine';
import { logName } from './component-errors.js';
import { quietly } from './open-component.js';
import type { Instance } from './slot.js';

export const CLOSE_TIMEOUT_MS = 5_000;

export interface Ending {
  /** Never rejects. */
  drain(instance: Instance, deadline: number): Promise<void>;
  /** Never rejects. */
  close(instance: Instance): Promise<void>;
  /** True when the work ended, well or not, within the time. */
  within(timeoutMs: number, work: () => unknown): Promise<boolean>;
}

export function createEnding(clock: Clock, log: Logger): Ending {
  const within = (timeoutMs: number, work: () => unknown): Promise<boolean> =>
    new Promise((resolve) => {
      const timer = clock.after(timeoutMs, () => resolve(false));
      void quietly(work).then(() => {
        timer.cancel();
        resolve(true);
      });
    });
  return {
    within,
    async drain({ component, document }, deadline) {
      const leftMs = Math.max(0, deadline - clock.now());
      const done = await within(leftMs, () => component.drain(deadline));
      if (!done) log.warn(`Component ${logName(document)} has not drained in time`);
    },
    async close({ component, document }) {
      const done = await within(CLOSE_TIMEOUT_MS, () => component.close());
      if (!done) log.warn(`Component ${logName(document)} has not closed in time`);
    },
  };
}
