/** State on Dapr's gRPC API: messages to the block's requests and back. */
import type { StateItem } from '@outrigger/components-core';
import type { GrpcMethod } from '@outrigger/engine';
import type { StateItem as StateItemMessage } from '@outrigger/proto/dapr/common/v1';
import type { BulkStateItem, GetStateResponse, QueryStateItem } from '@outrigger/proto/dapr/runtime/v1';
import * as Dapr from '@outrigger/proto/dapr/runtime/v1/dapr';
import { whenReady } from '../../block/component-call.js';
import { encodeJson, parseJson } from '../../block/json.js';
import { type StateBlock, type StateBulkItem, type StateSave, stateItemMetadata } from '../../block/state.js';
import { fail } from '../../errors.js';
import { unary } from '../grpc-method.js';
import { consistencyOf, stateItemOf } from '../state-item.js';
import { contextOf } from './context.js';
import { empty } from './empty.js';

const noBytes = new Uint8Array(0);

/** Dapr decodes values that say they are JSON and stores them as it encodes them again. */
function savedItemOf(message: StateItemMessage): StateSave {
  const item = stateItemOf(message);
  if (message.metadata['contentType'] !== 'application/json') return item;
  const text = new TextDecoder().decode(message.value);
  let value: Uint8Array;
  try {
    value = new TextEncoder().encode(encodeJson(parseJson(text)));
  } catch (error) {
    throw fail('STATE_VALUE_NOT_JSON', { error: (error as Error).message }, { cause: error });
  }
  return { ...item, value };
}

const emptyResponse: GetStateResponse = Object.freeze({
  $typeName: 'dapr.proto.runtime.v1.GetStateResponse',
  data: noBytes,
  etag: '',
  metadata: {},
});

function responseOf(item: StateItem | undefined): GetStateResponse {
  if (item === undefined) return emptyResponse;
  return {
    $typeName: 'dapr.proto.runtime.v1.GetStateResponse',
    data: item.value,
    etag: item.etag ?? '',
    metadata: stateItemMetadata(item),
  };
}

function bulkItemOf({ key, item, error }: StateBulkItem): BulkStateItem {
  return {
    $typeName: 'dapr.proto.runtime.v1.BulkStateItem',
    key,
    data: item?.value ?? noBytes,
    etag: item?.etag ?? '',
    error: error ?? '',
    metadata: item === undefined ? {} : stateItemMetadata(item),
  };
}

function queryItemOf(item: StateItem & { readonly key: string }): QueryStateItem {
  return {
    $typeName: 'dapr.proto.runtime.v1.QueryStateItem',
    key: item.key,
    data: item.value,
    etag: item.etag ?? '',
    error: '',
  };
}

export function createStateMethods(state: StateBlock): GrpcMethod[] {
  return [
    unary(Dapr.getState, (request, call) => {
      const { storeName, key, metadata } = request;
      const consistency = consistencyOf(request.consistency);
      const item = state.get({ storeName, key, consistency, metadata }, contextOf(call));
      return item instanceof Promise ? item.then(responseOf) : responseOf(item);
    }),

    unary(Dapr.getBulkState, (request, call) => {
      const { storeName, keys, parallelism, metadata } = request;
      const items = state.bulkGet({ storeName, keys, parallelism, metadata }, contextOf(call));
      return whenReady(items, (found) => ({
        $typeName: 'dapr.proto.runtime.v1.GetBulkStateResponse' as const,
        items: found.map(bulkItemOf),
      }));
    }),

    unary(Dapr.saveState, (request, call) => {
      state.check(request.storeName);
      return empty(state.save(request.storeName, request.states.map(savedItemOf), contextOf(call)));
    }),

    unary(Dapr.deleteState, ({ storeName, ...message }, call) =>
      empty(state.delete(storeName, stateItemOf({ ...message, value: noBytes }), contextOf(call))),
    ),

    unary(Dapr.deleteBulkState, (request, call) =>
      empty(state.bulkDelete(request.storeName, request.states.map(stateItemOf), contextOf(call))),
    ),

    unary(Dapr.executeStateTransaction, (request, call) => {
      const operations = request.operations.map(({ operationType, request: item }) => ({
        operation: operationType,
        // An operation without a request has the empty key, as in Dapr.
        ...(item === undefined ? noItem : stateItemOf(item)),
      }));
      const { storeName, metadata } = request;
      return empty(state.transact({ storeName, operations, metadata }, contextOf(call)));
    }),

    unary(Dapr.queryStateAlpha1, (request, call) =>
      whenReady(state.query(request.storeName, request.query, contextOf(call)), ({ items, token }) => ({
        $typeName: 'dapr.proto.runtime.v1.QueryStateResponse' as const,
        results: items.map(queryItemOf),
        token: items.length === 0 ? '' : token,
        metadata: {},
      })),
    ),
  ];
}

const noItem: StateSave = stateItemOf({ key: '', value: noBytes, metadata: {} });
