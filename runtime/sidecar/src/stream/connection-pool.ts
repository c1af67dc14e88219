/**
 * Connections to one host. Requests are multiplexed over one connection, and over a second once the first is busy: one or
 * two connections per host cost about half of one per client, because each write then carries many requests.
 */
import type { HttpOpener } from '@outrigger/engine';

/** One connection, or a channel that re-makes its connection when it is next used. HTTP/1.1 pools have the same form. */
export interface UpstreamChannel extends HttpOpener {
  /** Refuses new streams, lets the open ones end, then closes. */
  drain(): void;
  /** Ends every stream now. */
  close(): void;
}

export type ChannelFactory = () => UpstreamChannel;

/** A place in the pool: take it by `active++`, give it back by `release`. */
export interface PooledConnection {
  readonly channel: UpstreamChannel;
  active: number;
}

export interface ConnectionPoolConfig {
  readonly connectionsMax: number;
  /** Open streams on every connection so far above which another one is made. */
  readonly streamsSoftMax: number;
}

export const MULTIPLEX_POOL: ConnectionPoolConfig = { connectionsMax: 2, streamsSoftMax: 64 };
/** An HTTP/1.1 pool is a channel that holds its own connections. */
export const SINGLE_CHANNEL_POOL: ConnectionPoolConfig = { connectionsMax: 1, streamsSoftMax: 1 };

export class ConnectionPool {
  readonly #connections: PooledConnection[] = [];
  readonly #create: ChannelFactory;
  readonly #config: ConnectionPoolConfig;
  #draining = false;

  constructor(create: ChannelFactory, config: ConnectionPoolConfig = MULTIPLEX_POOL) {
    this.#create = create;
    this.#config = config;
  }

  get active(): number {
    let active = 0;
    for (const connection of this.#connections) active += connection.active;
    return active;
  }

  get connections(): number {
    return this.#connections.length;
  }

  /** The least busy connection, its place taken. Works while draining too: whoever chose this host keeps it. */
  acquire(): PooledConnection {
    let best: PooledConnection | undefined;
    for (const connection of this.#connections) {
      if (best === undefined || connection.active < best.active) best = connection;
    }
    const { connectionsMax, streamsSoftMax } = this.#config;
    if (best === undefined || (best.active >= streamsSoftMax && this.#connections.length < connectionsMax)) {
      best = { channel: this.#create(), active: 0 };
      this.#connections.push(best);
    }
    best.active++;
    return best;
  }

  release(connection: PooledConnection): void {
    connection.active--;
    if (this.#draining && connection.active === 0) this.#remove(connection);
  }

  /** Closes what is idle, the rest as soon as it is. */
  drain(): void {
    this.#draining = true;
    for (const connection of [...this.#connections]) if (connection.active === 0) this.#remove(connection);
  }

  close(): void {
    this.#draining = true;
    for (const { channel } of this.#connections.splice(0)) channel.close();
  }

  #remove(connection: PooledConnection): void {
    const at = this.#connections.indexOf(connection);
    if (at < 0) return;
    this.#connections.splice(at, 1);
    connection.channel.drain();
  }
}
