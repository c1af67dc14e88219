/**
 * Tells that something below the given paths may have changed: a watch where the system has one, and a look every
 * `intervalMs` because a watch can miss (network folders, exhausted watches, folders that appear later).
 */
import { type FSWatcher, statSync, watch } from 'node:fs';
import path from 'node:path';
import type { Clock, Logger, Timer } from '@outrigger/engine';

/** Editors and Kubernetes write in several steps; changes this close together are one. */
export const SETTLE_MS = 100;
/** How often to look when a path cannot be watched. */
export const UNWATCHED_INTERVAL_MS = 2_000;

export interface FileWatch {
  close(): void;
}

export interface WatchDeps {
  readonly clock: Clock;
  readonly log: Logger;
}

export function watchFiles(
  paths: readonly string[],
  intervalMs: number,
  onChange: () => void,
  deps: WatchDeps,
): FileWatch {
  const { clock, log } = deps;
  const watchers: FSWatcher[] = [];
  let closed = false;
  let settling: Timer | undefined;
  let looking: Timer | undefined;
  let everyMs = intervalMs;

  const changed = (): void => {
    if (closed || settling !== undefined) return;
    settling = clock.after(SETTLE_MS, () => {
      settling = undefined;
      onChange();
    });
  };
  const look = (): void => {
    looking = clock.after(everyMs, () => {
      onChange();
      if (!closed) look();
    });
  };
  const fallBack = (folder: string, error: unknown): void => {
    everyMs = Math.min(everyMs, UNWATCHED_INTERVAL_MS);
    log.debug({ path: folder, err: error }, 'a folder cannot be watched; it is looked at every few seconds instead');
  };
  for (const folder of foldersOf(paths)) {
    try {
      // Not persistent: a watch is no reason for the process to live on.
      const watcher = watch(folder, { persistent: false }, changed);
      watcher.on('error', (error) => {
        fallBack(folder, error);
        watcher.close();
      });
      watchers.push(watcher);
    } catch (error) {
      fallBack(folder, error);
    }
  }
  look();
  return {
    close() {
      closed = true;
      settling?.cancel();
      looking?.cancel();
      for (const watcher of watchers) watcher.close();
    },
  };
}

/** A file is watched through its folder: editors replace files, and a watch on the old one would go blind. */
function foldersOf(paths: readonly string[]): Set<string> {
  return new Set(
    paths.map((given) => {
      try {
        return statSync(given).isDirectory() ? path.resolve(given) : path.dirname(path.resolve(given));
      } catch {
        return path.dirname(path.resolve(given));
      }
    }),
  );
}
