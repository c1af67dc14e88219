/** What the suites and the tests of implementations share: a clock of their own, deps, documents, a message collector. */
import type {
  Component,
  ComponentClock,
  ComponentConfig,
  ComponentDeps,
  ComponentLogger,
  MaybePromise,
  MetadataValue,
} from '../component.js';
import type { Deliver, Disposition, IncomingMessage } from '../pubsub.js';

/** One opened component under test. */
export interface ConformanceSubject<C extends Component> {
  readonly component: C;
  /** Lets `ms` pass for the component: a manual clock, or waiting where the technology keeps its own time. */
  advance(ms: number): MaybePromise<void>;
  /** A second instance over the same data, as another sidecar would have it; absent where data is not shared. */
  another?(): Promise<C>;
  /** Closes every instance and opens one anew over the same data; absent where nothing outlives the process. */
  reopen?(): Promise<C>;
  /** Closes every instance and cleans up. */
  close(): MaybePromise<void>;
}

export type OpenSubject<C extends Component> = () => MaybePromise<ConformanceSubject<C>>;

/** Bound of every wait in the suites; reached only when something is broken. */
export const conformanceTimeoutMs = 20_000;

export interface ManualClock extends ComponentClock {
  /** Moves both clocks on and fires what is due, in order. */
  advance(ms: number): void;
  /** Timers that are pending: none when a component is idle. */
  readonly pending: number;
}

/** A clock that stands still until told. `random` is a seeded sequence. */
export function createManualClock(startWallMs = 1_700_000_000_000, seed = 1): ManualClock {
  let elapsedMs = 0;
  let state = seed >>> 0 || 1;
  const timers = new Set<{ readonly atMs: number; readonly fire: () => void }>();
  return {
    now: () => elapsedMs,
    wallMs: () => startWallMs + elapsedMs,
    random: () => {
      // mulberry32
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    },
    after(delayMs, fire) {
      const timer = { atMs: elapsedMs + Math.max(0, delayMs), fire };
      timers.add(timer);
      return { cancel: () => void timers.delete(timer) };
    },
    advance(ms) {
      const endMs = elapsedMs + ms;
      for (;;) {
        const due = [...timers].filter(({ atMs }) => atMs <= endMs).sort((left, right) => left.atMs - right.atMs)[0];
        if (due === undefined) break;
        timers.delete(due);
        elapsedMs = Math.max(elapsedMs, due.atMs);
        due.fire();
      }
      elapsedMs = endMs;
    },
    get pending() {
      return timers.size;
    },
  };
}

const nothing = (): void => {};
export const quietLog: ComponentLogger = { debug: nothing, info: nothing, warn: nothing, error: nothing };

let instances = 0;

export function testDeps(clock: ComponentClock, more: Partial<ComponentDeps> = {}): ComponentDeps {
  return {
    clock,
    log: quietLog,
    appId: 'test-app',
    namespace: 'default',
    instanceId: `test-instance-${++instances}`,
    sharedDir: '/nonexistent',
    ...more,
  };
}

export function testConfig(
  type: string,
  metadata: Readonly<Record<string, MetadataValue>> = {},
  name = 'test',
): ComponentConfig {
  return { name, type, version: 'v1', metadata: new Map(Object.entries(metadata)) };
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const textOf = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : new TextDecoder().decode(value);

export interface Collector {
  readonly messages: IncomingMessage[];
  readonly deliver: Deliver;
  /** Resolves when `count` deliveries have come in all. */
  received(count: number): Promise<readonly IncomingMessage[]>;
}

/** A message handler that remembers what it got; `decide` answers (default: ack). */
export function createCollector(
  decide: (message: IncomingMessage) => MaybePromise<Disposition> = () => ({ outcome: 'ack' }),
): Collector {
  const messages: IncomingMessage[] = [];
  const waiting: { count: number; resolve: (messages: readonly IncomingMessage[]) => void }[] = [];
  return {
    messages,
    deliver: async (message) => {
      messages.push(message);
      for (const waiter of [...waiting]) {
        if (messages.length < waiter.count) continue;
        waiting.splice(waiting.indexOf(waiter), 1);
        waiter.resolve(messages);
      }
      return decide(message);
    },
    received: (count) =>
      new Promise((resolve) => {
        if (messages.length >= count) resolve(messages);
        else waiting.push({ count, resolve });
      }),
  };
}
