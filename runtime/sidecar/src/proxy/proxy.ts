/**
 * The one way to call out (D4): invoke, and every building block that needs an upstream, asks here for a stream. A name
 * is matched to a virtual host, its route names a cluster, the cluster's hosts are chosen by a balancer.
 */
import type { ClientReceiver, ClientStream, Clock, RequestHead, ResetReason } from '@outrigger/engine';
import type { ClusterSet } from '../cluster/cluster-set.js';
import type { RouteTable } from '../router/route-table.js';
import { DecisionLog, ResponseFlag } from './decision.js';
import type { ProxyReset } from './outcome.js';
import { type ProxyCore, ProxyStream } from './proxy-stream.js';

export interface ProxyCall {
  /** Name of the virtual host: an app id, or the origin of an external service. */
  readonly target: string;
  /** Overrides the route's timeout; 0: the route's. */
  readonly timeoutMs: number;
}

export interface ProxyDeps {
  readonly routes: RouteTable;
  readonly clusters: ClusterSet;
  readonly clock: Clock;
  readonly decisions?: DecisionLog;
}

export interface MeshProxy {
  /** Takes over `head`; its header list must not be used afterwards. Never calls the receiver before it returns, unless an in-process upstream does. Failures are `ProxyReset`s. */
  open(head: RequestHead, end: boolean, receiver: ClientReceiver, call: ProxyCall): ClientStream;
  /** New requests take this table, running ones keep theirs. */
  useRoutes(routes: RouteTable): void;
  readonly decisions: DecisionLog;
  readonly inFlight: number;
  /** Resolves when no request is in flight, or at the deadline (clock time). Requests may still be opened meanwhile. */
  drain(deadline: number): Promise<void>;
  /** Ends every stream and watch. */
  close(): void;
}

/** What a request gets that goes nowhere. */
class NoStream implements ClientStream {
  readonly protocol = 'h2' as const;
  readonly writable = true;
  #receiver: ClientReceiver | null;

  constructor(receiver: ClientReceiver, reset: ProxyReset) {
    this.#receiver = receiver;
    queueMicrotask(() => {
      const told = this.#receiver;
      this.#receiver = null;
      told?.onReset(reset);
    });
  }

  write(): boolean {
    return true;
  }
  end(): void {}
  reset(_reason: ResetReason): void {
    this.#receiver = null;
  }
  pause(): void {}
  resume(): void {}
}

export function createProxy(deps: ProxyDeps): MeshProxy {
  const { clock, clusters } = deps;
  let { routes } = deps;
  let closed = false;
  const decisions = deps.decisions ?? new DecisionLog();
  const core: ProxyCore = { clock, decisions, inFlight: 0, onIdle: null };

  const nowhere = (
    receiver: ClientReceiver,
    target: string,
    route: string,
    flags: number,
    message: string,
  ): ClientStream => {
    const decision = decisions.next();
    Object.assign(decision, { virtualHost: target, route, cluster: '', host: '', attempts: 0, flags, status: 0 });
    decision.startedAt = clock.now();
    decision.durationMs = 0;
    return new NoStream(receiver, { reason: 'connect', message, unprocessed: true, flags, retries: 0 });
  };

  return {
    decisions,
    get inFlight() {
      return core.inFlight;
    },

    open(head, end, receiver, call) {
      const { target } = call;
      if (closed) return nowhere(receiver, target, '', ResponseFlag.local, 'the proxy is closed');
      const route = routes.match(target, head);
      if (route === undefined) return nowhere(receiver, target, '', ResponseFlag.noRoute, `no route for ${target}`);
      const cluster = clusters.get(route.cluster);
      if (cluster === undefined) {
        const message = `no room for another cluster, or unknown cluster ${route.cluster}`;
        return nowhere(receiver, target, route.name, ResponseFlag.overflow, message);
      }
      const timeoutMs = call.timeoutMs > 0 ? call.timeoutMs : route.timeoutMs;
      const stream = new ProxyStream(core, target, route, cluster, head, end, receiver, timeoutMs);
      stream.begin();
      return stream;
    },

    useRoutes(next) {
      routes = next;
    },

    async drain(deadline) {
      if (core.inFlight === 0) return;
      await new Promise<void>((resolve) => {
        const timer = clock.after(Math.max(0, deadline - clock.now()), () => {
          core.onIdle = null;
          resolve();
        });
        core.onIdle = () => {
          core.onIdle = null;
          timer.cancel();
          resolve();
        };
      });
    },

    close() {
      closed = true;
      clusters.destroy();
    },
  };
}
