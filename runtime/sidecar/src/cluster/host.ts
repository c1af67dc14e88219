/** One address of a cluster with its connections and counts. It outlives the snapshots that list it. */
import { ConnectionPool, type ConnectionPoolConfig, type UpstreamChannel } from '../stream/connection-pool.js';
import type { Endpoint } from './endpoint.js';

/** Makes the connection to an endpoint; called when the host is first used, and again for a second connection. */
export type HostConnector = (endpoint: Endpoint) => UpstreamChannel;

export class Host {
  readonly endpoint: Endpoint;
  readonly pool: ConnectionPool;

  constructor(endpoint: Endpoint, connect: HostConnector, pool?: ConnectionPoolConfig) {
    this.endpoint = endpoint;
    this.pool = new ConnectionPool(() => connect(endpoint), pool);
  }

  get address(): string {
    return this.endpoint.address;
  }

  /** Requests in flight. */
  get active(): number {
    return this.pool.active;
  }
}

/** An immutable list of hosts; a change of endpoints makes a new one, requests under way keep what they chose. */
export interface HostSnapshot {
  readonly version: number;
  readonly hosts: readonly Host[];
}
