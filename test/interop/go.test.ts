import { join } from 'node:path';
import { goProgram } from '../harness/provision.js';
import { repositoryRoot } from '../harness/sidecar.js';
import { describeSdk } from './matrix.js';
import { startScenario } from './scenario.js';

const dir = join(repositoryRoot, 'test', 'interop', 'go');

const cases: readonly string[] = [
  'state/save and get',
  'state/missing key is empty',
  'state/bulk save and bulk get',
  'state/bulk delete',
  'state/etag mismatch is ABORTED',
  'state/etag guards delete',
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
  'invoke/verb, query and content type',
  "invoke/the app's own error arrives",
  'invoke/unknown app fails',
  'configuration/get',
  'configuration/watch',
  'configuration/missing store',
  'lock/try, refuse, unlock',
  'secrets/get',
  'secrets/bulk',
  'secrets/missing store',
  'metadata/get and set',
  'health/the app is asked for its health',
  'not served/bindings and jobs say so',
];

/** What the embedded components can do and the in-memory ones cannot. */
const embedded: readonly string[] = ['state/query', 'pubsub/published through the other sidecar'];

for (const entry of ['outrigger', 'daprd'] as const) {
  describeSdk({
    sdk: entry === 'outrigger' ? 'Go dapr' : 'Go dapr, on daprd',
    cases: entry === 'outrigger' ? [...cases, ...embedded] : cases,
    part: () => goProgram('dapr-driver', dir),
    start: (binary) =>
      startScenario({
        entry,
        appId: 'go-app',
        appProtocol: 'grpc',
        args: ['--enable-app-health-check=true', '--app-health-probe-interval=1', '--app-health-threshold=1'],
        command: [binary],
      }),
  });
}
