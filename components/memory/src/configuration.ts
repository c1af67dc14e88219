/** `configuration.in-memory`: items that this sidecar's callers save, read and watch. */
import {
  type ComponentConfig,
  type ComponentDefinition,
  type ComponentDeps,
  ComponentError,
  type ConfigurationChange,
  type ConfigurationItem,
  type ConfigurationSelector,
  type ConfigurationStore,
  type ConfigurationWatch,
} from '@outrigger/components-core';
import {
  type ConfigurationPlace,
  configurationMatcher,
  configurationPath,
  configurationPlace,
} from '@outrigger/components-core/support';

const itemsMax = 100_000;
const watchesMax = 10_000;

interface Placed {
  readonly place: ConfigurationPlace;
  readonly item: ConfigurationItem;
}

interface Watch {
  readonly matches: (place: ConfigurationPlace) => boolean;
  readonly onChange: (items: readonly ConfigurationChange[]) => void;
}

class InMemoryConfiguration implements ConfigurationStore {
  readonly #items = new Map<string, Placed>();
  readonly #watches = new Set<Watch>();
  readonly #name: string;
  readonly #deps: ComponentDeps;
  #version = 0;

  constructor(config: ComponentConfig, deps: ComponentDeps) {
    this.#name = config.name;
    this.#deps = deps;
  }

  open(): void {}

  drain(): void {}

  close(): void {
    this.#items.clear();
    this.#watches.clear();
  }

  health(): { ok: boolean } {
    return { ok: true };
  }

  get(selector: ConfigurationSelector): readonly ConfigurationItem[] {
    return this.#select(selector).map(({ item }) => item);
  }

  async subscribe(
    selector: ConfigurationSelector,
    onChange: (items: readonly ConfigurationChange[]) => void,
  ): Promise<ConfigurationWatch> {
    this.#mustFit(this.#watches.size, watchesMax, 'watches');
    const { matches } = configurationMatcher(selector);
    const watch: Watch = { matches, onChange };
    this.#watches.add(watch);
    return {
      close: () => {
        this.#watches.delete(watch);
      },
    };
  }

  save(
    selector: Omit<ConfigurationSelector, 'keys'>,
    items: readonly (Pick<ConfigurationItem, 'key' | 'value'> & Partial<ConfigurationItem>)[],
  ): void {
    this.#mustFit(this.#items.size + items.length - 1, itemsMax, 'items');
    const changed = items.map((saved): Placed => {
      const place = configurationPlace(selector, saved);
      const item: ConfigurationItem = {
        key: saved.key,
        value: saved.value,
        version: String(++this.#version),
        metadata: { ...selector.metadata, ...saved.metadata },
        group: place.group,
        label: place.label,
        tags: { ...saved.tags },
      };
      const placed = { place, item };
      this.#items.set(configurationPath(place), placed);
      return placed;
    });
    this.#announce(changed);
  }

  remove(selector: ConfigurationSelector): void {
    const removed = this.#select(selector);
    for (const { place } of removed) this.#items.delete(configurationPath(place));
    this.#announce(
      removed.map(({ place, item }) => ({
        place,
        item: { ...item, value: '', version: String(++this.#version), deleted: true },
      })),
    );
  }

  #select(selector: ConfigurationSelector): Placed[] {
    const { exact, matches } = configurationMatcher(selector);
    if (exact === undefined) return [...this.#items.values()].filter(({ place }) => matches(place));
    return exact.map((path) => this.#items.get(path)).filter((placed) => placed !== undefined);
  }

  #announce(changed: readonly Placed[]): void {
    for (const watch of [...this.#watches]) {
      const items = changed.filter(({ place }) => watch.matches(place)).map(({ item }) => item);
      if (items.length === 0) continue;
      try {
        watch.onChange(items);
      } catch (error) {
        this.#deps.log.error({ err: error, component: this.#name }, 'a configuration watcher failed');
      }
    }
  }

  #mustFit(count: number, max: number, what: string): void {
    if (count < max) return;
    throw new ComponentError(
      'too-large',
      `component ${this.#name} (configuration.in-memory) holds ${max} ${what} already`,
    );
  }
}

export const configurationInMemory: ComponentDefinition<ConfigurationStore> = {
  type: 'configuration.in-memory',
  kind: 'configuration',
  versions: ['v1'],
  status: 'stable',
  description: 'Configuration in the memory of this sidecar; gone when it ends.',
  metadata: [],
  create: (config, deps) => new InMemoryConfiguration(config, deps),
};
