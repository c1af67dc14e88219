/** A component registry for tests: real components where they exist, fakes where a test needs a fault. */
import type { Component, ComponentDefinition } from '@outrigger/components-core';
import { type Clock, FakeClock, silentLogger } from '@outrigger/engine';
import type {
  ComponentEntry,
  ComponentRegistry,
  ComponentStage,
  KindMap,
  RegistryChange,
} from '../../component/registry.js';
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

/** As the loader's: one entry through all instances of a component, its metadata there from the first that is ready. */
class TestEntry implements ComponentEntry {
  readonly kind: keyof KindMap;
  readonly name: string;
  #declared: DeclaredComponent;
  metadata: ReadonlyMap<string, unknown> = new Map();

  constructor(declared: DeclaredComponent) {
    this.kind = declared.kind;
    this.name = declared.name;
    this.#declared = declared;
    this.replace(declared);
  }

  replace(declared: DeclaredComponent): void {
    this.#declared = declared;
    const known = (): void => {
      this.metadata = new Map(Object.entries(declared.metadata ?? {}));
    };
    if (declared.component instanceof Promise) declared.component.then(known, () => {});
    else known();
  }

  get type(): string {
    return this.#declared.type ?? `${this.kind}.test`;
  }
  get version(): string {
    return 'v1';
  }
  get dialect(): Dialect {
    return this.#declared.dialect ?? 'dapr';
  }
  get capabilities(): readonly string[] {
    return this.#declared.capabilities ?? [];
  }
  get stage(): ComponentStage {
    return 'ready';
  }
  get lastError(): undefined {
    return undefined;
  }
  get embedded(): boolean {
    return false;
  }

  ready(): MaybePromise<Component> {
    const { component } = this.#declared;
    return typeof component === 'function' ? component() : component;
  }
}

export class TestRegistry implements ComponentRegistry {
  readonly #entries = new Map<string, TestEntry>();
  readonly #listeners = new Set<(change: RegistryChange) => void>();

  constructor(components: readonly DeclaredComponent[] = []) {
    for (const component of components) this.declare(component);
  }

  /** Adds a component, or replaces the instance of one, and says so. */
  declare(declared: DeclaredComponent): void {
    const { kind, name } = declared;
    const key = `${kind}/${name}`;
    const entry = this.#entries.get(key);
    if (entry === undefined) this.#entries.set(key, new TestEntry(declared));
    else entry.replace(declared);
    this.#tell({ kind, name, what: 'ready' });
  }

  remove(kind: keyof KindMap, name: string): void {
    this.#entries.delete(`${kind}/${name}`);
    this.#tell({ kind, name, what: 'removed' });
  }

  find<K extends keyof KindMap>(kind: K, name: string): ComponentEntry<KindMap[K]> | undefined {
    return this.#entries.get(`${kind}/${name}`) as unknown as ComponentEntry<KindMap[K]> | undefined;
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
