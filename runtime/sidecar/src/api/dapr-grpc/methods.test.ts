import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  create,
  createRegistry,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type Registry,
} from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { GrpcCode, type GrpcMethod, type GrpcStatusError, type MessageSink } from '@outrigger/engine';
import { methodsOf } from '@outrigger/proto';
import { StateOptions_StateConcurrency } from '@outrigger/proto/dapr/common/v1';
import {
  Dapr,
  DeleteStateRequestSchema,
  ExecuteStateTransactionRequestSchema,
  GetBulkStateRequestSchema,
  GetStateRequestSchema,
  QueryStateRequestSchema,
  SaveStateRequestSchema,
  type SubscribeConfigurationResponse,
} from '@outrigger/proto/dapr/runtime/v1';
import {
  BadRequestSchema,
  ErrorInfoSchema,
  HelpSchema,
  ResourceInfoSchema,
  StatusSchema,
} from '@outrigger/proto/google/rpc';
import { noApiLogging } from '../api-logging.js';
import { type ApiRules, allApis } from '../api-rules.js';
import { callUnary, statusOf, testCall } from '../testing/grpc-call.js';
import { createTestSurfaces } from '../testing/surfaces.js';
import { createGrpcGuard } from './guard.js';

const rpc = methodsOf(Dapr);
const details: Registry = createRegistry(ErrorInfoSchema, ResourceInfoSchema, BadRequestSchema, HelpSchema);
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

interface SetupOptions {
  readonly apiToken?: string;
  readonly apiRules?: ApiRules;
  readonly apiLogging?: boolean;
}

function setup(options: SetupOptions = {}) {
  const { apiToken, apiRules = allApis } = options;
  const apiLogging = { ...noApiLogging, enabled: options.apiLogging === true };
  const surfaces = createTestSurfaces({ apiToken, apiRules, apiLogging });
  return { ...surfaces, methods: surfaces.grpcMethods };
}

const save = (
  methods: readonly GrpcMethod[],
  states: MessageInitShape<typeof SaveStateRequestSchema>['states'],
  storeName = 'store',
) => callUnary(methods, rpc.saveState, create(SaveStateRequestSchema, { storeName, states: states ?? [] }));
const get = (methods: readonly GrpcMethod[], key: string, storeName = 'store') =>
  callUnary(methods, rpc.getState, create(GetStateRequestSchema, { storeName, key }));

/** Details as plain objects, with their short type name. */
function detailsOf(status: GrpcStatusError): object[] {
  if (status.details === undefined) return [];
  const decoded = fromBinary(StatusSchema, status.details);
  assert.equal(decoded.code, status.code);
  assert.equal(decoded.message, status.message);
  return decoded.details.map((any) => {
    const message = anyUnpack(any, details);
    assert.ok(message, any.typeUrl);
    const { $typeName, ...fields } = message as unknown as { $typeName: string };
    return JSON.parse(JSON.stringify({ type: $typeName.replace('google.rpc.', ''), ...fields }), (key, value) =>
      key === '$typeName' ? undefined : value,
    );
  });
}

describe('Dapr gRPC: state', () => {
  it('saves, gets and deletes, at once where the store does', () => {
    const { methods } = setup();
    assert.equal(
      (save(methods, [{ key: 'k', value: utf8('v') }]) as { $typeName: string }).$typeName,
      'google.protobuf.Empty',
    );
    const found = get(methods, 'k') as { data: Uint8Array; etag: string; metadata: object };
    assert.equal(textOf(found.data), 'v');
    assert.notEqual(found.etag, '');
    callUnary(methods, rpc.deleteState, create(DeleteStateRequestSchema, { storeName: 'store', key: 'k' }));
    assert.deepEqual(get(methods, 'k'), {
      $typeName: 'dapr.proto.runtime.v1.GetStateResponse',
      data: new Uint8Array(0),
      etag: '',
      metadata: {},
    });
  });

  it('encodes values that say they are JSON again, as Dapr does', async () => {
    const { methods } = setup();
    const metadata = { contentType: 'application/json' };
    await save(methods, [{ key: 'k', value: utf8(' { "b" : 1, "a": "<>" } '), metadata }]);
    assert.equal(textOf((await get(methods, 'k')).data), '{"a":"\\u003c\\u003e","b":1}');
    const status = await statusOf(() => save(methods, [{ key: 'k', value: utf8('nope'), metadata }]));
    assert.equal(status.code, GrpcCode.UNKNOWN);
    assert.equal(status.message, "invalid character 'o' in literal null (expecting 'u')");
  });

  it('says an etag mismatch with ABORTED and ErrorInfo', async () => {
    const { methods } = setup();
    await save(methods, [{ key: 'k', value: utf8('1') }]);
    const status = await statusOf(() => save(methods, [{ key: 'k', value: utf8('2'), etag: { value: 'no' } }]));
    assert.equal(status.code, GrpcCode.ABORTED);
    assert.match(
      status.message,
      /^failed saving state in state store store: possible etag mismatch\. error from state store: /,
    );
    assert.deepEqual(detailsOf(status), [
      { type: 'ErrorInfo', reason: 'ERR_STATE_SAVE', domain: 'dapr.io', metadata: {} },
    ]);
    const concurrency = StateOptions_StateConcurrency.CONCURRENCY_FIRST_WRITE;
    const first = await statusOf(() => save(methods, [{ key: 'k', value: utf8('2'), options: { concurrency } }]));
    assert.equal(first.code, GrpcCode.ABORTED);
  });

  it('names a store that does not exist', async () => {
    const status = await statusOf(() => get(setup().methods, 'k', 'nope'));
    assert.equal(status.code, GrpcCode.INVALID_ARGUMENT);
    assert.equal(status.message, 'state store nope is not found');
    assert.deepEqual(detailsOf(status), [
      { type: 'ErrorInfo', reason: 'DAPR_STATE_NOT_FOUND', domain: 'dapr.io', metadata: {} },
    ]);
  });

  it("refuses a key with the separator with Dapr's details", async () => {
    const status = await statusOf(() => get(setup().methods, 'a||b'));
    const text = "input key/keyPrefix 'a||b' can't contain '||'";
    const fieldViolations = [{ field: 'a||b', description: text, reason: '' }];
    assert.equal(status.code, GrpcCode.INVALID_ARGUMENT);
    assert.equal(status.message, text);
    assert.deepEqual(detailsOf(status), [
      { type: 'BadRequest', fieldViolations },
      { type: 'ResourceInfo', resourceType: 'state', resourceName: 'store', owner: '', description: '' },
      { type: 'ErrorInfo', reason: 'DAPR_STATE_ILLEGAL_KEY', domain: 'dapr.io', metadata: {} },
    ]);
  });

  it('reads many, in the order asked for', async () => {
    const { methods } = setup();
    await save(methods, [
      { key: 'a', value: utf8('1') },
      { key: 'b', value: utf8('2'), metadata: { ttlInSeconds: '60' } },
    ]);
    const request = create(GetBulkStateRequestSchema, { storeName: 'store', keys: ['b', 'x', 'a'] });
    const { items } = await callUnary(methods, rpc.getBulkState, request);
    assert.deepEqual(
      items.map(({ key, data }) => [key, textOf(data)]),
      [
        ['b', '2'],
        ['x', ''],
        ['a', '1'],
      ],
    );
    assert.deepEqual(items[0]?.metadata, { ttlExpireTime: '2026-01-01T00:01:00Z' });
  });

  it('runs transactions, refusing unknown operations and stores that cannot', async () => {
    const { methods } = setup();
    const transact = (storeName: string, operationType: string) =>
      callUnary(
        methods,
        rpc.executeStateTransaction,
        create(ExecuteStateTransactionRequestSchema, {
          storeName,
          operations: [{ operationType, request: { key: 'k', value: utf8('v') } }],
        }),
      );
    await transact('store', 'upsert');
    assert.equal(textOf((await get(methods, 'k')).data), 'v');
    const unknown = await statusOf(() => transact('store', 'increment'));
    assert.equal(unknown.code, GrpcCode.UNIMPLEMENTED);
    assert.equal(unknown.message, 'operation type increment not supported');
    const unable = await statusOf(() => transact('plain', 'upsert'));
    assert.equal(unable.code, GrpcCode.UNIMPLEMENTED);
    assert.deepEqual(
      detailsOf(unable).map((each) => (each as { type: string }).type),
      ['Help', 'ResourceInfo', 'ErrorInfo'],
    );
  });

  it('queries', async () => {
    const { methods } = setup();
    await save(methods, [
      { key: 'a', value: utf8('{"age":30}') },
      { key: 'b', value: utf8('{"age":20}') },
    ]);
    const request = create(QueryStateRequestSchema, { storeName: 'store', query: '{"filter":{"EQ":{"age":30}}}' });
    const { results } = await callUnary(methods, rpc.queryStateAlpha1, request);
    assert.deepEqual(
      results.map(({ key }) => key),
      ['a'],
    );
  });
});

describe('Dapr gRPC: configuration', () => {
  function subscription(methods: readonly GrpcMethod[], keys: string[], signal?: AbortSignal) {
    const messages: SubscribeConfigurationResponse[] = [];
    let wake = (): void => {};
    const method = methods.find(({ path }) => path === rpc.subscribeConfiguration.path) as GrpcMethod;
    const handler = method.handler as unknown as (
      request: object,
      call: object,
      sink: MessageSink<SubscribeConfigurationResponse>,
    ) => Promise<void>;
    const done = handler(
      { storeName: 'config', keys, metadata: {} },
      testCall(method.path, signal === undefined ? {} : { signal }),
      {
        send: (message) => {
          messages.push(message);
          wake();
          return undefined;
        },
      },
    );
    const until = async (count: number): Promise<void> => {
      while (messages.length < count) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    };
    return { messages, done, until };
  }

  it('gets items by key', async () => {
    const { methods, configStore } = setup();
    await configStore.save?.({ metadata: {} }, [{ key: 'a', value: '1' }]);
    const { items } = await callUnary(methods, rpc.getConfigurationAlpha1, {
      storeName: 'config',
      keys: ['a', 'b'],
      metadata: {},
    });
    assert.deepEqual(Object.keys(items), ['a']);
    assert.equal(items['a']?.value, '1');
  });

  it('announces a subscription by its id, then sends changes until it is cancelled', async () => {
    const { methods, configStore } = setup();
    const controller = new AbortController();
    const { messages, done, until } = subscription(methods, ['a'], controller.signal);
    await until(1);
    assert.notEqual(messages[0]?.id, '');
    assert.deepEqual(messages[0]?.items, {});
    await configStore.save?.({ metadata: {} }, [{ key: 'a', value: '1' }]);
    await until(2);
    assert.equal(messages[1]?.id, messages[0]?.id);
    assert.equal(messages[1]?.items['a']?.value, '1');
    controller.abort();
    await done;
  });

  it('ends a stream by its id, once', async () => {
    const { methods } = setup();
    const { messages, done, until } = subscription(methods, []);
    await until(1);
    const id = messages[0]?.id as string;
    const answer = await callUnary(methods, rpc.unsubscribeConfiguration, { storeName: 'config', id });
    assert.equal(answer.ok, true);
    await done;
    const again = await callUnary(methods, rpc.unsubscribeConfigurationAlpha1, { storeName: 'config', id });
    assert.equal(again.ok, false);
    assert.equal(again.message, `failed to unsubscribe to configuration request ${id}: subscription does not exist`);
  });

  it('tells a missing store', async () => {
    const status = await statusOf(() =>
      callUnary(setup().methods, rpc.getConfiguration, { storeName: 'x', keys: [], metadata: {} }),
    );
    assert.equal(status.code, GrpcCode.INVALID_ARGUMENT);
    assert.deepEqual(detailsOf(status), [
      { type: 'ErrorInfo', reason: 'ERR_CONFIGURATION_STORE_NOT_FOUND', domain: 'dapr.io', metadata: {} },
    ]);
  });
});

describe('Dapr gRPC: lock, secrets, metadata, shutdown', () => {
  it('locks and unlocks', async () => {
    const { methods } = setup();
    const request = { storeName: 'locks', resourceId: 'r', lockOwner: 'me', expiryInSeconds: 10 };
    assert.equal((await callUnary(methods, rpc.tryLockAlpha1, request)).success, true);
    assert.equal((await callUnary(methods, rpc.tryLockAlpha1, request)).success, false);
    assert.equal((await callUnary(methods, rpc.unlockAlpha1, { ...request, lockOwner: 'you' })).status, 2);
    assert.equal((await callUnary(methods, rpc.unlockAlpha1, request)).status, 0);
    const status = await statusOf(() => callUnary(methods, rpc.tryLockAlpha1, { ...request, expiryInSeconds: 0 }));
    assert.equal(status.code, GrpcCode.INVALID_ARGUMENT);
    assert.deepEqual(detailsOf(status), []);
  });

  it('reads secrets within their scopes', async () => {
    const { methods } = setup();
    assert.deepEqual((await callUnary(methods, rpc.getSecret, { storeName: 'vault', key: 'a', metadata: {} })).data, {
      k: 'v',
    });
    const { data } = await callUnary(methods, rpc.getBulkSecret, { storeName: 'vault', metadata: {} });
    assert.deepEqual(Object.keys(data), ['a']);
    const status = await statusOf(() =>
      callUnary(methods, rpc.getSecret, { storeName: 'vault', key: 'b', metadata: {} }),
    );
    assert.equal(status.code, GrpcCode.PERMISSION_DENIED);
    assert.equal(status.message, 'access denied by policy to get "b" from "vault"');
  });

  it('tells and takes metadata', async () => {
    const { methods } = setup();
    await callUnary(methods, rpc.setMetadata, { key: 'a', value: 'b' });
    const metadata = await callUnary(methods, rpc.getMetadata, {});
    assert.equal(metadata.id, 'app');
    assert.deepEqual(metadata.extendedMetadata, { a: 'b', daprRuntimeVersion: '1.18.0' });
    assert.deepEqual(
      metadata.registeredComponents.map(({ name }) => name),
      ['store', 'plain', 'config', 'locks', 'vault'],
    );
    assert.equal(metadata.appConnectionProperties?.health?.healthProbeInterval, '5s');
    assert.equal(metadata.appConnectionProperties?.health?.healthProbeTimeout, '500ms');
    assert.equal(metadata.subscriptions[0]?.rules?.rules[0]?.path, '/t');
  });

  it('shuts down, at once when forced', async () => {
    const { methods, shutdowns } = setup();
    await callUnary(methods, rpc.shutdown, {});
    await callUnary(methods, rpc.shutdown, {}, { metadata: { 'dapr-force-shutdown': 'True' } });
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(shutdowns, ['graceful', 'forced']);
  });
});

describe('Dapr gRPC: every method', () => {
  it('exists, those not served included', () => {
    const { methods } = setup();
    assert.deepEqual(
      methods.map(({ path }) => path).sort(),
      Object.values(rpc)
        .map(({ path }) => path)
        .sort(),
    );
  });

  it('that is not served says so; this list only ever shrinks', async () => {
    const { methods } = setup();
    const notServed: string[] = [];
    for (const { path, kind, handler } of methods) {
      const input = Dapr.methods.find(({ name }) => path.endsWith(`/${name}`))?.input as DescMessage;
      const request = kind === 'unary' || kind === 'server-stream' ? create(input) : (async function* () {})();
      // Already over: methods that serve a stream end with it.
      const call = testCall(path, { signal: AbortSignal.abort() });
      const run = handler as unknown as (...args: unknown[]) => unknown;
      const status = await Promise.resolve()
        .then(() => run(request, call, { send: () => undefined }))
        .then(
          () => undefined,
          (error: GrpcStatusError) => error,
        );
      if (!status?.message.startsWith('this API is currently not implemented: ')) continue;
      assert.equal(status.code, GrpcCode.UNIMPLEMENTED);
      assert.ok(status.message.endsWith(`${path.slice(1)} is not served by this sidecar yet`), status.message);
      notServed.push(path.replace('/dapr.proto.runtime.v1.Dapr/', ''));
    }
    assert.deepEqual(notServed.filter((name) => !OF_OTHERS.includes(name)).sort(), [...NOT_SERVED].sort());
  });

  it('needs the token when there is one, and forwards it to nobody', async () => {
    const { methods } = setup({ apiToken: 'secret' });
    const call = (metadata: Record<string, string>) => callUnary(methods, rpc.getMetadata, {}, { metadata });
    await call({ 'dapr-api-token': 'secret' });
    const missing = await statusOf(() => call({}));
    assert.equal(missing.code, GrpcCode.UNAUTHENTICATED);
    assert.equal(missing.message, 'Unauthorized');
    const info = (text: string) => [
      {
        type: 'ErrorInfo',
        reason: 'Unauthorized',
        domain: 'dapr.io',
        metadata: { 'http.code': '401', 'http.error_message': text },
      },
    ];
    assert.deepEqual(detailsOf(missing), info('missing api token in request metadata'));
    const wrong = await statusOf(() => call({ 'dapr-api-token': 'guess' }));
    assert.deepEqual(detailsOf(wrong), info('authentication error: api token mismatch'));
    const guard = createGrpcGuard({ apiToken: 'secret', apiRules: allApis });
    const kept = testCall('/any.Service/Method', { metadata: { 'dapr-api-token': 'secret', other: 'x' } });
    guard?.(kept);
    assert.equal(kept.metadata.get('dapr-api-token'), undefined);
    assert.equal(kept.metadata.get('other'), 'x');
  });

  it('exists only where the rules allow it', async () => {
    const rule = (name: string, version: string) => ({ name, version, protocol: 'grpc' as const });
    const denied = setup({ apiRules: { allowed: [], denied: [rule('metadata', 'v1')] } }).methods;
    const status = await statusOf(() => callUnary(denied, rpc.getMetadata, {}));
    assert.equal(status.code, GrpcCode.UNIMPLEMENTED);
    assert.equal(status.message, 'Not Implemented');
    await get(denied, 'k');
    const allowed = setup({ apiRules: { allowed: [rule('state', 'v1')], denied: [] } }).methods;
    await get(allowed, 'k');
    assert.equal((await statusOf(() => callUnary(allowed, rpc.getMetadata, {}))).code, GrpcCode.UNIMPLEMENTED);
    assert.equal((await statusOf(() => callUnary(allowed, rpc.queryStateAlpha1, {}))).code, GrpcCode.UNIMPLEMENTED);
    const http = setup({
      apiRules: { allowed: [{ name: 'state', version: 'v1', protocol: 'http' }], denied: [] },
    }).methods;
    await callUnary(http, rpc.getMetadata, {});
  });

  it('is counted by status, its errors by code, and logged when asked for', async () => {
    const { methods, metrics, lines } = setup({ apiLogging: true });
    await get(methods, 'k');
    await statusOf(() => get(methods, 'k', 'nope'));
    const text = metrics.text();
    const method = 'app_id="app",grpc_server_method="/dapr.proto.runtime.v1.Dapr/GetState"';
    assert.ok(text.includes(`dapr_grpc_io_server_completed_rpcs{${method},grpc_server_status="OK"} 1\n`), text);
    assert.ok(text.includes(`dapr_grpc_io_server_completed_rpcs{${method},grpc_server_status="InvalidArgument"} 1\n`));
    assert.ok(
      text.includes('dapr_error_code_total{app_id="app",error_code="ERR_STATE_STORE_NOT_FOUND",category="state"} 1\n'),
    );
    assert.deepEqual(lines, [
      { method: '/dapr.proto.runtime.v1.Dapr/GetState', useragent: undefined, duration: 0, code: 0 },
      { method: '/dapr.proto.runtime.v1.Dapr/GetState', useragent: undefined, duration: 0, code: 3 },
    ]);
  });

  it('answers a fault of the sidecar with INTERNAL and keeps its text to itself', async () => {
    const { methods } = setup();
    const status = await statusOf(() => callUnary(methods, rpc.saveState, { storeName: 'store' }));
    assert.equal(status.code, GrpcCode.INTERNAL);
    assert.equal(status.message, 'internal error; the log of the sidecar says more');
  });
});

/** Handed in by pub/sub and invoke. */
const OF_OTHERS: readonly string[] = [
  'InvokeService',
  'PublishEvent',
  'BulkPublishEvent',
  'BulkPublishEventAlpha1',
  'SubscribeTopicEventsAlpha1',
];

const NOT_SERVED: readonly string[] = [
  'InvokeBinding',
  'RegisterActorTimer',
  'UnregisterActorTimer',
  'RegisterActorReminder',
  'UnregisterActorReminder',
  'UnregisterActorRemindersByType',
  'ListActorReminders',
  'ListActorTimers',
  'GetActorState',
  'GetActorReminder',
  'GetActorTimer',
  'ExecuteActorStateTransaction',
  'InvokeActor',
  'SubscribeActorEventsAlpha1',
  'EncryptAlpha1',
  'DecryptAlpha1',
  'SubtleGetKeyAlpha1',
  'SubtleEncryptAlpha1',
  'SubtleDecryptAlpha1',
  'SubtleWrapKeyAlpha1',
  'SubtleUnwrapKeyAlpha1',
  'SubtleSignAlpha1',
  'SubtleVerifyAlpha1',
  'StartWorkflowAlpha1',
  'GetWorkflowAlpha1',
  'PurgeWorkflowAlpha1',
  'TerminateWorkflowAlpha1',
  'PauseWorkflowAlpha1',
  'ResumeWorkflowAlpha1',
  'RaiseEventWorkflowAlpha1',
  'StartWorkflowBeta1',
  'GetWorkflowBeta1',
  'PurgeWorkflowBeta1',
  'TerminateWorkflowBeta1',
  'PauseWorkflowBeta1',
  'ResumeWorkflowBeta1',
  'RaiseEventWorkflowBeta1',
  'ScheduleJobAlpha1',
  'ScheduleJob',
  'GetJobAlpha1',
  'GetJob',
  'DeleteJobAlpha1',
  'DeleteJob',
  'DeleteJobsByPrefixAlpha1',
  'DeleteJobsByPrefix',
  'ListJobsAlpha1',
  'ListJobs',
  'ConverseAlpha1',
  'ConverseAlpha2',
  'CreateIndexAlpha1',
  'GetIndexAlpha1',
  'ListIndexesAlpha1',
  'DeleteIndexAlpha1',
  'IndexDocumentsAlpha1',
  'GetDocumentsAlpha1',
  'DeleteDocumentsAlpha1',
  'SearchAlpha1',
  'CreateCollectionAlpha1',
  'GetCollectionAlpha1',
  'ListCollectionsAlpha1',
  'DeleteCollectionAlpha1',
  'UpsertVectorsAlpha1',
  'DeleteVectorsAlpha1',
  'GetVectorsAlpha1',
  'QueryVectorsAlpha1',
  'BatchQueryVectorsAlpha1',
  'SetBinaryFileAlpha1',
  'GetBinaryFileAlpha1',
  'DeleteBinaryFileAlpha1',
];
