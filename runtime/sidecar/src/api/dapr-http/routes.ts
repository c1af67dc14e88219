/** Every route of Dapr's HTTP API: those of the blocks, those of others, and the rest, which answer 501. */
import type { HealthBlock } from '../../block/health.js';
import type { DaprBlocks } from '../dapr-grpc/methods.js';
import { notServedRoutes } from '../not-served.js';
import { type AppLookup, createConfigurationRoutes } from './configuration.js';
import { DAPR_ROUTES } from './dapr-routes.js';
import { createLockRoutes } from './lock.js';
import type { HttpRoute } from './route.js';
import { createSecretRoutes } from './secrets.js';
import { createHealthRoutes, createMetadataRoutes, createShutdownRoutes } from './sidecar.js';
import { createStateRoutes } from './state.js';

export interface DaprRouteDeps {
  readonly blocks: DaprBlocks & { readonly health: HealthBlock };
  readonly app: AppLookup;
  /** Routes of pub/sub and invoke. */
  readonly moreRoutes: readonly HttpRoute[];
}

export function createDaprRoutes({ blocks, app, moreRoutes }: DaprRouteDeps): HttpRoute[] {
  const served = [
    ...createStateRoutes(blocks.state),
    ...createConfigurationRoutes(blocks.configuration, app),
    ...createLockRoutes(blocks.lock),
    ...createSecretRoutes(blocks.secret),
    ...createMetadataRoutes(blocks.metadata),
    ...createHealthRoutes(blocks.health),
    ...createShutdownRoutes(blocks.shutdown),
    ...moreRoutes,
  ];
  return [...served, ...notServedRoutes(DAPR_ROUTES, served)];
}
