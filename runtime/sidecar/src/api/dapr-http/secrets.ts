/** Secrets on Dapr's HTTP API. */
import { whenReady } from '../../block/component-call.js';
import type { SecretBlock } from '../../block/secret.js';
import type { HttpRoute } from './route.js';

export function createSecretRoutes(secret: SecretBlock): HttpRoute[] {
  const common = { methods: ['GET'], api: 'secrets', version: 'v1.0', body: 'none' } as const;
  return [
    {
      ...common,
      pattern: '/v1.0/secrets/{store}/bulk',
      name: 'GetBulkSecret',
      handle: ({ params: { store = '' }, metadata, context }) =>
        whenReady(secret.bulkGet(store, metadata, context), (secrets) => ({
          status: 200,
          body: Object.fromEntries(secrets),
        })),
    },
    {
      ...common,
      pattern: '/v1.0/secrets/{store}/{key}',
      name: 'GetSecret',
      handle: ({ params: { store = '', key = '' }, metadata, context }) =>
        whenReady(secret.get(store, key, metadata, context), (body) => ({ status: 200, body })),
    },
  ];
}
