/** The items of one configuration store, deletions included for a while, so that a watcher that was away learns of them. */
import { ComponentError, type ConfigurationSelector } from '@outrigger/components-core';
import { configurationMatcher, configurationPath } from '@outrigger/components-core/support';
import { configurationItemsMax, configurationTombstonesMax } from '../limits.js';
import type { ConfigurationEntry, LogRecord } from '../record.js';
import { recordOverheadBytes, type TableContext } from './context.js';

export class ConfigurationTable {
  readonly name: string;
  readonly #context: TableContext;
  readonly #items = new Map<string, ConfigurationEntry>();
  readonly #tombstones = new Map<string, ConfigurationEntry>();
  /** Of the last change that is on the disk. */
  revision = 0;

  constructor(name: string, context: TableContext) {
    this.name = name;
    this.#context = context;
  }

  select(selector: ConfigurationSelector): ConfigurationEntry[] {
    const { exact, matches } = configurationMatcher(selector);
    if (exact === undefined) return [...this.#items.values()].filter(matches);
    return exact.map((path) => this.#items.get(path)).filter((item) => item !== undefined);
  }

  /** What a watcher missed that has seen everything up to `revision`. */
  since(selector: ConfigurationSelector, revision: number): ConfigurationEntry[] {
    const { matches } = configurationMatcher(selector);
    return [...this.#items.values(), ...this.#tombstones.values()]
      .filter((item) => item.revision > revision && matches(item))
      .sort((left, right) => left.revision - right.revision);
  }

  mustFit(count: number): void {
    if (this.#items.size + count <= configurationItemsMax) return;
    throw new ComponentError(
      'too-large',
      `store ${this.name} (configuration.local) holds ${this.#items.size} items and may hold ${configurationItemsMax}`,
    );
  }

  /** Items of a record, committed or found in the log; an older revision than the known one changes nothing. */
  apply(items: readonly ConfigurationEntry[]): void {
    for (const item of items) {
      const path = configurationPath(item);
      const known = this.#items.get(path) ?? this.#tombstones.get(path);
      this.revision = Math.max(this.revision, item.revision);
      if (known !== undefined && known.revision > item.revision) continue;
      const replaced = this.#items.get(path);
      if (replaced !== undefined) this.#context.live -= costOf(replaced);
      this.#tombstones.delete(path);
      if (!item.deleted) {
        this.#items.set(path, item);
        this.#context.live += costOf(item);
        continue;
      }
      this.#items.delete(path);
      this.#tombstones.set(path, item);
      if (this.#tombstones.size <= configurationTombstonesMax) continue;
      const [oldest] = this.#tombstones.keys();
      this.#tombstones.delete(oldest!);
    }
  }

  *snapshot(): Generator<LogRecord> {
    for (const items of [this.#items, this.#tombstones]) {
      for (const item of items.values()) yield { kind: 'configuration', store: this.name, items: [item] };
    }
  }
}

function costOf(item: ConfigurationEntry): number {
  return item.key.length + item.value.length + 2 * recordOverheadBytes;
}
