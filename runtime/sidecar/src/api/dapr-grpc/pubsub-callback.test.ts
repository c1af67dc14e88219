/** gRPC apps, played by @grpc/grpc-js with messages loaded from the .proto files, behind the real app channel. */
import assert from 'node:assert/strict';
import { dirname, join, resolve } from 'node:path';
import { afterEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  loadPackageDefinition,
  type Metadata,
  Server,
  ServerCredentials,
  type ServiceClientConstructor,
  type ServiceError,
  type sendUnaryData,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { pubsubInMemory } from '@outrigger/components-memory';
import { type GrpcClient, systemClock } from '@outrigger/engine';
import { createAppChannel } from '../../app/create-channel.js';
import { createPubSubBlock, type PubSubBlock } from '../../block/pubsub/block.js';
import { createGrpcCallback, type GrpcCallbackDialect } from '../../block/pubsub/grpc-callback.js';
import { SUCCESS } from '../../block/pubsub/subscriber.js';
import { open, TestRegistry, testBlockDeps, testContext } from '../../block/testing/registry.js';
import { daprGrpcCallback } from './pubsub-callback.js';

const protos = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..', '..', '..', '..', 'proto');
const loaded = loadPackageDefinition(
  loadSync(join(protos, 'dapr/dapr/proto/runtime/v1/appcallback.proto'), {
    includeDirs: [join(protos, 'dapr')],
    enums: String,
    defaults: true,
    oneofs: true,
  }),
) as unknown as { dapr: { proto: { runtime: { v1: Record<string, ServiceClientConstructor> } } } };
const services = loaded.dapr.proto.runtime.v1;

type Handler = (request: never, metadata: Metadata) => unknown;
interface Fail {
  readonly code: number;
}

/** A handler may return the response, or throw `{code}`. */
function implement(handlers: Readonly<Record<string, Handler>>): UntypedServiceImplementation {
  return Object.fromEntries(
    Object.entries(handlers).map(([name, handler]) => [
      name,
      (call: { request: never; metadata: Metadata }, done: sendUnaryData<unknown>) => {
        try {
          done(null, handler(call.request, call.metadata));
        } catch (error) {
          done({ code: (error as Fail).code, details: 'said no' } as ServiceError);
        }
      },
    ]),
  ) as unknown as UntypedServiceImplementation;
}

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Stage {
  readonly block: PubSubBlock;
  readonly client: GrpcClient;
  publish(data: string, contentType?: string, topic?: string): Promise<void>;
}

async function stage(
  handlers: Readonly<Record<string, Readonly<Record<string, Handler>>>>,
  dialects: readonly GrpcCallbackDialect[] = [daprGrpcCallback],
): Promise<Stage> {
  const server = new Server();
  for (const [service, methods] of Object.entries(handlers)) {
    server.addService((services[service] as ServiceClientConstructor).service, implement(methods));
  }
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  const registry = new TestRegistry();
  const deps = { ...testBlockDeps({ registry }), clock: systemClock };
  registry.declare({ kind: 'pubsub', name: 'bus', component: open(pubsubInMemory, 'bus', systemClock) });
  const channel = createAppChannel(
    {
      port,
      host: '127.0.0.1',
      protocol: 'grpc',
      concurrencyMax: 0,
      healthCheck: handlers['AppCallbackHealthCheck'] && { path: '', intervalMs: 1_000, timeoutMs: 500, threshold: 1 },
      apiToken: 'token',
      disabledInitEndpoints: [],
    },
    { ...deps, messageBytesMax: 4 * 1024 * 1024 },
  );
  const client = channel.grpc as GrpcClient;
  const block = createPubSubBlock({ ...deps, app: channel, callback: createGrpcCallback(client, dialects) });
  cleanups.push(
    () => server.forceShutdown(),
    () => channel.close(),
    () => block.drain(systemClock.now() + 100),
  );
  await block.startSubscriptions();
  return {
    block,
    client,
    publish: async (data, contentType = '', topic = 'orders') => {
      const input = { pubsubName: 'bus', topic, data: Buffer.from(data), contentType, metadata: { key: 'k' } };
      const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-02';
      const trace = { traceparent, tracestate: undefined, baggage: undefined };
      await block.publish({ ...input, context: { ...testContext(), trace } });
    },
  };
}

/** Resolves with what the handler was called with. */
class Calls<T> {
  readonly seen: T[] = [];
  #waiting: (() => void)[] = [];

  push(call: T): void {
    this.seen.push(call);
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async count(wanted: number): Promise<readonly T[]> {
    while (this.seen.length < wanted) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.seen;
  }
}

interface Event {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly specVersion: string;
  readonly dataContentType: string;
  readonly data: Buffer;
  readonly topic: string;
  readonly pubsubName: string;
  readonly path: string;
  readonly extensions: { readonly fields: Record<string, { readonly stringValue?: string }> };
}

const subscribed =
  (more: object = {}): Handler =>
  () => ({
    subscriptions: [{ pubsubName: 'bus', topic: 'orders', ...more }],
  });

describe('a gRPC app', () => {
  it('is asked what it subscribes to, and gets each event with its metadata, token and trace', async () => {
    const calls = new Calls<{ event: Event; metadata: Metadata }>();
    const { publish } = await stage({
      AppCallback: {
        ListTopicSubscriptions: subscribed({ routes: { default: '/orders' } }),
        OnTopicEvent: (event: Event, metadata) => {
          calls.push({ event, metadata });
          return { status: 'SUCCESS' };
        },
      },
    });
    await publish('{"n":12345678901234567890}', 'application/json');
    const [call] = await calls.count(1);
    const { event, metadata } = call as { event: Event; metadata: Metadata };
    assert.deepEqual(
      [event.source, event.type, event.specVersion, event.topic, event.pubsubName, event.path, event.dataContentType],
      ['app', 'com.dapr.event.sent', '1.0', 'orders', 'bus', '/orders', 'application/json'],
    );
    assert.equal(event.data.toString(), '{"n":12345678901234567890}');
    const { fields } = event.extensions;
    assert.equal(fields['topic']?.stringValue, 'orders');
    assert.deepEqual(Object.keys(fields).sort(), [
      'pubsubname',
      'time',
      'topic',
      'traceid',
      'traceparent',
      'tracestate',
    ]);
    const [traceparent] = metadata.get('traceparent');
    assert.equal(traceparent, '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-02');
    assert.equal((metadata.get('grpc-trace-bin')[0] as Buffer).length, 29);
    assert.deepEqual(
      ['dapr-api-token', 'pubsubname', 'key'].map((name) => metadata.get(name)[0]),
      ['token', 'bus', 'k'],
    );
  });

  it('has an empty path without routes', async () => {
    const calls = new Calls<Event>();
    const { publish } = await stage({
      AppCallback: {
        ListTopicSubscriptions: subscribed(),
        OnTopicEvent: (event: Event) => {
          calls.push(event);
          return {};
        },
      },
    });
    await publish('x');
    const [event] = await calls.count(1);
    assert.deepEqual([event?.path, event?.data.toString(), event?.dataContentType], ['', 'x', 'text/plain']);
  });

  it('decides with its answer: taken, again, dropped', async () => {
    const cases: readonly [name: string, answer: () => unknown, deadLetters: number][] = [
      ['SUCCESS', () => ({ status: 'SUCCESS' }), 0],
      ['nothing', () => ({}), 0],
      ['DROP', () => ({ status: 'DROP' }), 1],
      ['RETRY', () => ({ status: 'RETRY' }), 1],
      ['an unknown status', () => ({ status: 7 }), 1],
      [
        'INTERNAL',
        () => {
          throw { code: 13 };
        },
        1,
      ],
      [
        'UNIMPLEMENTED',
        () => {
          throw { code: 12 };
        },
        1,
      ],
    ];
    for (const [name, answer, deadLetters] of cases) {
      const calls = new Calls<string>();
      const { publish } = await stage({
        AppCallback: {
          ListTopicSubscriptions: () => ({
            subscriptions: [
              { pubsubName: 'bus', topic: 'orders', deadLetterTopic: 'dead' },
              { pubsubName: 'bus', topic: 'dead' },
              { pubsubName: 'bus', topic: 'marker' },
            ],
          }),
          OnTopicEvent: ({ topic }: Event) => {
            calls.push(topic);
            return topic === 'orders' ? answer() : {};
          },
        },
      });
      await publish('x');
      await calls.count(1 + deadLetters);
      await publish('end', '', 'marker');
      const seen = await calls.count(2 + deadLetters);
      assert.deepEqual(seen.filter((topic) => topic === 'dead').length, deadLetters, name);
    }
  });

  it('gets batches by the stable method, or by the alpha one where it serves no other', async () => {
    for (const service of ['AppCallback', 'AppCallbackAlpha']) {
      const calls = new Calls<{ entries: { entryId: string; event: string; cloudEvent: Event }[]; type: string }>();
      const method = service === 'AppCallback' ? 'OnBulkTopicEvent' : 'OnBulkTopicEventAlpha1';
      const bulk: Handler = (batch: (typeof calls.seen)[0]) => {
        calls.push(batch);
        return { statuses: batch.entries.map(({ entryId }) => ({ entryId, status: 'SUCCESS' })) };
      };
      const bulkSubscribe = { enabled: true, maxMessagesCount: 2, maxAwaitDurationMs: 5_000 };
      const list = { ListTopicSubscriptions: subscribed({ bulkSubscribe }) };
      const { publish } = await stage(
        service === 'AppCallback'
          ? { AppCallback: { ...list, [method]: bulk } }
          : { AppCallback: list, AppCallbackAlpha: { [method]: bulk } },
      );
      await publish('1', 'application/json');
      await publish('2', 'application/json');
      const [batch] = await calls.count(1);
      assert.equal(batch?.type, 'com.dapr.event.sent.bulk');
      assert.deepEqual(
        batch?.entries.map(({ cloudEvent }) => cloudEvent.data.toString()),
        ['1', '2'],
      );
    }
  });

  it('need not name subscriptions', async () => {
    const { block } = await stage({ AppCallback: {} });
    assert.deepEqual(block.subscriptions(), []);
  });

  it('may speak another dialect, which is found by asking', async () => {
    const heard: string[] = [];
    const calls = new Calls<string>();
    const other: GrpcCallbackDialect = {
      name: 'other',
      listSubscriptions: async () => {
        heard.push('list');
        return [
          {
            pubsubName: 'bus',
            topic: 'orders',
            metadata: {},
            rules: [],
            defaultPath: '',
            deadLetterTopic: undefined,
            bulk: { messagesMax: 1, awaitMs: 1 },
          },
        ];
      },
      deliver: async (_client, event) => {
        calls.push(event.topic);
        return SUCCESS;
      },
    };
    const { publish } = await stage({ AppCallback: {} }, [daprGrpcCallback, other]);
    await publish('x');
    await calls.count(1);
    assert.deepEqual([heard, calls.seen], [['list'], ['orders']]);
  });

  it('is asked for its health by AppCallbackHealthCheck', async () => {
    const calls = new Calls<string>();
    await stage({
      AppCallback: {},
      AppCallbackHealthCheck: {
        HealthCheck: (_request, metadata) => {
          calls.push(String(metadata.get('dapr-api-token')[0]));
          return {};
        },
      },
    });
    assert.deepEqual(calls.seen, ['token']);
  });
});
