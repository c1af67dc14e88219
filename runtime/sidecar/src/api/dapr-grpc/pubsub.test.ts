/** Publishing and streams on the gRPC API, through the guarded methods, called without a connection. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { create, createRegistry, fromBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { GrpcCode, type GrpcMethod, type GrpcStatusError } from '@outrigger/engine';
import { methodsOf } from '@outrigger/proto';
import {
  BulkPublishRequestSchema,
  Dapr,
  PublishEventRequestSchema,
  TopicEventResponse_TopicEventResponseStatus as Status,
  type SubscribeTopicEventsRequestAlpha1,
  SubscribeTopicEventsRequestAlpha1Schema,
  type SubscribeTopicEventsResponseAlpha1,
} from '@outrigger/proto/dapr/runtime/v1';
import { ErrorInfoSchema, ResourceInfoSchema, StatusSchema } from '@outrigger/proto/google/rpc';
import { Scene, settle, specOf } from '../../block/pubsub/testing/scene.js';
import { callUnary, statusOf, testCall } from '../testing/grpc-call.js';
import { createTestSurfaces } from '../testing/surfaces.js';
import { createPubSubMethods } from './pubsub.js';
import { createSubscribeMethods } from './subscribe.js';

const rpc = methodsOf(Dapr);
const details = createRegistry(ErrorInfoSchema, ResourceInfoSchema);

interface Stage {
  readonly scene: Scene;
  readonly methods: readonly GrpcMethod[];
  publish(more?: MessageInitShape<typeof PublishEventRequestSchema>): unknown;
}

function stage(metadata: Record<string, unknown> = {}): Stage {
  const scene = new Scene({ metadata });
  const { grpcMethods: methods } = createTestSurfaces({
    moreMethods: [...createPubSubMethods(scene.block), ...createSubscribeMethods(scene.block)],
  });
  return {
    scene,
    methods,
    publish: (more = {}) => {
      const request = { pubsubName: 'bus', topic: 'orders', data: Buffer.from('x'), ...more };
      return callUnary(methods, rpc.publishEvent, create(PublishEventRequestSchema, request));
    },
  };
}

function detailsOf(status: GrpcStatusError): unknown[] {
  const decoded = fromBinary(StatusSchema, status.details ?? new Uint8Array());
  return decoded.details.map((any) => {
    const { $typeName, ...fields } = anyUnpack(any, details) as { $typeName: string };
    return [$typeName.replace('google.rpc.', ''), fields];
  });
}

describe('publishing over gRPC', () => {
  it('answers at once when the component does, and wraps by the content type', () => {
    const { scene, publish } = stage();
    const answer = publish({ data: Buffer.from('{"n":1}'), dataContentType: 'application/json', metadata: { a: 'b' } });
    assert.equal((answer as { $typeName: string }).$typeName, 'google.protobuf.Empty');
    const event = JSON.parse(Buffer.from(scene.published[0]?.data ?? []).toString());
    assert.deepEqual([event.data, event.datacontenttype, event.source], [{ n: 1 }, 'application/json', 'app']);
    assert.deepEqual(scene.published[0]?.metadata, { a: 'b' });
  });

  it("says what is wrong with Dapr's codes, texts and details", async () => {
    const { publish } = stage({ allowedTopics: 'orders' });
    const cases = [
      [{ pubsubName: '' }, GrpcCode.INVALID_ARGUMENT, 'pubsub name is empty', 'DAPR_PUBSUB_NAME_EMPTY', 2],
      [{ pubsubName: 'no' }, GrpcCode.INVALID_ARGUMENT, 'pubsub no is not found', 'DAPR_PUBSUB_NOT_FOUND', 1],
      [{ topic: '' }, GrpcCode.INVALID_ARGUMENT, 'topic is empty in pubsub bus', 'DAPR_PUBSUB_TOPIC_NAME_EMPTY', 2],
      [
        { metadata: { rawPayload: 'invalidBooleanValue' } },
        GrpcCode.INVALID_ARGUMENT,
        "failed deserializing metadata. Error: rawPayload value must be a valid boolean: actual is 'invalidBooleanValue'",
        'DAPR_PUBSUB_METADATA_DESERIALIZATION',
        2,
      ],
      [
        { dataContentType: 'application/cloudevents+json' },
        GrpcCode.INVALID_ARGUMENT,
        'cannot create cloudevent',
        'DAPR_PUBSUB_CLOUD_EVENT_CREATION',
        2,
      ],
      [
        { topic: 'secret' },
        GrpcCode.PERMISSION_DENIED,
        'topic secret is not allowed for app id app',
        'DAPR_PUBSUB_FORBIDDEN',
        2,
      ],
    ] as const;
    for (const [more, code, text, reason, count] of cases) {
      const status = await statusOf(() => publish(more));
      assert.deepEqual([status.code, status.message], [code, text]);
      const all = detailsOf(status);
      assert.equal(all.length, count);
      const [type, fields] = all.at(-1) as [string, { reason: string; domain: string }];
      assert.deepEqual([type, fields.reason, fields.domain], ['ErrorInfo', reason, 'dapr.io']);
    }
  });

  it('fails a batch as a whole when an entry fails, on both methods', async () => {
    for (const method of [rpc.bulkPublishEvent, rpc.bulkPublishEventAlpha1]) {
      const { scene, methods } = stage();
      const entries = ['1', '2'].map((entryId) => ({
        entryId,
        event: Buffer.from(entryId),
        contentType: 'text/plain',
      }));
      const request = create(BulkPublishRequestSchema, { pubsubName: 'bus', topic: 'orders', entries });
      const answer = await callUnary(methods, method, request);
      assert.deepEqual(answer.failedEntries, []);
      assert.equal(scene.published.length, 2);
      scene.bus.publish = () => {
        throw new Error('full');
      };
      const status = await statusOf(() => callUnary(methods, method, request));
      assert.deepEqual(
        [status.code, status.message],
        [GrpcCode.INTERNAL, 'error when publishing to topic orders in pubsub bus: full'],
      );
    }
  });
});

type Request = NonNullable<
  MessageInitShape<typeof SubscribeTopicEventsRequestAlpha1Schema>['subscribeTopicEventsRequestType']
>;

/** The client of one stream. */
class Client {
  readonly received: SubscribeTopicEventsResponseAlpha1[] = [];
  readonly done: Promise<void>;
  readonly cancel = new AbortController();
  #queue: SubscribeTopicEventsRequestAlpha1[] = [];
  #ended = false;
  #wake = (): void => {};

  constructor(methods: readonly GrpcMethod[]) {
    const method = methods.find(({ path }) => path === rpc.subscribeTopicEventsAlpha1.path);
    assert.equal(method?.kind, 'bidi');
    const handler = method?.handler as unknown as (
      requests: AsyncIterable<SubscribeTopicEventsRequestAlpha1>,
      call: ReturnType<typeof testCall>,
      sink: { send(message: SubscribeTopicEventsResponseAlpha1): undefined },
    ) => Promise<void>;
    const call = testCall(rpc.subscribeTopicEventsAlpha1.path, { signal: this.cancel.signal });
    this.done = handler(this.#requests(), call, {
      send: (message) => {
        this.received.push(message);
        return undefined;
      },
    });
    this.done.catch(() => {});
  }

  async send(subscribeTopicEventsRequestType: Request): Promise<void> {
    this.#queue.push(create(SubscribeTopicEventsRequestAlpha1Schema, { subscribeTopicEventsRequestType }));
    this.#wake();
    await settle();
  }

  async subscribe(more: object = {}): Promise<void> {
    await this.send({ case: 'initialRequest', value: { pubsubName: 'bus', topic: 'orders', ...more } });
  }

  async end(): Promise<void> {
    this.#ended = true;
    this.#wake();
    await settle();
  }

  get kinds(): (string | undefined)[] {
    return this.received.map(({ subscribeTopicEventsResponseType: type }) => type.case);
  }

  event(index: number): { id: string; path: string; data: Uint8Array } {
    const type = this.received[index]?.subscribeTopicEventsResponseType;
    assert.equal(type?.case, 'eventMessage');
    return type?.value as { id: string; path: string; data: Uint8Array };
  }

  async *#requests(): AsyncGenerator<SubscribeTopicEventsRequestAlpha1> {
    for (;;) {
      const next = this.#queue.shift();
      if (next !== undefined) yield next;
      else if (this.#ended) return;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }
}

describe('streaming subscriptions over gRPC', () => {
  it('says first that it is subscribed, then sends events and takes answers by id', async () => {
    const { scene, methods } = stage();
    const client = new Client(methods);
    await client.subscribe({ deadLetterTopic: 'dead' });
    assert.deepEqual(client.kinds, ['initialResponse']);
    await scene.publish('one');
    await scene.publish('two');
    const [one, two] = [client.event(1), client.event(2)];
    assert.deepEqual([Buffer.from(one.data).toString(), one.path], ['one', '/']);
    await client.send({ case: 'eventProcessed', value: { id: two.id, status: { status: Status.DROP } } });
    await client.send({ case: 'eventProcessed', value: { id: one.id } });
    await client.send({ case: 'eventProcessed', value: { id: 'unknown' } });
    assert.deepEqual(
      scene.published.map(({ topic }) => topic),
      ['orders', 'orders', 'dead'],
    );
    await client.end();
    await client.done;
    assert.equal(scene.block.subscriptions().length, 0);
  });

  it('gives unanswered events to the next subscriber when the client leaves or cancels', async () => {
    for (const leave of ['end', 'cancel'] as const) {
      const { scene, methods } = stage();
      const client = new Client(methods);
      await client.subscribe({ deadLetterTopic: 'dead' });
      await scene.publish('one');
      if (leave === 'end') await client.end();
      else client.cancel.abort();
      await client.done.catch(() => {});
      scene.app.auto = () => ({ answer: 'success' });
      await scene.start(specOf());
      await scene.pass(2_000);
      assert.deepEqual(scene.texts, ['one'], leave);
      assert.equal(scene.published.length, 1);
    }
  });

  it("refuses what does not begin as it should, in Dapr's words", async () => {
    const cases: readonly [Request | { case: undefined }, GrpcCode, string][] = [
      [{ case: 'eventProcessed', value: { id: '1' } }, GrpcCode.UNKNOWN, 'initial request is required'],
      [{ case: undefined }, GrpcCode.UNKNOWN, 'initial request is required'],
      [{ case: 'initialRequest', value: { topic: 'a' } }, GrpcCode.UNKNOWN, 'pubsubName is required'],
      [{ case: 'initialRequest', value: { pubsubName: 'bus' } }, GrpcCode.UNKNOWN, 'topic is required'],
      [
        { case: 'initialRequest', value: { pubsubName: 'no', topic: 'a' } },
        GrpcCode.INVALID_ARGUMENT,
        'pubsub no is not found',
      ],
      [
        { case: 'initialRequest', value: { pubsubName: 'bus', topic: 'denied' } },
        GrpcCode.UNKNOWN,
        "failed to create subscription for bus: subscription to topic 'denied' on pubsub 'bus' is not allowed",
      ],
    ];
    const { methods } = stage({ allowedTopics: 'orders' });
    for (const [request, code, text] of cases) {
      const client = new Client(methods);
      await client.send(request as Request);
      const status = await statusOf(() => client.done);
      assert.deepEqual([status.code, status.message], [code, text]);
    }
  });

  it('refuses a second initial request', async () => {
    const { methods } = stage();
    const client = new Client(methods);
    await client.subscribe();
    await client.subscribe();
    const status = await statusOf(() => client.done);
    assert.equal(status.message, 'duplicate initial request received');
  });

  it('ends with UNAVAILABLE when the sidecar drains', async () => {
    const { scene, methods } = stage();
    const client = new Client(methods);
    await client.subscribe();
    await scene.block.drain(scene.clock.now());
    const status = await statusOf(() => client.done);
    assert.equal(status.code, GrpcCode.UNAVAILABLE);
    assert.match(status.message, /shuts down/);
  });

  it('ends without a word when the client says nothing', async () => {
    const { methods } = stage();
    const client = new Client(methods);
    await client.end();
    await client.done;
    assert.deepEqual(client.received, []);
  });
});
