/** What concerns the sidecar itself on Dapr's HTTP API: metadata, health, shutdown. */
import type { HealthBlock } from '../../block/health.js';
import type { MetadataBlock, SidecarMetadata } from '../../block/metadata.js';
import type { ShutdownBlock } from '../../block/shutdown.js';
import { appConnection } from '../app-connection.js';
import type { HttpReply, HttpRoute } from './route.js';

const noContent: HttpReply = { status: 204 };

/** Leaves out what Go's `omitempty` leaves out. */
function filled(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => {
      if (value === undefined || value === '' || value === 0) return false;
      return typeof value !== 'object' || value === null || Object.keys(value).length > 0;
    }),
  );
}

export function metadataJson(metadata: SidecarMetadata): object {
  const named = (names: readonly string[]): object[] => names.map((name) => ({ name }));
  const { health, ...connection } = appConnection(metadata.app);
  return {
    ...filled({
      id: metadata.id,
      runtimeVersion: metadata.runtimeVersion,
      enabledFeatures: metadata.enabledFeatures,
      components: metadata.components.map((component) => filled({ ...component })),
      extended: metadata.extended,
      subscriptions: metadata.subscriptions.map((subscription) => ({
        pubsubname: subscription.pubsubName,
        topic: subscription.topic,
        ...filled({
          metadata: subscription.metadata,
          rules: subscription.rules.map(({ match, path }) => filled({ match, path })),
        }),
        deadLetterTopic: subscription.deadLetterTopic,
        type: subscription.type.toUpperCase(),
      })),
      httpEndpoints: named(metadata.httpEndpoints),
      appConnectionProperties: filled({ ...connection, health: health && filled(health) }),
    }),
    actorRuntime: { runtimeStatus: 'DISABLED', hostReady: false },
    ...filled({ resiliencies: named(metadata.resiliencies) }),
  };
}

export function createMetadataRoutes(metadata: MetadataBlock): HttpRoute[] {
  const common = { api: 'metadata', version: 'v1.0' } as const;
  return [
    {
      ...common,
      methods: ['GET'],
      pattern: '/v1.0/metadata',
      name: 'GetMetadata',
      body: 'none',
      handle: () => ({ status: 200, body: metadataJson(metadata.get()) }),
    },
    {
      ...common,
      methods: ['PUT'],
      pattern: '/v1.0/metadata/{key}',
      name: 'PutMetadata',
      body: 'buffer',
      handle({ params: { key = '' }, body }) {
        metadata.set(key, body.toString('utf8'));
        return noContent;
      },
    },
  ];
}

export function createHealthRoutes(health: HealthBlock): HttpRoute[] {
  const common = { methods: ['GET'], api: 'healthz', version: 'v1.0', open: true, body: 'none' } as const;
  return [
    {
      ...common,
      pattern: '/v1.0/healthz',
      name: 'Healthz',
      handle({ query }) {
        health.check(query.get('appid') ?? undefined);
        return noContent;
      },
    },
    {
      ...common,
      pattern: '/v1.0/healthz/outbound',
      name: 'HealthzOutbound',
      handle() {
        health.checkOutbound();
        return noContent;
      },
    },
  ];
}

/** Header `dapr-force-shutdown: true` ends the sidecar at once. */
export function createShutdownRoutes(shutdown: ShutdownBlock): HttpRoute[] {
  return [
    {
      methods: ['POST'],
      api: 'shutdown',
      version: 'v1.0',
      pattern: '/v1.0/shutdown',
      name: 'Shutdown',
      body: 'none',
      handle({ stream }) {
        shutdown.request({ force: stream.head.headers.get('dapr-force-shutdown')?.toLowerCase() === 'true' });
        return noContent;
      },
    },
  ];
}
