import { join } from 'node:path';
import { repositoryRoot } from '../harness/sidecar.js';
import { describeSdk } from './matrix.js';
import { startScenario } from './scenario.js';

const driver = join(repositoryRoot, 'test', 'interop', 'layotto-js', 'driver.mjs');

describeSdk({
  sdk: 'npm layotto',
  cases: [
    'hello/say hello',
    'state/save and get',
    'state/save again without an etag',
    'state/missing key is null',
    'state/bulk save and bulk get',
    'state/delete',
    'state/bulk delete',
    'state/etag mismatch is ABORTED',
    'state/transaction',
    'state/missing store',
    'pubsub/publish and receive',
    'pubsub/retry is redelivered',
    'pubsub/missing component',
    'configuration/save and get',
    'configuration/watch',
    'configuration/delete',
    'lock/try, refuse, unlock',
    'sequencer/ids grow',
    'invoke/unknown app fails',
    'pubsub/events of one sidecar arrive through the other',
  ],
  part: async () => ({ value: driver }),
  start: (file) => startScenario({ appId: 'layotto-js', appProtocol: 'grpc', command: [process.execPath, file] }),
});
