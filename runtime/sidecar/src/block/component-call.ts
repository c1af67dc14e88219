/** Calls to components: through the policy, measured, errors turned into rows of the table. */
import { ComponentError } from '@outrigger/components-core';
import { type Clock, OutriggerError } from '@outrigger/engine';
import type { OperationMeter } from './component-meter.js';
import type { CallContext, MaybePromise } from './context.js';
import type { ComponentPolicy } from './policy.js';

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Errors that say all there is to say already (a component still opening, a breaker that is open) pass as they are. */
export function wrapError(error: unknown, wrap: (error: unknown) => OutriggerError): OutriggerError {
  return error instanceof OutriggerError ? error : wrap(error);
}

/** `next(value)` now, or when the promise resolves: what is at hand costs no promise. */
export function whenReady<T, U>(value: MaybePromise<T>, next: (value: T) => MaybePromise<U>): MaybePromise<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}

export interface ComponentCall {
  readonly clock: Clock;
  readonly meter: OperationMeter | undefined;
  readonly policy: ComponentPolicy | undefined;
  readonly context: CallContext;
}

/** Runs `call` under the policy, counts it, and throws what `wrap` makes of its error. */
export function callComponent<T>(
  { clock, meter, policy, context }: ComponentCall,
  call: () => MaybePromise<T>,
  wrap: (error: unknown) => OutriggerError,
): MaybePromise<T> {
  const start = clock.now();
  const fail = (error: unknown): never => {
    meter?.failed(clock.now() - start);
    throw wrapError(error, wrap);
  };
  let result: MaybePromise<T>;
  try {
    result = policy === undefined ? call() : policy.run(context, call);
  } catch (error) {
    return fail(error);
  }
  if (result instanceof Promise) {
    return result.then((value) => {
      meter?.succeeded(clock.now() - start);
      return value;
    }, fail);
  }
  meter?.succeeded(clock.now() - start);
  return result;
}

/** Calls of one request that run side by side when the caller sets no limit, and the most it may ask for. */
export const BULK_PARALLELISM_MAX = 64;

/**
 * Runs `task(0)` … `task(count - 1)`, at most `parallelism` at a time (0 or less: the maximum). Tasks must not throw.
 * Returns undefined at once when no task needed a promise.
 */
export function forEachBounded(
  count: number,
  parallelism: number,
  task: (index: number) => MaybePromise<void>,
): MaybePromise<void> {
  const workersMax = parallelism > 0 ? Math.min(parallelism, BULK_PARALLELISM_MAX) : BULK_PARALLELISM_MAX;
  let next = 0;
  const work = async (first: Promise<void>): Promise<void> => {
    await first;
    while (next < count) await task(next++);
  };
  const workers: Promise<void>[] = [];
  while (next < count && workers.length < workersMax) {
    const result = task(next++);
    if (result instanceof Promise) workers.push(work(result));
  }
  return workers.length === 0 ? undefined : Promise.all(workers).then(() => undefined);
}

/** `ttlInSeconds` as Dapr's stores read it: -1 and 0 remove an expiry. Throws ComponentError `invalid`. */
export function ttlSecondsOf(metadata: Readonly<Record<string, string>>): number | undefined {
  const text = metadata['ttlInSeconds'];
  if (text === undefined || text === '') return undefined;
  if (!/^[+-]?\d+$/.test(text)) {
    throw new ComponentError(
      'invalid',
      `incorrect value for metadata 'ttlInSeconds': strconv.ParseInt: parsing ${JSON.stringify(text.slice(0, 64))}: invalid syntax`,
    );
  }
  const seconds = Number(text);
  if (seconds < -1 || seconds > 2_147_483_647) {
    throw new ComponentError('invalid', "incorrect value for metadata 'ttlInSeconds': must be -1 or greater");
  }
  return seconds === 0 ? -1 : seconds;
}
