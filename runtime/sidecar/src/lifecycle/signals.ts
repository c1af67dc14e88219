/**
 * SIGINT and SIGTERM stop in order, with exit code 0. Who sends to the whole process group makes a child get the signal
 * twice, so a second one is ignored; a third, or a deadline, ends at once. SIGHUP reads documents again.
 */
import type { Clock, Timer } from '@outrigger/engine';

export type StopSignal = 'SIGINT' | 'SIGTERM';

const STOP_SIGNALS: readonly StopSignal[] = ['SIGINT', 'SIGTERM'];
const SIGNAL_NUMBERS: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGKILL: 9, SIGTERM: 15 };
/** Signals until the process ends at once. */
const FORCE_AFTER = 3;

/** 128 + the signal's number, as shells report it. */
export function signalExitCode(signal: string): number {
  return 128 + (SIGNAL_NUMBERS[signal] ?? 0);
}

export interface SignalHandlers {
  stop(signal: StopSignal): void;
  /** Ends the process now. */
  force(signal: StopSignal, why: string): void;
  reload(): void;
}

export interface SignalSource {
  on(event: string, listener: () => void): unknown;
  removeListener(event: string, listener: () => void): unknown;
}

export interface Signals {
  /** Forces when the process still lives after `ms`. */
  deadline(ms: number): void;
  close(): void;
}

export function listenToSignals(handlers: SignalHandlers, clock: Clock, source: SignalSource = process): Signals {
  let count = 0;
  let last: StopSignal = 'SIGTERM';
  let timer: Timer | undefined;
  const listeners: [string, () => void][] = STOP_SIGNALS.map((signal) => [
    signal,
    () => {
      count++;
      last = signal;
      if (count === 1) handlers.stop(signal);
      else if (count >= FORCE_AFTER) handlers.force(signal, `${signal} came ${count} times`);
    },
  ]);
  listeners.push(['SIGHUP', () => handlers.reload()]);
  for (const [event, listener] of listeners) source.on(event, listener);
  return {
    deadline(ms) {
      timer?.cancel();
      timer = clock.after(ms, () => handlers.force(last, 'stopping took too long'));
    },
    close() {
      timer?.cancel();
      for (const [event, listener] of listeners) source.removeListener(event, listener);
    },
  };
}
