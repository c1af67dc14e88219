/** Every method of `dapr.proto.runtime.v1.Dapr`: those of the blocks, those of others, and the rest, which say so. */
import type { GrpcMethod } from '@outrigger/engine';
import type { ConfigurationBlock } from '../../block/configuration.js';
import type { LockBlock } from '../../block/lock.js';
import type { MetadataBlock } from '../../block/metadata.js';
import type { SecretBlock } from '../../block/secret.js';
import type { ShutdownBlock } from '../../block/shutdown.js';
import type { StateBlock } from '../../block/state.js';
import { notServedMethods } from '../not-served.js';
import { createConfigurationMethods } from './configuration.js';
import { createLockMethods } from './lock.js';
import { createMetadataMethods, createShutdownMethods } from './metadata.js';
import { createSecretMethods } from './secrets.js';
import { createMethodServer, type ServeDeps } from './serve.js';
import { createStateMethods } from './state.js';

export interface DaprBlocks {
  readonly state: StateBlock;
  readonly configuration: ConfigurationBlock;
  readonly lock: LockBlock;
  readonly secret: SecretBlock;
  readonly metadata: MetadataBlock;
  readonly shutdown: ShutdownBlock;
}

export interface DaprGrpcDeps extends ServeDeps {
  readonly blocks: DaprBlocks;
  /** Methods of pub/sub and invoke. */
  readonly moreMethods: readonly GrpcMethod[];
}

/** Handlers as they are, without what `serve.ts` puts around them. */
export function daprGrpcHandlers(blocks: DaprBlocks, more: readonly GrpcMethod[]): GrpcMethod[] {
  return [
    ...createStateMethods(blocks.state),
    ...createConfigurationMethods(blocks.configuration),
    ...createLockMethods(blocks.lock),
    ...createSecretMethods(blocks.secret),
    ...createMetadataMethods(blocks.metadata),
    ...createShutdownMethods(blocks.shutdown),
    ...more,
  ];
}

export function createDaprGrpcMethods(deps: DaprGrpcDeps): GrpcMethod[] {
  const served = daprGrpcHandlers(deps.blocks, deps.moreMethods);
  return [...served, ...notServedMethods('dapr.proto.runtime.v1.Dapr', served)].map(createMethodServer(deps));
}
