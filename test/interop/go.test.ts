import { join } from 'node:path';
import { goProgram } from '../harness/provision.js';
import { repositoryRoot } from '../harness/sidecar.js';
import { describeSdk } from './matrix.js';
import { startScenario } from './scenario.js';

const dir = join(repositoryRoot, 'test', 'interop', 'go');

describeSdk({
  sdk: 'Go dapr',
  cases: [
    'state/save and get',
    'state/missing key is empty',
    'state/bulk save and bulk get',
    'state/bulk delete',
    'state/etag mismatch is ABORTED',
    'state/transaction',
    'state/transaction aborts as a whole',
    'state/ttl',
    'state/missing store',
    'pubsub/publish and receive',
    'pubsub/retry is redelivered',
    'pubsub/streaming subscription',
    'pubsub/bulk publish',
    'pubsub/missing component',
    'invoke/own app through its sidecar',
    'invoke/through two sidecars',
    'invoke/unknown app fails',
    'configuration/get',
    'configuration/watch',
    'configuration/missing store',
    'lock/try, refuse, unlock',
    'secrets/get',
    'secrets/bulk',
    'secrets/missing store',
    'metadata/get and set',
  ],
  part: () => goProgram('dapr-driver', dir),
  start: (binary) => startScenario({ appId: 'go-app', appProtocol: 'grpc', command: [binary] }),
});
