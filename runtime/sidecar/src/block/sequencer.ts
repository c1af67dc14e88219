/**
 * The sequencer block (Layotto's GetNextId). `strong` ids come from the store one by one; `weak` ids from a segment of
 * the key that is held here, so that most calls reach no store: the next segment is fetched while the last thousand ids
 * are handed out. Sizes are Layotto's (pkg/runtime/sequencer/cache.go).
 */
import type { IdSegment, Sequencer } from '@outrigger/components-core';
import type { OutriggerError } from '@outrigger/engine';
import type { ComponentEntry } from '../component/registry.js';
import { fail } from '../errors.js';
import { callComponent, messageOf, whenReady } from './component-call.js';
import type { CallContext, MaybePromise } from './context.js';
import type { BlockDeps } from './deps.js';
import { isIllegalKey, prefixStrategy, sequencerPrefix } from './key-prefix.js';

export const SEQUENCER_SEGMENT_SIZE = 10_000;
/** Ids left when the next segment is fetched. */
export const SEQUENCER_PREFETCH_REMAINING = 1_000n;
/** Keys whose segments are held; the key unused for the longest time gives its segment up, which leaves a gap. */
export const SEQUENCER_KEYS_MAX = 10_000;

export type Increment = 'weak' | 'strong';

export interface NextIdRequest {
  readonly storeName: string;
  readonly key: string;
  readonly increment: Increment;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface SequencerBlock {
  nextId(request: NextIdRequest, context: CallContext): MaybePromise<bigint>;
}

/** The ids of one key at hand. `unsupported`: the store reserves no segments for it. */
interface Held {
  next: bigint;
  to: bigint;
  following: IdSegment | undefined;
  fetching: Promise<boolean> | undefined;
  unsupported: boolean;
}

interface SegmentCache {
  readonly store: Sequencer;
  /** In the order of use. */
  readonly held: Map<string, Held>;
}

export function createSequencerBlock(deps: BlockDeps): SequencerBlock {
  /** By store name; a store that is replaced begins with no segments. */
  const caches = new Map<string, SegmentCache>();
  deps.registry.onChange((change) => {
    if (change.kind === 'sequencer' && change.what === 'removed') caches.delete(change.name);
  });

  function entryOf({ storeName: name, key }: NextIdRequest): ComponentEntry<Sequencer> {
    if (deps.registry.listKind('sequencer').length === 0) throw fail('SEQUENCER_STORES_NOT_CONFIGURED', { name });
    if (key === '') throw fail('SEQUENCER_KEY_EMPTY', { name });
    const entry = deps.registry.find('sequencer', name);
    if (entry === undefined) throw fail('SEQUENCER_STORE_NOT_FOUND', { name });
    return entry;
  }

  function keyOf(entry: ComponentEntry<Sequencer>, key: string): string {
    const strategy = prefixStrategy(entry, 'appid');
    for (const part of [strategy, key]) {
      if (isIllegalKey(part)) throw failure(`input key/keyPrefix '${part}' can't contain '||'`, undefined);
    }
    return sequencerPrefix(strategy, entry, deps) + key;
  }

  function heldOf(name: string, store: Sequencer, key: string): Held {
    let cache = caches.get(name);
    if (cache?.store !== store) {
      cache = { store, held: new Map() };
      caches.set(name, cache);
    }
    let held = cache.held.get(key);
    if (held === undefined) {
      held = { next: 1n, to: 0n, following: undefined, fetching: undefined, unsupported: false };
      const [oldest] = cache.held.keys();
      if (cache.held.size >= SEQUENCER_KEYS_MAX && oldest !== undefined) cache.held.delete(oldest);
    } else {
      cache.held.delete(key);
    }
    cache.held.set(key, held);
    return held;
  }

  /** Fetches the following segment once for all that wait; false when the store has no segments. */
  function fetch(held: Held, reserve: () => MaybePromise<IdSegment | undefined>): MaybePromise<boolean> {
    if (held.fetching !== undefined) return held.fetching;
    const take = (segment: IdSegment | undefined): boolean => {
      held.fetching = undefined;
      if (segment === undefined) held.unsupported = true;
      else held.following = segment;
      return segment !== undefined;
    };
    const result = reserve();
    if (!(result instanceof Promise)) return take(result);
    held.fetching = result.then(take, (error) => {
      held.fetching = undefined;
      throw error;
    });
    return held.fetching;
  }

  function nextWeak(
    held: Held,
    reserve: () => MaybePromise<IdSegment | undefined>,
    single: () => MaybePromise<bigint>,
  ): MaybePromise<bigint> {
    if (held.next > held.to && held.following !== undefined) {
      held.next = held.following.from;
      held.to = held.following.to;
      held.following = undefined;
    }
    if (held.next <= held.to) {
      const id = held.next++;
      if (held.to - id <= SEQUENCER_PREFETCH_REMAINING && held.following === undefined && held.fetching === undefined) {
        prefetch(held, reserve);
      }
      return id;
    }
    if (held.unsupported) return single();
    return whenReady(fetch(held, reserve), () => nextWeak(held, reserve, single));
  }

  /** A failure here is nobody's yet: whoever needs the segment later tries again and hears of it. */
  function prefetch(held: Held, reserve: () => MaybePromise<IdSegment | undefined>): void {
    try {
      const fetching = fetch(held, reserve);
      if (fetching instanceof Promise) fetching.catch((error: unknown) => logFailure(error));
    } catch (error) {
      logFailure(error);
    }
  }

  function logFailure(error: unknown): void {
    deps.log.debug({ err: error }, 'the next segment of a sequencer could not be fetched ahead');
  }

  return {
    nextId(request, context) {
      const entry = entryOf(request);
      const { storeName, increment, metadata } = request;
      const policy = deps.policies.outbound('sequencer', storeName);
      const call = { clock: deps.clock, meter: undefined, policy, context };
      return whenReady(entry.ready(), (store) => {
        // Only now does the entry know its metadata.
        const key = keyOf(entry, request.key);
        const single = (): MaybePromise<bigint> =>
          callComponent(
            call,
            () => store.nextId(key, increment, metadata),
            (error) => failure(messageOf(error), error),
          );
        if (increment === 'strong' || store.segment === undefined) return single();
        const segment = store.segment.bind(store);
        const reserve = (): MaybePromise<IdSegment | undefined> =>
          callComponent(
            call,
            () => segment(key, SEQUENCER_SEGMENT_SIZE, metadata),
            (error) => failure(messageOf(error), error),
          );
        return nextWeak(heldOf(storeName, store, key), reserve, single);
      });
    },
  };
}

function failure(text: string, cause: unknown): OutriggerError {
  return fail('SEQUENCER_FAILED', { error: text }, { cause });
}
