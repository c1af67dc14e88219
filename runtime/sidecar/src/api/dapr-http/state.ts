/** State on Dapr's HTTP API. Values are JSON: decoded and encoded again, as Dapr does, before they are stored. */
import type { Concurrency, Consistency, StateItem } from '@outrigger/components-core';
import { whenReady } from '../../block/component-call.js';
import type { MaybePromise } from '../../block/context.js';
import { encodeJson, type JsonObject, type JsonValue, parseJson } from '../../block/json.js';
import { type StateBlock, type StateBulkItem, type StateSave, stateItemMetadata } from '../../block/state.js';
import { fail } from '../../errors.js';
import { arrayOf, documentOf, integerOf, memberOf, objectOf, textOf, textsOf } from './json-fields.js';
import type { HttpCall, HttpReply, HttpRoute } from './route.js';

const noContent: HttpReply = { status: 204 };

/** Throws an Error in the words of Dapr's stores. */
function consistencyOf(text: string): Consistency {
  if (text === '') return 'unspecified';
  if (text === 'strong' || text === 'eventual') return text;
  throw new Error(`unrecognized consistency model '${text}'`);
}

function concurrencyOf(text: string): Concurrency {
  if (text === '') return 'unspecified';
  if (text === 'first-write' || text === 'last-write') return text;
  throw new Error(`unrecognized concurrency model '${text}'`);
}

function metadataHeaders(item: StateItem): Record<string, string> {
  const headers: Record<string, string> = {};
  const metadata = stateItemMetadata(item);
  for (const name in metadata) headers[`metadata.${name.toLowerCase()}`] = metadata[name] as string;
  if (item.etag !== undefined) headers['etag'] = item.etag;
  return headers;
}

/** The options of an item as written; what they mean is checked when the operation is made of them. */
interface RawItem {
  readonly key: string;
  readonly value: Uint8Array;
  readonly etag: string | undefined;
  readonly concurrency: string;
  readonly consistency: string;
  readonly metadata: Record<string, string>;
}

function rawItemOf(object: JsonObject, field: string): RawItem {
  const options = objectOf(memberOf(object, 'options'), `${field}.options`, 'state.SetStateOption');
  const option = (name: string): string =>
    options === undefined ? '' : (textOf(memberOf(options, name), `${field}.options.${name}`) ?? '');
  return {
    key: textOf(memberOf(object, 'key'), `${field}.key`) ?? '',
    value: Buffer.from(encodeJson(memberOf(object, 'value') ?? null)),
    etag: textOf(memberOf(object, 'etag'), `${field}.etag`),
    concurrency: option('concurrency'),
    consistency: option('consistency'),
    metadata: textsOf(memberOf(object, 'metadata'), `${field}.metadata`) ?? {},
  };
}

function itemOf(raw: RawItem, metadata: Readonly<Record<string, string>>): StateSave {
  return {
    ...raw,
    concurrency: concurrencyOf(raw.concurrency),
    consistency: consistencyOf(raw.consistency),
    metadata: { ...raw.metadata, ...metadata },
  };
}

/** Runs `read`; its plain errors become `code` with their text as `error`. */
function reading<T>(
  code:
    | 'API_MALFORMED_REQUEST'
    | 'API_MALFORMED_BODY'
    | 'STATE_SAVE_FAILED'
    | 'STATE_DELETE_FAILED'
    | 'STATE_TRANSACTION_FAILED',
  params: Readonly<Record<string, string>>,
  read: () => T,
): T {
  try {
    return read();
  } catch (error) {
    throw fail(code, { ...params, error: (error as Error).message }, { cause: error });
  }
}

function get(state: StateBlock, call: HttpCall): MaybePromise<HttpReply> {
  const { store = '', key = '' } = call.params;
  const consistency = call.query.get('consistency');
  const item = state.get(
    {
      storeName: store,
      key,
      consistency: consistency === 'strong' || consistency === 'eventual' ? consistency : 'unspecified',
      metadata: call.metadata,
    },
    call.context,
  );
  return whenReady(item, (found) =>
    found === undefined ? noContent : { status: 200, headers: metadataHeaders(found), body: found.value },
  );
}

function save(state: StateBlock, call: HttpCall): MaybePromise<HttpReply> {
  const { store = '' } = call.params;
  state.check(store);
  const raws = reading('API_MALFORMED_REQUEST', {}, () =>
    arrayOf(documentOf(call.body), '', '[]state.SetRequest').map((each) =>
      rawItemOf(objectOf(each, '', 'state.SetRequest') ?? new Map(), 'SetRequest'),
    ),
  );
  const { metadata } = call;
  const items = reading('STATE_SAVE_FAILED', { name: store }, () => raws.map((raw) => itemOf(raw, metadata)));
  return whenReady(state.save(store, items, call.context), () => noContent);
}

function remove(state: StateBlock, call: HttpCall): MaybePromise<HttpReply> {
  const { store = '', key = '' } = call.params;
  state.check(store);
  const options = reading('STATE_DELETE_FAILED', { key }, () => ({
    concurrency: concurrencyOf(call.query.get('concurrency') ?? ''),
    consistency: consistencyOf(call.query.get('consistency') ?? ''),
  }));
  const etag = call.stream.head.headers.get('if-match');
  const item = { key, etag, ...options, metadata: call.metadata };
  return whenReady(state.delete(store, item, call.context), () => noContent);
}

/** Stored bytes inside a JSON answer: as they are when they are JSON, else as a string, where Dapr answers nothing. */
function embedded(value: Uint8Array): string {
  const text = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('utf8');
  try {
    parseJson(text);
    return text;
  } catch {
    return JSON.stringify(text);
  }
}

function bulkItemJson({ key, item, error }: StateBulkItem): string {
  const members = [`"key":${JSON.stringify(key)}`];
  if (item !== undefined) {
    if (item.value.length > 0) members.push(`"data":${embedded(item.value)}`);
    if (item.etag !== undefined) members.push(`"etag":${JSON.stringify(item.etag)}`);
    const metadata = stateItemMetadata(item);
    if (Object.keys(metadata).length > 0) members.push(`"metadata":${JSON.stringify(metadata)}`);
  }
  if (error !== undefined) members.push(`"error":${JSON.stringify(error)}`);
  return `{${members.join(',')}}`;
}

function bulkGet(state: StateBlock, call: HttpCall): MaybePromise<HttpReply> {
  const { store = '' } = call.params;
  state.check(store);
  const request = reading('API_MALFORMED_BODY', {}, () => {
    const body = objectOf(documentOf(call.body), '', 'http.BulkGetRequest') ?? new Map<string, JsonValue>();
    return {
      keys: arrayOf(memberOf(body, 'keys'), 'BulkGetRequest.keys', '[]string').map(
        (key) => textOf(key, 'BulkGetRequest.keys') ?? '',
      ),
      parallelism: integerOf(memberOf(body, 'parallelism'), 'BulkGetRequest.parallelism'),
      metadata: { ...textsOf(memberOf(body, 'metadata'), 'BulkGetRequest.metadata'), ...call.metadata },
    };
  });
  const items = state.bulkGet({ storeName: store, ...request }, call.context);
  return whenReady(items, (found) => ({ status: 200, body: `[${found.map(bulkItemJson).join(',')}]` }));
}

function transact(state: StateBlock, call: HttpCall): MaybePromise<HttpReply> {
  const { store = '' } = call.params;
  state.check(store);
  const { metadata: urlMetadata } = call;
  const { raws, metadata } = reading('API_MALFORMED_BODY', {}, () => {
    const body =
      objectOf(documentOf(call.body), '', 'http.stateTransactionRequestBody') ?? new Map<string, JsonValue>();
    const field = 'stateTransactionRequestBody';
    const operations = arrayOf(memberOf(body, 'operations'), `${field}.operations`, '[]operation').map((each) => {
      const operation = objectOf(each, `${field}.operations`, 'operation') ?? new Map<string, JsonValue>();
      const request = objectOf(memberOf(operation, 'request'), 'operation.request', 'state.SetRequest');
      const name = textOf(memberOf(operation, 'operation'), 'operation.operation') ?? '';
      return { operation: name, raw: rawItemOf(request ?? new Map(), 'SetRequest') };
    });
    return { raws: operations, metadata: textsOf(memberOf(body, 'metadata'), `${field}.metadata`) ?? {} };
  });
  const operations = reading('STATE_TRANSACTION_FAILED', {}, () =>
    raws.map(({ operation, raw }) => ({ operation, ...itemOf(raw, urlMetadata) })),
  );
  const request = { storeName: store, operations, metadata: { ...metadata, ...urlMetadata } };
  return whenReady(state.transact(request, call.context), () => noContent);
}

function query(state: StateBlock, call: HttpCall): MaybePromise<HttpReply> {
  const { store = '' } = call.params;
  return whenReady(state.query(store, call.body.toString('utf8'), call.context), ({ items, token }) => {
    if (items.length === 0) return noContent;
    const results = items.map(({ key, value, etag }) => {
      const tag = etag === undefined ? '' : `,"etag":${JSON.stringify(etag)}`;
      return `{"key":${JSON.stringify(key)},"data":${embedded(value)}${tag}}`;
    });
    const next = token === '' ? '' : `,"token":${JSON.stringify(token)}`;
    return { status: 200, body: `{"results":[${results.join(',')}]${next}}` };
  });
}

export function createStateRoutes(state: StateBlock): HttpRoute[] {
  const v1 = { api: 'state', version: 'v1.0' } as const;
  const key = '/v1.0/state/{store}/{key}';
  return [
    { ...v1, methods: ['GET'], pattern: key, name: 'GetState', body: 'none', handle: (call) => get(state, call) },
    {
      ...v1,
      methods: ['DELETE'],
      pattern: key,
      name: 'DeleteState',
      body: 'none',
      handle: (call) => remove(state, call),
    },
    {
      ...v1,
      methods: ['POST', 'PUT'],
      pattern: '/v1.0/state/{store}',
      name: 'SaveState',
      body: 'buffer',
      handle: (call) => save(state, call),
    },
    {
      ...v1,
      methods: ['POST', 'PUT'],
      pattern: '/v1.0/state/{store}/bulk',
      name: 'GetBulkState',
      body: 'buffer',
      handle: (call) => bulkGet(state, call),
    },
    {
      ...v1,
      methods: ['POST', 'PUT'],
      pattern: '/v1.0/state/{store}/transaction',
      name: 'ExecuteStateTransaction',
      body: 'buffer',
      handle: (call) => transact(state, call),
    },
    {
      api: 'state',
      version: 'v1.0-alpha1',
      methods: ['POST', 'PUT'],
      pattern: '/v1.0-alpha1/state/{store}/query',
      name: 'QueryStateAlpha1',
      body: 'buffer',
      handle: (call) => query(state, call),
    },
  ];
}
