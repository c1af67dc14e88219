// Drives the unmodified npm `layotto` SDK (client and callback server) against running sidecars. Environment:
// runtime_GRPC_PORT (first sidecar), appcallback_GRPC_PORT (this program's callbacks), OTHER_LAYOTTO_PORT (second
// sidecar), OTHER_APP_ID and OTHER_APP_PORT (its app, served here over HTTP), TEST_CONTROL. Prints `CASE block/case ok` or `CASE block/case FAILED reason`.
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { createServer } from 'node:http';
import { text as textOf } from 'node:stream/consumers';
import { Client, RuntimeTypes, Server } from 'layotto';

const WAIT_MS = 20_000;
const STORE = 'statestore';
const quiet = { info() {}, warn() {}, error() {} };
const client = new Client(process.env.runtime_GRPC_PORT, '127.0.0.1', { logger: quiet });
const other = new Client(process.env.OTHER_LAYOTTO_PORT, '127.0.0.1', { logger: quiet });
const server = new Server(process.env.appcallback_GRPC_PORT, undefined, { logger: quiet });
const bus = new EventEmitter();
const seen = new Set();

server.pubsub.addPubSubSubscription('pubsub', 'layotto-js-orders');
server.pubsub.subscribe('pubsub', 'layotto-js-orders', async (data, request) => {
  bus.emit('order', { data, request });
});
server.pubsub.addPubSubSubscription('pubsub', 'layotto-js-retry');
server.pubsub.subscribe('pubsub', 'layotto-js-retry', async (_data, { id }) => {
  bus.emit('retry', id);
  if (seen.has(id)) return;
  seen.add(id);
  throw new Error('not yet');
});

async function check(name, run) {
  try {
    await run();
    console.log(`CASE ${name} ok`);
  } catch (error) {
    console.log(`CASE ${name} FAILED ${String(error.message).replaceAll('\n', ' ')}`);
    console.log(error.stack);
  }
}

const next = async (event) => (await once(bus, event, { signal: AbortSignal.timeout(WAIT_MS) }))[0];
const text = (item) => (item === null ? null : Buffer.from(item.value).toString());
const get = async (key) => text(await client.state.get({ storeName: STORE, key }));
const firstWrite = { concurrency: 1, consistency: 2 };

const invoked = createServer(async (request, response) => {
  const body = await textOf(request);
  if (request.url.startsWith('/json')) {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ method: request.method, url: request.url, body: JSON.parse(body) }));
    return;
  }
  response.writeHead(request.url === '/text' ? 200 : 404, { 'content-type': 'text/plain; charset=utf-8' });
  response.end(`${request.method} ${request.headers['content-type']} ${body}`);
});
await once(invoked.listen(process.env.OTHER_APP_PORT, '127.0.0.1'), 'listening');
await server.start();
const subscribed = await fetch(`${process.env.TEST_CONTROL}/subscribed`, { method: 'POST' });
assert.equal(subscribed.status, 204, await subscribed.text());

await check('hello/say hello', async () => {
  assert.equal(await client.hello.sayHello({ name: 'js' }), 'greeting, js');
});

await check('state/save and get', async () => {
  await client.state.save({ storeName: STORE, states: { key: 'ljs-1', value: 'value one' } });
  const item = await client.state.get({ storeName: STORE, key: 'ljs-1' });
  assert.equal(text(item), 'value one');
  assert.notEqual(item.etag, '');
});

await check('state/save again without an etag', async () => {
  await client.state.save({ storeName: STORE, states: [{ key: 'ljs-1', value: 'value two' }] });
  assert.equal(await get('ljs-1'), 'value two');
});

await check('state/missing key is null', async () => assert.equal(await get('ljs-none'), null));

await check('state/bulk save and bulk get', async () => {
  await client.state.save({
    storeName: STORE,
    states: [
      { key: 'ljs-b1', value: '1' },
      { key: 'ljs-b2', value: '2' },
    ],
  });
  const items = await client.state.getBulk({ storeName: STORE, keys: ['ljs-b1', 'ljs-b2', 'ljs-b3'] });
  assert.deepEqual(
    new Map(items.map((item) => [item.key, text(item)])),
    new Map([
      ['ljs-b1', '1'],
      ['ljs-b2', '2'],
    ]),
  );
});

await check('state/delete', async () => {
  await client.state.delete({ storeName: STORE, key: 'ljs-b1' });
  assert.equal(await get('ljs-b1'), null);
});

await check('state/bulk delete', async () => {
  await client.state.deleteBulk({ storeName: STORE, states: [{ key: 'ljs-b2' }] });
  assert.equal(await get('ljs-b2'), null);
});

await check('state/etag mismatch is ABORTED', async () => {
  const save = client.state.save({
    storeName: STORE,
    states: { key: 'ljs-1', value: 'x', etag: '99999', options: firstWrite },
  });
  await assert.rejects(save, { code: 10 });
  assert.equal(await get('ljs-1'), 'value two');
});

await check('state/transaction', async () => {
  await client.state.executeTransaction({
    storeName: STORE,
    operations: [
      { operationType: 'upsert', request: { key: 'ljs-t1', value: 'one' } },
      { operationType: 'delete', request: { key: 'ljs-1' } },
    ],
  });
  assert.deepEqual([await get('ljs-t1'), await get('ljs-1')], ['one', null]);
});

await check('state/transaction aborts as a whole', async () => {
  const transact = client.state.executeTransaction({
    storeName: STORE,
    operations: [
      { operationType: 'upsert', request: { key: 'ljs-t2', value: 'new' } },
      { operationType: 'upsert', request: { key: 'ljs-t1', value: 'after', etag: '99999', options: firstWrite } },
    ],
  });
  await assert.rejects(transact, ({ code }) => code === 10 || code === 13);
  assert.deepEqual([await get('ljs-t1'), await get('ljs-t2')], ['one', null]);
});

await check('state/missing store', async () => {
  const call = client.state.get({ storeName: 'nostore', key: 'k' });
  await assert.rejects(call, { code: 3, details: 'state store nostore is not found' });
});

await check('pubsub/publish and receive', async () => {
  const arrived = next('order');
  await client.pubsub.publish({ pubsubName: 'pubsub', topic: 'layotto-js-orders', data: { id: 7 } });
  const { data, request } = await arrived;
  assert.deepEqual(data, { id: 7 });
  assert.equal(request.topic, 'layotto-js-orders');
});

await check('pubsub/retry is redelivered', async () => {
  const first = next('retry');
  await client.pubsub.publish({ pubsubName: 'pubsub', topic: 'layotto-js-retry', data: {} });
  const id = await first;
  assert.equal(await next('retry'), id);
});

await check('pubsub/missing component', async () => {
  await assert.rejects(client.pubsub.publish({ pubsubName: 'nopubsub', topic: 't', data: {} }), { code: 3 });
});

await check('configuration/save and get', async () => {
  await client.configuration.save({
    storeName: 'configstore',
    appId: 'layotto-js',
    items: [
      { key: 'colour', content: 'blue', group: 'ui', label: 'prod' },
      { key: 'colour', content: 'red', group: 'ui', label: 'test' },
    ],
  });
  const get = (label) =>
    client.configuration.get({ storeName: 'configstore', appId: 'layotto-js', keys: ['colour'], group: 'ui', label });
  assert.deepEqual(
    (await get('prod')).map(({ content }) => content),
    ['blue'],
  );
  assert.deepEqual(
    (await get('test')).map(({ content }) => content),
    ['red'],
  );
});

await check('configuration/watch', async () => {
  const changed = new EventEmitter();
  const call = client.configuration.subscribe({
    storeName: 'configstore',
    appId: 'layotto-js',
    keys: ['watched'],
    onData: (items) => changed.emit('items', items),
    onClose: () => {},
  });
  call.on('error', () => {});
  // The protocol does not say when the watch is in place, so the change is made until it is seen.
  let number = 0;
  const writer = setInterval(() => {
    number++;
    client.configuration
      .save({ storeName: 'configstore', appId: 'layotto-js', items: [{ key: 'watched', content: `v${number}` }] })
      .catch(() => {});
  }, 100);
  const [items] = await once(changed, 'items', { signal: AbortSignal.timeout(WAIT_MS) });
  clearInterval(writer);
  call.cancel();
  assert.equal(items[0].key, 'watched');
  assert.match(items[0].content, /^v\d+$/);
});

await check('configuration/delete', async () => {
  const where = { storeName: 'configstore', appId: 'layotto-js', keys: ['colour'], group: 'ui', label: 'prod' };
  await client.configuration.delete(where);
  assert.deepEqual(await client.configuration.get(where), []);
});

await check('lock/try, refuse, unlock', async () => {
  const lock = { storeName: 'lockstore', resourceId: 'ljs-r', expire: 60 };
  assert.equal(await client.lock.tryLock({ ...lock, lockOwner: 'me' }), true);
  assert.equal(await client.lock.tryLock({ ...lock, lockOwner: 'you' }), false);
  assert.equal((await client.lock.unLock({ ...lock, lockOwner: 'you' })).status, 2);
  assert.equal((await client.lock.unLock({ ...lock, lockOwner: 'me' })).status, 0);
  assert.equal((await client.lock.unLock({ ...lock, lockOwner: 'me' })).status, 1);
});

await check('sequencer/ids grow', async () => {
  const weak = () => client.sequencer.getNextId({ storeName: 'sequencer', key: 'ljs-weak' });
  const [first, second] = [BigInt(await weak()), BigInt(await weak())];
  assert.ok(second > first, `${first}, ${second}`);
  const increment = RuntimeTypes?.SequencerOptions?.AutoIncrement?.STRONG ?? 1;
  const strong = () =>
    client.sequencer.getNextId({ storeName: 'sequencer', key: 'ljs-strong', options: { increment } });
  assert.equal(BigInt(await strong()) + 1n, BigInt(await strong()));
});

const appId = process.env.OTHER_APP_ID;
await check('invoke/text through two sidecars', async () => {
  const { content, contentType } = await client.invoker.invoke({
    id: appId,
    method: '/text',
    data: 'two hops',
    httpVerb: 3,
  });
  assert.equal(content, 'POST text/plain; charset=UTF-8 two hops');
  assert.equal(contentType, 'text/plain');
});

await check('invoke/JSON with a verb and a query', async () => {
  const { content } = await client.invoker.invoke({ id: appId, method: '/json?n=1', data: { id: 7 }, httpVerb: 4 });
  assert.deepEqual(content, { method: 'PUT', url: '/json?n=1', body: { id: 7 } });
});

await check('invoke/a missing method is told with its status', async () => {
  await assert.rejects(client.invoker.invoke({ id: appId, method: '/nothing', data: 'x' }), {
    code: 14,
    details: 'http response code 404, body: GET text/plain; charset=UTF-8 x',
  });
});

await check('invoke/unknown app fails', async () => {
  await assert.rejects(client.invoker.invoke({ id: 'no-such-app', method: 'echo', data: 'x', httpVerb: 3 }));
});

await check('file/get, list and delete say that they are not served', async () => {
  const where = { storeName: 'files', name: 'a.txt' };
  const unimplemented = (method) => ({ code: 12, details: new RegExp(method) });
  const error = await client.file.get(where).then((stream) => once(stream, 'error'));
  assert.equal(error[0].code, 12);
  await assert.rejects(client.file.list(where), unimplemented('ListFile'));
  await assert.rejects(client.file.delete(where), unimplemented('DelFile'));
});

await check('binding/the call says that it is not served', async () => {
  await assert.rejects(client.binding.invoke({ name: 'b', operation: 'create', data: Buffer.from('x') }), {
    code: 12,
    details: /InvokeBinding/,
  });
});

await check('pubsub/events of one sidecar arrive through the other', async () => {
  const arrived = next('order');
  await other.pubsub.publish({ pubsubName: 'pubsub', topic: 'layotto-js-orders', data: { id: 8 } });
  assert.deepEqual((await arrived).data, { id: 8 });
});

console.log('DONE');
process.exit(0);
