/** The building blocks of one sidecar, over its components, its app and its proxy. */
import type { Clock, Logger } from '@outrigger/engine';
import { daprGrpcCallback } from '../api/dapr-grpc/pubsub-callback.js';
import { createHttpCallback } from '../api/dapr-http/pubsub-callback.js';
import { layottoGrpcCallback } from '../api/layotto-grpc/pubsub-callback.js';
import type { AppChannel } from '../app/channel.js';
import { type ConfigurationBlock, createConfigurationBlock } from '../block/configuration.js';
import type { BlockDeps } from '../block/deps.js';
import { createHealthBlock, type HealthBlock } from '../block/health.js';
import { createAppTarget } from '../block/invoke/app-target.js';
import { createInvokeBlock, type InvokeBlock } from '../block/invoke/block.js';
import { createInvokeProxy } from '../block/invoke/proxy.js';
import { createLockBlock, type LockBlock } from '../block/lock.js';
import { createMetadataBlock, type MetadataBlock } from '../block/metadata.js';
import { noPolicies } from '../block/policy.js';
import type { AppCallback } from '../block/pubsub/app-callback.js';
import { createPubSubBlock, type PubSubBlock } from '../block/pubsub/block.js';
import { createGrpcCallback } from '../block/pubsub/grpc-callback.js';
import { createSecretBlock, type SecretBlock } from '../block/secret.js';
import { createSequencerBlock, type SequencerBlock } from '../block/sequencer.js';
import { createShutdownBlock, type ShutdownBlock } from '../block/shutdown.js';
import { createStateBlock, type StateBlock } from '../block/state.js';
import { createExternalSource } from '../cluster/external-source.js';
import { createNameSource } from '../cluster/name-source.js';
import type { ComponentRegistry } from '../component/registry.js';
import type { HttpEndpointDocument, ResourceSnapshot } from '../config/model.js';
import type { SidecarOptions } from '../config/options.js';
import type { MeshProxy } from '../proxy/proxy.js';
import { createExternalConnector, createSidecarConnector } from '../stream/connectors.js';
import type { MetricsRegistry } from '../telemetry/metrics.js';
import { nameResolver } from './name-registration.js';

/** The Dapr release whose API this is; clients look at it. */
export const DAPR_API_VERSION = '1.18.0';

export interface BlockSources {
  readonly options: SidecarOptions;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
  readonly registry: ComponentRegistry;
  readonly app: AppChannel | undefined;
  /** The documents in force. */
  readonly snapshot: () => ResourceSnapshot;
  /** Those of the kind HTTPEndpoint that can be called, their headers filled. */
  readonly httpEndpoints: () => readonly HttpEndpointDocument[];
  readonly shutdown: () => void;
  readonly exit: () => void;
}

export interface Blocks {
  readonly state: StateBlock;
  readonly configuration: ConfigurationBlock;
  readonly lock: LockBlock;
  readonly sequencer: SequencerBlock;
  readonly secret: SecretBlock;
  readonly pubsub: PubSubBlock;
  readonly invoke: InvokeBlock;
  readonly metadata: MetadataBlock;
  readonly health: HealthBlock;
  readonly shutdown: ShutdownBlock;
  readonly proxy: MeshProxy;
}

function callbackOf({ app, options, log }: BlockSources): AppCallback | undefined {
  if (app === undefined) return undefined;
  const { appId, messageBytesMax } = options;
  return app.grpc === undefined
    ? createHttpCallback({ app, appId, log, messageBytesMax })
    : createGrpcCallback(app.grpc, [daprGrpcCallback, layottoGrpcCallback]);
}

export function createBlocks(sources: BlockSources): Blocks {
  const { options, clock, log, metrics, registry, app, snapshot, httpEndpoints } = sources;
  const { appId, messageBytesMax } = options;
  const namespace = options.namespaceGiven ? options.namespace : '';
  const deps: BlockDeps = { registry, clock, log, metrics, policies: noPolicies, appId, namespace };
  const connect = { clock, log };
  const proxy = createInvokeProxy({
    appId,
    clock,
    apps: createNameSource({ resolver: () => nameResolver(registry), clock, log }),
    external: createExternalSource({ clock }),
    connectSidecar: createSidecarConnector(connect),
    connectExternal: createExternalConnector(connect),
    ownApp: createAppTarget({ app: () => app, messageBytesMax, local: true }),
  });
  const pubsub = createPubSubBlock({
    ...deps,
    app,
    callback: callbackOf(sources),
    programmatic: !options.app.disabledInitEndpoints.includes('subscribe'),
  });
  return {
    state: createStateBlock(deps),
    configuration: createConfigurationBlock(deps),
    lock: createLockBlock(deps),
    sequencer: createSequencerBlock(deps),
    secret: createSecretBlock({ ...deps, secretScopes: () => snapshot().configuration?.secretScopes ?? [] }),
    pubsub,
    invoke: createInvokeBlock(
      { appId, namespace, messageBytesMax, externalHosts: options.invokeExternalHosts },
      { proxy, clock, metrics, httpEndpoints },
    ),
    metadata: createMetadataBlock({
      appId,
      runtimeVersion: DAPR_API_VERSION,
      app: options.app,
      registry,
      enabledFeatures: () => [],
      subscriptions: () => pubsub.subscriptions(),
      httpEndpoints: () => snapshot().httpEndpoints.map(({ name }) => name),
      resiliencies: () => snapshot().resiliencies.map(({ name }) => name),
    }),
    health: createHealthBlock({ appId }),
    shutdown: createShutdownBlock({ log, shutdown: sources.shutdown, exit: sources.exit }),
    proxy,
  };
}
