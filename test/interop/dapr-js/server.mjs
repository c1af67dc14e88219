// Drives the callback server of the unmodified npm `@dapr/dapr` SDK beside a running sidecar, with the client of the same
// transport. Environment: PROTOCOL (grpc or http), APP_ID, APP_PORT, DAPR_GRPC_PORT, DAPR_HTTP_PORT, OTHER_GRPC_PORT,
// OTHER_HTTP_PORT (a second sidecar), TEST_CONTROL. Prints `CASE block/case ok` or `CASE block/case FAILED reason`, then DONE.
import assert from 'node:assert/strict';
import { EventEmitter, on, once } from 'node:events';
import { CommunicationProtocolEnum, DaprClient, DaprPubSubStatusEnum, DaprServer, HttpMethod } from '@dapr/dapr';

const WAIT_MS = 20_000;
const PUBSUB = 'pubsub';
const isGrpc = process.env.PROTOCOL === 'grpc';
const communicationProtocol = isGrpc ? CommunicationProtocolEnum.GRPC : CommunicationProtocolEnum.HTTP;
const quiet = { error() {}, warn() {}, info() {}, verbose() {}, debug() {} };
const clientOptions = (port) => ({
  daprHost: '127.0.0.1',
  daprPort: port,
  communicationProtocol,
  logger: { service: quiet },
});
const { DAPR_GRPC_PORT, DAPR_HTTP_PORT, OTHER_GRPC_PORT, OTHER_HTTP_PORT, APP_ID, APP_PORT } = process.env;
const server = new DaprServer({
  serverHost: '127.0.0.1',
  serverPort: APP_PORT,
  communicationProtocol,
  clientOptions: clientOptions(isGrpc ? DAPR_GRPC_PORT : DAPR_HTTP_PORT),
  logger: { service: quiet },
});
const { client } = server;
const other = new DaprClient(clientOptions(isGrpc ? OTHER_GRPC_PORT : OTHER_HTTP_PORT));
const bus = new EventEmitter();
const topic = (name) => `js-${process.env.PROTOCOL}-${name}`;
/** How often a delivery of the retry topic was tried. */
let tries = 0;

async function check(name, run) {
  try {
    await run();
    console.log(`CASE ${name} ok`);
  } catch (error) {
    const reason = error.message ?? error.error?.message ?? String(error);
    console.log(`CASE ${name} FAILED ${reason.replaceAll('\n', ' ')}`);
    console.log(error.stack);
  }
}
const next = async (event) => (await once(bus, event, { signal: AbortSignal.timeout(WAIT_MS) }))[0];
async function take(event, count) {
  const taken = [];
  for await (const [value] of on(bus, event, { signal: AbortSignal.timeout(WAIT_MS) })) {
    taken.push(value);
    if (taken.length === count) break;
  }
  return taken;
}

await server.pubsub.subscribe(PUBSUB, topic('orders'), async (data) => void bus.emit('order', data));
await server.pubsub.subscribe(PUBSUB, topic('retry'), async (data) => {
  tries++;
  bus.emit('retry', data);
  return tries < 3 ? DaprPubSubStatusEnum.RETRY : DaprPubSubStatusEnum.SUCCESS;
});
await server.pubsub.subscribeWithOptions(PUBSUB, topic('drop'), {
  callback: async () => DaprPubSubStatusEnum.DROP,
  deadletterTopic: topic('dead'),
  deadLetterTopic: topic('dead'),
});
await server.pubsub.subscribe(PUBSUB, topic('dead'), async (data) => void bus.emit('dead', data));
await server.invoker.listen('echo', async ({ body }) => ({ heard: JSON.parse(body) }), { method: HttpMethod.POST });
await server.invoker.listen('hello', async () => ({ greeting: 'hello' }), { method: HttpMethod.GET });
await server.start();
const subscribed = await fetch(`${process.env.TEST_CONTROL}/subscribed`, { method: 'POST' });
assert.equal(subscribed.status, 204, await subscribed.text());

await check('pubsub/publish and receive', async () => {
  const arrived = next('order');
  const { error } = await client.pubsub.publish(PUBSUB, topic('orders'), { id: 7, name: 'naïve' });
  assert.equal(error, undefined);
  assert.deepEqual(await arrived, { id: 7, name: 'naïve' });
});

await check('pubsub/text is received as text', async () => {
  const arrived = next('order');
  await client.pubsub.publish(PUBSUB, topic('orders'), 'just text');
  assert.equal(await arrived, 'just text');
});

await check('pubsub/retry is redelivered', async () => {
  const arrived = take('retry', 3);
  await client.pubsub.publish(PUBSUB, topic('retry'), { again: true });
  assert.deepEqual(await arrived, [{ again: true }, { again: true }, { again: true }]);
});

await check('pubsub/dropped events go to the dead letter topic', async () => {
  const arrived = next('dead');
  await client.pubsub.publish(PUBSUB, topic('drop'), { lost: true });
  assert.deepEqual(await arrived, { lost: true });
});

await check('pubsub/bulk publish', async () => {
  const arrived = take('order', 3);
  const { failedMessages } = await client.pubsub.publishBulk(PUBSUB, topic('orders'), [{ n: 1 }, { n: 2 }, { n: 3 }]);
  assert.deepEqual(failedMessages, []);
  assert.deepEqual(new Set((await arrived).map(({ n }) => n)), new Set([1, 2, 3]));
});

await check('pubsub/missing component', async () => {
  // Over gRPC the SDK throws `{ error }`, over HTTP it returns it.
  const { error } = await client.pubsub.publish('nopubsub', 't', { a: 1 }).catch((thrown) => thrown);
  assert.ok(error !== undefined, 'the call did not fail');
  if (isGrpc) assert.equal(error.code, 3, error.message);
  else assert.equal(JSON.parse(error.message).status, 404, error.message);
});

await check('invoke/own app through its sidecar', async () => {
  assert.deepEqual(await client.invoker.invoke(APP_ID, 'echo', HttpMethod.POST, { x: [1, 'two'] }), {
    heard: { x: [1, 'two'] },
  });
  assert.deepEqual(await client.invoker.invoke(APP_ID, 'hello', HttpMethod.GET), { greeting: 'hello' });
});

await check('invoke/through two sidecars', async () => {
  assert.deepEqual(await other.invoker.invoke(APP_ID, 'echo', HttpMethod.POST, { far: true }), {
    heard: { far: true },
  });
});

await check('invoke/unknown app fails', async () => {
  await assert.rejects(client.invoker.invoke('no-such-app', 'echo', HttpMethod.POST, {}), (error) => {
    if (isGrpc) assert.equal(error.code, 13, error.message);
    else assert.equal(JSON.parse(JSON.parse(error.message).error_msg).errorCode, 'ERR_DIRECT_INVOKE');
    return true;
  });
});

// The SDK's gRPC server waits in `stop` until the sidecar hangs up; nobody does that here.
console.log('DONE');
process.exit(0);
