/** The shutdown API: the answer goes out first, then the sidecar drains, or ends at once when forced. */
import type { Logger } from '@outrigger/engine';

export interface ShutdownDeps {
  readonly log: Logger;
  /** Begins the graceful shutdown; called once. */
  shutdown(): void;
  /** Ends the process with exit code 1 after what is written has gone out; called once. */
  exit(): void;
}

export interface ShutdownBlock {
  request(options: { readonly force: boolean }): void;
}

export function createShutdownBlock(deps: ShutdownDeps): ShutdownBlock {
  let requested = false;
  let forced = false;
  return {
    request({ force }) {
      if (force ? forced : requested) return;
      if (force) {
        forced = true;
        deps.log.warn('Force shutdown requested, exiting immediately without graceful shutdown');
        setImmediate(() => deps.exit());
        return;
      }
      requested = true;
      deps.log.info('Shutdown requested via API');
      setImmediate(() => deps.shutdown());
    },
  };
}
