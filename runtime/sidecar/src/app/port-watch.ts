/** Waits until the app listens: asks the port again and again, as Dapr does, and stops asking as soon as it answers. */
import type { Clock, Logger } from '@outrigger/engine';
import { sleep } from '@outrigger/engine';

/** Pause between two attempts (Dapr: 100 ms). */
export const PORT_POLL_MS = 100;
/** One log line every so many attempts (Dapr: every 100). */
export const PORT_LOG_EVERY = 100;

export interface PortWatchDeps {
  readonly clock: Clock;
  readonly log: Logger;
  /** One attempt to connect; rejects when nobody listens. */
  readonly connect: (signal: AbortSignal) => Promise<void>;
  readonly address: string;
}

/** Resolves when the port accepted a connection; rejects with the signal's reason. */
export async function watchPort(deps: PortWatchDeps, signal: AbortSignal): Promise<void> {
  const { clock, log, address } = deps;
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    try {
      await deps.connect(signal);
      return;
    } catch {
      signal.throwIfAborted();
      if (attempt % PORT_LOG_EVERY === 0) log.info({ address }, `waiting for the app to listen on ${address}`);
    }
    await sleep(clock, PORT_POLL_MS, signal);
  }
}
