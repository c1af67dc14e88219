/** Calls without pause, so that a test can change things under them and see that none fails. */

export interface Traffic {
  readonly calls: number;
  readonly failures: readonly string[];
  /** Resolves when every lane has begun and ended a call after this moment. */
  round(): Promise<void>;
  /** Resolves when no call is under way any more. */
  stop(): Promise<void>;
}

const FAILURES_MAX = 20;

/** `call` throws when it is not answered as it should be; `lane` tells calls apart that run at one time. */
export function traffic(lanes: number, call: (lane: number, count: number) => Promise<void>): Traffic {
  let running = true;
  let calls = 0;
  const failures: string[] = [];
  const rounds = new Array<number>(lanes).fill(0);
  const waiters = new Set<() => void>();
  const run = async (lane: number): Promise<void> => {
    for (let count = 0; running; count++) {
      try {
        await call(lane, count);
      } catch (error) {
        if (failures.length < FAILURES_MAX) failures.push((error as Error).message);
      }
      calls++;
      rounds[lane] = (rounds[lane] as number) + 1;
      for (const check of waiters) check();
      // Other work of this process must come to its turn, whatever the call was.
      await new Promise(setImmediate);
    }
  };
  const done = Promise.all(Array.from({ length: lanes }, (_, lane) => run(lane)));
  return {
    get calls() {
      return calls;
    },
    failures,
    round: () =>
      new Promise((resolve) => {
        // The call under way may have begun before, so that the second one from now is meant.
        const goal = rounds.map((count) => count + 2);
        const check = (): void => {
          if (!rounds.every((count, lane) => count >= (goal[lane] as number))) return;
          waiters.delete(check);
          resolve();
        };
        waiters.add(check);
      }),
    stop: async () => {
      running = false;
      await done;
    },
  };
}
