/** HTTP apps, played by node:http, behind the real app channel. */
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import { pubsubInMemory } from '@outrigger/components-memory';
import { silentLogger, systemClock } from '@outrigger/engine';
import type { AppChannel } from '../../app/channel.js';
import { createAppChannel } from '../../app/create-channel.js';
import { createPubSubBlock, type PubSubBlock } from '../../block/pubsub/block.js';
import { open, TestRegistry, testBlockDeps, testContext } from '../../block/testing/registry.js';
import type { AppOptions } from '../../config/options.js';
import { createHttpCallback } from './pubsub-callback.js';

interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

type Answer = (request: Received, response: ServerResponse) => void;

/** An HTTP app that keeps what it receives; `received(n)` resolves when it has had n requests to other paths than /dapr/subscribe. */
class HttpApp {
  readonly events: Received[] = [];
  readonly asked: Received[] = [];
  subscriptions: unknown = [];
  answer: Answer = (_request, response) => response.end();
  #waiting: { readonly count: number; readonly resolve: () => void }[] = [];
  readonly #server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url: path = '', headers } = request;
      this.#received({ method, path, headers, body: Buffer.concat(chunks).toString() }, response);
    });
  });

  async listen(port = 0): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  received(count: number): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ count, resolve });
      this.#wake();
    });
  }

  #received(request: Received, response: ServerResponse): void {
    if (request.path === '/dapr/subscribe') {
      this.asked.push(request);
      if (this.subscriptions === undefined) response.statusCode = 404;
      response.end(typeof this.subscriptions === 'string' ? this.subscriptions : JSON.stringify(this.subscriptions));
      return;
    }
    this.events.push(request);
    this.answer(request, response);
    this.#wake();
  }

  #wake(): void {
    for (const { count, resolve } of this.#waiting) if (this.events.length >= count) resolve();
    this.#waiting = this.#waiting.filter(({ count }) => this.events.length < count);
  }
}

interface Stage {
  readonly app: HttpApp;
  readonly channel: AppChannel;
  readonly block: PubSubBlock;
  publish(data: string, contentType?: string, topic?: string, metadata?: Record<string, string>): Promise<void>;
}

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function stage(setup: (app: HttpApp) => void, more: Partial<AppOptions> = {}): Promise<Stage> {
  const app = new HttpApp();
  setup(app);
  const port = await app.listen();
  const options: AppOptions = {
    port,
    host: '127.0.0.1',
    protocol: 'http',
    concurrencyMax: 0,
    healthCheck: undefined,
    apiToken: undefined,
    disabledInitEndpoints: [],
    ...more,
  };
  const registry = new TestRegistry();
  const deps = { ...testBlockDeps({ registry }), clock: systemClock };
  registry.declare({ kind: 'pubsub', name: 'bus', component: open(pubsubInMemory, 'bus', systemClock) });
  const channel = createAppChannel(options, { ...deps, messageBytesMax: 4 * 1024 * 1024 });
  const callback = createHttpCallback({
    app: channel,
    appId: 'app',
    log: silentLogger,
    messageBytesMax: 4 * 1024 * 1024,
  });
  const block = createPubSubBlock({ ...deps, app: channel, callback });
  cleanups.push(
    () => app.close(),
    () => channel.close(),
    () => block.drain(systemClock.now() + 100),
  );
  await block.startSubscriptions();
  return {
    app,
    channel,
    block,
    publish: async (data, contentType = '', topic = 'orders', metadata = {}) => {
      const input = { pubsubName: 'bus', topic, data: Buffer.from(data), contentType, metadata };
      await block.publish({ ...input, context: testContext() });
    },
  };
}

const subscription = { pubsubname: 'bus', topic: 'orders', route: '/orders' };
const bodyOf = (request: Received | undefined): Record<string, unknown> => JSON.parse(request?.body ?? 'null');

describe('an HTTP app', () => {
  it('is asked what it subscribes to, and gets each event as a CloudEvent', async () => {
    const { app, publish } = await stage(
      (app) => {
        app.subscriptions = [subscription];
      },
      { apiToken: 'token' },
    );
    await publish('{"n":12345678901234567890}', 'application/json', 'orders', { key: 'k', 'Content-Length': '1' });
    await app.received(1);
    const [asked] = app.asked;
    assert.deepEqual([asked?.method, asked?.headers['dapr-app-id']], ['GET', 'app']);
    const [event] = app.events;
    assert.deepEqual([event?.method, event?.path], ['POST', '/orders']);
    assert.match(event?.body ?? '', /"data":\{"n":12345678901234567890\}/);
    const { headers } = event as Received;
    assert.equal(headers['content-type'], 'application/cloudevents+json');
    assert.equal(headers['dapr-api-token'], 'token');
    assert.deepEqual([headers['pubsubname'], headers['key']], ['bus', 'k']);
    assert.equal(Number(headers['content-length']), Buffer.byteLength(event?.body ?? ''));
  });

  it('gets the trace of the publisher', async () => {
    const { app, block } = await stage((app) => {
      app.subscriptions = [subscription];
    });
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-02';
    const trace = { traceparent, tracestate: 'a=b', baggage: undefined };
    const input = { pubsubName: 'bus', topic: 'orders', data: Buffer.from('x'), contentType: '', metadata: {} };
    await block.publish({ ...input, context: { ...testContext('dapr-http'), trace } });
    await app.received(1);
    const { headers } = app.events[0] as Received;
    assert.deepEqual([headers['traceparent'], headers['tracestate']], [traceparent, 'a=b']);
  });

  it('decides with its answer: taken, again, dropped', async () => {
    const cases: readonly [name: string, answer: Answer, deliveries: number, deadLetters: number][] = [
      ['200 without a body', (_r, response) => response.end(), 1, 0],
      ['204', (_r, response) => response.writeHead(204).end(), 1, 0],
      ['SUCCESS', (_r, response) => response.end('{"status":"SUCCESS"}'), 1, 0],
      ['no status', (_r, response) => response.end('{}'), 1, 0],
      ['a body that is no answer', (_r, response) => response.end('<html>'), 1, 0],
      ['DROP', (_r, response) => response.end('{"Status":"DROP"}'), 1, 1],
      ['404', (_r, response) => response.writeHead(404).end(), 1, 1],
      ['RETRY', (_r, response) => response.end('{"status":"RETRY"}'), 1, 1],
      ['an unknown status', (_r, response) => response.end('{"status":"MAYBE"}'), 1, 1],
      ['500', (_r, response) => response.writeHead(500).end('oops'), 1, 1],
      // Asked once more at once: the break may have been an idle connection that went just then.
      ['a connection that breaks', (_r, response) => response.destroy(), 2, 1],
    ];
    for (const [name, answer, deliveries, deadLetters] of cases) {
      const { app, publish } = await stage((app) => {
        app.subscriptions = [
          { ...subscription, deadLetterTopic: 'dead' },
          { pubsubname: 'bus', topic: 'dead', route: '/dead' },
          { pubsubname: 'bus', topic: 'marker', route: '/marker' },
        ];
        app.answer = (request, response) => {
          if (request.path === '/orders') answer(request, response);
          else response.end();
        };
      });
      await publish('x');
      await app.received(deliveries + deadLetters);
      // Whatever else was on its way has arrived when this has.
      await publish('end', '', 'marker');
      await app.received(deliveries + deadLetters + 1);
      const count = (path: string): number => app.events.filter((event) => event.path === path).length;
      assert.deepEqual([count('/orders'), count('/dead')], [deliveries, deadLetters], name);
    }
  });

  it('gets again what it wanted again', async () => {
    const { app, publish } = await stage((app) => {
      app.subscriptions = [subscription];
      app.answer = (_request, response) => response.end(app.events.length < 3 ? '{"status":"RETRY"}' : '');
    });
    await publish('x');
    await app.received(3);
    assert.equal(new Set(app.events.map((event) => bodyOf(event)['id'])).size, 1);
  });

  it('routes by rules, names its subscriptions in any spelling, and is not subscribed without a route', async () => {
    const { app, block, publish } = await stage((app) => {
      app.subscriptions = [
        {
          pubsubName: 'bus',
          topic: 'orders',
          routes: { rules: [{ match: 'event.type == "new"', path: 'new orders?x=1' }], default: '/rest/' },
        },
        { pubsubname: 'bus', topic: 'nowhere' },
      ];
    });
    await publish('x', '', 'orders', { 'cloudevent.type': 'new' });
    await app.received(1);
    await publish('y');
    await app.received(2);
    assert.deepEqual(
      app.events.map(({ path }) => path),
      ['/new%20orders?x=1', '/rest'],
    );
    assert.deepEqual(
      block.subscriptions().map(({ topic }) => topic),
      ['orders'],
    );
  });

  it('needs no endpoint for subscriptions, and may answer garbage', async () => {
    for (const answer of [undefined, [], '', 'null']) {
      const { block } = await stage((app) => {
        app.subscriptions = answer;
      });
      assert.deepEqual(block.subscriptions(), []);
    }
    for (const garbage of ['{}', '[1]', 'x', '[{"routes":{"rules":5}}]', '[{"routes":{"rules":[null]}}]']) {
      const { block } = await stage((app) => {
        app.subscriptions = garbage;
      });
      assert.deepEqual(block.subscriptions(), []);
    }
  });

  it('takes batches, and answers for each entry', async () => {
    const { app, publish } = await stage((app) => {
      app.subscriptions = [
        { ...subscription, bulkSubscribe: { enabled: true, maxMessagesCount: 3, maxAwaitDurationMs: 5_000 } },
      ];
      app.answer = (request, response) => {
        const { entries } = JSON.parse(request.body) as { entries: { entryId: string }[] };
        response.end(JSON.stringify({ statuses: entries.map(({ entryId }) => ({ entryId, status: 'SUCCESS' })) }));
      };
    });
    await publish('{"n":1.0}', 'application/json');
    await publish('two', 'text/plain');
    await publish('three', 'text/plain');
    await app.received(1);
    const batch = bodyOf(app.events[0]);
    assert.equal(app.events[0]?.headers['content-type'], 'application/json');
    assert.deepEqual(Object.keys(batch), ['entries', 'id', 'metadata', 'pubsubname', 'topic', 'type']);
    assert.deepEqual(
      [batch['pubsubname'], batch['topic'], batch['type']],
      ['bus', 'orders', 'com.dapr.event.sent.bulk'],
    );
    assert.deepEqual(batch['metadata'], { pubsubName: 'bus' });
    const entries = batch['entries'] as { event: { data: unknown }; contentType: string }[];
    assert.deepEqual(
      entries.map(({ event }) => event.data),
      [{ n: 1 }, 'two', 'three'],
    );
    assert.match(app.events[0]?.body ?? '', /"data":\{"n":1\.0\}/);
    assert.equal(entries[0]?.contentType, 'application/cloudevents+json');
  });

  it('is not sent anything while it is down, and gets it when it is back', async () => {
    const { app, channel, publish } = await stage((app) => {
      app.subscriptions = [
        { ...subscription, deadLetterTopic: 'dead' },
        { pubsubname: 'bus', topic: 'dead', route: '/dead' },
      ];
    });
    await publish('one');
    await app.received(1);
    const { port } = new URL(`http://${channel.address}`);
    await app.close();
    const gone = new Promise<void>((resolve) => channel.onReceptive((receptive) => !receptive && resolve()));
    await publish('two');
    await gone;
    const back = new HttpApp();
    back.subscriptions = app.subscriptions;
    cleanups.push(() => back.close());
    await back.listen(Number(port));
    await back.received(1);
    assert.deepEqual(
      back.events.map((event) => [event.path, bodyOf(event)['data']]),
      [['/orders', 'two']],
    );
  });
});
