/**
 * Brings the components in line with the documents, and is the registry that blocks find them in. Every component opens
 * on its own, in the background; secret stores are waited for by those that need them.
 */
import type { ComponentKind } from '@outrigger/components-core';
import type { Clock, Logger } from '@outrigger/engine';
import { kindOfType } from '../config/defaults.js';
import type { ComponentDocument, ResourceSnapshot } from '../config/model.js';
import type { MetricsRegistry } from '../telemetry/metrics.js';
import type { ComponentCatalog } from './catalog-row.js';
import { ComponentInitError, daprFatalText, logName } from './component-errors.js';
import { createComponentMetrics } from './component-metrics.js';
import { createEnding, type Ending } from './ending.js';
import { createOpener, type Opener, type OpenerConfig } from './opener.js';
import type { ComponentEntry, ComponentRegistry, KindMap, RegistryChange } from './registry.js';
import { type Instance, Slot } from './slot.js';

export interface LoaderConfig extends OpenerConfig {
  /** Dapr's manner: a component of the first snapshot that is not up in time ends the process unless it has ignoreErrors. */
  readonly unhealthyInitFatal: boolean;
  /** Time for a replaced or removed component to end its work in hand. */
  readonly drainMs: number;
}

export interface LoaderDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
  readonly catalog: ComponentCatalog;
  /** The process cannot go on; the message is its last line. At most once. */
  onFatal(error: Error): void;
}

export interface ComponentHealthReport {
  readonly kind: string;
  readonly name: string;
  readonly type: string;
  readonly stage: string;
  readonly ok: boolean;
  readonly reason: string | undefined;
}

export interface ComponentLoader extends ComponentRegistry {
  /** What is declared from now on. The first call is the start. */
  apply(snapshot: Pick<ResourceSnapshot, 'components'>): void;
  /** Resolves when every component declared now is ready, or has failed for the first time (at most its initTimeout). */
  settled(): Promise<void>;
  /** Asks every component that is ready; bounded in time. */
  health(): Promise<readonly ComponentHealthReport[]>;
  /** What is not open yet is given up, and who waits for it is told: the sidecar stops. */
  abandonOpening(): void;
  /** Every component stops taking new work, and ends what it has by `deadline` (clock time). */
  drain(deadline: number): Promise<void>;
  /** Closes everything, those that others need last. */
  close(): Promise<void>;
}

const HEALTH_TIMEOUT_MS = 3_000;

/** Kinds that can be found. Others are named when documents are read. */
const KINDS: readonly string[] = [
  'state',
  'pubsub',
  'configuration',
  'lock',
  'sequencer',
  'secretstores',
  'nameresolution',
] satisfies (keyof KindMap)[];

/** Closed in this order: what takes work in first, what others stand on last. */
const CLOSE_ORDER: readonly string[] = [
  'pubsub',
  'configuration',
  'sequencer',
  'lock',
  'state',
  'secretstores',
  'nameresolution',
];

export function createComponentLoader(config: LoaderConfig, deps: LoaderDeps): ComponentLoader {
  return new Loader(config, deps);
}

class Loader implements ComponentLoader {
  readonly #config: LoaderConfig;
  readonly #deps: LoaderDeps;
  readonly #slots = new Map<string, Slot>();
  readonly #listeners = new Set<(change: RegistryChange) => void>();
  readonly #open: Opener;
  readonly #ending: Ending;
  readonly #metrics: ReturnType<typeof createComponentMetrics>;
  /** Instances on their way out, each until it has ended. */
  readonly #retiring = new Set<Promise<void>>();
  /** Documents of the first snapshot: Dapr's fatal rule is about the start. */
  readonly #initial = new WeakSet<ComponentDocument>();
  #settling: (() => void)[] = [];
  #applied = false;
  #fatal = false;
  #closing = false;

  constructor(config: LoaderConfig, deps: LoaderDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#open = createOpener(config, { ...deps, secretStore: (name) => this.find('secretstores', name) });
    this.#ending = createEnding(deps.clock, deps.log);
    this.#metrics = createComponentMetrics(deps.metrics, config.appId);
  }

  find<K extends keyof KindMap>(kind: K, name: string): ComponentEntry<KindMap[K]> | undefined {
    const slot = this.#slots.get(keyOf(kind, name));
    if (slot === undefined) return undefined;
    // Dapr does not know a component that failed to start.
    if (this.#config.unhealthyInitFatal && slot.stage === 'failed') return undefined;
    return slot as ComponentEntry as ComponentEntry<KindMap[K]>;
  }

  list(): readonly ComponentEntry[] {
    return [...this.#slots.values()];
  }

  listKind<K extends keyof KindMap>(kind: K): readonly ComponentEntry<KindMap[K]>[] {
    const entries: ComponentEntry[] = [...this.#slots.values()].filter((slot) => slot.kind === kind);
    return entries as ComponentEntry<KindMap[K]>[];
  }

  onChange(listener: (change: RegistryChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  apply({ components }: Pick<ResourceSnapshot, 'components'>): void {
    if (this.#closing) return;
    const wanted = new Map<string, ComponentDocument>();
    for (const document of components) {
      const kind = kindOfType(document.type);
      if (KINDS.includes(kind)) wanted.set(keyOf(kind, document.name), document);
      else if (!this.#applied) this.#incorrectType(document);
    }
    for (const [key, slot] of this.#slots) if (!wanted.has(key)) this.#remove(key, slot);
    for (const [key, document] of wanted) {
      const slot = this.#slots.get(key);
      if (!this.#applied) this.#initial.add(document);
      if (slot === undefined) this.#add(key, document);
      else slot.replace(document);
    }
    this.#applied = true;
    this.#settle();
  }

  settled(): Promise<void> {
    return new Promise((resolve) => {
      this.#settling.push(resolve);
      this.#settle();
    });
  }

  async health(): Promise<readonly ComponentHealthReport[]> {
    return Promise.all([...this.#slots.values()].map((slot) => this.#healthOf(slot)));
  }

  abandonOpening(): void {
    this.#closing = true;
    for (const slot of this.#slots.values()) if (slot.current === undefined) slot.remove();
  }

  async drain(deadline: number): Promise<void> {
    this.#closing = true;
    await Promise.all(
      [...this.#slots.values()].map(({ current }) =>
        current === undefined ? undefined : this.#ending.drain(current, deadline),
      ),
    );
  }

  async close(): Promise<void> {
    this.#closing = true;
    for (const kind of CLOSE_ORDER) {
      const slots = [...this.#slots.values()].filter((slot) => slot.kind === kind);
      const instances = slots.flatMap(({ current }) => (current === undefined ? [] : [current]));
      for (const slot of slots) slot.remove();
      await Promise.all(instances.map((instance) => this.#ending.close(instance)));
      for (const slot of slots) slot.closed();
    }
    await Promise.all(this.#retiring);
    this.#listeners.clear();
    this.#settle();
  }

  #add(key: string, document: ComponentDocument): void {
    const slot: Slot = new Slot(kindOfType(document.type) as ComponentKind, document, {
      clock: this.#deps.clock,
      log: this.#deps.log,
      open: this.#open,
      onReady: (ready, loaded) => this.#onReady(ready, loaded),
      onAttemptFailed: (failed, error) => this.#metrics.failed(failed.document.type, failed.name, error.failure),
      onFailed: (failed, error, replacing) => this.#onFailed(failed, error, replacing),
      // When everything closes, `close` has the order in hand.
      retire: (instance) => (this.#closing ? undefined : this.#retire(slot, instance)),
    });
    this.#slots.set(key, slot);
    slot.start();
  }

  #remove(key: string, slot: Slot): void {
    this.#slots.delete(key);
    this.#deps.log.info({ component: slot.name }, `Component removed: ${logName(slot.document)}`);
    slot.remove();
    this.#emit(slot, 'removed');
  }

  #onReady(slot: Slot, document: ComponentDocument): void {
    this.#metrics.initialized(document.type);
    this.#emit(slot, 'ready');
    if (slot.kind === 'secretstores') {
      for (const other of this.#slots.values()) {
        if (other.document.metadata.some((entry) => entry.secretKeyRef !== undefined)) other.hurry();
      }
    }
    this.#settle();
  }

  #onFailed(slot: Slot, error: ComponentInitError, replacing: boolean): void {
    const { log } = this.#deps;
    const { document } = slot;
    if (!replacing) {
      const after = error.permanent ? '' : `; calls to it fail until it is there`;
      log.error({ component: slot.name }, `Component ${logName(document)} is not ready: ${error.message}${after}`);
      this.#emit(slot, 'failed');
      const atStart = this.#initial.has(document) && !document.ignoreErrors && !error.parked;
      // What can never work is a configuration that cannot work, and that ends at once in every personality.
      if (atStart && (error.permanent || this.#config.unhealthyInitFatal)) this.#end(document, error);
    }
    this.#settle();
  }

  #incorrectType(document: ComponentDocument): void {
    const error = new ComponentInitError('CREATE_COMPONENT_FAILURE', `incorrect type ${document.type}`);
    this.#metrics.failed(document.type, document.name, error.failure);
    this.#deps.log.error(`Failed to init component ${logName(document)}: ${error.message}`);
    if (!document.ignoreErrors) this.#end(document, error);
  }

  #end(document: ComponentDocument, error: ComponentInitError): void {
    if (this.#fatal) return;
    this.#fatal = true;
    const message = this.#config.unhealthyInitFatal
      ? daprFatalText(document, error)
      : `component ${logName(document)} cannot work: ${error.message}`;
    this.#deps.onFatal(new Error(message, { cause: error }));
  }

  #retire(slot: Slot, instance: Instance): void {
    const ending = (async () => {
      await this.#ending.drain(instance, this.#deps.clock.now() + this.#config.drainMs);
      await this.#ending.close(instance);
      if (slot.stage === 'draining') slot.closed();
    })();
    this.#retiring.add(ending);
    void ending.finally(() => this.#retiring.delete(ending));
  }

  async #healthOf(slot: Slot): Promise<ComponentHealthReport> {
    const { kind, name, type, stage, lastError } = slot;
    const report = { kind, name, type, stage };
    const { current } = slot;
    if (current === undefined) return { ...report, ok: false, reason: lastError ?? 'it is opening' };
    let health = { ok: false, reason: 'it did not answer in time' };
    await this.#ending.within(HEALTH_TIMEOUT_MS, async () => {
      try {
        const said = await current.component.health();
        health = { ok: said.ok, reason: said.reason ?? '' };
      } catch (error) {
        health = { ok: false, reason: (error as Error).message };
      }
    });
    return { ...report, ok: health.ok, reason: health.ok ? undefined : health.reason };
  }

  #emit(slot: Slot, what: RegistryChange['what']): void {
    const change: RegistryChange = { kind: slot.kind as keyof KindMap, name: slot.name, what };
    for (const listener of this.#listeners) {
      try {
        listener(change);
      } catch (error) {
        this.#deps.log.error(
          { err: error, component: slot.name },
          'a change of components was not taken up everywhere',
        );
      }
    }
  }

  #settle(): void {
    if (this.#settling.length === 0) return;
    const opening = [...this.#slots.values()].some((slot) => slot.stage === 'opening');
    if (opening && !this.#closing) return;
    const waiting = this.#settling;
    this.#settling = [];
    for (const resolve of waiting) resolve();
  }
}

const keyOf = (kind: string, name: string): string => `${kind} ${name}`;
