/** Both surfaces of Dapr over in-memory components, for tests. */
import type { ConfigurationStore } from '@outrigger/components-core';
import { configurationInMemory, lockInMemory, stateInMemory } from '@outrigger/components-memory';
import { type Clock, FakeClock, silentLogger } from '@outrigger/engine';
import { createConfigurationBlock } from '../../block/configuration.js';
import { createHealthBlock, type HealthTarget } from '../../block/health.js';
import { createLockBlock } from '../../block/lock.js';
import { createMetadataBlock } from '../../block/metadata.js';
import { noPolicies } from '../../block/policy.js';
import { createSecretBlock } from '../../block/secret.js';
import { createShutdownBlock } from '../../block/shutdown.js';
import { createStateBlock } from '../../block/state.js';
import { open, TestRegistry } from '../../block/testing/registry.js';
import { MetricsRegistry } from '../../telemetry/metrics.js';
import { noApiLogging } from '../api-logging.js';
import { allApis } from '../api-rules.js';
import { createDaprSurfaces, type DaprSurfaceDeps, type DaprSurfaces } from '../dapr-surfaces.js';

export interface TestSurfaces extends DaprSurfaces {
  readonly configStore: ConfigurationStore;
  /** The only part that health depends on; ready. */
  readonly target: HealthTarget;
  readonly shutdowns: readonly string[];
  /** Fields of the lines logged at level info. */
  readonly lines: readonly object[];
  readonly metrics: MetricsRegistry;
  close(): Promise<void>;
}

/** State stores `store` and `plain` (no transactions), `config`, `locks`, and secrets `a` and `b` in `vault`, `b` denied. */
export function createTestSurfaces(overrides: Partial<DaprSurfaceDeps> = {}): TestSurfaces {
  const clock: Clock = overrides.clock ?? new FakeClock();
  const metrics = new MetricsRegistry();
  const configStore = open(configurationInMemory, 'config', clock) as ConfigurationStore;
  const plain = Object.assign(Object.create(open(stateInMemory, 'plain', clock)), { features: new Set() });
  const registry = new TestRegistry([
    {
      kind: 'state',
      name: 'store',
      component: open(stateInMemory, 'store', clock, { query: 'true' }),
      type: 'state.in-memory',
      capabilities: ['ETAG'],
    },
    { kind: 'state', name: 'plain', component: plain },
    { kind: 'configuration', name: 'config', component: configStore },
    { kind: 'lock', name: 'locks', component: open(lockInMemory, 'locks', clock) },
    {
      kind: 'secretstores',
      name: 'vault',
      component: { get: () => ({ k: 'v' }), bulkGet: () => ({ a: { k: 'v' }, b: { x: 'y' } }) } as never,
    },
  ]);
  const deps = { registry, clock, log: silentLogger, metrics, policies: noPolicies, appId: 'app', namespace: '' };
  const health = createHealthBlock({ appId: 'app' });
  const target = health.target('api', { outbound: true });
  target.ready();
  const shutdowns: string[] = [];
  const lines: object[] = [];
  const configuration = createConfigurationBlock(deps);
  const surfaces = createDaprSurfaces({
    clock,
    log: { ...silentLogger, info: ((fields: object) => lines.push(fields)) as never },
    metrics,
    appId: 'app',
    blocks: {
      state: createStateBlock(deps),
      configuration,
      lock: createLockBlock(deps),
      secret: createSecretBlock({
        ...deps,
        secretScopes: () => [{ storeName: 'vault', defaultAccess: 'allow', allowedSecrets: [], deniedSecrets: ['b'] }],
      }),
      metadata: createMetadataBlock({
        appId: 'app',
        runtimeVersion: '1.18.0',
        app: {
          port: 3000,
          host: '127.0.0.1',
          protocol: 'http',
          concurrencyMax: 5,
          healthCheck: { path: '/healthz', intervalMs: 5000, timeoutMs: 500, threshold: 3 },
        },
        registry,
        enabledFeatures: () => [],
        subscriptions: () => [
          {
            pubsubName: 'p',
            topic: 't',
            metadata: {},
            rules: [{ match: '', path: '/t' }],
            deadLetterTopic: '',
            type: 'programmatic',
          },
        ],
        httpEndpoints: () => ['api'],
        resiliencies: () => ['r'],
      }),
      health,
      shutdown: createShutdownBlock({
        log: silentLogger,
        shutdown: () => shutdowns.push('graceful'),
        exit: () => shutdowns.push('forced'),
      }),
    },
    app: () => undefined,
    apiToken: undefined,
    allowedOrigins: [],
    apiRules: allApis,
    apiLogging: noApiLogging,
    messageBytesMax: 4 * 1024 * 1024,
    moreMethods: [],
    moreRoutes: [],
    httpFallback: undefined,
    ...overrides,
  });
  return { ...surfaces, configStore, target, shutdowns, lines, metrics, close: () => configuration.close() };
}
