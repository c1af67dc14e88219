/** A component registry for tests: real components where they exist, fakes where a test needs a fault. */
import type { Component, ComponentDefinition } from '@outrigger/components-core';
import { type Clock, FakeClock, silentLogger } from '@outrigger/engine';
import type { ComponentEntry, ComponentRegistry, KindMap, RegistryChange } from '../../component/registry.js';
import { MetricsRegistry } from '../../telemetry/metrics.js';
import type { CallContext, Dialect, MaybePromise, Surface } from '../context.js';
import type { BlockDeps } from '../deps.js';
import { noPolicies } from '../policy.js';

export interface DeclaredComponent {
  readonly kind: keyof KindMap;
  readonly name: string;
  /** A ready instance, a promise of one, or a function that throws. */
  readonly component: MaybePromise<Component> | (() => never);
  readonly type?: string;
  readonly dialect?: Dialect;
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly capabilities?: readonly string[];
}

export class TestRegistry implements ComponentRegistry {
  readonly #entries = new Map<string, ComponentEntry & { readonly kind: string }>();
  readonly #listeners = new Set<(change: RegistryChange) => void>();

  constructor(components: readonly DeclaredComponent[] = []) {
    for (const component of components) this.declare(component);
  }

  /** Adds or replaces a component, and says so. */
  declare(declared: DeclaredComponent): void {
    const { kind, name, component } = declared;
    this.#entries.set(`${kind}/${name}`, {
      kind,
      name,
      type: declared.type ?? `${kind}.test`,
      version: 'v1',
      dialect: declared.dialect ?? 'dapr',
      metadata: new Map(Object.entries(declared.metadata ?? {})),
      capabilities: declared.capabilities ?? [],
      stage: 'ready',
      lastError: undefined,
      embedded: false,
      ready: () => (typeof component === 'function' ? component() : component),
    });
    this.#tell({ kind, name, what: 'ready' });
  }

  remove(kind: keyof KindMap, name: string): void {
    this.#entries.delete(`${kind}/${name}`);
    this.#tell({ kind, name, what: 'removed' });
  }

  find<K extends keyof KindMap>(kind: K, name: string): ComponentEntry<KindMap[K]> | undefined {
    return this.#entries.get(`${kind}/${name}`) as ComponentEntry<KindMap[K]> | undefined;
  }

  list(): readonly ComponentEntry[] {
    return [...this.#entries.values()];
  }

  listKind<K extends keyof KindMap>(kind: K): readonly ComponentEntry<KindMap[K]>[] {
    return [...this.#entries.values()].filter((entry) => entry.kind === kind) as never;
  }

  onChange(listener: (change: RegistryChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(change: RegistryChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}

/** An instance of a real component, opened. */
export function open<C extends Component>(
  definition: ComponentDefinition<C>,
  name: string,
  clock: Clock,
  metadata: Readonly<Record<string, string>> = {},
): C {
  const component = definition.create(
    { name, type: definition.type, version: 'v1', metadata: new Map(Object.entries(metadata)) },
    { clock, log: silentLogger, appId: 'app', namespace: '', instanceId: 'test', sharedDir: '' },
  );
  const opened = component.open(new AbortController().signal);
  if (opened instanceof Promise) throw new Error(`${definition.type} does not open at once; await it instead`);
  return component;
}

export interface TestBlockDeps extends BlockDeps {
  readonly registry: TestRegistry;
  readonly clock: FakeClock;
}

export function testBlockDeps(overrides: Partial<TestBlockDeps> = {}): TestBlockDeps {
  return {
    registry: new TestRegistry(),
    clock: new FakeClock(),
    log: silentLogger,
    metrics: new MetricsRegistry(),
    policies: noPolicies,
    appId: 'app',
    namespace: '',
    ...overrides,
  };
}

export function testContext(surface: Surface = 'dapr-grpc'): CallContext {
  return {
    surface,
    trace: { traceparent: undefined, tracestate: undefined, baggage: undefined },
    deadline: undefined,
    signal: new AbortController().signal,
  };
}
