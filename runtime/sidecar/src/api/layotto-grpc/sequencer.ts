/** Ids on Layotto's gRPC API. */
import type { GrpcMethod } from '@outrigger/engine';
import { methodsOf } from '@outrigger/proto';
import { Runtime, SequencerOptions_AutoIncrement } from '@outrigger/proto/layotto/runtime/v1';
import { whenReady } from '../../block/component-call.js';
import type { SequencerBlock } from '../../block/sequencer.js';
import { contextOf } from '../dapr-grpc/context.js';
import { unary } from '../grpc-method.js';

export function createSequencerMethods(sequencer: SequencerBlock): GrpcMethod[] {
  return [
    unary(methodsOf(Runtime).getNextId, ({ storeName, key, options, metadata }, call) => {
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
