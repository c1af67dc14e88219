import { join } from 'node:path';
import { repositoryRoot } from '../../harness/sidecar.js';
import { describeSdk } from '../matrix.js';
import { startScenario } from '../scenario.js';

const driver = join(repositoryRoot, 'test', 'interop', 'dapr-js', 'client-driver.mjs');

/** Asked of the client over both of its transports. */
const both: readonly string[] = [
  'health/sidecar is started',
  'state/save and get',
  'state/missing key is empty',
  'state/get in bulk',
  'state/delete',
  'state/etag guards save and delete',
  'state/first write wins',
  'state/ttl ends an item',
  'state/transaction',
  'state/transaction aborts as a whole',
  'state/illegal key',
  'state/missing store',
  'lock/try, refuse, unlock',
  'lock/missing store',
  'secrets/get and bulk',
  'secrets/missing secret and store',
  'metadata/get and set',
];

describeSdk({
  sdk: 'npm @dapr/dapr, client',
  cases: [
    ...['gRPC', 'HTTP'].flatMap((protocol) => both.map((name) => `${name} (${protocol})`)),
    'configuration/get (gRPC)',
    'configuration/watch until stopped (gRPC)',
    'configuration/missing store (gRPC)',
  ],
  part: async () => ({ value: driver }),
  start: (file) => startScenario({ appId: 'dapr-js', appProtocol: 'http', command: [process.execPath, file] }),
});
