/**
 * Where blocks find their components. A lookup of a component that is still opening waits (bounded by initTimeout), then
 * fails naming it; a component that is ready answers without a promise.
 */
import type {
  Component,
  ConfigurationStore,
  LockStore,
  NameResolver,
  PubSub,
  SecretStore,
  Sequencer,
  StateStore,
} from '@outrigger/components-core';
import type { Dialect, MaybePromise } from '../block/context.js';

export type ComponentStage = 'opening' | 'ready' | 'failed' | 'draining' | 'closed';

/** One component as declared and where it stands: metadata, `outrigger components`, health. */
export interface ComponentEntry<C extends Component = Component> {
  readonly name: string;
  readonly type: string;
  readonly version: string;
  readonly dialect: Dialect;
  /** Metadata fields that belong to the block, not the component (keyPrefix, scopes, …); secrets stay wrapped. */
  readonly metadata: ReadonlyMap<string, unknown>;
  readonly capabilities: readonly string[];
  readonly stage: ComponentStage;
  readonly lastError: string | undefined;
  /** True for the embedded defaults that no document declared. */
  readonly embedded: boolean;
  /** The instance when ready; a promise while opening; throws when failed or unknown kind. */
  ready(): MaybePromise<C>;
}

export interface KindMap {
  state: StateStore;
  pubsub: PubSub;
  configuration: ConfigurationStore;
  lock: LockStore;
  sequencer: Sequencer;
  secretstores: SecretStore;
  nameresolution: NameResolver;
}

export type RegistryChange = {
  readonly kind: keyof KindMap;
  readonly name: string;
  /** `removed` is reported when draining begins, `ready` when a (new) instance may be used. */
  readonly what: 'ready' | 'removed' | 'failed';
};

export interface ComponentRegistry {
  /** undefined: no component of that kind and name is declared for this app (scopes applied). */
  find<K extends keyof KindMap>(kind: K, name: string): ComponentEntry<KindMap[K]> | undefined;
  list(): readonly ComponentEntry[];
  listKind<K extends keyof KindMap>(kind: K): readonly ComponentEntry<KindMap[K]>[];
  /** Called for every change; returns the function that ends it. */
  onChange(listener: (change: RegistryChange) => void): () => void;
}
