import { join } from 'node:path';
import { mavenProject } from '../harness/provision.js';
import { repositoryRoot } from '../harness/sidecar.js';
import { describeSdk } from './matrix.js';
import { startScenario } from './scenario.js';

const dir = join(repositoryRoot, 'test', 'interop', 'layotto-java');

describeSdk({
  sdk: 'Maven io.mosn.layotto:runtime-sdk',
  cases: [
    'hello/say hello',
    'state/save and get',
    'state/an object as JSON',
    'state/missing key is empty',
    'state/bulk save and bulk get',
    'state/delete',
    'state/etag guards save and delete',
    'state/transaction',
    'state/transaction aborts as a whole',
    'state/ttl',
    'state/missing store',
    'pubsub/publish and receive',
    'pubsub/text without a content type',
    'pubsub/retry is redelivered',
    'pubsub/published through the other sidecar',
    'pubsub/missing component',
    'invoke/through two sidecars',
    'invoke/without a verb it is a GET',
    'invoke/a missing method is told with its status',
    'invoke/unknown app fails',
    'sequencer/weak ids grow',
    'sequencer/strong ids follow each other',
    'configuration/save, get, delete',
    'lock/try, refuse, unlock',
    'file/put says that it is not served',
    'file/get says that it is not served',
    'file/list, stat and delete say that they are not served',
  ],
  part: () => mavenProject('layotto-java', dir),
  start: (classPath) =>
    startScenario({
      appId: 'layotto-java',
      appProtocol: 'grpc',
      otherAppProtocol: 'http',
      command: ['java', '-XX:TieredStopAtLevel=1', '-cp', classPath, 'dev.outrigger.interop.Driver'],
    }),
});
