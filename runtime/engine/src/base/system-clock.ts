/** The production clock: the only file that asks the system for time, timers or chance (D9). */
import type { Clock, Timer } from './clock.js';
import { TimerQueue } from './timer-queue.js';

/** Resolution of `after`. Deadlines and timeouts are milliseconds to minutes; one wake-up may serve many of them. */
const TICK_MS = 10;
/** setTimeout takes a signed 32-bit count. */
const SLEEP_MS_MAX = 0x7fff_fff0;

const rethrow = (error: unknown): void => {
  // As with setTimeout: the error becomes the process's, and the other timers still fire.
  setImmediate(() => {
    throw error;
  });
};

const queue = new TimerQueue(rethrow);
let alarm: NodeJS.Timeout | undefined;
/** The tick `alarm` is set for; Infinity when none is set. */
let alarmTick = Number.POSITIVE_INFINITY;

function wake(): void {
  alarmTick = Number.POSITIVE_INFINITY;
  queue.run(Math.floor(performance.now() / TICK_MS));
  arm();
}

/** Sleeps until the next tick that has a timer; nothing pending, nothing armed: an idle process uses no CPU. */
function arm(): void {
  const next = queue.nextTick();
  if (next < 0 || next >= alarmTick) return;
  clearTimeout(alarm);
  alarmTick = next;
  const delayMs = next * TICK_MS - performance.now();
  alarm = setTimeout(wake, Math.min(Math.max(1, Math.ceil(delayMs)), SLEEP_MS_MAX));
  alarm.unref();
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wallMs: () => Date.now(),
  random: () => Math.random(),
  after(delayMs: number, fire: () => void): Timer {
    // A delay that is no number fires at once, as setTimeout does.
    const delay = Math.max(0, Number.isNaN(delayMs) ? 0 : delayMs);
    const tick = Math.max(1, Math.ceil((performance.now() + Math.min(delay, Number.MAX_SAFE_INTEGER)) / TICK_MS));
    const timer = queue.add(tick, fire);
    if (tick < alarmTick) arm();
    return timer;
  },
};
