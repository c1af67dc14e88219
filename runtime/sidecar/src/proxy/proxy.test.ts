import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type ClientReceiver,
  FakeClock,
  HeaderList,
  type HttpHandler,
  type RequestHead,
  type ResponseHead,
  respondText,
} from '@outrigger/engine';
import { CLUSTER_DEFAULTS } from '../cluster/cluster.js';
import { ClusterSet } from '../cluster/cluster-set.js';
import type { EndpointListener } from '../cluster/endpoint.js';
import type { StreamFilter } from '../filter/stream-filter.js';
import { SERVICE_RETRY } from '../policy/retry.js';
import { RouteTable } from '../router/route-table.js';
import { type Loopback, loopback, request, settled } from '../stream/testing/loopback.js';
import { flagText } from './decision.js';
import type { ProxyReset } from './outcome.js';
import { createProxy } from './proxy.js';

const reject = (reset: unknown): ProxyReset => reset as ProxyReset;

/** A proxy with one app `b`, whose hosts are handlers in memory. */
function scene(handlers: Record<string, HttpHandler>, options: { filters?: StreamFilter[]; timeoutMs?: number } = {}) {
  const clock = new FakeClock();
  const hosts = new Map<string, Loopback>();
  const listeners = new Map<string, EndpointListener>();
  let connects = 0;
  const clusters = new ClusterSet(
    (name) => ({
      config: { ...CLUSTER_DEFAULTS, name, sourceName: name, balancer: 'round-robin' },
      deps: {
        clock,
        source: {
          watch(app, listener) {
            listeners.set(app, listener);
            queueMicrotask(() => {
              if (app === 'b')
                listener.onEndpoints(Object.keys(handlers).map((address) => ({ address, metadata: {} })));
              if (app === 'none') listener.onEndpoints([]);
            });
            return { close: () => void listeners.delete(app) };
          },
        },
        connect: ({ address }) => {
          connects++;
          const host = hosts.get(address) ?? loopback(handlers[address] as HttpHandler);
          hosts.set(address, host);
          return host;
        },
      },
    }),
    clock,
  );
  const routes = new RouteTable([], (name) =>
    name === 'nowhere'
      ? undefined
      : {
          name,
          rules: [
            {
              match: null,
              route: {
                name: 'default',
                cluster: name,
                timeoutMs: options.timeoutMs ?? 0,
                retry: SERVICE_RETRY,
                filters: options.filters ?? null,
              },
            },
          ],
        },
  );
  const proxy = createProxy({ routes, clusters, clock });
  const to = (target: string, timeoutMs = 0) => ({
    open: (head: RequestHead, end: boolean, receiver: ClientReceiver) =>
      proxy.open(head, end, receiver, { target, timeoutMs }),
  });
  return { clock, proxy, hosts, to, clusters, connectsMade: () => connects };
}

const echo: HttpHandler = (stream) => {
  stream.respond({ status: 200, headers: HeaderList.of({ path: stream.head.path }) }, false);
  stream.receiver = {
    onData: (chunk, start, end) => {
      if (!stream.write(chunk, start, end)) stream.pause('peer');
    },
    onEnd: (trailers) => stream.end(trailers ?? undefined),
    onReset() {},
    onDrain: () => stream.resume('peer'),
  };
};

const collected: HttpHandler = (stream) => {
  const chunks: Buffer[] = [];
  stream.receiver = {
    onData: (chunk, start, end) => void chunks.push(Buffer.from(chunk.subarray(start, end))),
    onEnd: () => respondText(stream, 200, Buffer.concat(chunks).toString()),
    onReset() {},
    onDrain() {},
  };
};

const die =
  (reason: 'refused' | 'internal'): HttpHandler =>
  (stream) => {
    stream.receiver = { onData() {}, onEnd() {}, onReset() {}, onDrain() {} };
    stream.reset(reason);
  };

describe('proxy', () => {
  it('finds the route, the cluster and a host, and carries the exchange both ways', async () => {
    const { to, proxy } = scene({ 'h:1': echo });
    const answer = await request(to('b'), { method: 'POST', path: '/x?q=1', body: 'hello' });
    assert.equal(answer.status, 200);
    assert.equal(answer.body.toString(), 'hello');
    assert.equal(answer.headers.get('path'), '/x?q=1');
    const [decision] = proxy.decisions.recent(1);
    assert.deepEqual(
      [decision?.virtualHost, decision?.route, decision?.cluster, decision?.host, decision?.attempts, decision?.status],
      ['b', 'default', 'b', 'h:1', 1, 200],
    );
    assert.equal(flagText(decision?.flags ?? -1), '-');
    assert.equal(proxy.inFlight, 0);
  });

  it('uses one connection for many requests, and gives every place back', async () => {
    const { to, clusters, connectsMade } = scene({ 'h:1': echo });
    await Promise.all(Array.from({ length: 30 }, (_, i) => request(to('b'), { path: `/${i}`, body: `${i}` })));
    assert.equal(connectsMade(), 1);
    assert.equal(clusters.get('b')?.active, 0);
  });

  it('says that no route, or no host, is there', async () => {
    const { to, clock, proxy } = scene({});
    await assert.rejects(request(to('nowhere'), { path: '/' }), (reset) => flagText(reject(reset).flags) === 'NR');
    const missing = request(to('none'), { path: '/' });
    await settled();
    clock.advance(5000);
    await assert.rejects(missing, (reset) => flagText(reject(reset).flags) === 'UH' && reject(reset).unprocessed);
    assert.equal(proxy.inFlight, 0);
  });

  it('asks another host at once when one refuses, and the same one after a second', async () => {
    const { to, clock, proxy } = scene({ 'h:1': die('refused'), 'h:2': collected });
    for (let i = 0; i < 4; i++) {
      const answer = await request(to('b'), { method: 'POST', path: '/', body: 'again' });
      assert.equal(answer.body.toString(), 'again', 'the body is sent again, whole');
    }
    assert.deepEqual(
      proxy.decisions
        .recent()
        .map((decision) => decision.attempts)
        .sort(),
      [1, 1, 2, 2],
    );

    let calls = 0;
    const lone = scene({
      'h:1': (stream) => (++calls < 3 ? die('refused')(stream) : collected(stream)),
    });
    const answer = request(lone.to('b'), { method: 'POST', path: '/', body: 'x' });
    for (const expected of [1, 2]) {
      await settled();
      assert.equal(calls, expected);
      lone.clock.advance(980);
      await settled();
      assert.equal(calls, expected);
      lone.clock.advance(40);
    }
    await settled();
    assert.equal((await answer).body.toString(), 'x');
    assert.equal(clock.pending <= 1, true, 'nothing but the sweep of idle clusters is pending');
  });

  it('tries exactly four times, then says what was the matter', async () => {
    let calls = 0;
    const { to, clock } = scene({
      'h:1': (stream) => {
        calls++;
        die('refused')(stream);
      },
    });
    const answer = request(to('b'), { path: '/' });
    answer.catch(() => {});
    for (let i = 0; i < 10; i++) {
      await settled();
      clock.advance(1020);
    }
    await assert.rejects(answer, (reset) => {
      const { flags, retries } = reject(reset);
      return flagText(flags) === 'UR,URX' && retries === 3;
    });
    assert.equal(calls, 4);
  });

  it('never repeats a request that may have been processed', async () => {
    let calls = 0;
    const { to } = scene({
      'h:1': (stream) => {
        calls++;
        die('internal')(stream);
      },
    });
    await assert.rejects(request(to('b'), { path: '/' }), (reset) => !reject(reset).unprocessed);
    assert.equal(calls, 1);
  });

  it('does not repeat after the response began, and tells the caller that it broke', async () => {
    let calls = 0;
    const { to, proxy } = scene({
      'h:1': (stream) => {
        calls++;
        stream.receiver = { onData() {}, onEnd() {}, onReset() {}, onDrain() {} };
        stream.respond({ status: 200, headers: new HeaderList() }, false);
        stream.write(Buffer.from('half'));
        setImmediate(() => stream.reset('refused'));
      },
    });
    await assert.rejects(request(to('b'), { path: '/' }));
    assert.equal(calls, 1);
    assert.equal(proxy.inFlight, 0);
  });

  it('forgets a streamed body beyond the replay limit, and then does not retry', async () => {
    let calls = 0;
    let got = 0;
    const { to, hosts } = scene({
      'h:1': (stream) => {
        calls++;
        stream.receiver = {
          onData: (_chunk, start, end) => {
            got += end - start;
          },
          onEnd() {},
          onReset() {},
          onDrain() {},
        };
      },
    });
    const resets: ProxyReset[] = [];
    const head: RequestHead = { method: 'POST', scheme: 'http', authority: 'a', path: '/', headers: new HeaderList() };
    const stream = to('b').open(head, false, {
      onHead() {},
      onData() {},
      onEnd() {},
      onReset: (reset) => void resets.push(reject(reset)),
      onDrain() {},
    });
    await settled();
    for (let i = 0; i < 8; i++) {
      stream.write(Buffer.alloc(64 * 1024));
      await settled();
    }
    assert.equal(got, 512 * 1024);
    hosts.get('h:1')?.exchanges[0]?.server.reset('refused');
    await settled();
    assert.equal(calls, 1);
    assert.equal(resets.length, 1);
  });

  it('keeps back-pressure from end to end: an upstream that does not read stops the caller', async () => {
    const { to, hosts } = scene({
      'h:1': (stream) => {
        stream.receiver = { onData() {}, onEnd() {}, onReset() {}, onDrain() {} };
        stream.pause('app');
      },
    });
    let drained = 0;
    const head: RequestHead = { method: 'POST', scheme: 'http', authority: 'a', path: '/', headers: new HeaderList() };
    const stream = to('b').open(head, false, {
      onHead() {},
      onData() {},
      onEnd() {},
      onReset() {},
      onDrain: () => void drained++,
    });
    let sent = 0;
    while (sent < 100) {
      sent++;
      if (!stream.write(Buffer.alloc(8 * 1024))) break;
    }
    assert.equal(sent, 8, 'stopped at the window while no upstream was there');
    await settled();
    assert.equal(drained, 0);
    const exchange = hosts.get('h:1')?.exchanges[0];
    exchange?.server.resume('app');
    await settled();
    assert.equal(drained, 1);
    assert.equal(exchange?.request.total, 64 * 1024);
  });

  it('lets a caller go on that an upstream had stopped before it refused the request', async () => {
    let got = 0;
    const { to, hosts } = scene({
      'h:1': (stream) => {
        stream.receiver = { onData() {}, onEnd() {}, onReset() {}, onDrain() {} };
        stream.pause('app');
        setImmediate(() => stream.reset('refused'));
      },
      'h:2': (stream) => {
        stream.receiver = {
          onData: (_chunk, start, end) => {
            got += end - start;
          },
          onEnd: () => respondText(stream, 200, String(got)),
          onReset() {},
          onDrain() {},
        };
      },
    });
    for (let i = 0; i < 2; i++) {
      got = 0;
      const total = 100 * 1024;
      let sent = 0;
      await new Promise<void>((resolve, reject) => {
        const pump = (): void => {
          while (sent < total) {
            sent += 4096;
            if (!stream.write(Buffer.alloc(4096))) return;
          }
          stream.end();
        };
        const head: RequestHead = {
          method: 'POST',
          scheme: 'http',
          authority: 'a',
          path: '/',
          headers: new HeaderList(),
        };
        const stream = to('b').open(head, false, {
          onHead() {},
          onData() {},
          onEnd: () => resolve(),
          onReset: reject,
          onDrain: pump,
        });
        pump();
      });
      assert.equal(got, total);
    }
    assert.ok((hosts.get('h:1')?.exchanges.length ?? 0) > 0);
  });

  it('resets a caller that ignores back-pressure while no upstream is there', async () => {
    const { to } = scene({});
    const resets: ProxyReset[] = [];
    const head: RequestHead = { method: 'POST', scheme: 'http', authority: 'a', path: '/', headers: new HeaderList() };
    const stream = to('none').open(head, false, {
      onHead() {},
      onData() {},
      onEnd() {},
      onReset: (reset) => void resets.push(reject(reset)),
      onDrain() {},
    });
    for (let i = 0; i < 40; i++) stream.write(Buffer.alloc(64 * 1024));
    await settled();
    assert.deepEqual(
      resets.map(({ reason }) => reason),
      ['too-large'],
    );
  });

  it('pauses the response while the caller does not take it', async () => {
    const { to, hosts } = scene({
      'h:1': (stream) => {
        stream.receiver = { onData() {}, onEnd() {}, onReset() {}, onDrain() {} };
        stream.respond({ status: 200, headers: new HeaderList() }, false);
      },
    });
    let got = 0;
    const head: RequestHead = { method: 'GET', scheme: 'http', authority: 'a', path: '/', headers: new HeaderList() };
    const stream = to('b').open(head, true, {
      onHead() {},
      onData: (_chunk, start, end) => void (got += end - start),
      onEnd() {},
      onReset() {},
      onDrain() {},
    });
    stream.pause('peer');
    await settled();
    const exchange = hosts.get('h:1')?.exchanges[0];
    exchange?.server.write(Buffer.alloc(1000));
    await settled();
    assert.equal(got, 0);
    stream.resume('peer');
    await settled();
    assert.equal(got, 1000);
  });

  it('cancels upstream when the caller gives up, while waiting and while running', async () => {
    const resets: string[] = [];
    const { to, proxy } = scene({
      'h:1': (stream) => {
        stream.receiver = { onData() {}, onEnd() {}, onReset: ({ reason }) => void resets.push(reason), onDrain() {} };
      },
    });
    const head = (): RequestHead => ({
      method: 'GET',
      scheme: 'http',
      authority: 'a',
      path: '/',
      headers: new HeaderList(),
    });
    const silent: ClientReceiver = {
      onHead() {},
      onData() {},
      onEnd() {},
      onReset: () => assert.fail('told'),
      onDrain() {},
    };
    to('none').open(head(), true, silent).reset('cancel');
    const running = to('b').open(head(), true, silent);
    await settled();
    running.reset('cancel');
    running.reset('cancel');
    await settled();
    assert.deepEqual(resets, ['cancel']);
    assert.equal(proxy.inFlight, 0);
    assert.deepEqual(
      proxy.decisions.recent().map(({ flags }) => flagText(flags)),
      ['DC', 'DC'],
    );
  });

  it('ends a request at its timeout, which the call may set', async () => {
    const { to, clock, proxy } = scene({
      'h:1': (stream) => {
        stream.receiver = { onData() {}, onEnd() {}, onReset() {}, onDrain() {} };
      },
    });
    const answer = request(to('b', 3000), { path: '/' });
    answer.catch(() => {});
    await settled();
    clock.advance(2980);
    await settled();
    assert.equal(proxy.inFlight, 1);
    clock.advance(40);
    await assert.rejects(
      answer,
      (reset) => reject(reset).reason === 'timeout' && flagText(reject(reset).flags) === 'UT',
    );
    assert.equal(proxy.inFlight, 0);
  });

  it('lets an answer through that comes before the request is sent to its end', async () => {
    const { to, proxy } = scene({
      'h:1': (stream) => {
        stream.receiver = { onData() {}, onEnd() {}, onReset() {}, onDrain() {} };
        stream.respond({ status: 413, headers: new HeaderList() }, true);
        setImmediate(() => stream.reset('no-error'));
      },
    });
    const heads: ResponseHead[] = [];
    const resets: string[] = [];
    const head: RequestHead = { method: 'POST', scheme: 'http', authority: 'a', path: '/', headers: new HeaderList() };
    const stream = to('b').open(head, false, {
      onHead: (given) => void heads.push(given),
      onData() {},
      onEnd() {},
      onReset: ({ reason }) => void resets.push(reason),
      onDrain() {},
    });
    await settled();
    stream.write(Buffer.alloc(10));
    stream.end();
    await settled();
    assert.deepEqual([heads[0]?.status, resets], [413, ['no-error']]);
    assert.equal(proxy.inFlight, 0);
    assert.equal(flagText(proxy.decisions.recent(1)[0]?.flags ?? -1), '-');
  });

  it('drains: resolves when the last request is through, or at the deadline', async () => {
    const { to, proxy, hosts, clock } = scene({
      'h:1': (stream) => {
        stream.receiver = { onData() {}, onEnd() {}, onReset() {}, onDrain() {} };
      },
    });
    const answer = request(to('b'), { path: '/' });
    await settled();
    let drained = false;
    void proxy.drain(clock.now() + 5000).then(() => (drained = true));
    await settled();
    assert.equal(drained, false);
    hosts.get('h:1')?.exchanges[0]?.server.respond({ status: 204, headers: new HeaderList() }, true);
    await answer;
    await settled();
    assert.equal(drained, true);

    request(to('b'), { path: '/' }).catch(() => {});
    await settled();
    const late = proxy.drain(clock.now() + 5000);
    clock.advance(6000);
    await late;
    proxy.close();
    await assert.rejects(request(to('b'), { path: '/' }), (reset) => flagText(reject(reset).flags) === 'LR');
  });

  it('runs filters in order on the request and in reverse on the response; one may answer, or hold', async () => {
    const seen: string[] = [];
    const named = (name: string): StreamFilter => ({
      name,
      onRequestHead: () => {
        seen.push(`${name}>`);
        return 'continue';
      },
      onResponseHead: () => void seen.push(`<${name}`),
    });
    const passing = scene({ 'h:1': echo }, { filters: [named('a'), named('b')] });
    await request(passing.to('b'), { path: '/', body: 'x' });
    assert.deepEqual(seen, ['a>', 'b>', '<b', '<a']);

    const answering = scene(
      { 'h:1': () => assert.fail('called') },
      {
        filters: [
          {
            name: 'limit',
            onRequestHead: (_head, _end, handle) => {
              handle.reply({ status: 429, headers: new HeaderList() }, Buffer.from('slow down'));
              return 'stop';
            },
          },
        ],
      },
    );
    const answer = await request(answering.to('b'), { path: '/' });
    assert.deepEqual([answer.status, answer.body.toString()], [429, 'slow down']);

    let proceed = (): void => {};
    const holding = scene(
      { 'h:1': collected },
      {
        filters: [
          {
            name: 'hold',
            onRequestHead: (_head, _end, handle) => {
              proceed = () => handle.proceed();
              return 'stop';
            },
          },
        ],
      },
    );
    const held = request(holding.to('b'), { method: 'POST', path: '/', body: 'kept' });
    await settled();
    assert.equal(holding.hosts.size, 0);
    proceed();
    assert.equal((await held).body.toString(), 'kept');
  });
});
