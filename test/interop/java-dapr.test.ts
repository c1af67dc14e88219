import { join } from 'node:path';
import { mavenProject } from '../harness/provision.js';
import { repositoryRoot } from '../harness/sidecar.js';
import { describeSdk } from './matrix.js';
import { startScenario } from './scenario.js';

const dir = join(repositoryRoot, 'test', 'interop', 'java-dapr');

describeSdk({
  sdk: 'Maven io.dapr:dapr-sdk',
  cases: [
    'state/save and get',
    'state/missing key is empty',
    'state/bulk save and bulk get',
    'state/delete',
    'state/etag mismatch is ABORTED',
    'state/transaction',
    'state/etag guards delete',
    'state/transaction aborts as a whole',
    'state/query',
    'state/large value, and one beyond the limit',
    'state/ttl',
    'state/missing store',
    'pubsub/publish and receive',
    'pubsub/retry is redelivered',
    'pubsub/bulk publish',
    'pubsub/streaming subscription',
    'pubsub/routing rule',
    'pubsub/dropped goes to the dead letter topic',
    'pubsub/raw payload',
    'pubsub/published through the other sidecar',
    'pubsub/missing component',
    'invoke/own app through its sidecar',
    'invoke/through two sidecars',
    'invoke/verb, query and headers',
    "invoke/the app's own error arrives",
    'invoke/unknown app fails',
    'configuration/get',
    'configuration/watch',
    'configuration/missing store',
    'lock/try, refuse, unlock',
    'secrets/get',
    'secrets/bulk',
    'secrets/missing store',
    'metadata/get',
    'not served/bindings and jobs say so',
  ],
  part: () => mavenProject('java-dapr', dir),
  start: (classPath) =>
    startScenario({
      appId: 'java-app',
      appProtocol: 'http',
      command: ['java', '-XX:TieredStopAtLevel=1', '-cp', classPath, 'dev.outrigger.interop.Driver'],
    }),
});
