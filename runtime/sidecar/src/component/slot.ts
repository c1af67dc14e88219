/**
 * The place of one component, by kind and name, through all its instances: opening → ready → draining → closed. A changed
 * document brings a new instance up beside the old one; only when it is ready does it take over and the old one drain.
 */
import type { Component, ComponentKind, MetadataValue } from '@outrigger/components-core';
import type { Clock, Logger } from '@outrigger/engine';
import type { Dialect, MaybePromise } from '../block/context.js';
import { isEmbedded } from '../config/defaults.js';
import type { ComponentDocument } from '../config/model.js';
import { blockMetadata, capabilitiesOf } from './block-metadata.js';
import { type ComponentInitError, fail, logName } from './component-errors.js';
import type { OpenedComponent } from './open-component.js';
import { Opening } from './opening.js';
import type { ComponentEntry, ComponentStage } from './registry.js';

export interface Instance {
  readonly document: ComponentDocument;
  readonly component: Component;
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  readonly capabilities: readonly string[];
}

export interface SlotDeps {
  readonly clock: Clock;
  readonly log: Logger;
  open(document: ComponentDocument, kind: ComponentKind, signal: AbortSignal): Promise<OpenedComponent>;
  /** A (new) instance may be used. */
  onReady(slot: Slot, document: ComponentDocument): void;
  onAttemptFailed(slot: Slot, error: ComponentInitError): void;
  /** Not up within its time, or never will be; `replacing` when an older instance goes on serving. */
  onFailed(slot: Slot, error: ComponentInitError, replacing: boolean): void;
  /** Drains and closes an instance that nobody gets any more. */
  retire(instance: Instance): void;
}

interface Waiting {
  readonly promise: Promise<Component>;
  resolve(component: Component): void;
  reject(error: Error): void;
}

const NOTHING: ReadonlyMap<string, MetadataValue> = new Map();

export class Slot implements ComponentEntry {
  readonly kind: ComponentKind;
  readonly name: string;
  readonly #deps: SlotDeps;
  #document: ComponentDocument;
  #current: Instance | undefined;
  #opening: Opening | undefined;
  #failure: ComponentInitError | undefined;
  #lastError: string | undefined;
  #waiting: Waiting | undefined;
  #removed: 'draining' | 'closed' | undefined;

  constructor(kind: ComponentKind, document: ComponentDocument, deps: SlotDeps) {
    this.kind = kind;
    this.name = document.name;
    this.#document = document;
    this.#deps = deps;
  }

  get type(): string {
    return this.#shown.type;
  }

  get version(): string {
    return this.#shown.version;
  }

  get dialect(): Dialect {
    return this.#shown.dialect;
  }

  get embedded(): boolean {
    return isEmbedded(this.#shown);
  }

  get metadata(): ReadonlyMap<string, MetadataValue> {
    return this.#current?.metadata ?? NOTHING;
  }

  get capabilities(): readonly string[] {
    return this.#current?.capabilities ?? [];
  }

  get stage(): ComponentStage {
    if (this.#removed !== undefined) return this.#removed;
    if (this.#current !== undefined) return 'ready';
    return this.#failure === undefined ? 'opening' : 'failed';
  }

  get lastError(): string | undefined {
    return this.#lastError;
  }

  /** The document that was declared last, in use or not yet. */
  get document(): ComponentDocument {
    return this.#document;
  }

  get current(): Instance | undefined {
    return this.#current;
  }

  /** Opening or waiting for the next attempt. */
  get trying(): boolean {
    return this.#opening !== undefined;
  }

  ready(): MaybePromise<Component> {
    if (this.#current !== undefined) return this.#current.component;
    const { name, type } = this.#document;
    if (this.#removed !== undefined) throw fail('COMPONENT_CLOSED', { name, type });
    if (this.#failure !== undefined) throw this.#notReady(this.#failure);
    this.#waiting ??= newWaiting();
    return this.#waiting.promise;
  }

  start(): void {
    this.#open(this.#document);
  }

  /** Another document under the same kind and name. */
  replace(document: ComponentDocument): void {
    if (document === this.#document) return;
    this.#document = document;
    this.#opening?.cancel();
    this.#opening = undefined;
    // Changed back before the change took effect.
    if (this.#current?.document === document) return;
    this.#open(document);
  }

  hurry(): void {
    this.#opening?.hurry();
  }

  /** Nobody finds it any more; the instance drains. */
  remove(): void {
    this.#opening?.cancel();
    this.#opening = undefined;
    const { name, type } = this.#document;
    this.#waiting?.reject(fail('COMPONENT_CLOSED', { name, type }));
    this.#waiting = undefined;
    const instance = this.#current;
    this.#current = undefined;
    this.#removed = instance === undefined ? 'closed' : 'draining';
    if (instance !== undefined) this.#deps.retire(instance);
  }

  /** The last instance has ended. */
  closed(): void {
    this.#removed = 'closed';
  }

  get #shown(): ComponentDocument {
    return this.#current?.document ?? this.#document;
  }

  #open(document: ComponentDocument): void {
    const { clock } = this.#deps;
    this.#failure = undefined;
    const opening = new Opening(
      document,
      (signal) => this.#deps.open(document, this.kind, signal),
      {
        opened: (opened) => this.#opened(document, opened),
        failed: (error, retryInMs) => this.#attemptFailed(error, retryInMs),
        late: (error) => this.#late(error),
      },
      clock,
    );
    this.#opening = opening;
    opening.start();
  }

  #opened(document: ComponentDocument, { component, metadata }: OpenedComponent): void {
    const previous = this.#current;
    this.#opening = undefined;
    this.#failure = undefined;
    this.#lastError = undefined;
    this.#current = {
      document,
      component,
      metadata: blockMetadata(this.kind, document.dialect, metadata),
      capabilities: capabilitiesOf(this.kind, component),
    };
    this.#waiting?.resolve(component);
    this.#waiting = undefined;
    this.#deps.log.info({ component: this.name }, `Component loaded: ${logName(document)}`);
    this.#deps.onReady(this, document);
    if (previous !== undefined) this.#deps.retire(previous);
  }

  #attemptFailed(error: ComponentInitError, retryInMs: number | undefined): void {
    this.#lastError = error.message;
    if (retryInMs === undefined) this.#opening = undefined;
    const next = retryInMs === undefined ? '' : `; next attempt in ${(retryInMs / 1000).toFixed(1)} s`;
    const old = this.#current === undefined ? '' : '; the one in use goes on';
    const sentence = `Failed to init component ${logName(this.#document)}: ${error.message}${old}${next}`;
    this.#deps.log.warn({ component: this.name }, sentence);
    this.#deps.onAttemptFailed(this, error);
  }

  #late(error: ComponentInitError): void {
    this.#lastError = error.message;
    const replacing = this.#current !== undefined;
    if (!replacing) {
      this.#failure = error;
      this.#waiting?.reject(this.#notReady(error));
      this.#waiting = undefined;
    }
    this.#deps.onFailed(this, error, replacing);
  }

  #notReady(error: ComponentInitError): Error {
    const { name, type } = this.#document;
    return fail('COMPONENT_NOT_READY', { name, type, reason: this.#lastError ?? error.message });
  }
}

function newWaiting(): Waiting {
  let resolve!: (component: Component) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<Component>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  // Who asked may have gone; the failure is in the log either way.
  promise.catch(() => {});
  return { promise, resolve, reject };
}
