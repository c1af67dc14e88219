/** State on Layotto's gRPC API: Dapr's messages under Layotto's names, without the query. */
import type { StateItem } from '@outrigger/components-core';
import type { GrpcMethod } from '@outrigger/engine';
import type { GetStateResponse } from '@outrigger/proto/layotto/runtime/v1';
import * as Runtime from '@outrigger/proto/layotto/runtime/v1/runtime';
import { whenReady } from '../../block/component-call.js';
import { type StateBlock, type StateSave, stateItemMetadata } from '../../block/state.js';
import { contextOf } from '../dapr-grpc/context.js';
import { empty } from '../dapr-grpc/empty.js';
import { unary } from '../grpc-method.js';
import { consistencyOf, stateItemOf } from '../state-item.js';

const noBytes = new Uint8Array(0);

const noItem: StateSave = stateItemOf({ key: '', value: noBytes, metadata: {} });

/** Clients of Layotto send '0' when their caller gave no etag (npm layotto always does), as its Redis store allows. */
const NO_ETAG = '0';

function itemOf(message: Parameters<typeof stateItemOf>[0]): StateSave {
  const item = stateItemOf(message);
  return item.etag === NO_ETAG ? { ...item, etag: undefined } : item;
}

function responseOf(item: StateItem | undefined): GetStateResponse {
  return {
    $typeName: 'spec.proto.runtime.v1.GetStateResponse',
    data: item?.value ?? noBytes,
    etag: item?.etag ?? '',
    metadata: item === undefined ? {} : stateItemMetadata(item),
  };
}

export function createStateMethods(state: StateBlock): GrpcMethod[] {
  return [
    unary(Runtime.getState, ({ storeName, key, consistency, metadata }, call) => {
      const request = { storeName, key, consistency: consistencyOf(consistency), metadata };
      return whenReady(state.get(request, contextOf(call, 'layotto-grpc')), responseOf);
    }),

    unary(Runtime.getBulkState, ({ storeName, keys, parallelism, metadata }, call) =>
      whenReady(
        state.bulkGet({ storeName, keys, parallelism, metadata }, contextOf(call, 'layotto-grpc')),
        (found) => ({
          $typeName: 'spec.proto.runtime.v1.GetBulkStateResponse' as const,
          items: found.map(({ key, item, error }) => ({
            ...responseOf(item),
            $typeName: 'spec.proto.runtime.v1.BulkStateItem' as const,
            key,
            error: error ?? '',
          })),
        }),
      ),
    ),

    unary(Runtime.saveState, ({ storeName, states }, call) =>
      empty(state.save(storeName, states.map(itemOf), contextOf(call, 'layotto-grpc'))),
    ),

    unary(Runtime.deleteState, ({ storeName, ...message }, call) =>
      empty(state.delete(storeName, itemOf({ ...message, value: noBytes }), contextOf(call, 'layotto-grpc'))),
    ),

    unary(Runtime.deleteBulkState, ({ storeName, states }, call) =>
      empty(state.bulkDelete(storeName, states.map(itemOf), contextOf(call, 'layotto-grpc'))),
    ),

    unary(Runtime.executeStateTransaction, ({ storeName, operations, metadata }, call) => {
      const request = {
        storeName,
        metadata,
        operations: operations.map(({ operationType, request: item }) => ({
          operation: operationType,
          ...(item === undefined ? noItem : itemOf(item)),
        })),
      };
      return empty(state.transact(request, contextOf(call, 'layotto-grpc')));
    }),
  ];
}
