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
    'state/transaction aborts as a whole',
    'state/missing store',
    'pubsub/publish and receive',
    'pubsub/retry is redelivered',
    'pubsub/missing component',
    'configuration/save and get',
    'configuration/watch',
    'configuration/delete',
    'lock/try, refuse, unlock',
    'sequencer/ids grow',
    'invoke/text through two sidecars',
    'invoke/JSON with a verb and a query',
    'invoke/a missing method is told with its status',
    'invoke/unknown app fails',
    'file/get, list and delete say that they are not served',
    'binding/the call says that it is not served',
    'pubsub/events of one sidecar arrive through the other',
  ],
  part: async () => ({ value: driver }),
  start: (file) =>
    startScenario({
      appId: 'layotto-js',
      appProtocol: 'grpc',
      otherAppProtocol: 'http',
      command: [process.execPath, file],
    }),
});
