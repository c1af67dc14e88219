/** Long work shares the event loop: it stops after a few milliseconds and lets traffic go first (D14). */
import type { Clock } from '@outrigger/engine';

export const TIME_SLICE_MS = 5;

export interface TimeSlice {
  /** True when the slice is used up: await `pause()`. */
  due(): boolean;
  /** Resolves in the next turn of the event loop, with a fresh slice. */
  pause(): Promise<void>;
}

export function createTimeSlice(clock: Clock, sliceMs: number = TIME_SLICE_MS): TimeSlice {
  let until = clock.now() + sliceMs;
  return {
    due: () => clock.now() >= until,
    pause: () =>
      new Promise((resolve) => {
        setImmediate(() => {
          until = clock.now() + sliceMs;
          resolve();
        });
      }),
  };
}
