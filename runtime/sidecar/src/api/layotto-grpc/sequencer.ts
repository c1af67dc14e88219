/** Ids on Layotto's gRPC API. */
import type { GrpcMethod } from '@outrigger/engine';
import { SequencerOptions_AutoIncrement } from '@outrigger/proto/layotto/runtime/v1/enums';
import * as Runtime from '@outrigger/proto/layotto/runtime/v1/runtime';
import { whenReady } from '../../block/component-call.js';
import type { SequencerBlock } from '../../block/sequencer.js';
import { contextOf } from '../dapr-grpc/context.js';
import { unary } from '../grpc-method.js';

export function createSequencerMethods(sequencer: SequencerBlock): GrpcMethod[] {
  return [
    unary(Runtime.getNextId, ({ storeName, key, options, metadata }, call) => {
      const increment = options?.increment === SequencerOptions_AutoIncrement.STRONG ? 'strong' : 'weak';
      const id = sequencer.nextId({ storeName, key, increment, metadata }, contextOf(call, 'layotto-grpc'));
      // The field is declared `jstype = JS_STRING`.
      return whenReady(id, (next) => ({
        $typeName: 'spec.proto.runtime.v1.GetNextIdResponse' as const,
        nextId: String(next),
      }));
    }),
  ];
}
