// Drives the unmodified npm `@dapr/dapr` SDK as an app: DaprServer takes the events that DaprClient publishes. Argument:
// http or grpc, for both directions. Environment: APP_PORT, DAPR_HTTP_PORT, DAPR_GRPC_PORT, OTHER_HTTP_PORT,
// OTHER_GRPC_PORT, TEST_CONTROL (waits for subscriptions). Prints `CASE block/case ok` or `CASE block/case FAILED reason`,
// and DONE at the end.
import assert from 'node:assert/strict';
import { CommunicationProtocolEnum, DaprClient, DaprPubSubStatusEnum, DaprServer } from '@dapr/dapr';

const WAIT_MS = 20_000;
const PUBSUB = 'pubsub';
const isGrpc = process.argv[2] === 'grpc';
const communicationProtocol = isGrpc ? CommunicationProtocolEnum.GRPC : CommunicationProtocolEnum.HTTP;
const quiet = { error() {}, warn() {}, info() {}, verbose() {}, debug() {} };
const portOf = (prefix) => process.env[isGrpc ? `${prefix}_GRPC_PORT` : `${prefix}_HTTP_PORT`];
const clientOptions = {
  daprHost: '127.0.0.1',
  daprPort: portOf('DAPR'),
  communicationProtocol,
  logger: { service: quiet },
};

async function check(name, run) {
  try {
    await run();
    console.log(`CASE ${name} ok`);
  } catch (error) {
    console.log(`CASE ${name} FAILED ${String(error.message).replaceAll('\n', ' ')}`);
    console.log(error.stack);
  }
}

/** What arrived, by topic; `arrived(topic, n)` resolves with the first n. */
const seen = new Map();
const wakers = new Set();
const note = (topic, data, headers) => {
  seen.set(topic, [...(seen.get(topic) ?? []), { data, headers }]);
  for (const wake of wakers) wake();
};
async function arrived(topic, count) {
  const limit = AbortSignal.timeout(WAIT_MS);
  for (;;) {
    const events = seen.get(topic) ?? [];
    if (events.length >= count) return events;
    await new Promise((resolve, reject) => {
      const wake = () => {
        wakers.delete(wake);
        resolve();
      };
      wakers.add(wake);
      limit.addEventListener('abort', () => reject(new Error(`${events.length} of ${count} events on ${topic}`)));
    });
  }
}
const dataOf = async (topic, count) => (await arrived(topic, count)).map(({ data }) => data);

const server = new DaprServer({
  serverHost: '127.0.0.1',
  serverPort: process.env.APP_PORT,
  communicationProtocol,
  clientOptions,
  logger: { service: quiet },
});
const take = (topic) => (data, headers) => note(topic, data, headers);
await server.pubsub.subscribe(PUBSUB, 'plain', take('plain'));
await server.pubsub.subscribe(PUBSUB, 'raw', take('raw'), undefined, { rawPayload: true });
await server.pubsub.subscribe(PUBSUB, 'again', (data) => {
  note('again', data);
  return seen.get('again').length < 3 ? DaprPubSubStatusEnum.RETRY : DaprPubSubStatusEnum.SUCCESS;
});
await server.pubsub.subscribeWithOptions(PUBSUB, 'refused', {
  callback: (data) => {
    note('refused', data);
    return DaprPubSubStatusEnum.DROP;
  },
  deadLetterTopic: 'dead',
});
await server.pubsub.subscribe(PUBSUB, 'dead', take('dead'));
await server.pubsub.subscribeWithOptions(PUBSUB, 'routed', {
  route: { rules: [{ match: 'event.type == "com.example.vip"', path: 'vip' }], default: 'everybody' },
});
server.pubsub.subscribeToRoute(PUBSUB, 'routed', 'vip', take('vip'));
server.pubsub.subscribeToRoute(PUBSUB, 'routed', 'everybody', take('everybody'));
await server.pubsub.subscribeBulk(PUBSUB, 'bulk', take('bulk'), { maxMessagesCount: 3, maxAwaitDurationMs: 200 });
await server.start();
const { pubsub } = server.client;

const subscribed = await fetch(`${process.env.TEST_CONTROL}/subscribed`, { method: 'POST' });
assert.equal(subscribed.status, 204, await subscribed.text());

await check('pubsub/publish and receive', async () => {
  const result = await pubsub.publish(PUBSUB, 'plain', { hello: 'world', n: [1, 2.5] });
  assert.equal(result.error, undefined);
  await pubsub.publish(PUBSUB, 'plain', 'text');
  assert.deepEqual(await dataOf('plain', 2), [{ hello: 'world', n: [1, 2.5] }, 'text']);
});

await check('pubsub/metadata reaches the app', async () => {
  await pubsub.publish(PUBSUB, 'plain', 'with metadata', { metadata: { tenant: 'a' } });
  const { headers } = (await arrived('plain', 3))[2];
  assert.equal(headers.tenant, 'a');
  assert.equal(headers.pubsubname, PUBSUB);
});

await check('pubsub/cloud event is adopted', async () => {
  const event = {
    specversion: '1.0',
    type: 't',
    source: 's',
    id: '1',
    datacontenttype: 'application/json',
    data: { a: 1 },
  };
  await pubsub.publish(PUBSUB, 'plain', event, { contentType: 'application/cloudevents+json' });
  assert.deepEqual((await dataOf('plain', 4))[3], { a: 1 });
});

await check('pubsub/raw payload', async () => {
  await pubsub.publish(PUBSUB, 'raw', { raw: true }, { metadata: { rawPayload: 'true' } });
  const [data] = await dataOf('raw', 1);
  assert.deepEqual(Buffer.isBuffer(data) || data instanceof Uint8Array ? JSON.parse(data.toString()) : data, {
    raw: true,
  });
});

await check('pubsub/retry is redelivered', async () => {
  await pubsub.publish(PUBSUB, 'again', 'once more');
  assert.deepEqual(await dataOf('again', 3), ['once more', 'once more', 'once more']);
});

await check('pubsub/drop goes to the dead letter topic', async () => {
  await pubsub.publish(PUBSUB, 'refused', 'unwanted');
  assert.deepEqual(await dataOf('dead', 1), ['unwanted']);
  assert.equal(seen.get('refused').length, 1);
});

await check('pubsub/routes by rules', async () => {
  await pubsub.publish(PUBSUB, 'routed', 'first', { metadata: { 'cloudevent.type': 'com.example.vip' } });
  await pubsub.publish(PUBSUB, 'routed', 'second');
  assert.deepEqual([await dataOf('vip', 1), await dataOf('everybody', 1)], [['first'], ['second']]);
});

await check('pubsub/bulk publish and bulk receive', async () => {
  const { failedMessages } = await pubsub.publishBulk(PUBSUB, 'bulk', ['one', { two: 2 }, 'three']);
  assert.deepEqual(failedMessages, []);
  const all = await dataOf('bulk', 3);
  assert.deepEqual(new Set(all.map((data) => JSON.stringify(data))), new Set(['"one"', '{"two":2}', '"three"']));
});

await check('pubsub/missing component', async () => {
  // Over gRPC the SDK throws what it returns over HTTP.
  const { error } = await pubsub.publish('nowhere', 'plain', 'x').catch((thrown) => thrown);
  assert.match(error.message, /pubsub nowhere is not found/);
});

await check('pubsub/bulk to a missing component fails every message', async () => {
  const { failedMessages } = await pubsub.publishBulk('nowhere', 'plain', ['a', 'b']);
  assert.equal(failedMessages.length, 2);
});

await check('pubsub/events of one sidecar arrive through another', async () => {
  const other = new DaprClient({ ...clientOptions, daprPort: portOf('OTHER') });
  await other.pubsub.publish(PUBSUB, 'plain', 'from afar');
  const events = await dataOf('plain', 5);
  assert.equal(events[4], 'from afar');
  await other.stop();
});

console.log('DONE');
await server.stop();
process.exit(0);
