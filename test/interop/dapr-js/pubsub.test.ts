import { join } from 'node:path';
import { repositoryRoot } from '../../harness/sidecar.js';
import { describeSdk } from '../matrix.js';
import { startScenario } from '../scenario.js';

const driver = join(repositoryRoot, 'test', 'interop', 'dapr-js', 'pubsub-driver.mjs');

for (const protocol of ['http', 'grpc'] as const) {
  describeSdk({
    sdk: `npm @dapr/dapr, app over ${protocol}`,
    cases: [
      'pubsub/publish and receive',
      'pubsub/metadata reaches the app',
      'pubsub/cloud event is adopted',
      'pubsub/raw payload',
      'pubsub/retry is redelivered',
      'pubsub/drop goes to the dead letter topic',
      'pubsub/routes by rules',
      'pubsub/bulk publish and bulk receive',
      'pubsub/missing component',
      'pubsub/bulk to a missing component fails every message',
      'pubsub/events of one sidecar arrive through another',
    ],
    part: async () => ({ value: driver }),
    start: (file) =>
      startScenario({
        appId: `dapr-js-app-${protocol}`,
        appProtocol: protocol,
        command: [process.execPath, file, protocol],
      }),
  });
}
