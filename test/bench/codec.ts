/**
 * The cost of a message: emitted codec against protobuf-es, in ns and as a ratio within one run.
 * `node test/dist/bench/codec.js [ms per figure, default 150]`
 */
import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import { codecOf, protobufCodec } from '@outrigger/proto';
import {
  BulkPublishRequestSchema,
  GetBulkStateResponseSchema,
  GetStateRequestSchema,
  GetStateResponseSchema,
  InvokeServiceRequestSchema,
  PublishEventRequestSchema,
  SaveStateRequestSchema,
  TopicEventRequestSchema,
} from '@outrigger/proto/dapr/runtime/v1';
import * as layotto from '@outrigger/proto/layotto/runtime/v1';

const windowMs = Number(process.argv[2] ?? 150);
const rounds = 3;
const bytes = (size: number): Uint8Array<ArrayBuffer> => new Uint8Array(size).fill(0x61);
const metadata = {
  'content-type': 'application/json',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
};

interface Case {
  readonly name: string;
  readonly schema: DescMessage;
  readonly encoded: Uint8Array;
}

function message<Desc extends DescMessage>(name: string, schema: Desc, init: MessageInitShape<Desc>): Case {
  return { name, schema, encoded: toBinary(schema, create(schema, init)) };
}

const cases: readonly Case[] = [
  message('GetStateRequest', GetStateRequestSchema, { storeName: 'statestore', key: 'order-1234' }),
  message('GetStateRequest, 2 metadata', GetStateRequestSchema, {
    storeName: 'statestore',
    key: 'order-1234',
    metadata,
  }),
  message('GetStateResponse, 100 B', GetStateResponseSchema, { data: bytes(100), etag: '12' }),
  message('GetBulkStateResponse x10', GetBulkStateResponseSchema, {
    items: Array.from({ length: 10 }, (_, i) => ({ key: `order-${i}`, data: bytes(100), etag: '1' })),
  }),
  message('SaveStateRequest x1', SaveStateRequestSchema, {
    storeName: 'statestore',
    states: [
      { key: 'order-1234', value: bytes(100), etag: { value: '7' }, options: { concurrency: 1, consistency: 2 } },
    ],
  }),
  message('SaveStateRequest x10', SaveStateRequestSchema, {
    storeName: 'statestore',
    states: Array.from({ length: 10 }, (_, i) => ({
      key: `order-${i}`,
      value: bytes(100),
      metadata: { ttlInSeconds: '60' },
    })),
  }),
  message('PublishEventRequest, 1 KB', PublishEventRequestSchema, {
    pubsubName: 'pubsub',
    topic: 'orders',
    data: bytes(1024),
    dataContentType: 'application/json',
  }),
  message('BulkPublishRequest x10', BulkPublishRequestSchema, {
    pubsubName: 'pubsub',
    topic: 'orders',
    entries: Array.from({ length: 10 }, (_, i) => ({ entryId: `${i}`, event: bytes(100), contentType: 'text/plain' })),
  }),
  message('TopicEventRequest', TopicEventRequestSchema, {
    id: 'd4b4d5a3-8d70-4f0c-a1a6-8b0e0a0f6a39',
    source: 'checkout',
    type: 'com.dapr.event.sent',
    specVersion: '1.0',
    dataContentType: 'application/json',
    data: bytes(200),
    topic: 'orders',
    pubsubName: 'pubsub',
    path: '/orders',
    extensions: { traceid: metadata.traceparent, tracestate: '', time: '2025-01-01T00:00:00Z', n: 1 },
  }),
  message('InvokeServiceRequest, 1 KB', InvokeServiceRequestSchema, {
    id: 'inventory',
    message: {
      method: 'reserve',
      data: { value: bytes(1024) },
      contentType: 'application/json',
      httpExtension: { verb: 3 },
    },
  }),
  message('Layotto GetStateRequest', layotto.GetStateRequestSchema, { storeName: 'statestore', key: 'order-1234' }),
  message('Layotto SaveStateRequest x1', layotto.SaveStateRequestSchema, {
    storeName: 'statestore',
    states: [{ key: 'order-1234', value: bytes(100) }],
  }),
  message('Layotto GetNextIdResponse', layotto.GetNextIdResponseSchema, { nextId: '1234567' }),
];

class ReusedWriter {
  buffer: Buffer = Buffer.allocUnsafeSlow(65_536);
  end = 0;

  ensure(bytes: number): void {
    if (this.end + bytes > this.buffer.length) throw new Error('the case is larger than the buffer');
  }
}

/** ns per call within one window. */
function time(run: () => void): number {
  let calls = 0;
  let batch = 64;
  const start = process.hrtime.bigint();
  for (;;) {
    for (let i = 0; i < batch; i++) run();
    calls += batch;
    const elapsed = Number(process.hrtime.bigint() - start);
    if (elapsed > windowMs * 1e6) return elapsed / calls;
    batch = Math.min(batch * 2, 4096);
  }
}

const writer = new ReusedWriter();
console.log('message                        bytes   decode: ours   p-es  ratio   encode: ours   p-es  ratio');
for (const { name, schema, encoded } of cases) {
  const ours = codecOf(schema);
  const theirs = protobufCodec(schema);
  const input = Buffer.from(encoded);
  const value: MessageShape<DescMessage> = fromBinary(schema, encoded);
  const runs = [
    () => void ours.decode(input, 0, input.length),
    () => void theirs.decode(input, 0, input.length),
    () => {
      writer.end = 0;
      ours.encode(value, writer);
    },
    () => {
      writer.end = 0;
      theirs.encode(value, writer);
    },
  ];
  const best = runs.map(() => Number.POSITIVE_INFINITY);
  // Interleaved, so that what else runs on the machine falls on all alike.
  for (let round = 0; round < rounds; round++)
    runs.forEach((run, i) => {
      best[i] = Math.min(best[i]!, time(run));
    });
  const [decode, decodeEs, encode, encodeEs] = best as [number, number, number, number];
  const column = (ns: number, width: number) => ns.toFixed(0).padStart(width);
  console.log(
    `${name.padEnd(29)} ${String(encoded.length).padStart(6)} ${column(decode, 14)} ${column(decodeEs, 6)} ${(decodeEs / decode).toFixed(1).padStart(6)}` +
      ` ${column(encode, 14)} ${column(encodeEs, 6)} ${(encodeEs / encode).toFixed(1).padStart(6)}`,
  );
}
