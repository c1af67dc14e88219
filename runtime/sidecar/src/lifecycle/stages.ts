/**
 * Stopping in stages, each timed and said in the log. A message that is not handled is never acknowledged and never
 * rejected by a shutdown; the app keeps its API until it has gone or the time is over.
 */
import type { Clock, Logger } from '@outrigger/engine';

export const STOP_STAGES = [
  /** Nothing new is fetched: subscriptions, input. */
  'intake',
  /** Callers learn of it: not ready, out of the name registry, GOAWAY, `connection: close`; new calls are still served. */
  'announce',
  /** Calls and deliveries in hand end. */
  'in-flight',
  /** The app goes, using the API to the last. */
  'app',
  /** Listeners and connections close. */
  'listeners',
  /** Components end their work and close. */
  'components',
  /** Files, watches, sockets of our own. */
  'rest',
] as const;

export type StopStage = (typeof STOP_STAGES)[number];

/** What must happen gets this long even when the deadline has passed. */
export const CLOSING_MS = 2_000;
const CLOSING: ReadonlySet<StopStage> = new Set(['listeners', 'components', 'rest']);

export type StopWork = (deadline: number) => unknown;

export interface Stages {
  /** Done at that stage, beside the others of the stage; a rejection is logged and keeps nothing back. */
  on(stage: StopStage, name: string, work: StopWork): void;
  /** Runs every stage in order, once; later calls get the same promise. Never rejects. */
  stop(deadlineMs: number): Promise<void>;
  readonly stopping: boolean;
}

export function createStages(deps: { readonly clock: Clock; readonly log: Logger }): Stages {
  const { clock, log } = deps;
  const works = new Map<StopStage, { readonly name: string; readonly work: StopWork }[]>();
  let stopped: Promise<void> | undefined;

  const bounded = (stage: StopStage, name: string, work: StopWork, deadline: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = clock.after(Math.max(0, deadline - clock.now()), () => {
        log.warn({ stage, what: name }, 'stopping goes on without waiting any longer');
        resolve();
      });
      const done = (): void => {
        timer.cancel();
        resolve();
      };
      (async () => work(deadline))().then(done, (error: unknown) => {
        log.error({ stage, what: name, err: error }, 'stopping went wrong here and goes on');
        done();
      });
    });

  const run = async (deadline: number): Promise<void> => {
    for (const stage of STOP_STAGES) {
      const all = works.get(stage);
      if (all === undefined) continue;
      const began = clock.now();
      const until = CLOSING.has(stage) ? Math.max(deadline, began + CLOSING_MS) : deadline;
      await Promise.all(all.map(({ name, work }) => bounded(stage, name, work, until)));
      log.debug({ stage, ms: Math.round(clock.now() - began) }, 'a stage of stopping is done');
    }
  };

  return {
    on(stage, name, work) {
      const all = works.get(stage);
      if (all === undefined) works.set(stage, [{ name, work }]);
      else all.push({ name, work });
    },
    stop(deadlineMs) {
      stopped ??= run(clock.now() + deadlineMs);
      return stopped;
    },
    get stopping() {
      return stopped !== undefined;
    },
  };
}
