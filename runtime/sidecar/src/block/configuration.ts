/**
 * The configuration block: Dapr's get, subscribe and unsubscribe, and Layotto's save and delete with groups, labels and
 * tags, over one kind of component. Subscriptions are the block's: any surface may end one by its id, and they move to
 * the new instance when their store is replaced.
 */
import { randomUUID } from 'node:crypto';
import type {
  ConfigurationItem,
  ConfigurationSelector,
  ConfigurationStore,
  ConfigurationWatch,
} from '@outrigger/components-core';
import type { OutriggerError } from '@outrigger/engine';
import type { ComponentEntry } from '../component/registry.js';
import { fail } from '../errors.js';
import { type ComponentCall, callComponent, messageOf, whenReady } from './component-call.js';
import { type ComponentMeters, createComponentMeters } from './component-meter.js';
import { ConfigurationFeed, type DeliverChanges } from './configuration-feed.js';
import type { CallContext, MaybePromise } from './context.js';
import type { BlockDeps } from './deps.js';

export const CONFIGURATION_SUBSCRIPTIONS_MAX = 10_000;

export type ConfigurationWrite = Pick<ConfigurationItem, 'key' | 'value'> & Partial<ConfigurationItem>;

export interface ConfigurationSubscriber {
  /** Never called again before its promise has resolved; the newest change of each item waits meanwhile. */
  deliver: DeliverChanges;
  /** Told once, whoever ended the subscription. */
  ended(): void;
}

export interface ConfigurationSubscription {
  readonly id: string;
  /** Ends the subscription; resolves when the store has let go of it. */
  close(): Promise<void>;
}

export interface ConfigurationBlock {
  /** Throws when there is no store of that name. */
  check(storeName: string): void;
  get(
    storeName: string,
    selector: ConfigurationSelector,
    context: CallContext,
  ): MaybePromise<readonly ConfigurationItem[]>;
  save(
    storeName: string,
    selector: Omit<ConfigurationSelector, 'keys'>,
    items: readonly ConfigurationWrite[],
    context: CallContext,
  ): MaybePromise<void>;
  remove(storeName: string, selector: ConfigurationSelector, context: CallContext): MaybePromise<void>;
  /** Resolves when the watch is in place. */
  subscribe(
    storeName: string,
    selector: ConfigurationSelector,
    subscriber: ConfigurationSubscriber,
    context: CallContext,
  ): Promise<ConfigurationSubscription>;
  /** False when there is no subscription of that id. With a store name, only one of that store. */
  unsubscribe(id: string, storeName?: string): Promise<boolean>;
  /** Ends every subscription. */
  close(): Promise<void>;
}

interface Held {
  readonly id: string;
  readonly storeName: string;
  readonly selector: ConfigurationSelector;
  readonly subscriber: ConfigurationSubscriber;
  readonly feed: ConfigurationFeed;
  /** The instance watched now; another one takes its place when the store is replaced. */
  store: ConfigurationStore;
  watch: Promise<ConfigurationWatch>;
  closed: boolean;
}

/** Keys as Go prints a list: Dapr's texts hold it. */
function keysText(keys: readonly string[]): string {
  return `[${keys.join(' ')}]`;
}

/** Layotto takes a blank group or label for none. */
function withoutBlanks(selector: ConfigurationSelector): ConfigurationSelector {
  const { group, label } = selector;
  const blank = (text: string | undefined): boolean => text === undefined || text.trim() === '';
  return { ...selector, group: blank(group) ? undefined : group, label: blank(label) ? undefined : label };
}

class ComponentConfigurationBlock implements ConfigurationBlock {
  readonly #deps: BlockDeps;
  readonly #meters: ComponentMeters;
  readonly #held = new Map<string, Held>();
  readonly #stopListening: () => void;

  constructor(deps: BlockDeps) {
    this.#deps = deps;
    this.#meters = createComponentMeters('configuration', deps);
    this.#stopListening = deps.registry.onChange(({ kind, name, what }) => {
      if (kind === 'configuration' && what === 'ready') this.#follow(name);
    });
  }

  check(storeName: string): void {
    this.#find(storeName);
  }

  #find(name: string): ComponentEntry<ConfigurationStore> {
    const { registry } = this.#deps;
    const entry = registry.find('configuration', name);
    if (entry !== undefined) return entry;
    const none = registry.listKind('configuration').length === 0;
    throw fail(none ? 'CONFIGURATION_STORES_NOT_CONFIGURED' : 'CONFIGURATION_STORE_NOT_FOUND', { name });
  }

  #call(name: string, operation: string, context: CallContext): ComponentCall {
    const { clock, policies } = this.#deps;
    return {
      clock,
      meter: this.#meters.of(name, operation),
      policy: policies.outbound('configuration', name),
      context,
    };
  }

  get(name: string, selector: ConfigurationSelector, context: CallContext): MaybePromise<readonly ConfigurationItem[]> {
    const wanted = withoutBlanks(selector);
    return whenReady(this.#find(name).ready(), (store) =>
      callComponent(
        this.#call(name, 'get', context),
        () => store.get(wanted),
        this.#failure('CONFIGURATION_GET_FAILED', name, wanted.keys),
      ),
    );
  }

  save(
    name: string,
    selector: Omit<ConfigurationSelector, 'keys'>,
    items: readonly ConfigurationWrite[],
    context: CallContext,
  ): MaybePromise<void> {
    return whenReady(this.#find(name).ready(), (store) => {
      if (store.save === undefined) throw fail('CONFIGURATION_UNSUPPORTED', { name, operation: 'save' });
      const save = store.save.bind(store);
      const { keys: _, ...target } = withoutBlanks({ ...selector, keys: [] });
      const written = items.map((item) => ({
        ...item,
        group: item.group?.trim() === '' ? undefined : item.group,
        label: item.label?.trim() === '' ? undefined : item.label,
      }));
      return callComponent(
        this.#call(name, 'set', context),
        () => save(target, written),
        this.#failure(
          'CONFIGURATION_SAVE_FAILED',
          name,
          items.map(({ key }) => key),
        ),
      );
    });
  }

  remove(name: string, selector: ConfigurationSelector, context: CallContext): MaybePromise<void> {
    const wanted = withoutBlanks(selector);
    return whenReady(this.#find(name).ready(), (store) => {
      if (store.remove === undefined) throw fail('CONFIGURATION_UNSUPPORTED', { name, operation: 'delete' });
      const remove = store.remove.bind(store);
      return callComponent(
        this.#call(name, 'delete', context),
        () => remove(wanted),
        this.#failure('CONFIGURATION_REMOVE_FAILED', name, wanted.keys),
      );
    });
  }

  #failure(
    code: 'CONFIGURATION_GET_FAILED' | 'CONFIGURATION_SAVE_FAILED' | 'CONFIGURATION_REMOVE_FAILED',
    name: string,
    keys: readonly string[],
  ): (error: unknown) => OutriggerError {
    return (error) => fail(code, { keys: keysText(keys), name, error: messageOf(error) }, { cause: error });
  }

  async subscribe(
    name: string,
    selector: ConfigurationSelector,
    subscriber: ConfigurationSubscriber,
    context: CallContext,
  ): Promise<ConfigurationSubscription> {
    const entry = this.#find(name);
    const wanted = withoutBlanks(selector);
    const keys = keysText(wanted.keys);
    if (this.#held.size >= CONFIGURATION_SUBSCRIPTIONS_MAX) {
      throw fail('CONFIGURATION_TOO_MANY_SUBSCRIPTIONS', { keys, name, limit: CONFIGURATION_SUBSCRIPTIONS_MAX });
    }
    const store = await entry.ready();
    const id = randomUUID();
    const feed = new ConfigurationFeed(subscriber.deliver, (error) =>
      this.#deps.log.error(
        { err: error, store: name, subscription: id },
        'error sending configuration item to the app',
      ),
    );
    const watch = callComponent(
      this.#call(name, 'subscribe', context),
      () => store.subscribe(wanted, (changes) => feed.push(changes)),
      (error) => fail('CONFIGURATION_SUBSCRIBE_FAILED', { keys, name, error: messageOf(error) }, { cause: error }),
    ) as Promise<ConfigurationWatch>;
    const held: Held = { id, storeName: name, selector: wanted, subscriber, feed, store, watch, closed: false };
    this.#held.set(id, held);
    try {
      await watch;
    } catch (error) {
      this.#held.delete(id);
      feed.close();
      throw error;
    }
    // The store may have been replaced since it was found.
    this.#follow(name);
    return { id, close: () => this.#end(held) };
  }

  async unsubscribe(id: string, storeName?: string): Promise<boolean> {
    const held = this.#held.get(id);
    if (held === undefined || (storeName !== undefined && held.storeName !== storeName)) return false;
    await this.#end(held);
    return true;
  }

  async close(): Promise<void> {
    this.#stopListening();
    await Promise.all([...this.#held.values()].map((held) => this.#end(held)));
  }

  async #end(held: Held): Promise<void> {
    if (held.closed) return;
    held.closed = true;
    this.#held.delete(held.id);
    held.feed.close();
    held.subscriber.ended();
    const { clock } = this.#deps;
    const meter = this.#meters.of(held.storeName, 'unsubscribe');
    const start = clock.now();
    try {
      await (await held.watch).close();
      meter.succeeded(clock.now() - start);
    } catch (error) {
      // The store is gone or going: the watch went with it.
      meter.failed(clock.now() - start);
      this.#deps.log.debug({ err: error, store: held.storeName }, 'a configuration watch could not be closed');
    }
  }

  /** A store was replaced: its subscriptions watch the new instance, then let go of the old one. */
  #follow(name: string): void {
    const store = this.#instance(name);
    if (store === undefined) return;
    for (const held of this.#held.values()) {
      if (held.storeName !== name || held.store === store) continue;
      const old = held.watch;
      held.store = store;
      held.watch = this.#rewatch(held, store);
      old.then((watch) => watch.close()).catch(() => {});
      held.watch.catch((error: unknown) =>
        this.#deps.log.error(
          { err: error, store: name, subscription: held.id },
          'a configuration subscription could not move to the new instance of its store; subscribe again',
        ),
      );
    }
  }

  /** The instance of a store that is ready; one that is opening says so later. */
  #instance(name: string): ConfigurationStore | undefined {
    try {
      const store = this.#deps.registry.find('configuration', name)?.ready();
      return store instanceof Promise ? undefined : store;
    } catch {
      return undefined;
    }
  }

  async #rewatch(held: Held, store: ConfigurationStore): Promise<ConfigurationWatch> {
    const watch = await store.subscribe(held.selector, (changes) => held.feed.push(changes));
    // `#end` closes `held.watch` itself; a watch that was replaced meanwhile is nobody's.
    if (held.store !== store) await watch.close();
    return watch;
  }
}

export function createConfigurationBlock(deps: BlockDeps): ConfigurationBlock {
  return new ComponentConfigurationBlock(deps);
}
