/** The proxy as invoke needs it: one virtual host per app id and one per external origin, each with a cluster of its own. */
import type { Clock } from '@outrigger/engine';
import { CLUSTER_DEFAULTS } from '../../cluster/cluster.js';
import { type ClusterFactory, ClusterSet, type ClusterSetConfig } from '../../cluster/cluster-set.js';
import { type EndpointSource, staticSource } from '../../cluster/endpoint.js';
import type { HostConnector } from '../../cluster/host.js';
import { NO_RETRY, SERVICE_RETRY } from '../../policy/retry.js';
import type { DecisionLog } from '../../proxy/decision.js';
import { createProxy, type MeshProxy } from '../../proxy/proxy.js';
import type { Route, VirtualHost } from '../../router/route.js';
import { RouteTable } from '../../router/route-table.js';
import { SINGLE_CHANNEL_POOL, type UpstreamChannel } from '../../stream/connection-pool.js';

export interface InvokeProxyDeps {
  readonly appId: string;
  readonly clock: Clock;
  /** Endpoints of apps: the internal ports of the sidecars beside them (`createNameSource`). */
  readonly apps: EndpointSource;
  /** Endpoints of origins such as `https://api.example.com:443` (`createExternalSource`). */
  readonly external: EndpointSource;
  /** Makes an HTTP/2 connection to another sidecar's internal port. */
  readonly connectSidecar: HostConnector;
  /** Makes a pool of HTTP/1.1 connections to an external address; scheme and server name are in the endpoint's metadata. */
  readonly connectExternal: HostConnector;
  /** Our own app (`createAppTarget`, with `local: true`): a call to oneself leaves no process. */
  readonly ownApp: UpstreamChannel;
  readonly decisions?: DecisionLog;
  readonly clusters?: ClusterSetConfig;
}

const APP = 'app:';
const isOrigin = (name: string): boolean => name.startsWith('http://') || name.startsWith('https://');

function virtualHost(name: string): VirtualHost {
  const external = isOrigin(name);
  const route: Route = {
    name: 'invoke',
    cluster: external ? name : APP + name,
    timeoutMs: 0,
    retry: external ? NO_RETRY : SERVICE_RETRY,
    filters: null,
  };
  return { name, rules: [{ match: null, route }] };
}

export function createInvokeProxy(deps: InvokeProxyDeps): MeshProxy {
  const { clock } = deps;
  const own = staticSource([{ address: 'own-app', metadata: {} }]);
  const make: ClusterFactory = (name) => {
    const config = { ...CLUSTER_DEFAULTS, name };
    if (isOrigin(name)) {
      return {
        config: { ...config, sourceName: name, pool: SINGLE_CHANNEL_POOL, emptyWaitMs: 0 },
        deps: { source: deps.external, connect: deps.connectExternal, clock },
      };
    }
    const appId = name.slice(APP.length);
    return appId === deps.appId
      ? {
          config: { ...config, sourceName: appId, pool: SINGLE_CHANNEL_POOL },
          deps: { source: own, connect: () => deps.ownApp, clock },
        }
      : { config: { ...config, sourceName: appId }, deps: { source: deps.apps, connect: deps.connectSidecar, clock } };
  };
  const clusters = new ClusterSet(make, clock, deps.clusters);
  const { decisions } = deps;
  return createProxy({
    routes: new RouteTable([], virtualHost),
    clusters,
    clock,
    ...(decisions === undefined ? {} : { decisions }),
  });
}
