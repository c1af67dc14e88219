/** The time of the machine, for tests with real processes and sockets. */
import type { ComponentClock } from '@outrigger/components-core';

export const realClock: ComponentClock = {
  now: () => performance.now(),
  wallMs: () => Date.now(),
  random: Math.random,
  after: (delayMs, fire) => {
    const timer = setTimeout(fire, delayMs);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};
