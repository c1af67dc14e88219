// Drives the client of the unmodified npm `@dapr/dapr` SDK against a running sidecar, over gRPC and over HTTP. Environment:
// DAPR_GRPC_PORT, DAPR_HTTP_PORT, TEST_CONTROL (writes configuration). Prints `CASE block/case ok` or
// `CASE block/case FAILED reason`, and DONE at the end.
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { CommunicationProtocolEnum, DaprClient, StateConcurrencyEnum } from '@dapr/dapr';

const WAIT_MS = 20_000;
const STORE = 'statestore';
const quiet = { error() {}, warn() {}, info() {}, verbose() {}, debug() {} };
const clientOf = (communicationProtocol, daprPort) =>
  new DaprClient({ daprHost: '127.0.0.1', daprPort, communicationProtocol, logger: { service: quiet } });
const grpc = clientOf(CommunicationProtocolEnum.GRPC, process.env.DAPR_GRPC_PORT);
const http = clientOf(CommunicationProtocolEnum.HTTP, process.env.DAPR_HTTP_PORT);
const base = `http://127.0.0.1:${process.env.DAPR_HTTP_PORT}/v1.0`;

/** Code of connect's Code enum, which is gRPC's. */
const ABORTED = 10;
const INVALID_ARGUMENT = 3;
const INTERNAL = 13;
const PERMISSION_OR_NOT_FOUND = [3, 5, 7, 13];

async function check(name, run) {
  try {
    await run();
    console.log(`CASE ${name} ok`);
  } catch (error) {
    console.log(`CASE ${name} FAILED ${String(error.message).replaceAll('\n', ' ')}`);
    console.log(error.stack);
  }
}

/** A failed gRPC call rejects with connect's error; a failed HTTP call with one whose message is JSON of the answer. */
const rejects = async (call, expected) => {
  let error;
  try {
    const result = await call();
    // `save` and `delete` over HTTP hand the error back instead.
    error = result?.error;
  } catch (thrown) {
    error = thrown;
  }
  assert.ok(error !== undefined, 'the call did not fail');
  expected(error);
};
const withCode = (code, message) => (error) => {
  assert.equal(error.code, code, error.message);
  assert.match(error.message, message);
};
const withStatus = (status, errorCode, message) => (error) => {
  const { error_msg: answer, status: got } = JSON.parse(error.message);
  assert.equal(got, status, error.message);
  const body = JSON.parse(answer);
  assert.equal(body.errorCode, errorCode);
  assert.match(body.message, message);
};
const etagOf = async (key) => (await fetch(`${base}/state/${STORE}/${key}`)).headers.get('etag');

for (const [client, protocol] of [
  [grpc, 'gRPC'],
  [http, 'HTTP'],
]) {
  const isGrpc = client === grpc;
  const key = (name) => `${protocol}-${name}`;
  const { state } = client;
  const items = async (keys) => new Map((await state.getBulk(STORE, keys)).map((item) => [item.key, item.data]));

  await check(`health/sidecar is started (${protocol})`, async () => {
    await client.start();
    assert.equal(await client.health.isHealthy(), true);
  });

  await check(`state/save and get (${protocol})`, async () => {
    await state.save(STORE, [
      { key: key('text'), value: 'value one' },
      { key: key('object'), value: { b: 1, a: [true, null] } },
    ]);
    assert.equal(await state.get(STORE, key('text')), 'value one');
    assert.deepEqual(await state.get(STORE, key('object')), { b: 1, a: [true, null] });
  });

  await check(`state/missing key is empty (${protocol})`, async () => {
    assert.equal(await state.get(STORE, key('none')), '');
  });

  await check(`state/get in bulk (${protocol})`, async () => {
    const found = await items([key('object'), key('text'), key('none')]);
    assert.deepEqual(found.get(key('object')), { b: 1, a: [true, null] });
    assert.equal(found.get(key('text')), 'value one');
    assert.ok(found.has(key('none')));
  });

  await check(`state/delete (${protocol})`, async () => {
    await state.delete(STORE, key('text'));
    assert.equal(await state.get(STORE, key('text')), '');
  });

  await check(`state/etag guards save and delete (${protocol})`, async () => {
    await state.save(STORE, [{ key: key('etag'), value: '1' }]);
    const etag = await etagOf(key('etag'));
    await state.save(STORE, [{ key: key('etag'), value: '2', etag }]);
    const save = () => state.save(STORE, [{ key: key('etag'), value: '3', etag }]);
    const remove = () => state.delete(STORE, key('etag'), { etag });
    await rejects(
      save,
      isGrpc ? withCode(ABORTED, /etag mismatch/) : withStatus(409, 'ERR_STATE_SAVE', /etag mismatch/),
    );
    await rejects(
      remove,
      isGrpc ? withCode(ABORTED, /etag mismatch/) : withStatus(409, 'ERR_STATE_DELETE', /etag mismatch/),
    );
    await state.delete(STORE, key('etag'), { etag: await etagOf(key('etag')) });
  });

  await check(`state/first write wins (${protocol})`, async () => {
    const options = { concurrency: StateConcurrencyEnum.CONCURRENCY_FIRST_WRITE };
    const save = () => state.save(STORE, [{ key: key('first'), value: '1', options: { ...options } }]);
    assert.equal((await save()).error, undefined);
    await rejects(
      save,
      isGrpc ? withCode(ABORTED, /etag mismatch/) : withStatus(409, 'ERR_STATE_SAVE', /etag mismatch/),
    );
  });

  await check(`state/ttl ends an item (${protocol})`, async () => {
    await state.save(STORE, [{ key: key('ttl'), value: '1', metadata: { ttlInSeconds: '1' } }]);
    const { headers } = await fetch(`${base}/state/${STORE}/${key('ttl')}`);
    assert.match(headers.get('metadata.ttlexpiretime'), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    const deadline = AbortSignal.timeout(WAIT_MS);
    while ((await state.get(STORE, key('ttl'))) !== '') deadline.throwIfAborted();
    await rejects(
      () => state.save(STORE, [{ key: key('ttl'), value: '1', metadata: { ttlInSeconds: 'soon' } }]),
      isGrpc ? withCode(INTERNAL, /ttlInSeconds/) : withStatus(500, 'ERR_STATE_SAVE', /ttlInSeconds/),
    );
  });

  await check(`state/transaction (${protocol})`, async () => {
    await state.save(STORE, [{ key: key('t1'), value: 'old' }]);
    await state.transaction(STORE, [
      { operation: 'delete', request: { key: key('t1') } },
      { operation: 'upsert', request: { key: key('t2'), value: 'new' } },
    ]);
    assert.equal(await state.get(STORE, key('t1')), '');
    assert.equal(await state.get(STORE, key('t2')), 'new');
  });

  await check(`state/transaction aborts as a whole (${protocol})`, async () => {
    const transact = () =>
      state.transaction(STORE, [
        { operation: 'upsert', request: { key: key('t3'), value: 'never' } },
        { operation: 'upsert', request: { key: key('t2'), value: 'never', etag: '999999' } },
      ]);
    await rejects(
      transact,
      isGrpc
        ? withCode(INTERNAL, /error while executing state transaction/)
        : withStatus(500, 'ERR_STATE_TRANSACTION', /error while executing state transaction/),
    );
    assert.equal(await state.get(STORE, key('t3')), '');
    assert.equal(await state.get(STORE, key('t2')), 'new');
  });

  await check(`state/illegal key (${protocol})`, async () => {
    const text = /input key\/keyPrefix 'a\|\|b' can't contain '\|\|'/;
    await rejects(
      () => state.save(STORE, [{ key: 'a||b', value: '1' }]),
      isGrpc ? withCode(INVALID_ARGUMENT, text) : withStatus(400, 'ERR_MALFORMED_REQUEST', text),
    );
  });

  await check(`state/missing store (${protocol})`, async () => {
    await rejects(
      () => state.save('nostore', [{ key: 'k', value: '1' }]),
      isGrpc
        ? withCode(INVALID_ARGUMENT, /state store nostore is not found/)
        : withStatus(400, 'ERR_STATE_STORE_NOT_FOUND', /state store nostore is not found/),
    );
  });

  await check(`lock/try, refuse, unlock (${protocol})`, async () => {
    const resource = key('resource');
    assert.equal((await client.lock.lock('lockstore', resource, 'me', 60)).success, true);
    assert.equal((await client.lock.lock('lockstore', resource, 'you', 60)).success, false);
    assert.equal((await client.lock.unlock('lockstore', resource, 'you')).status, 2);
    assert.equal((await client.lock.unlock('lockstore', resource, 'me')).status, 0);
    assert.equal((await client.lock.unlock('lockstore', resource, 'me')).status, 1);
  });

  await check(`lock/missing store (${protocol})`, async () => {
    await rejects(
      () => client.lock.lock('nostore', 'r', 'me', 60),
      isGrpc
        ? withCode(INVALID_ARGUMENT, /lock store nostore not found/)
        : withStatus(400, 'ERR_LOCK_STORE_NOT_FOUND', /lock store nostore not found/),
    );
  });

  await check(`secrets/get and bulk (${protocol})`, async () => {
    assert.deepEqual(await client.secret.get('secrets', 'db-password'), { 'db-password': 'pa55' });
    const all = JSON.stringify(await client.secret.getBulk('secrets'));
    assert.match(all, /pa55/);
  });

  await check(`secrets/missing secret and store (${protocol})`, async () => {
    await rejects(
      () => client.secret.get('secrets', 'nosecret'),
      isGrpc
        ? (error) => assert.ok(PERMISSION_OR_NOT_FOUND.includes(error.code), error.message)
        : withStatus(500, 'ERR_SECRET_GET', /failed getting secret with key nosecret from secret store secrets/),
    );
    await rejects(
      () => client.secret.get('nostore', 'k'),
      isGrpc
        ? withCode(INVALID_ARGUMENT, /failed finding secret store with key nostore/)
        : withStatus(401, 'ERR_SECRET_STORE_NOT_FOUND', /failed finding secret store with key nostore/),
    );
  });

  await check(`metadata/get and set (${protocol})`, async () => {
    assert.equal(await client.metadata.set(key('mood'), 'calm'), true);
    const metadata = await client.metadata.get();
    const extended = metadata.extended ?? metadata.extendedMetadata;
    assert.equal(extended[key('mood')], 'calm');
  });
}

async function writeConfiguration(key, value) {
  const answer = await fetch(`${process.env.TEST_CONTROL}/configuration/${key}`, { method: 'POST', body: value });
  assert.equal(answer.status, 204, await answer.text());
}

await check('configuration/get (gRPC)', async () => {
  await writeConfiguration('js-c1', 'blue');
  const { items } = await grpc.configuration.get('configstore', ['js-c1', 'js-none']);
  assert.equal(items['js-c1'].value, 'blue');
  assert.equal(items['js-none'], undefined);
});

await check('configuration/watch until stopped (gRPC)', async () => {
  const bus = new EventEmitter();
  const subscription = await grpc.configuration.subscribeWithKeys('configstore', ['js-c2'], async ({ items }) => {
    bus.emit('change', items['js-c2'].value);
  });
  // The SDK does not say when its stream has begun: write until a change is heard.
  const signal = AbortSignal.timeout(WAIT_MS);
  const heard = once(bus, 'change', { signal });
  let count = 0;
  let done = false;
  void heard.then(() => {
    done = true;
  });
  while (!done) {
    signal.throwIfAborted();
    await writeConfiguration('js-c2', `value ${++count}`);
  }
  const [value] = await heard;
  assert.match(value, /^value \d+$/);
  await subscription.stop();
});

await check('configuration/missing store (gRPC)', async () => {
  await rejects(
    () => grpc.configuration.get('nostore', ['k']),
    withCode(INVALID_ARGUMENT, /configuration store nostore not found/),
  );
});

await Promise.all([grpc.stop(), http.stop()]);
console.log('DONE');
