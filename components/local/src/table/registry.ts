/** Which app is reachable where. Nothing of it is on the disk: an entry lives as long as the participant's connection. */
import { type AppEndpoint, ComponentError } from '@outrigger/components-core';
import { registrationsMax } from '../limits.js';

export interface Registration {
  readonly endpoint: AppEndpoint;
  /** The participant that made it. */
  readonly participant: string;
}

export interface RegistryWatcher {
  /** The whole list. */
  changed(registrations: readonly Registration[]): void;
}

export class Registry {
  readonly #registrations = new Map<string, Registration>();
  readonly #watchers = new Set<RegistryWatcher>();
  /** While true nobody is told: participants of the former owner are about to register again. */
  paused = false;

  register(endpoint: AppEndpoint, participant: string): void {
    if (!this.#registrations.has(endpoint.instanceId) && this.#registrations.size >= registrationsMax) {
      throw new ComponentError('too-large', `the local registry holds ${registrationsMax} sidecars already`);
    }
    this.#registrations.set(endpoint.instanceId, { endpoint, participant });
    this.announce();
  }

  unregister(instanceId: string, participant: string): void {
    if (this.#registrations.get(instanceId)?.participant !== participant) return;
    this.#registrations.delete(instanceId);
    this.announce();
  }

  /** The participant's connection closed. */
  leave(participant: string): void {
    const before = this.#registrations.size;
    for (const [instanceId, registration] of this.#registrations) {
      if (registration.participant === participant) this.#registrations.delete(instanceId);
    }
    if (this.#registrations.size !== before) this.announce();
  }

  watch(watcher: RegistryWatcher): void {
    this.#watchers.add(watcher);
    if (!this.paused) watcher.changed([...this.#registrations.values()]);
  }

  unwatch(watcher: RegistryWatcher): void {
    this.#watchers.delete(watcher);
  }

  announce(): void {
    if (this.paused || this.#watchers.size === 0) return;
    const list = [...this.#registrations.values()];
    for (const watcher of this.#watchers) watcher.changed(list);
  }
}
