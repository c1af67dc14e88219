/**
 * Every method of Layotto's services: those of the blocks, those of pub/sub and invoke, and the rest, which say that
 * they are not served yet.
 */
import type { GrpcMethod } from '@outrigger/engine';
import type { ServiceName } from '@outrigger/proto/services';
import type { ConfigurationBlock } from '../../block/configuration.js';
import type { LockBlock } from '../../block/lock.js';
import type { SecretBlock } from '../../block/secret.js';
import type { SequencerBlock } from '../../block/sequencer.js';
import type { StateBlock } from '../../block/state.js';
import { createMethodServer, type ServeDeps } from '../dapr-grpc/serve.js';
import { notServedMethods } from '../not-served.js';
import { createConfigurationMethods } from './configuration.js';
import { createHelloMethods, type Greetings } from './hello.js';
import { createLockMethods } from './lock.js';
import { createSecretMethods } from './secrets.js';
import { createSequencerMethods } from './sequencer.js';
import { createStateMethods } from './state.js';

export interface LayottoBlocks {
  readonly state: StateBlock;
  readonly configuration: ConfigurationBlock;
  readonly lock: LockBlock;
  readonly sequencer: SequencerBlock;
  readonly secret: SecretBlock;
}

export interface LayottoGrpcDeps extends ServeDeps {
  readonly blocks: LayottoBlocks;
  readonly greetings: Greetings;
  /** Methods of pub/sub and invoke. */
  readonly moreMethods: readonly GrpcMethod[];
}

/** The services that a Layotto gRPC port has. */
export const LAYOTTO_SERVICES: readonly ServiceName[] = [
  'spec.proto.runtime.v1.Runtime',
  'spec.proto.runtime.v1.Lifecycle',
  'spec.proto.extension.v1.s3.ObjectStorageService',
  'spec.proto.extension.v1.cryption.CryptionService',
  'spec.proto.extension.v1.email.EmailService',
  'spec.proto.extension.v1.sms.SmsService',
  'spec.proto.extension.v1.phone.PhoneCallService',
  'spec.proto.extension.v1.delay_queue.DelayQueue',
];

/** Handlers as they are, without what `serve.ts` puts around them. */
export function layottoGrpcHandlers(
  blocks: LayottoBlocks,
  greetings: Greetings,
  more: readonly GrpcMethod[],
): GrpcMethod[] {
  return [
    ...createStateMethods(blocks.state),
    ...createConfigurationMethods(blocks.configuration),
    ...createLockMethods(blocks.lock),
    ...createSequencerMethods(blocks.sequencer),
    ...createSecretMethods(blocks.secret),
    ...createHelloMethods(greetings),
    ...more,
  ];
}

export function createLayottoGrpcMethods(deps: LayottoGrpcDeps): GrpcMethod[] {
  const served = layottoGrpcHandlers(deps.blocks, deps.greetings, deps.moreMethods);
  const notServed = LAYOTTO_SERVICES.flatMap((service) => notServedMethods(service, served));
  return [...served, ...notServed].map(createMethodServer({ ...deps, surface: 'layotto-grpc' }));
}
