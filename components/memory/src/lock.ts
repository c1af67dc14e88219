/** `lock.in-memory`: leases in the memory of this sidecar. */
import {
  type ComponentConfig,
  type ComponentDefinition,
  type ComponentDeps,
  ComponentError,
  type LockStatus,
  type LockStore,
} from '@outrigger/components-core';
import { createExpiryQueue, type ExpiryQueue } from '@outrigger/components-core/support';

/** Leases held at once. */
const leasesMax = 1_000_000;

interface Lease {
  readonly owner: string;
  readonly expiresAtMs: number;
}

class InMemoryLock implements LockStore {
  readonly #leases = new Map<string, Lease>();
  readonly #deps: ComponentDeps;
  readonly #name: string;
  readonly #expiry: ExpiryQueue<string>;

  constructor(config: ComponentConfig, deps: ComponentDeps) {
    this.#deps = deps;
    this.#name = config.name;
    this.#expiry = createExpiryQueue<string>({
      clock: deps.clock,
      expiresAtMs: (resource) => this.#leases.get(resource)?.expiresAtMs,
      expire: (resource) => this.#leases.delete(resource),
    });
  }

  open(): void {}

  drain(): void {}

  close(): void {
    this.#leases.clear();
    this.#expiry.close();
  }

  health(): { ok: boolean } {
    return { ok: true };
  }

  tryLock(resource: string, owner: string, expirySeconds: number): boolean {
    if (this.#live(resource) !== undefined) return false;
    if (this.#leases.size >= leasesMax) {
      throw new ComponentError(
        'too-large',
        `component ${this.#name} (lock.in-memory) holds ${leasesMax} locks already`,
      );
    }
    this.#lease(resource, owner, expirySeconds);
    return true;
  }

  unlock(resource: string, owner: string): LockStatus {
    const lease = this.#live(resource);
    if (lease === undefined) return 'does-not-exist';
    if (lease.owner !== owner) return 'belongs-to-others';
    this.#leases.delete(resource);
    return 'success';
  }

  keepAlive(resource: string, owner: string, expirySeconds: number): LockStatus {
    const lease = this.#live(resource);
    if (lease === undefined) return 'does-not-exist';
    if (lease.owner !== owner) return 'belongs-to-others';
    this.#lease(resource, owner, expirySeconds);
    return 'success';
  }

  #lease(resource: string, owner: string, expirySeconds: number): void {
    if (!(expirySeconds > 0)) {
      throw new ComponentError('invalid', `the expiry of lock ${resource} is ${expirySeconds} s; it must be positive`);
    }
    const expiresAtMs = this.#deps.clock.wallMs() + expirySeconds * 1000;
    this.#leases.set(resource, { owner, expiresAtMs });
    this.#expiry.note(resource, expiresAtMs);
  }

  #live(resource: string): Lease | undefined {
    const lease = this.#leases.get(resource);
    return lease !== undefined && lease.expiresAtMs > this.#deps.clock.wallMs() ? lease : undefined;
  }
}

export const lockInMemory: ComponentDefinition<LockStore> = {
  type: 'lock.in-memory',
  kind: 'lock',
  versions: ['v1'],
  status: 'stable',
  description: 'Locks in the memory of this sidecar; other sidecars do not see them.',
  metadata: [],
  create: (config, deps) => new InMemoryLock(config, deps),
};
