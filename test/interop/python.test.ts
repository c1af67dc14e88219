import { join } from 'node:path';
import { pythonEnv } from '../harness/provision.js';
import { repositoryRoot } from '../harness/sidecar.js';
import { describeSdk } from './matrix.js';
import { startScenario } from './scenario.js';

const dir = join(repositoryRoot, 'test', 'interop', 'python');

const cases: readonly string[] = [
  'state/save and get',
  'state/missing key is empty',
  'state/bulk save and bulk get',
  'state/delete',
  'state/etag mismatch is ABORTED',
  'state/etag match',
  'state/transaction',
  'state/transaction aborts as a whole',
  'state/ttl',
  'state/large value, and one beyond the limit',
  'state/missing store',
  'pubsub/publish and receive',
  'pubsub/retry is redelivered',
  'pubsub/streaming subscription',
  'pubsub/bulk publish',
  'pubsub/routing rule',
  'pubsub/dropped goes to the dead letter topic',
  'pubsub/raw payload',
  'pubsub/missing component',
  'invoke/own app through its sidecar',
  'invoke/through two sidecars',
  'invoke/unknown app fails',
  'invoke/over gRPC with metadata',
  'invoke/over gRPC a missing method and a missing app fail',
  'configuration/get',
  'configuration/watch',
  'configuration/missing store',
  'lock/try, refuse, unlock',
  'secrets/get',
  'secrets/bulk',
  'secrets/missing store',
  'metadata/get and set',
  'health/deliveries wait while the app is not well',
  'not served/bindings and jobs say so',
];

/** What the embedded components can do and the in-memory ones cannot. */
const embedded: readonly string[] = [
  'state/query',
  'pubsub/published through the other sidecar',
  'pubsub/asyncio client, state and a streaming subscription',
];

/** There the sidecars have tokens. */
const withToken: readonly string[] = [
  'security/calls without the API token are refused',
  'security/the app gets its own token',
];

for (const entry of ['outrigger', 'daprd'] as const) {
  describeSdk({
    sdk: entry === 'outrigger' ? 'PyPI dapr' : 'PyPI dapr, on daprd',
    cases: [...cases, ...(entry === 'outrigger' ? embedded : withToken)],
    part: () => pythonEnv('dapr', join(dir, 'requirements.txt')),
    start: (python) =>
      startScenario({
        entry,
        appId: 'python-app',
        appProtocol: 'grpc',
        args: ['--enable-app-health-check=true', '--app-health-probe-interval=1', '--app-health-threshold=1'],
        command: [python, '-u', join(dir, 'driver.py')],
      }),
  });
}
