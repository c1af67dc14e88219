/**
 * A named set of hosts. The source's lists become immutable snapshots; hosts that stay keep their connections, hosts that
 * leave drain. Until the first list a request waits, bounded in time and number; after that choosing is synchronous.
 */
import type { Clock, Timer } from '@outrigger/engine';
import type { ConnectionPoolConfig } from '../stream/connection-pool.js';
import { type Balancer, type BalancerName, createBalancer } from './balancer.js';
import type { Endpoint, EndpointListener, EndpointSource, EndpointWatch } from './endpoint.js';
import { Host, type HostConnector, type HostSnapshot } from './host.js';

export interface ClusterConfig {
  readonly name: string;
  /** What the source is asked for; the app id without its prefix, an external origin. */
  readonly sourceName: string;
  readonly balancer: BalancerName;
  readonly pool?: ConnectionPoolConfig;
  /** How long a request waits for the first list. */
  readonly resolveTimeoutMs: number;
  /**
   * How long, after the list became empty, a request still waits for an endpoint: a sidecar that restarts is back
   * within it. Later requests fail at once, so that calls to an app that does not exist do not pile up.
   */
  readonly emptyWaitMs: number;
  readonly waitersMax: number;
  /** Endpoints of a list beyond this number are left out. */
  readonly hostsMax: number;
}

export const CLUSTER_DEFAULTS: Omit<ClusterConfig, 'name' | 'sourceName'> = {
  balancer: 'least-request',
  resolveTimeoutMs: 5000,
  emptyWaitMs: 1000,
  waitersMax: 1024,
  hostsMax: 1024,
};

export interface ClusterDeps {
  readonly source: EndpointSource;
  readonly connect: HostConnector;
  readonly clock: Clock;
}

/** `overflow`: too many requests wait already. */
export type ClusterFailure = 'no-hosts' | 'timeout' | 'overflow' | 'closed';

export interface ClusterWaiter {
  /** At least one host is there: choose now. */
  onHosts(): void;
  onNoHosts(failure: ClusterFailure, message: string): void;
}

const EMPTY: HostSnapshot = { version: 0, hosts: [] };

export class Cluster implements EndpointListener {
  readonly name: string;
  readonly #config: ClusterConfig;
  readonly #deps: ClusterDeps;
  readonly #balancer: Balancer;
  readonly #waiters: Set<ClusterWaiter> = new Set();
  #snapshot: HostSnapshot = EMPTY;
  #watch: EndpointWatch | undefined;
  #timer: Timer | undefined;
  /** Clock time from which on no request waits for a host. */
  #waitUntil: number;
  #error: string | undefined;
  #closed = false;
  /** Clock time of the last request, kept by `ClusterSet`. */
  usedAt: number;

  constructor(config: ClusterConfig, deps: ClusterDeps) {
    this.name = config.name;
    this.#config = config;
    this.#deps = deps;
    this.#balancer = createBalancer(config.balancer, () => deps.clock.random());
    this.usedAt = deps.clock.now();
    this.#waitUntil = this.usedAt + config.resolveTimeoutMs;
    this.#watch = deps.source.watch(config.sourceName, this);
  }

  get snapshot(): HostSnapshot {
    return this.#snapshot;
  }

  /** Requests in flight on the hosts of the present snapshot. */
  get active(): number {
    let active = this.#waiters.size;
    for (const host of this.#snapshot.hosts) active += host.active;
    return active;
  }

  /** A host of the present snapshot, or null: wait. */
  choose(tried: readonly Host[] | null): Host | null {
    return this.#balancer.choose(this.#snapshot.hosts, tried);
  }

  /** True when a host exists that is not in `tried`: a retry needs no back-off. */
  hasUntried(tried: readonly Host[]): boolean {
    for (const host of this.#snapshot.hosts) if (!tried.includes(host)) return true;
    return false;
  }

  /** Calls the waiter once, never before this returns. `cancelWait` takes it back. */
  wait(waiter: ClusterWaiter): void {
    const left = this.#waitUntil - this.#deps.clock.now();
    const failure: ClusterFailure | undefined = this.#closed
      ? 'closed'
      : this.#waiters.size >= this.#config.waitersMax
        ? 'overflow'
        : left <= 0
          ? this.#missing()
          : undefined;
    if (failure !== undefined) {
      queueMicrotask(() => waiter.onNoHosts(failure, this.#explain(failure)));
      return;
    }
    this.#waiters.add(waiter);
    this.#timer ??= this.#deps.clock.after(left, () => {
      this.#timer = undefined;
      this.#fail(this.#missing());
    });
  }

  cancelWait(waiter: ClusterWaiter): void {
    this.#waiters.delete(waiter);
  }

  onEndpoints(endpoints: readonly Endpoint[]): void {
    if (this.#closed) return;
    this.#error = undefined;
    const before = this.#snapshot;
    const kept = new Map<string, Host>();
    for (const host of before.hosts) kept.set(host.address, host);
    const hosts: Host[] = [];
    const seen = new Set<string>();
    for (const endpoint of endpoints) {
      if (seen.has(endpoint.address) || hosts.length >= this.#config.hostsMax) continue;
      seen.add(endpoint.address);
      hosts.push(kept.get(endpoint.address) ?? new Host(endpoint, this.#deps.connect, this.#config.pool));
    }
    this.#snapshot = { version: before.version + 1, hosts };
    for (const host of before.hosts) if (!seen.has(host.address)) host.pool.drain();
    if (hosts.length > 0) {
      this.#release();
      return;
    }
    if (before.version === 0 || before.hosts.length > 0) {
      this.#waitUntil = this.#deps.clock.now() + this.#config.emptyWaitMs;
      this.#rearm();
    }
  }

  onError(message: string): void {
    this.#error = message;
  }

  /** Ends the watch and drains the connections; waiting requests fail. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watch?.close();
    this.#watch = undefined;
    for (const host of this.#snapshot.hosts) host.pool.drain();
    this.#fail('closed');
  }

  /** Ends every stream at once. */
  destroy(): void {
    this.close();
    for (const host of this.#snapshot.hosts) host.pool.close();
  }

  #missing(): ClusterFailure {
    return this.#snapshot.version === 0 ? 'timeout' : 'no-hosts';
  }

  #explain(failure: ClusterFailure): string {
    const { sourceName, waitersMax, resolveTimeoutMs } = this.#config;
    if (failure === 'closed') return `cluster ${this.name} is closed`;
    if (failure === 'overflow') return `more than ${waitersMax} requests wait for an endpoint of ${sourceName}`;
    if (this.#error !== undefined) return this.#error;
    if (failure === 'timeout') return `no answer for ${sourceName} within ${resolveTimeoutMs} ms`;
    return `nothing serves ${sourceName}`;
  }

  #rearm(): void {
    if (this.#timer === undefined) return;
    this.#timer.cancel();
    this.#timer = this.#deps.clock.after(this.#waitUntil - this.#deps.clock.now(), () => {
      this.#timer = undefined;
      this.#fail(this.#missing());
    });
  }

  #release(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const waiter of waiters) waiter.onHosts();
  }

  #fail(failure: ClusterFailure): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const message = this.#explain(failure);
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const waiter of waiters) waiter.onNoHosts(failure, message);
  }
}
