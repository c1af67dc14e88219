/**
 * One sidecar, put together: components, blocks, surfaces, ports. This file is the order of its life: what opens when it
 * starts, what ends when it stops.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Logger, PeerAddress } from '@outrigger/engine';
import type { ServingState } from '../api/grpc-services/health.js';
import { createInternalHandler } from '../api/internal/handler.js';
import type { AppChannel } from '../app/channel.js';
import { createAppChannel } from '../app/create-channel.js';
import { createAppTarget } from '../block/invoke/app-target.js';
import { createInvokeMetrics } from '../block/invoke/metrics.js';
import { catalog } from '../catalog.js';
import { knownTypes } from '../component/catalog-row.js';
import { createEndpointDocuments, type EndpointDocuments } from '../component/endpoint-documents.js';
import { type ComponentLoader, createComponentLoader } from '../component/loader.js';
import type { SidecarOptions } from '../config/options.js';
import { openResourceStore, type ResourceStore } from '../config/resource-store.js';
import type {
  BoundAddress,
  CreateSidecar,
  Sidecar,
  SidecarAddresses,
  SidecarDeps,
  SidecarEnd,
  StopOptions,
} from '../lifecycle/sidecar.js';
import { createStages, type Stages } from '../lifecycle/stages.js';
import { MetricsRegistry } from '../telemetry/metrics.js';
import { type Blocks, createBlocks } from './blocks.js';
import { registerName } from './name-registration.js';
import { createPorts, type PortName, type Ports } from './ports.js';
import { exposeProcess } from './process-metrics.js';
import { createSurfaces } from './surfaces.js';

/** Documents are read from what the options name unless the caller has read them; the sidecar follows their changes. */
export const createSidecar: CreateSidecar = (options, deps) => new ComposedSidecar(options, deps);

type Stage = 'new' | 'starting' | 'running' | 'stopping' | 'stopped';

/** Fires the gRPC health service's watchers. */
class Serving implements ServingState {
  serving = false;
  readonly #listeners: Set<(serving: boolean) => void> = new Set();

  set(serving: boolean): void {
    if (this.serving === serving) return;
    this.serving = serving;
    for (const listener of this.#listeners) listener(serving);
  }

  onChange(listener: (serving: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

const API_PORTS: readonly PortName[] = ['daprHttp', 'daprGrpc', 'layottoGrpc'];

/** What exists once the documents are read. */
interface Parts {
  readonly store: ResourceStore;
  readonly loader: ComponentLoader;
  readonly endpoints: EndpointDocuments;
  readonly app: AppChannel | undefined;
  readonly blocks: Blocks;
  readonly ports: Ports;
}

class ComposedSidecar implements Sidecar {
  readonly #instanceId: string = randomUUID();
  readonly #metrics = new MetricsRegistry();
  readonly #options: SidecarOptions;
  readonly #deps: SidecarDeps;
  readonly #log: Logger;
  readonly #serving = new Serving();
  readonly #stages: Stages;
  readonly #endListeners: ((end: SidecarEnd) => void)[] = [];
  #parts: Parts | undefined;
  #stage: Stage = 'new';
  #appGone: Promise<void> | undefined;

  constructor(options: SidecarOptions, deps: SidecarDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#log = deps.log.child({ scope: 'runtime' });
    this.#stages = createStages({ clock: deps.clock, log: this.#log });
    exposeProcess(this.#metrics, deps.clock);
  }

  get addresses(): SidecarAddresses {
    const bound = (name: PortName): BoundAddress | undefined => {
      const address = this.#parts?.ports.addresses[name];
      if (address === undefined) return undefined;
      return address.kind === 'unix' ? { path: address.address } : { host: address.address, port: address.port };
    };
    return {
      daprHttp: bound('daprHttp'),
      daprGrpc: bound('daprGrpc'),
      layottoGrpc: bound('layottoGrpc'),
      internal: bound('internal'),
      metrics: bound('metrics'),
    };
  }

  onEnd(listener: (end: SidecarEnd) => void): void {
    this.#endListeners.push(listener);
  }

  #end(end: SidecarEnd): void {
    for (const listener of this.#endListeners) listener(end);
  }

  async reload(): Promise<void> {
    await this.#parts?.store.reload();
  }

  status(): Record<string, unknown> {
    const { appId, namespace, app } = this.#options;
    const health = this.#parts?.blocks.health;
    return {
      appId,
      namespace,
      instanceId: this.#instanceId,
      stage: this.#stage,
      ready: health?.isReady ?? false,
      outboundReady: health?.isOutboundReady ?? false,
      appPort: app.port,
      components: this.#parts?.loader
        .list()
        .map(({ name, type, stage, lastError }) => ({ name, type, stage, lastError })),
    };
  }

  async start(): Promise<void> {
    this.#stage = 'starting';
    const { clock, log } = this.#deps;
    const began = clock.now();
    const store =
      this.#deps.resources ?? (await openResourceStore(this.#options, { clock, log, types: knownTypes(catalog) }));
    const parts = this.#compose(store);
    this.#parts = parts;
    const { blocks, ports, loader, endpoints, app } = parts;
    const { health, pubsub } = blocks;
    const api = health.target('api', { outbound: true });
    const components = health.target('components', { outbound: true });
    const input = health.target('app');
    // Ready like the others, and not any more once a stop was announced.
    const running = health.target('running');
    running.ready();
    this.#planStop(parts, () => running.notReady());

    // The API ports first: an app that starts with its sidecar finds somebody, and waits for what still opens.
    for (const port of API_PORTS) await ports.open(port);
    await ports.open('metrics');
    await ports.open('internal');
    api.ready();

    loader.apply(store.snapshot);
    endpoints.follow(store.snapshot.httpEndpoints);
    pubsub.setDocuments(store.snapshot.subscriptions);
    this.#announce(parts);
    void loader.settled().then(() => {
      if (this.#stage !== 'starting') return;
      components.ready();
      this.#stage = 'running';
      this.#serving.set(true);
      const ms = Math.round(clock.now() - began);
      // Tools wait for Dapr's line.
      if (this.#options.personality === 'daprd') log.info(`dapr initialized. Status: Running. Init Elapsed ${ms}ms`);
      else log.debug({ ms }, 'everything declared is ready, or has failed and is tried again');
    });
    if (app === undefined) return input.ready();
    app.onHealth((healthy) => (healthy ? input.ready() : input.notReady()));
    // The app may need the sidecar to come up, so nothing here waits for the app.
    pubsub.startSubscriptions().then(
      () => input.ready(),
      (error: unknown) => this.#log.debug({ err: error }, 'stopped before the app was up'),
    );
  }

  #compose(store: ResourceStore): Parts {
    const options = this.#options;
    const { clock, log, env } = this.#deps;
    const metrics = this.#metrics;
    const { messageBytesMax, appId, namespace } = options;
    const loader = createComponentLoader(
      {
        appId,
        namespace,
        instanceId: this.#instanceId,
        sharedDir: join(options.homeDir, 'local', namespace),
        env,
        unhealthyInitFatal: options.unhealthyInitFatal,
        drainMs: options.gracefulShutdownMs,
      },
      { clock, log, metrics, catalog, onFatal: (error) => this.#end({ kind: 'fatal', error }) },
    );
    const app =
      options.app.port === undefined
        ? undefined
        : createAppChannel(options.app, { clock, log, metrics, messageBytesMax });
    const endpoints = createEndpointDocuments({ registry: loader, env, log });
    const sources = { options, clock, log, metrics, app };
    const blocks = createBlocks({
      ...sources,
      registry: loader,
      snapshot: () => store.snapshot,
      httpEndpoints: () => endpoints.usable,
      shutdown: () => this.#end({ kind: 'asked' }),
      exit: () => this.#end({ kind: 'fatal', error: new Error('the shutdown API asked to end at once') }),
    });
    const internal = createInternalHandler({
      appId,
      target: createAppTarget({ app: () => app, messageBytesMax, local: false }),
      metrics: createInvokeMetrics(metrics, appId),
      log,
    });
    this.#stages.on('in-flight', 'calls of other sidecars', () => internal.drain());
    const { configuration } = store.snapshot;
    const surfaces = createSurfaces({ ...sources, blocks, configuration, serving: this.#serving });
    const ports = createPorts({ options, surfaces, internal: internal.handle, metrics, clock, log });
    return { store, loader, endpoints, app, blocks, ports };
  }

  /** Findable under the app id, for as long as this sidecar takes calls. */
  #announce({ ports, loader }: Parts): void {
    const { internal } = ports.addresses;
    if (internal === undefined) return;
    const { clock, log } = this.#deps;
    const { appId } = this.#options;
    const endpoint = { appId, instanceId: this.#instanceId, address: reachable(internal), metadata: {} };
    const name = registerName(endpoint, { registry: loader, clock, log });
    this.#stages.on('announce', 'name registration', () => name.end());
  }

  /**
   * Outside in: no event is fetched, nobody finds us, then what runs may end, then what it stands on goes. The API stays
   * until the messages in hand are settled and the app is gone: its handlers use it.
   */
  #planStop({ store, loader, endpoints, app, blocks, ports }: Parts, notReady: () => void): void {
    const unfollow = store.onChange((snapshot) => {
      loader.apply(snapshot);
      endpoints.follow(snapshot.httpEndpoints);
      blocks.pubsub.setDocuments(snapshot.subscriptions);
    });
    const stages = this.#stages;
    stages.on('intake', 'documents', unfollow);
    stages.on('intake', 'components that are not open yet', () => loader.abandonOpening());
    stages.on('intake', 'subscriptions', (deadline) => blocks.pubsub.drain(deadline));
    stages.on('announce', 'health', () => {
      notReady();
      this.#serving.set(false);
    });
    stages.on('in-flight', 'configuration watches', () => blocks.configuration.close());
    stages.on('app', 'app', () => this.#appGone);
    stages.on('listeners', 'API', async (deadline) => {
      const left = deadline - this.#deps.clock.now();
      await Promise.all([ports.drain([...API_PORTS, 'internal'], left), blocks.proxy.drain(deadline)]);
      blocks.proxy.close();
    });
    stages.on('components', 'components', async (deadline) => {
      await loader.drain(deadline);
      await loader.close();
    });
    stages.on('rest', 'app channel', () => app?.close());
    stages.on('rest', 'metrics', () => ports.close());
    stages.on('rest', 'endpoints', () => endpoints.close());
    stages.on('rest', 'resources', () => store.close());
  }

  async stop(options: StopOptions = {}): Promise<void> {
    this.#stage = 'stopping';
    this.#appGone = options.appGone;
    const { gracefulShutdownMs, blockShutdownMs } = this.#options;
    await this.#stages.stop(gracefulShutdownMs + blockShutdownMs);
    this.#stage = 'stopped';
  }
}

/** Where other sidecars of this machine reach a port that listens on every address. */
function reachable({ kind, address, port }: PeerAddress): string {
  if (kind === 'unix') return `unix:${address}`;
  const host = address === '0.0.0.0' || address === '::' ? '127.0.0.1' : address;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
