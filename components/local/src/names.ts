/**
 * `nameresolution.local`: the sidecars of a namespace on this machine. Each process has the whole list, so resolving asks
 * nobody. A sidecar is on the list as long as its connection to the owner of the data lives.
 */
import type {
  AppEndpoint,
  ComponentConfig,
  ComponentDefinition,
  ComponentDeps,
  ComponentHealth,
  NameResolver,
  NameWatch,
} from '@outrigger/components-core';
import { LinkLost } from './node/connection.js';
import type { Standing } from './node/node.js';
import { NodeHolder } from './open-node.js';
import type { Push, Pushes } from './operation.js';
import type { Registration } from './table/registry.js';

interface Watcher {
  readonly appId: string;
  readonly onChange: (endpoints: readonly AppEndpoint[]) => void;
  /** What it was told last, to tell a change. */
  last: string;
}

class LocalNames implements NameResolver, Standing {
  readonly #deps: ComponentDeps;
  readonly #name: string;
  readonly #holder: NodeHolder;
  readonly #own = new Map<string, AppEndpoint>();
  readonly #watchers = new Set<Watcher>();
  #registrations: readonly Registration[] = [];
  #first: { readonly promise: Promise<void>; resolve(): void } | undefined;

  constructor(config: ComponentConfig, deps: ComponentDeps) {
    this.#deps = deps;
    this.#name = config.name;
    this.#holder = new NodeHolder(config, deps);
  }

  async open(signal: AbortSignal): Promise<void> {
    if (this.#holder.isOpen) return;
    await this.#holder.open(signal);
    let resolve!: () => void;
    const promise = new Promise<void>((done) => {
      resolve = done;
    });
    this.#first = { promise, resolve };
    this.#holder.node.stand(this);
    await promise;
  }

  drain(): void {}

  async close(): Promise<void> {
    if (!this.#holder.isOpen) return;
    const { node } = this.#holder;
    node.unstand(this);
    this.#watchers.clear();
    const own = [...this.#own.keys()];
    this.#own.clear();
    // Best effort: closing the connection says the same.
    await Promise.allSettled(own.map(async (instanceId) => node.call('names.unregister', { instanceId })));
    await this.#holder.close();
  }

  health(): ComponentHealth {
    return this.#holder.health();
  }

  async register(endpoint: AppEndpoint): Promise<void> {
    const { node } = this.#holder;
    this.#own.set(endpoint.instanceId, endpoint);
    try {
      await node.call('names.register', endpoint);
    } catch (error) {
      this.#own.delete(endpoint.instanceId);
      throw error;
    }
  }

  async unregister(instanceId: string): Promise<void> {
    this.#own.delete(instanceId);
    await this.#holder.node.call('names.unregister', { instanceId });
  }

  resolve(appId: string): readonly AppEndpoint[] {
    return this.list().filter((endpoint) => endpoint.appId === appId);
  }

  async watch(appId: string, onChange: (endpoints: readonly AppEndpoint[]) => void): Promise<NameWatch> {
    const watcher: Watcher = { appId, onChange, last: '' };
    this.#watchers.add(watcher);
    this.#tell(watcher);
    return {
      close: () => {
        this.#watchers.delete(watcher);
      },
    };
  }

  list(): readonly AppEndpoint[] {
    return this.#registrations.map(({ endpoint }) => endpoint);
  }

  establish(send: Parameters<Standing['establish']>[0]): void {
    const failed = (error: unknown): void => {
      if (error instanceof LinkLost) return;
      this.#deps.log.error(
        { err: error, component: this.#name },
        'this sidecar could not be registered in the local registry',
      );
    };
    for (const endpoint of this.#own.values()) void (async () => send('names.register', endpoint))().catch(failed);
    void (async () => send('names.watch', undefined))().catch(failed);
  }

  onPush<P extends Push>(push: P, message: Pushes[P]): void {
    if (push !== 'names') return;
    this.#replace((message as Pushes['names']).registrations);
    this.#first?.resolve();
  }

  /** The owner's own entries are known to be gone; those of the others are kept until the next owner's list. */
  onOwnerLost(participant: string): void {
    this.#replace(this.#registrations.filter((registration) => registration.participant !== participant));
  }

  #replace(registrations: readonly Registration[]): void {
    this.#registrations = registrations;
    for (const watcher of [...this.#watchers]) this.#tell(watcher);
  }

  #tell(watcher: Watcher): void {
    const endpoints = this.resolve(watcher.appId);
    const list = JSON.stringify(endpoints);
    if (list === watcher.last) return;
    watcher.last = list;
    try {
      watcher.onChange(endpoints);
    } catch (error) {
      this.#deps.log.error({ err: error, component: this.#name }, 'a watcher of names failed');
    }
  }
}

export const nameresolutionLocal: ComponentDefinition<NameResolver> = {
  type: 'nameresolution.local',
  kind: 'nameresolution',
  versions: ['v1'],
  status: 'beta',
  description: 'Finds the sidecars of a namespace on this machine; no multicast, no DNS.',
  metadata: [],
  create: (config, deps) => new LocalNames(config, deps),
};
