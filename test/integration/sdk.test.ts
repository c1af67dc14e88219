/** The TypeScript SDK as a specification: every block, over each of its transports, against the running sidecar. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { type Client, createApp, createClient, GrpcCode, isConflict, type TopicEvent } from '@outrigger/sdk';
import { fromConnect } from '@outrigger/sdk/connect';
import { createGrpcJsTransport } from '@outrigger/sdk/grpc-js';
import { subscribed } from '../harness/control.js';
import { type Sidecar, scratchDir, startSidecar } from '../harness/sidecar.js';

const transports: readonly { name: string; connect: (address: string) => Client }[] = [
  { name: 'engine', connect: (address) => createClient({ address }) },
  { name: 'grpc-js', connect: (address) => createClient({ transport: createGrpcJsTransport(address) }) },
  {
    name: 'connect',
    connect: (address) =>
      createClient({ transport: fromConnect(createGrpcTransport({ baseUrl: `http://${address}` })) }),
  },
];

/** Resolves with the next value that `give` is called with. */
function inbox<T>(): { give: (value: T) => void; take: () => Promise<T> } {
  const values: T[] = [];
  const takers: ((value: T) => void)[] = [];
  return {
    give: (value) => {
      const taker = takers.shift();
      if (taker === undefined) values.push(value);
      else taker(value);
    },
    take: () => {
      const value = values.shift();
      return value === undefined ? new Promise((resolve) => takers.push(resolve)) : Promise.resolve(value);
    },
  };
}

describe('the TypeScript SDK', () => {
  const events = inbox<TopicEvent>();
  const app = createApp({ port: 0 })
    .subscribe('pubsub', 'sdk-orders', (event) => events.give(event))
    .method('double', ({ body }) => ({ value: body.json<{ value: number }>().value * 2 }))
    .method('fail', () => {
      throw new Error('the app refuses');
    });
  let sidecar: Sidecar;
  let other: Sidecar;

  before(async () => {
    const home = scratchDir('sdk');
    const appPort = await app.start();
    [sidecar, other] = await Promise.all([
      startSidecar({ appId: 'sdk-app', appPort, appProtocol: 'grpc', home }),
      startSidecar({ appId: 'sdk-other', home, env: { MY_SECRET: 'hush' } }),
    ]);
    await subscribed(sidecar);
  });
  after(async () => {
    await Promise.all([sidecar?.stop(), other?.stop()]);
    await app.stop();
  });

  for (const { name, connect } of transports) {
    describe(`over ${name}`, () => {
      let client: Client;
      before(async () => {
        client = connect(`127.0.0.1:${other.grpcPort}`);
        await client.waitForSidecar();
      });
      after(() => client.close());

      it('saves, reads and deletes JSON and bytes', async () => {
        const state = client.state();
        await state.save(`${name}-json`, { deep: [1, 'ü'] });
        await state.save(`${name}-bytes`, Uint8Array.of(0, 255));
        const [json, bytes, none] = await state.getMany([`${name}-json`, `${name}-bytes`, `${name}-none`]);
        assert.deepEqual(json?.value, { deep: [1, 'ü'] });
        assert.deepEqual([...(bytes?.body.bytes ?? [])], [0, 255]);
        assert.equal(none, undefined);
        await state.delete(`${name}-json`);
        assert.equal(await state.get(`${name}-json`), undefined);
      });

      it('tells a conflict from other errors', async () => {
        const state = client.state();
        await state.save(`${name}-etag`, 1);
        const etag = (await state.get(`${name}-etag`))?.etag as string;
        await state.save(`${name}-etag`, 2, { etag });
        await assert.rejects(state.save(`${name}-etag`, 3, { etag }), isConflict);
        await assert.rejects(state.save(`${name}-etag`, 3, { firstWrite: true }), isConflict);
        await assert.rejects(client.state('nostore').get('k'), { code: GrpcCode.INVALID_ARGUMENT });
        assert.equal((await state.get(`${name}-etag`))?.value, 2);
      });

      it('runs a transaction as a whole', async () => {
        const state = client.state();
        await state.transaction([{ upsert: `${name}-t`, value: 'x' }, { delete: `${name}-etag` }]);
        assert.equal((await state.get(`${name}-t`))?.value, 'x');
        assert.equal(await state.get(`${name}-etag`), undefined);
        const refused = state.transaction([
          { upsert: `${name}-t`, value: 'y' },
          { upsert: `${name}-t2`, value: 'y', etag: 'not-this' },
        ]);
        await assert.rejects(refused);
        assert.equal((await state.get(`${name}-t`))?.value, 'x');
      });

      it('publishes to the app of another sidecar', async () => {
        await client.pubsub().publish('sdk-orders', { id: name });
        const event = await events.take();
        assert.deepEqual(event.data.json(), { id: name });
        assert.equal(event.source, 'sdk-other');
      });

      it('receives events on a stream, again when it asks for it', async () => {
        const got = inbox<TopicEvent>();
        let first = true;
        const subscription = await client.pubsub().subscribe(`sdk-stream-${name}`, (event) => {
          got.give(event);
          const outcome = first ? 'retry' : 'success';
          first = false;
          return outcome;
        });
        await client.pubsub().publishMany(`sdk-stream-${name}`, ['once']);
        const [one, two] = [await got.take(), await got.take()];
        assert.equal(one.data.text(), 'once');
        assert.equal(two.id, one.id);
        await subscription.close();
      });

      it('calls a method of the other app, and hears of its errors', async () => {
        assert.deepEqual((await client.invoke('sdk-app', 'double', { value: 21 })).json(), { value: 42 });
        await assert.rejects(client.invoke('sdk-app', 'fail'), /the app refuses/);
        await assert.rejects(client.invoke('sdk-app', 'no-such-method'), { code: GrpcCode.UNIMPLEMENTED });
        await assert.rejects(client.invoke('no-such-app', 'double'));
      });

      it('watches configuration', async () => {
        const configuration = client.configuration();
        await configuration.save({ [`${name}-colour`]: 'blue' });
        assert.equal((await configuration.get([`${name}-colour`])).get(`${name}-colour`)?.value, 'blue');
        const changes = inbox<string | undefined>();
        const watch = await configuration.watch([`${name}-colour`], (items) =>
          changes.give(items.get(`${name}-colour`)?.value),
        );
        await configuration.save({ [`${name}-colour`]: 'green' });
        assert.equal(await changes.take(), 'green');
        await watch.close();
        await configuration.delete([`${name}-colour`]);
        assert.equal((await configuration.get([`${name}-colour`])).size, 0);
      });

      it('holds locks, hands out ids, reads secrets', async () => {
        const lock = client.lock();
        assert.equal(await lock.hold(`${name}-r`, 'me', 30, async () => lock.tryLock(`${name}-r`, 'you', 30)), false);
        assert.equal(await lock.unlock(`${name}-r`, 'me'), 'does-not-exist');
        assert.equal(await lock.tryLock(`${name}-r`, 'you', 30), true);
        assert.equal(await lock.keepAlive(`${name}-r`, 'you', 60), true);
        assert.equal(await lock.unlock(`${name}-r`, 'me'), 'belongs-to-others');
        const ids = client.sequencer();
        const [one, two] = [await ids.next(name, { strong: true }), await ids.next(name, { strong: true })];
        assert.equal(two, one + 1n);
        assert.deepEqual(await client.secrets().get('MY_SECRET'), { MY_SECRET: 'hush' });
      });

      it('gives up at its deadline and when it is told to', async () => {
        const abort = new AbortController();
        abort.abort(new Error('no longer wanted'));
        await assert.rejects(client.state().get('k', { signal: abort.signal }));
        const unreachable = connect('127.0.0.1:1');
        await assert.rejects(unreachable.state().get('k', { timeoutMs: 300 }));
        await unreachable.close();
      });
    });
  }
});
