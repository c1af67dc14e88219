/**
 * What every component has in common. This package has no dependency: the clock and the logger are the engine's, by
 * shape. Methods return `T | Promise<T>` (D11): an in-memory answer costs no promise.
 */

export type MaybePromise<T> = T | Promise<T>;

export interface ComponentTimer {
  cancel(): void;
}

/** The engine's Clock, by shape. Components use no other source of time or chance. */
export interface ComponentClock {
  now(): number;
  wallMs(): number;
  random(): number;
  after(delayMs: number, fire: () => void): ComponentTimer;
}

type Line = { (fields: object, sentence: string): void; (sentence: string): void };

/** The engine's Logger, by shape. */
export interface ComponentLogger {
  debug: Line;
  info: Line;
  warn: Line;
  error: Line;
}

export interface ComponentHealth {
  readonly ok: boolean;
  /** One sentence when not ok. */
  readonly reason?: string;
}

/** Opening → ready → draining → closed. The loader owns the stage; a component only does the work of each step. */
export interface Component {
  /** Connects, creates what is missing. Rejects with one clear sentence; may be called again after a rejection. */
  open(signal: AbortSignal): MaybePromise<void>;
  /** Stops taking new work (subscriptions stop fetching); work in hand may end until the deadline (clock time). */
  drain(deadline: number): MaybePromise<void>;
  /** Releases everything. Nothing unacknowledged is acknowledged or rejected here. */
  close(): MaybePromise<void>;
  health(): MaybePromise<ComponentHealth>;
}

export type ComponentKind =
  | 'state'
  | 'pubsub'
  | 'configuration'
  | 'lock'
  | 'sequencer'
  | 'secretstores'
  | 'bindings'
  | 'nameresolution'
  | 'middleware'
  | 'file';

/** A metadata value of a component document. Secrets stay wrapped until the component uses them. */
export type MetadataValue = string | Secret;

/** A value that prints as `[redacted]` in logs, JSON and string concatenation; `util.inspect` does not show private fields. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return '[redacted]';
  }

  toJSON(): string {
    return '[redacted]';
  }
}

export function revealed(value: MetadataValue): string {
  return value instanceof Secret ? value.reveal() : value;
}

/** What the loader hands to `create`: one component document, resolved. */
export interface ComponentConfig {
  readonly name: string;
  /** `state.redis`, `pubsub.local`, … */
  readonly type: string;
  readonly version: string;
  /** As written; names are compared without case by `metadataOf`. */
  readonly metadata: ReadonlyMap<string, MetadataValue>;
}

export interface ComponentDeps {
  readonly clock: ComponentClock;
  readonly log: ComponentLogger;
  readonly appId: string;
  readonly namespace: string;
  /** Random per process (D3). */
  readonly instanceId: string;
  /** Shared data of the namespace: `$OUTRIGGER_HOME/local/<namespace>`. */
  readonly sharedDir: string;
}

/** One metadata field a component understands; drives validation, "did you mean", and the generated reference. */
export interface MetadataField {
  readonly name: string;
  readonly type: 'string' | 'number' | 'bool' | 'duration' | 'bytes';
  readonly required?: boolean;
  readonly secret?: boolean;
  readonly default?: string;
  readonly allowed?: readonly string[];
  readonly description: string;
}

/** What `catalog.ts` lists: everything known of a component before its code is loaded. */
export interface ComponentDefinition<C extends Component = Component> {
  readonly type: string;
  readonly kind: ComponentKind;
  readonly versions: readonly string[];
  readonly status: 'stable' | 'beta' | 'alpha';
  readonly description: string;
  readonly metadata: readonly MetadataField[];
  create(config: ComponentConfig, deps: ComponentDeps): C;
}

/** Looks a metadata value up without regard to case, as Dapr does; '' counts as absent. */
export function metadataOf(config: ComponentConfig, name: string): string | undefined {
  const wanted = name.toLowerCase();
  for (const [key, value] of config.metadata) {
    if (key.toLowerCase() !== wanted) continue;
    const text = revealed(value);
    return text === '' ? undefined : text;
  }
  return undefined;
}
