/** `lock.local`: locks among the sidecars of a namespace. They outlive the owner of the data, and a restart. */
import {
  type ComponentConfig,
  type ComponentDefinition,
  type ComponentDeps,
  ComponentError,
  type ComponentHealth,
  type LockStatus,
  type LockStore,
} from '@outrigger/components-core';
import { NodeHolder, storeField } from './open-node.js';

class LocalLock implements LockStore {
  readonly #deps: ComponentDeps;
  readonly #holder: NodeHolder;

  constructor(config: ComponentConfig, deps: ComponentDeps) {
    this.#deps = deps;
    this.#holder = new NodeHolder(config, deps);
  }

  open(signal: AbortSignal): Promise<void> {
    return this.#holder.open(signal);
  }

  drain(): void {}

  close(): Promise<void> {
    return this.#holder.close();
  }

  health(): ComponentHealth {
    return this.#holder.health();
  }

  async tryLock(resource: string, owner: string, expirySeconds: number): Promise<boolean> {
    const expiresAtMs = this.#end(resource, expirySeconds);
    return this.#holder.node.call('lock.try', { store: this.#holder.store, resource, owner, expiresAtMs });
  }

  async unlock(resource: string, owner: string): Promise<LockStatus> {
    return this.#holder.node.call('lock.unlock', { store: this.#holder.store, resource, owner });
  }

  async keepAlive(resource: string, owner: string, expirySeconds: number): Promise<LockStatus> {
    const expiresAtMs = this.#end(resource, expirySeconds);
    return this.#holder.node.call('lock.keep', { store: this.#holder.store, resource, owner, expiresAtMs });
  }

  #end(resource: string, expirySeconds: number): number {
    if (expirySeconds > 0) return Math.round(this.#deps.clock.wallMs() + expirySeconds * 1000);
    throw new ComponentError('invalid', `the expiry of lock ${resource} is ${expirySeconds} s; it must be positive`);
  }
}

export const lockLocal: ComponentDefinition<LockStore> = {
  type: 'lock.local',
  kind: 'lock',
  versions: ['v1'],
  status: 'beta',
  description: 'Locks among the sidecars of a namespace on this machine.',
  metadata: [storeField],
  create: (config, deps) => new LocalLock(config, deps),
};
