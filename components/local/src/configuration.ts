/** `configuration.local`: configuration that the sidecars of a namespace share, with watches that miss nothing. */
import type {
  ComponentConfig,
  ComponentDefinition,
  ComponentDeps,
  ComponentHealth,
  ConfigurationChange,
  ConfigurationItem,
  ConfigurationSelector,
  ConfigurationStore,
  ConfigurationWatch,
} from '@outrigger/components-core';
import { configurationPlace } from '@outrigger/components-core/support';
import { LinkLost } from './node/connection.js';
import type { LocalNode, Standing } from './node/node.js';
import { NodeHolder, storeField } from './open-node.js';
import type { Push, Pushes } from './operation.js';
import type { ConfigurationEntry } from './record.js';

function itemOf(entry: ConfigurationEntry): ConfigurationChange {
  const { key, value, revision, metadata, group, label, tags, deleted } = entry;
  return { key, value, version: String(revision), metadata, group, label, tags, ...(deleted && { deleted }) };
}

class LocalConfiguration implements ConfigurationStore {
  readonly #deps: ComponentDeps;
  readonly #name: string;
  readonly #holder: NodeHolder;
  readonly #watches = new Set<LocalWatch>();

  constructor(config: ComponentConfig, deps: ComponentDeps) {
    this.#deps = deps;
    this.#name = config.name;
    this.#holder = new NodeHolder(config, deps);
  }

  open(signal: AbortSignal): Promise<void> {
    return this.#holder.open(signal);
  }

  drain(): void {}

  async close(): Promise<void> {
    for (const watch of this.#watches) watch.close();
    await this.#holder.close();
  }

  health(): ComponentHealth {
    return this.#holder.health();
  }

  async get(selector: ConfigurationSelector): Promise<readonly ConfigurationItem[]> {
    const entries = await this.#holder.node.call('configuration.get', { store: this.#holder.store, selector });
    return entries.map(itemOf);
  }

  async subscribe(
    selector: ConfigurationSelector,
    onChange: (items: readonly ConfigurationChange[]) => void,
  ): Promise<ConfigurationWatch> {
    const guarded = (items: readonly ConfigurationChange[]): void => {
      try {
        onChange(items);
      } catch (error) {
        this.#deps.log.error({ err: error, component: this.#name }, 'a configuration watcher failed');
      }
    };
    const watch = new LocalWatch(this.#holder.node, this.#holder.store, selector, guarded);
    this.#watches.add(watch);
    try {
      await watch.ready;
    } catch (error) {
      this.#watches.delete(watch);
      watch.close();
      throw error;
    }
    return {
      close: () => {
        this.#watches.delete(watch);
        watch.close();
      },
    };
  }

  async save(
    selector: Omit<ConfigurationSelector, 'keys'>,
    items: readonly (Pick<ConfigurationItem, 'key' | 'value'> & Partial<ConfigurationItem>)[],
  ): Promise<void> {
    let bytes = 0;
    const entries = items.map((item): ConfigurationEntry => {
      bytes += item.value.length + 512;
      return {
        ...configurationPlace(selector, item),
        value: item.value,
        revision: 0,
        deleted: false,
        metadata: { ...selector.metadata, ...item.metadata },
        tags: { ...item.tags },
      };
    });
    await this.#holder.node.call('configuration.save', { store: this.#holder.store, items: entries }, bytes);
  }

  async remove(selector: ConfigurationSelector): Promise<void> {
    await this.#holder.node.call('configuration.remove', { store: this.#holder.store, selector });
  }
}

class LocalWatch implements Standing {
  /** Resolves when the watch is in place for the first time. */
  readonly ready: Promise<void>;
  readonly #node: LocalNode;
  readonly #number: number;
  readonly #store: string;
  readonly #selector: ConfigurationSelector;
  readonly #onChange: (items: readonly ConfigurationChange[]) => void;
  /** Changes up to it have been reported; undefined: the watch has not been in place yet. */
  #seen: number | undefined;
  #isOpen = true;
  #settle!: { resolve: () => void; reject: (error: unknown) => void };

  constructor(
    node: LocalNode,
    store: string,
    selector: ConfigurationSelector,
    onChange: (items: readonly ConfigurationChange[]) => void,
  ) {
    this.#node = node;
    this.#number = node.nextNumber();
    this.#store = store;
    this.#selector = selector;
    this.#onChange = onChange;
    this.ready = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    node.stand(this);
  }

  establish(send: Parameters<Standing['establish']>[0]): void {
    void (async () => {
      const since = this.#seen;
      try {
        const revision = await send('configuration.watch', {
          watch: this.#number,
          store: this.#store,
          selector: this.#selector,
          since,
        });
        this.#seen = Math.max(this.#seen ?? 0, revision);
        this.#settle.resolve();
      } catch (error) {
        // The next owner is asked; a refusal is final.
        if (!(error instanceof LinkLost)) this.#settle.reject(error);
      }
    })();
  }

  onPush<P extends Push>(push: P, message: Pushes[P]): void {
    if (push !== 'configuration' || !this.#isOpen) return;
    const { watch, items, revision } = message as Pushes['configuration'];
    if (watch !== this.#number) return;
    this.#seen = Math.max(this.#seen ?? 0, revision);
    this.#onChange(items.map(itemOf));
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#node.unstand(this);
    // When it fails the owner is gone, and the watch with it.
    void (async () => this.#node.call('configuration.unwatch', { watch: this.#number }))().catch(() => {});
  }
}

export const configurationLocal: ComponentDefinition<ConfigurationStore> = {
  type: 'configuration.local',
  kind: 'configuration',
  versions: ['v1'],
  status: 'beta',
  description: 'Configuration on the disk of this machine, shared and watched by the sidecars of a namespace.',
  metadata: [storeField],
  create: (config, deps) => new LocalConfiguration(config, deps),
};
