/** The clusters in use, by name. Made on demand, ended when nobody has used one for a while, so that no name is watched for ever. */
import type { Clock, Timer } from '@outrigger/engine';
import { Cluster, type ClusterConfig, type ClusterDeps } from './cluster.js';

export interface ClusterSetConfig {
  /** A cluster without a request for this long is closed. */
  readonly idleMs: number;
  /** Above it the longest unused idle cluster makes room; when all are busy, a new one is refused. */
  readonly clustersMax: number;
}

export const CLUSTER_SET_DEFAULTS: ClusterSetConfig = { idleMs: 5 * 60_000, clustersMax: 10_000 };

/** What a cluster of that name is made of; undefined when the name means nothing. */
export type ClusterFactory = (
  name: string,
) => { readonly config: ClusterConfig; readonly deps: ClusterDeps } | undefined;

export class ClusterSet {
  readonly #clusters: Map<string, Cluster> = new Map();
  readonly #make: ClusterFactory;
  readonly #config: ClusterSetConfig;
  readonly #clock: Clock;
  #sweep: Timer | undefined;
  #closed = false;

  constructor(make: ClusterFactory, clock: Clock, config: ClusterSetConfig = CLUSTER_SET_DEFAULTS) {
    this.#make = make;
    this.#clock = clock;
    this.#config = config;
  }

  get size(): number {
    return this.#clusters.size;
  }

  list(): readonly Cluster[] {
    return [...this.#clusters.values()];
  }

  /** The cluster of that name, now in use; undefined when the name means nothing or there is no room. */
  get(name: string): Cluster | undefined {
    const known = this.#clusters.get(name);
    if (known !== undefined) {
      known.usedAt = this.#clock.now();
      return known;
    }
    return this.#closed ? undefined : this.#open(name);
  }

  #open(name: string): Cluster | undefined {
    const parts = this.#make(name);
    if (parts === undefined || !this.#room()) return undefined;
    const cluster = new Cluster(parts.config, parts.deps);
    this.#clusters.set(name, cluster);
    this.#arm();
    return cluster;
  }

  #room(): boolean {
    if (this.#clusters.size < this.#config.clustersMax) return true;
    let oldest: Cluster | undefined;
    for (const cluster of this.#clusters.values()) {
      if (cluster.active === 0 && (oldest === undefined || cluster.usedAt < oldest.usedAt)) oldest = cluster;
    }
    if (oldest === undefined) return false;
    this.#remove(oldest);
    return true;
  }

  /** Armed only while a cluster exists: an idle sidecar uses no CPU. */
  #arm(): void {
    if (this.#sweep !== undefined || this.#clusters.size === 0) return;
    this.#sweep = this.#clock.after(this.#config.idleMs / 2, () => {
      this.#sweep = undefined;
      const before = this.#clock.now() - this.#config.idleMs;
      for (const cluster of [...this.#clusters.values()]) {
        if (cluster.usedAt <= before && cluster.active === 0) this.#remove(cluster);
      }
      this.#arm();
    });
  }

  #remove(cluster: Cluster): void {
    this.#clusters.delete(cluster.name);
    cluster.close();
  }

  /** Ends one cluster now, so that its next use makes it anew: its document changed. */
  drop(name: string): void {
    const cluster = this.#clusters.get(name);
    if (cluster !== undefined) this.#remove(cluster);
  }

  /** Ends every watch; streams under way go on. */
  close(): void {
    this.#closed = true;
    this.#sweep?.cancel();
    this.#sweep = undefined;
    for (const cluster of this.#clusters.values()) cluster.close();
  }

  /** Ends every stream. */
  destroy(): void {
    this.close();
    for (const cluster of this.#clusters.values()) cluster.destroy();
    this.#clusters.clear();
  }
}
