import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { FakeClock } from '../base/fake-clock.js';
import { http2Limits } from '../base/limits.js';
import { textCodec } from '../codec/grpc/bytes-codec.test.support.js';
import type { MethodInfo } from '../codec/grpc/method.js';
import { type AnyGrpcMethod, createGrpcService } from '../codec/grpc/service.js';
import { GrpcStatusError } from '../codec/grpc/status.js';
import { HeaderList } from '../codec/http/headers.js';
import type { ClientReceiver, HttpHandler, ResponseHead } from '../codec/http/stream.js';
import { Http2ServerConnection } from '../codec/http2/server-connection.js';
import { TestAuthority } from '../network/certificates.test.support.js';
import { type ListenAddress, type Listener, listen } from '../network/listener.js';
import { createMemoryPair, type MemoryPair } from '../network/memory-transport.js';
import { createTlsServer } from '../network/tls.js';
import type { Transport } from '../network/transport.js';
import { type Channel, type ChannelOptions, createChannel, parseTarget } from './channel.js';

const echo: MethodInfo<string, string> = { path: '/t.T/Echo', kind: 'unary', request: textCodec, response: textCodec };
const wait: MethodInfo<string, string> = { ...echo, path: '/t.T/Wait' };

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
async function turns(count = 6): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}

const answerAtEnd: HttpHandler = (stream) => {
  let bytes = 0;
  stream.receiver = {
    onData: (_chunk, start, end) => {
      bytes += end - start;
    },
    onEnd: () => {
      const headers = HeaderList.of({ bytes, 'head-only': String(stream.headOnly) });
      stream.respond({ status: 200, headers }, true);
    },
    onReset: () => {},
    onDrain: () => {},
  };
};

interface Backend {
  readonly connections: Http2ServerConnection[];
  readonly waiting: ((text: string) => void)[];
  accept(transport: Transport): void;
}

function backend(clock: FakeClock | undefined, streamsMax = 1000): Backend {
  const connections: Http2ServerConnection[] = [];
  const waiting: ((text: string) => void)[] = [];
  const methods = [
    { ...echo, handler: (text: string) => `echo ${text}` },
    { ...wait, handler: () => new Promise<string>((resolve) => waiting.push(resolve)) },
  ] as unknown as AnyGrpcMethod[];
  const shared = clock === undefined ? {} : { clock };
  const grpc = createGrpcService(methods, shared);
  const limits = { ...http2Limits, streamsMax };
  return {
    connections,
    waiting,
    accept: (transport) => {
      connections.push(new Http2ServerConnection(transport, { ...shared, grpc, limits, http: answerAtEnd }));
    },
  };
}

/** A channel over memory: `dials` counts, `down` makes dialling fail. */
function scene(options: Partial<ChannelOptions> = {}, streamsMax?: number) {
  const clock = new FakeClock();
  const server = backend(clock, streamsMax);
  const state = { dials: 0, down: false, hold: null as Promise<void> | null, pairs: [] as MemoryPair[] };
  const channel = createChannel({
    target: 'host:1',
    clock,
    dial: async () => {
      state.dials++;
      if (state.hold !== null) await state.hold;
      if (state.down) throw new Error('cannot connect to host:1: ECONNREFUSED');
      const pair = createMemoryPair();
      state.pairs.push(pair);
      server.accept(pair.server);
      return pair.client;
    },
    ...options,
  });
  return { clock, server, state, channel };
}

describe('a channel', () => {
  it('dials at the first call, and once for many', async () => {
    const { channel, state, clock } = scene();
    assert.deepEqual([channel.state, state.dials], ['idle', 0]);
    const answers = Promise.all(['a', 'b', 'c'].map((text) => channel.unary(echo, text)));
    assert.equal(channel.state, 'connecting');
    assert.deepEqual(await answers, ['echo a', 'echo b', 'echo c']);
    assert.deepEqual([channel.state, state.dials], ['ready', 1]);
    await channel.close();
    await turns();
    assert.equal(clock.pending, 0);
  });

  it('fails the calls that wait when it cannot connect, then at once until the back-off is over', async () => {
    const { channel, state, clock } = scene({ backOff: { baseMs: 1000 } });
    state.down = true;
    const refused = { code: 14, message: 'cannot connect to host:1: ECONNREFUSED', unprocessed: true };
    await assert.rejects(channel.unary(echo, 'a'), refused);
    assert.equal(channel.state, 'failing');
    await assert.rejects(channel.unary(echo, 'b'), refused);
    assert.equal(state.dials, 1);
    clock.advance(1200);
    assert.equal(channel.state, 'idle');
    state.down = false;
    assert.equal(await channel.unary(echo, 'c'), 'echo c');
  });

  it('backs off longer after each failure, up to the limit, and from the start after a success', async () => {
    const { channel, state, clock } = scene({ waitForReady: true, backOff: { baseMs: 100, factor: 2, maxMs: 1000 } });
    state.down = true;
    const answer = channel.unary(echo, 'a');
    const gaps: number[] = [];
    let last = 0;
    for (let tries = 1; tries < 9; tries++) {
      await turns();
      while (state.dials === tries) {
        clock.advance(10);
        await turns(1);
      }
      gaps.push(clock.now() - last);
      last = clock.now();
    }
    gaps.forEach((gap, i) => {
      const expected = Math.min(1000, 100 * 2 ** i);
      assert.ok(gap >= expected * 0.8 - 10 && gap <= expected * 1.2 + 20, `${gap} after ${i} failures`);
    });
    state.down = false;
    clock.advance(2000);
    assert.equal(await answer, 'echo a');
  });

  it('lets a waiting call end at its deadline, or by its signal', async () => {
    const { channel, state, clock } = scene({ waitForReady: true });
    state.hold = new Promise(() => {});
    const late = assert.rejects(channel.unary(echo, 'a', { timeoutMs: 500 }), { code: 4 });
    const controller = new AbortController();
    const cancelled = assert.rejects(channel.unary(echo, 'b', { signal: controller.signal }), { code: 1 });
    clock.advance(500);
    controller.abort();
    await Promise.all([late, cancelled]);
  });

  it('goes to a new connection after GOAWAY, while the old one finishes its calls', async () => {
    const { channel, server, state } = scene();
    const slow = channel.unary(wait, '');
    await turns();
    server.connections[0]?.drain();
    await turns();
    assert.equal(await channel.unary(echo, 'b'), 'echo b');
    assert.equal(state.dials, 2);
    server.waiting[0]?.('finished');
    assert.equal(await slow, 'finished');
    await turns();
    assert.equal(server.connections[0]?.stopped, true);
    assert.equal(server.connections[1]?.stopped, false);
  });

  it('fails calls of a lost connection as possibly processed, and dials again', async () => {
    const { channel, state } = scene();
    const slow = channel.unary(wait, '');
    await turns();
    state.pairs[0]?.client.cut();
    await assert.rejects(slow, (error: unknown) => {
      assert.ok(error instanceof GrpcStatusError);
      assert.deepEqual([error.code, error.unprocessed], [14, false]);
      return true;
    });
    assert.equal(await channel.unary(echo, 'b'), 'echo b');
    assert.equal(state.dials, 2);
  });

  it('does not dial in a circle a server that hangs up before it speaks', async () => {
    let dials = 0;
    const clock = new FakeClock();
    const channel = createChannel({
      target: 'host:1',
      clock,
      dial: async () => {
        dials++;
        const pair = createMemoryPair();
        setImmediate(() => pair.server.destroy());
        return pair.client;
      },
    });
    await assert.rejects(channel.unary(echo, 'a'), { code: 14 });
    await assert.rejects(channel.unary(echo, 'b'), { code: 14, message: /before its SETTINGS/ });
    assert.equal(dials, 1);
    await channel.close();
  });

  for (const [what, said, message] of [
    ['answers in HTTP/1', 'HTTP/1.1 400 Bad Request\r\n\r\n', /host:1 does not speak HTTP\/2: it answers in HTTP\/1$/],
    ['answers garbage', 'what is this?', /host:1 does not speak HTTP\/2: a frame of \d+ bytes exceeds/],
    ['says nothing', '', /host:1 does not speak HTTP\/2: no SETTINGS within 5000 ms/],
  ] as const) {
    it(`tells what is wrong with a server that ${what}`, async () => {
      const clock = new FakeClock();
      const channel = createChannel({
        target: 'host:1',
        clock,
        dial: async () => {
          const pair = createMemoryPair();
          setImmediate(() => {
            pair.server.slab.ensure(said.length);
            pair.server.slab.end += pair.server.slab.buffer.write(said, pair.server.slab.end);
            pair.server.flush();
          });
          return pair.client;
        },
      });
      const call = channel.unary(echo, 'a');
      call.catch(() => {});
      await turns();
      if (said === '') clock.advance(5000);
      await assert.rejects(call, { code: 14, message });
      await channel.close();
      assert.equal(clock.pending, 0);
    });
  }

  it('queues above MAX_CONCURRENT_STREAMS, first come first served, up to its limit', async () => {
    const { channel, server, state } = scene({ waitingMax: 3 }, 2);
    assert.equal(await channel.unary(echo, 'warm'), 'echo warm');
    const done: string[] = [];
    const running = ['a', 'b', 'c', 'd', 'e'].map((name) => channel.unary(wait, name).then(() => done.push(name)));
    await turns();
    assert.equal(server.waiting.length, 2);
    await assert.rejects(channel.unary(wait, 'f'), {
      code: 14,
      message: /3 streams \(waitingMax\) wait/,
      unprocessed: true,
    });
    while (done.length < 5) {
      server.waiting.shift()?.('ok');
      await turns();
    }
    await Promise.all(running);
    assert.deepEqual(done, ['a', 'b', 'c', 'd', 'e']);
    assert.equal(state.dials, 1);
  });

  it('bounds the bytes that wait', async () => {
    const { channel, state } = scene({ waitingBytesMax: 100_000 });
    state.hold = new Promise(() => {});
    void channel.unary(echo, 'x'.repeat(60_000)).catch(() => {});
    await assert.rejects(channel.unary(echo, 'x'.repeat(60_000)), {
      code: 14,
      message: /100000 bytes \(waitingBytesMax\)/,
    });
    await channel.close();
  });

  it('closes: waiting and running calls fail, new ones too, and nothing is left', async () => {
    const { channel, state, clock, server } = scene();
    const slow = assert.rejects(channel.unary(wait, ''), { code: 14 });
    await turns();
    await channel.close();
    await slow;
    assert.equal(channel.state, 'closed');
    await assert.rejects(channel.unary(echo, ''), { code: 14, message: 'the channel is closed' });
    await turns();
    assert.equal(clock.pending, 0);
    assert.equal(state.dials, 1);
    assert.equal(server.connections[0]?.stopped, true);
    const idle = scene().channel;
    await idle.close();
    await idle.close();
  });

  it('lets running calls finish within the grace of close', async () => {
    const { channel, server } = scene();
    const slow = channel.unary(wait, '');
    await turns();
    const closed = channel.close(1000);
    await turns();
    server.waiting[0]?.('finished');
    assert.equal(await slow, 'finished');
    await closed;
  });

  it('keeps what a stream sends while it connects, and drains it afterwards', async () => {
    const { channel, state } = scene();
    let connect!: () => void;
    state.hold = new Promise((resolve) => {
      connect = resolve;
    });
    const events: string[] = [];
    const answer = new Promise<string>((resolve) => {
      const receiver: ClientReceiver = {
        onHead: (head) => resolve(`${head.status} ${head.headers.get('bytes')}`),
        onData: () => {},
        onEnd: () => {},
        onReset: (reset) => events.push(reset.message),
        onDrain: () => {
          events.push('drain');
          stream.end();
        },
      };
      const head = { method: 'POST', scheme: 'http', authority: 'h', path: '/', headers: new HeaderList() };
      const stream = channel.open(head, false, receiver);
      assert.equal(stream.write(Buffer.from('x')), true);
      stream.pause('app');
      stream.resume('app');
      assert.equal(stream.write(Buffer.alloc(70_000)), false);
      assert.equal(stream.writable, false);
    });
    connect();
    assert.equal(await answer, '200 70001');
    assert.deepEqual(events, ['drain']);
  });

  it('ends a request that turned out empty while it waited by a DATA frame, as gRPC asks', async () => {
    const { channel } = scene();
    const headOnly = (end: boolean): Promise<string | undefined> =>
      new Promise((resolve) => {
        const onHead = (head: ResponseHead): void => resolve(head.headers.get('head-only'));
        const receiver: ClientReceiver = { onHead, onData() {}, onEnd() {}, onReset() {}, onDrain() {} };
        const head = { method: 'POST', scheme: 'http', authority: 'h', path: '/', headers: new HeaderList() };
        const stream = channel.open(head, end, receiver);
        if (!end) stream.end();
      });
    assert.deepEqual(await Promise.all([headOnly(false), headOnly(true)]), ['false', 'true']);
  });

  it('forgets a stream that is given up while it waits', async () => {
    const { channel, state, server } = scene();
    let connect!: () => void;
    state.hold = new Promise((resolve) => {
      connect = resolve;
    });
    const controller = new AbortController();
    const gone = assert.rejects(channel.unary(echo, 'gone', { signal: controller.signal }), { code: 1 });
    const kept = channel.unary(echo, 'kept');
    controller.abort();
    await gone;
    connect();
    assert.equal(await kept, 'echo kept');
    assert.equal(server.connections[0]?.counters.streams, 1);
  });
});

describe('a channel over real sockets', () => {
  const serve = async (address: ListenAddress): Promise<{ listener: Listener; close: () => Promise<void> }> => {
    const server = backend(undefined);
    const listener = await listen(address, (transport) => server.accept(transport));
    return {
      listener,
      close: async () => {
        for (const transport of listener.connections) transport.destroy();
        await listener.close();
      },
    };
  };

  it('reaches TCP and Unix targets, and comes back after the server did', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'channel-'));
    const path = join(folder, 's');
    const tcp = await serve({ host: '127.0.0.1', port: 0 });
    let unix = await serve({ path });
    const overTcp: Channel = createChannel({ target: `127.0.0.1:${tcp.listener.address.port}` });
    const overUnix: Channel = createChannel({ target: `unix:${path}`, backOff: { baseMs: 1 }, waitForReady: true });
    assert.equal(await overTcp.unary(echo, 'tcp'), 'echo tcp');
    assert.equal(await overUnix.unary(echo, 'unix'), 'echo unix');
    await unix.close();
    const again = overUnix
      .unary(echo, 'again', { timeoutMs: 10_000 })
      .catch(() => overUnix.unary(echo, 'again', { timeoutMs: 10_000 }));
    unix = await serve({ path });
    assert.equal(await again, 'echo again');
    await Promise.all([overTcp.close(), overUnix.close()]);
    await Promise.all([tcp.close(), unix.close()]);
    rmSync(folder, { recursive: true });
  });

  it('says which address refuses', async () => {
    const { listener, close } = await serve({ host: '127.0.0.1', port: 0 });
    const { port } = listener.address;
    await close();
    const channel = createChannel({ target: `127.0.0.1:${port}` });
    await assert.rejects(channel.unary(echo, ''), {
      code: 14,
      message: `cannot connect to 127.0.0.1:${port}: ECONNREFUSED`,
    });
    await channel.close();
  });
});

describe('a channel over TLS', () => {
  it('verifies the server, speaks h2, and carries large messages both ways', async () => {
    const authority = new TestAuthority();
    const server = backend(undefined);
    const tls = createTlsServer({ ...authority.issue('localhost', 'DNS:localhost', 'IP:127.0.0.1') });
    const listener = await listen({ host: '127.0.0.1', port: 0 }, (transport) => server.accept(transport), {
      acceptor: tls.acceptor,
    });
    const target = `127.0.0.1:${listener.address.port}`;
    const channel = createChannel({ target, tls: { ca: authority.ca } });
    const large = 'x'.repeat(3 * 1024 * 1024);
    const answers = await Promise.all([1, 2, 3].map((i) => channel.unary(echo, `${i}${large}`)));
    assert.deepEqual(
      answers.map((answer) => answer.length),
      [1, 2, 3].map(() => large.length + 6),
    );
    const distrustful = createChannel({ target, tls: {} });
    await assert.rejects(distrustful.unary(echo, ''), { code: 14, unprocessed: true });
    await Promise.all([channel.close(), distrustful.close()]);
    for (const transport of listener.connections) transport.destroy();
    await listener.close();
    authority.remove();
  });
});

describe('targets', () => {
  it('are read in every form', () => {
    assert.deepEqual(parseTarget('localhost:50001'), { host: 'localhost', port: 50001 });
    assert.deepEqual(parseTarget('[::1]:1'), { host: '::1', port: 1 });
    assert.deepEqual(parseTarget('dns:///a.b:2'), { host: 'a.b', port: 2 });
    assert.deepEqual(parseTarget('unix:/run/s'), { path: '/run/s' });
    assert.deepEqual(parseTarget('unix:///run/s'), { path: '/run/s' });
    for (const bad of ['', 'localhost', 'localhost:', 'localhost:99999', 'http://a:1', ':1']) {
      assert.throws(() => parseTarget(bad), /is not a target: write host:port/, bad);
    }
  });
});
