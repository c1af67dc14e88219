/** Requests of many items: natively where the component can, else item by item, side by side. */
import type { StateItem } from '@outrigger/components-core';
import type { Clock, OutriggerError } from '@outrigger/engine';
import { fail } from '../errors.js';
import { callComponent, forEachBounded, messageOf } from './component-call.js';
import type { CallContext, MaybePromise } from './context.js';
import type { StateBulkGet, StateBulkItem } from './state.js';
import type { BoundStateStore } from './state-store.js';

export function bulkGet(
  clock: Clock,
  store: BoundStateStore,
  request: StateBulkGet,
  context: CallContext,
): MaybePromise<readonly StateBulkItem[]> {
  const { component } = store;
  const { keys, metadata } = request;
  const requests = keys.map((key) => ({ key: store.keyOf(key), consistency: 'unspecified' as const, metadata }));
  const found = (items: readonly (StateItem | undefined)[]): StateBulkItem[] =>
    keys.map((key, i) => ({ key, item: items[i], error: undefined }));
  const call = { clock, meter: store.bulkGet, policy: store.policy, context };
  const wrap = (error: unknown): OutriggerError =>
    fail('STATE_BULK_GET_FAILED', { error: messageOf(error) }, { cause: error });

  if (component.bulkGet !== undefined) {
    const native = component.bulkGet.bind(component);
    const items = callComponent(call, () => native(requests), wrap);
    return items instanceof Promise ? items.then(found) : found(items);
  }
  const results: StateBulkItem[] = keys.map((key) => ({ key, item: undefined, error: undefined }));
  // One item that cannot be read does not fail the request: its error stands in its place.
  const getOne = (index: number): MaybePromise<void> => {
    const key = keys[index] as string;
    const take = (item: StateItem | undefined): void => {
      results[index] = { key, item, error: undefined };
    };
    const failed = (error: unknown): void => {
      results[index] = { key, item: undefined, error: messageOf(error) };
    };
    try {
      const item = component.get(requests[index] as (typeof requests)[number]);
      return item instanceof Promise ? item.then(take, failed) : take(item);
    } catch (error) {
      return failed(error);
    }
  };
  return callComponent<readonly StateBulkItem[]>(
    call,
    () => {
      const done = forEachBounded(keys.length, request.parallelism, getOne);
      return done instanceof Promise ? done.then(() => results) : results;
    },
    wrap,
  );
}

/** Writes each item by itself; the errors of all that failed. */
export function writeEach(count: number, write: (index: number) => MaybePromise<void>): MaybePromise<unknown[]> {
  const errors: unknown[] = [];
  const writeOne = (index: number): MaybePromise<void> => {
    try {
      const result = write(index);
      return result instanceof Promise
        ? result.catch((error: unknown) => {
            errors.push(error);
          })
        : undefined;
    } catch (error) {
      errors.push(error);
      return undefined;
    }
  };
  const done = forEachBounded(count, 0, writeOne);
  return done instanceof Promise ? done.then(() => errors) : errors;
}
