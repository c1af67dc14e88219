/** State on Dapr's gRPC API: messages to the block's requests and back. */
import type { Concurrency, Consistency, StateItem } from '@outrigger/components-core';
import type { GrpcMethod } from '@outrigger/engine';
import { methodsOf } from '@outrigger/proto';
import type { StateItem as StateItemMessage, StateOptions } from '@outrigger/proto/dapr/common/v1';
import { type BulkStateItem, Dapr, type GetStateResponse, type QueryStateItem } from '@outrigger/proto/dapr/runtime/v1';
import { whenReady } from '../../block/component-call.js';
import { encodeJson, parseJson } from '../../block/json.js';
import { type StateBlock, type StateBulkItem, type StateSave, stateItemMetadata } from '../../block/state.js';
import { fail } from '../../errors.js';
import { unary } from '../grpc-method.js';
import { contextOf } from './context.js';
import { empty } from './empty.js';

const CONSISTENCIES: readonly Consistency[] = ['unspecified', 'eventual', 'strong'];
const CONCURRENCIES: readonly Concurrency[] = ['unspecified', 'first-write', 'last-write'];
const noBytes = new Uint8Array(0);

/** A number that the enum does not know counts as unspecified, as in Dapr. */
function consistencyOf(options: StateOptions | undefined): Consistency {
  return CONSISTENCIES[options?.consistency ?? 0] ?? 'unspecified';
}

function concurrencyOf(options: StateOptions | undefined): Concurrency {
  return CONCURRENCIES[options?.concurrency ?? 0] ?? 'unspecified';
}

function itemOf(message: StateItemMessage): StateSave {
  return {
    key: message.key,
    value: message.value,
    etag: message.etag?.value,
    concurrency: concurrencyOf(message.options),
    consistency: consistencyOf(message.options),
    metadata: message.metadata,
  };
}

/** Dapr decodes values that say they are JSON and stores them as it encodes them again. */
function savedItemOf(message: StateItemMessage): StateSave {
  const item = itemOf(message);
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
  const methods = methodsOf(Dapr);
  return [
    unary(methods.getState, (request, call) => {
      const { storeName, key, metadata } = request;
      const consistency = CONSISTENCIES[request.consistency] ?? 'unspecified';
      const item = state.get({ storeName, key, consistency, metadata }, contextOf(call));
      return item instanceof Promise ? item.then(responseOf) : responseOf(item);
    }),

    unary(methods.getBulkState, (request, call) => {
      const { storeName, keys, parallelism, metadata } = request;
      const items = state.bulkGet({ storeName, keys, parallelism, metadata }, contextOf(call));
      return whenReady(items, (found) => ({
        $typeName: 'dapr.proto.runtime.v1.GetBulkStateResponse' as const,
        items: found.map(bulkItemOf),
      }));
    }),

    unary(methods.saveState, (request, call) => {
      state.check(request.storeName);
      return empty(state.save(request.storeName, request.states.map(savedItemOf), contextOf(call)));
    }),

    unary(methods.deleteState, (request, call) =>
      empty(
        state.delete(
          request.storeName,
          {
            key: request.key,
            etag: request.etag?.value,
            concurrency: concurrencyOf(request.options),
            consistency: consistencyOf(request.options),
            metadata: request.metadata,
          },
          contextOf(call),
        ),
      ),
    ),

    unary(methods.deleteBulkState, (request, call) =>
      empty(state.bulkDelete(request.storeName, request.states.map(itemOf), contextOf(call))),
    ),

    unary(methods.executeStateTransaction, (request, call) => {
      const operations = request.operations.map(({ operationType, request: item }) => ({
        operation: operationType,
        // An operation without a request has the empty key, as in Dapr.
        ...(item === undefined ? noItem : itemOf(item)),
      }));
      const { storeName, metadata } = request;
      return empty(state.transact({ storeName, operations, metadata }, contextOf(call)));
    }),

    unary(methods.queryStateAlpha1, (request, call) =>
      whenReady(state.query(request.storeName, request.query, contextOf(call)), ({ items, token }) => ({
        $typeName: 'dapr.proto.runtime.v1.QueryStateResponse' as const,
        results: items.map(queryItemOf),
        token: items.length === 0 ? '' : token,
        metadata: {},
      })),
    ),
  ];
}

const noItem: StateSave = {
  key: '',
  value: noBytes,
  etag: undefined,
  concurrency: 'unspecified',
  consistency: 'unspecified',
  metadata: {},
};
