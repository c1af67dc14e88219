/** Events for an app that is down, dies, is slow, ill or answers garbage: none is lost, none ends as a dead letter for that. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { type App, type Client, createApp, createClient, type TopicEvent } from '@outrigger/sdk';
import { subscribed } from '../harness/control.js';
import { type AppRequest, FaultApp, type Handler, Inbox } from '../harness/fault-app.js';
import { freePort } from '../harness/ports.js';
import { ready, type Sidecar, scratchDir, startSidecar } from '../harness/sidecar.js';

const OK = { status: 200 } as const;
const subscriptions = JSON.stringify([
  { pubsubname: 'pubsub', topic: 'guarded', route: '/event', deadLetterTopic: 'dead' },
  { pubsubname: 'pubsub', topic: 'plain', route: '/event' },
]);

/** An app that subscribes; `onEvent` answers the events, `health` the probes. */
function subscriber(onEvent: Handler, health: () => number = () => 200): Handler {
  return (request) => {
    if (request.path === '/dapr/subscribe') return { status: 200, body: subscriptions };
    if (request.path === '/healthz') return { status: health() };
    return onEvent(request);
  };
}

const idOf = ({ body }: AppRequest): number => (JSON.parse(body) as { data: { id: number } }).data.id;

/** A publisher, which also receives what ends as a dead letter. */
async function publisher(home: string): Promise<{ sidecar: Sidecar; client: Client; dead: Inbox<TopicEvent> }> {
  const sidecar = await startSidecar({ appId: 'publisher', home });
  const client = createClient({ address: `127.0.0.1:${sidecar.grpcPort}` });
  const dead = new Inbox<TopicEvent>();
  await client.pubsub().subscribe('dead', (event) => dead.give(event));
  return { sidecar, client, dead };
}

describe('events for an HTTP app', () => {
  const home = scratchDir('home');
  let app: FaultApp;
  let sidecar: Sidecar;
  let from: Awaited<ReturnType<typeof publisher>>;
  let got: Inbox<number>;
  let count = 0;
  const publish = async (topic = 'guarded'): Promise<number> => {
    const id = ++count;
    await from.client.pubsub().publish(topic, { id });
    return id;
  };
  const take: Handler = (request) => {
    got.give(idOf(request));
    return OK;
  };
  before(async () => {
    app = await FaultApp.create();
    from = await publisher(home);
    sidecar = await startSidecar({ appId: 'receiver', appPort: app.port, home, noWait: true });
    await ready(sidecar, undefined, '/v1.0/healthz/outbound');
  });
  beforeEach(() => {
    got = new Inbox();
    app.handler = subscriber(take);
  });
  after(async () => {
    await from?.client.close();
    await Promise.all([sidecar?.stop(), from?.sidecar.stop(), app?.die()]);
  });

  it('that is down at the start: they come when it does', async () => {
    const ids = [await publish(), await publish('plain')];
    await app.listen();
    await got.count(2);
    assert.deepEqual([...got.all].sort(), ids.sort());
  });

  it('that dies with events in hand: they come again when it is back', async () => {
    const ids = new Set<number>();
    let dying: Promise<void> | undefined;
    app.handler = subscriber(() => {
      dying ??= app.die();
      return 'hang';
    });
    for (let i = 0; i < 3; i++) ids.add(await publish());
    await sidecar.actor.line(/the app does not accept connections on /);
    await dying;
    ids.add(await publish());
    app.handler = subscriber(take);
    await app.listen();
    await got.count(4);
    assert.deepEqual(new Set(got.all), ids);
  });

  it('that breaks off its answer, though it lives: they come again', async () => {
    for (const raw of ['', 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{']) {
      let broken = 0;
      app.handler = subscriber((request) => (broken++ === 0 ? { raw } : take(request)));
      const id = await publish();
      assert.equal(await got.take(), id);
    }
  });

  it('that answers garbage or errors: they come again, where no dead letter topic is named', async () => {
    for (const answer of [
      { raw: 'what is this?\r\n\r\n' },
      { status: 500 },
      { status: 200, body: '{"status": "RETRY"}' },
    ]) {
      let times = 0;
      app.handler = subscriber((request) => (times++ === 0 ? answer : take(request)));
      const id = await publish('plain');
      assert.equal(await got.take(), id);
      assert.equal(times, 2);
    }
  });

  it('that is slow: nothing gives up, and others are delivered meanwhile', async () => {
    const answers = new Inbox<() => void>();
    let slow: number | undefined;
    app.handler = subscriber(async (request) => {
      slow ??= idOf(request);
      if (idOf(request) === slow) await new Promise<void>((resolve) => answers.give(resolve));
      return take(request);
    });
    const first = await publish();
    const answer = await answers.take();
    const second = await publish();
    assert.equal(await got.take(), second);
    answer();
    assert.equal(await got.take(), first);
    assert.equal(got.all.length, 2);
  });

  it('whose sidecar is killed with events in hand: they come again to the next one', async () => {
    const asked = new Inbox<void>();
    app.handler = subscriber(() => {
      asked.give();
      return 'hang';
    });
    const id = await publish();
    await asked.take();
    sidecar.actor.kill('SIGKILL');
    await sidecar.actor.exited;
    app.handler = subscriber(take);
    sidecar = await startSidecar({ appId: 'receiver', appPort: app.port, home });
    assert.equal(await got.take(), id);
  });

  it('end as dead letters for none of this, but when they are dropped', async () => {
    assert.deepEqual(from.dead.all, []);
    app.handler = subscriber(() => ({ status: 200, body: '{"status": "DROP"}' }));
    const id = await publish();
    assert.deepEqual((await from.dead.take()).data.json(), { id });
  });
});

describe('events for a gRPC app', () => {
  const home = scratchDir('home');
  let port: number;
  let app: App | undefined;
  let sidecar: Sidecar;
  let from: Awaited<ReturnType<typeof publisher>>;
  const got = new Inbox<number>();
  let count = 0;
  const publish = async (): Promise<number> => {
    const id = ++count;
    await from.client.pubsub().publish('guarded', { id });
    return id;
  };
  /** A new life of the app on its port. */
  const start = async (onEvent: (event: TopicEvent) => Promise<void> | void): Promise<App> => {
    app = createApp({ port }).subscribe('pubsub', 'guarded', onEvent, { deadLetterTopic: 'dead' });
    await app.start();
    return app;
  };
  const take = (event: TopicEvent): void => got.give(event.data.json<{ id: number }>().id);
  before(async () => {
    port = await freePort();
    from = await publisher(home);
    sidecar = await startSidecar({ appId: 'receiver', appPort: port, appProtocol: 'grpc', home, noWait: true });
    await ready(sidecar, undefined, '/v1.0/healthz/outbound');
  });
  after(async () => {
    await from?.client.close();
    await Promise.all([sidecar?.stop(), from?.sidecar.stop(), app?.stop()]);
  });

  it('that is down at the start: they come when it does', async () => {
    const id = await publish();
    await start(take);
    assert.equal(await got.take(), id);
    await app?.stop();
  });

  it('that dies with events in hand: they come again when it is back', async () => {
    const asked = new Inbox<void>();
    await start(() => {
      asked.give();
      return new Promise(() => {});
    });
    await subscribed(sidecar);
    const ids = [await publish(), await publish()];
    await asked.count(2);
    await app?.stop(0);
    ids.push(await publish());
    await start(take);
    await got.count(4);
    assert.deepEqual([...got.all.slice(1)].sort(), ids);
    assert.deepEqual(from.dead.all, []);
  });
});

describe('an app with health checks that falls ill', () => {
  const home = scratchDir('home');
  let app: FaultApp;
  let sidecar: Sidecar;
  let from: Awaited<ReturnType<typeof publisher>>;
  const got = new Inbox<number>();
  let status = 500;
  before(async () => {
    app = await FaultApp.create(
      subscriber(
        (request) => {
          if (request.path !== '/event') return { status: 200, body: 'fine' };
          got.give(idOf(request));
          return OK;
        },
        () => status,
      ),
    );
    await app.listen();
    from = await publisher(home);
    sidecar = await startSidecar({
      appId: 'patient',
      appPort: app.port,
      home,
      args: [
        '--enable-app-health-check',
        '--app-health-check-path=/healthz',
        '--app-health-probe-interval=1',
        '--app-health-threshold=2',
      ],
      noWait: true,
    });
    await ready(sidecar, undefined, '/v1.0/healthz/outbound');
  });
  after(async () => {
    await from?.client.close();
    await Promise.all([sidecar?.stop(), from?.sidecar.stop(), app?.die()]);
  });
  const invoke = async (): Promise<{ status: number; text: string }> => {
    const answer = await fetch(`${from.sidecar.http}/v1.0/invoke/patient/method/m`);
    return { status: answer.status, text: await answer.text() };
  };

  it('is not called and gets no events until it is well', async () => {
    const refused = await invoke();
    assert.equal(refused.status, 500);
    assert.match(JSON.parse(refused.text).message, /app is not in a healthy state/);
    await from.client.pubsub().publish('guarded', { id: 1 });
    status = 200;
    await sidecar.actor.line(/app is healthy/);
    assert.equal(await got.take(), 1);
    assert.deepEqual(await invoke(), { status: 200, text: 'fine' });
  });

  it('gets what was published while it was ill, once, when it is well again', async () => {
    status = 503;
    await sidecar.actor.line(/app is unhealthy: 2 health checks in a row failed.*503/);
    assert.equal((await invoke()).status, 500);
    await from.client.pubsub().publish('guarded', { id: 2 });
    await from.client.pubsub().publish('plain', { id: 3 });
    const mark = sidecar.actor.mark;
    assert.equal(got.all.length, 1);
    status = 200;
    await sidecar.actor.line(/app is healthy/, undefined, mark);
    await got.count(3);
    assert.deepEqual([...got.all].sort(), [1, 2, 3]);
    assert.deepEqual(await invoke(), { status: 200, text: 'fine' });
    assert.deepEqual(from.dead.all, []);
  });
});

describe('app-max-concurrency', () => {
  const home = scratchDir('home');
  const MAX = 2;
  let app: FaultApp;
  let sidecar: Sidecar;
  let from: Awaited<ReturnType<typeof publisher>>;
  const arrived = new Inbox<() => void>();
  let most = 0;
  before(async () => {
    app = await FaultApp.create(
      subscriber(async () => {
        most = Math.max(most, app.running);
        await new Promise<void>((resolve) => arrived.give(resolve));
        return OK;
      }),
    );
    await app.listen();
    from = await publisher(home);
    sidecar = await startSidecar({ appId: 'narrow', appPort: app.port, home, args: [`--app-max-concurrency=${MAX}`] });
    await subscribed(sidecar);
  });
  after(async () => {
    await from?.client.close();
    await Promise.all([sidecar?.stop(), from?.sidecar.stop(), app?.die()]);
  });

  it('holds for invokes and events together, and every one has its turn', async () => {
    const EACH = 5;
    const invokes = Array.from({ length: EACH }, () => fetch(`${from.sidecar.http}/v1.0/invoke/narrow/method/m`));
    for (let id = 0; id < EACH; id++) await from.client.pubsub().publish('guarded', { id });
    for (let i = 0; i < 2 * EACH; i++) {
      const answer = await arrived.take();
      assert.ok(app.running <= MAX, `${app.running} calls at one time`);
      answer();
    }
    for (const answer of await Promise.all(invokes)) assert.equal(answer.status, 200);
    assert.equal(most, MAX);
    assert.deepEqual(from.dead.all, []);
  });
});
