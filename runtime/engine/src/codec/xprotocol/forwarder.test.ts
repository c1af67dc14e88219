import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { MemoryTransport } from '../../network/memory-transport.js';
import { BoltProtocol } from '../bolt/protocol.js';
import { ForwarderBench, type FramePeer, onlyOne } from './rpc-peer.test.support.js';
import { toyProtocol, toyRequest, toyResponse } from './toy-protocol.test.support.js';

const failures = [
  'noRoute',
  'noHost',
  'connect',
  'closed',
  'overload',
  'timeout',
  'denied',
  'codec',
  'tooLong',
  'unsupported',
];
/** `id failure text`, or `id ok text`, of the responses that came since the last call. */
const told = (peer: FramePeer): string[] =>
  peer.take().map(({ id, status, bytes }) => `${id} ${failures[status - 1] ?? 'ok'} ${bytes.toString('utf8', 13)}`);
const ids = (peer: FramePeer): number[] => peer.take().map(({ id }) => id);

/** Answers every request that came with `re:` and its text. */
function echo(server: FramePeer): void {
  for (const { kind, id, bytes } of server.take()) {
    if (kind === 'REQUEST') server.send(toyResponse(id, 0, `re:${bytes.toString('utf8', 11)}`));
  }
}

const heartbeat = Buffer.from('7800000000000900000000', 'hex');
const goaway = Buffer.from('7802000000000000000000', 'hex');

describe('the forwarder', () => {
  it('brings every answer to its caller, though callers use the same ids', async () => {
    const bench = new ForwarderBench(toyProtocol);
    const callers = [bench.connect(), bench.connect(), bench.connect()];
    for (const [i, caller] of callers.entries()) caller.send(toyRequest(7, `${i} a`), toyRequest(8, `${i} b`));
    await bench.run();
    assert.equal(bench.servers.length, 2, 'two upstream connections serve all');
    assert.equal(bench.forwarder.pending, 6);
    assert.equal(new Set(bench.servers.flatMap((server) => server.frames.map(({ id }) => id))).size, 6);
    for (const server of bench.servers) server.frames.reverse();
    bench.servers.forEach(echo);
    await bench.run();
    for (const [i, caller] of callers.entries()) {
      assert.deepEqual(told(caller).sort(), [`7 ok re:${i} a`, `8 ok re:${i} b`]);
    }
    assert.equal(bench.forwarder.pending, 0);
  });

  it('writes once per turn, however many frames there are', async () => {
    const bench = new ForwarderBench(toyProtocol, { connections: 1 });
    const caller = bench.connect();
    caller.send(toyRequest(0, 'first'));
    await bench.run();
    echo(onlyOne(bench.servers));
    await bench.run();
    const toServer = bench.upstreamEnds[0] as MemoryTransport;
    const toCaller = bench.downstreamEnds[0] as MemoryTransport;
    const before = [toServer.flushes, toCaller.flushes];
    caller.send(...Array.from({ length: 100 }, (_, i) => toyRequest(i, 'x')));
    await bench.run();
    echo(onlyOne(bench.servers));
    await bench.run();
    assert.equal(told(caller).length, 101);
    assert.deepEqual(
      [toServer.flushes, toCaller.flushes],
      before.map((count) => count + 1),
    );
  });

  it('holds no timer per request', async () => {
    const bench = new ForwarderBench(toyProtocol);
    const caller = bench.connect();
    for (let i = 0; i < 50; i++) caller.send(toyRequest(i, 'x'));
    await bench.run();
    assert.equal(bench.clock.pending, 1);
  });

  describe('oneway requests', () => {
    it('go on, and nothing awaits an answer', async () => {
      const bench = new ForwarderBench(toyProtocol, { connections: 1 });
      const caller = bench.connect();
      caller.send(toyRequest(3, 'only once!'));
      await bench.run();
      assert.equal(bench.forwarder.pending, 0);
      assert.equal(bench.forwarder.counters.oneways, 1);
      const server = onlyOne(bench.servers);
      const [frame] = server.take();
      assert.equal(frame?.kind, 'ONEWAY');
      // An answer that must not be: neither this caller nor a later request sees it.
      caller.send(toyRequest(4, 'question'));
      await bench.run();
      server.send(toyResponse(frame?.id ?? 0, 0, 'for nobody'));
      await bench.run();
      assert.deepEqual(told(caller), []);
      assert.equal(bench.forwarder.counters.responsesLate, 1);
      assert.equal(bench.forwarder.pending, 1);
    });

    it('are dropped and counted when they cannot be sent', async () => {
      const bench = new ForwarderBench(toyProtocol);
      bench.dial = 'refuse';
      const caller = bench.connect();
      caller.send(toyRequest(1, 'try'));
      await bench.run();
      caller.take();
      caller.send(toyRequest(2, 'lost!'));
      await bench.run();
      assert.deepEqual(told(caller), []);
      assert.equal(bench.forwarder.counters.onewaysDropped, 1);
    });
  });

  it('answers heartbeats itself, on both sides', async () => {
    const bench = new ForwarderBench(toyProtocol, { connections: 1 });
    const caller = bench.connect();
    caller.send(heartbeat, toyRequest(1, 'x'));
    await bench.run();
    assert.deepEqual(
      caller.take().map(({ kind, id }) => [kind, id]),
      [['HEARTBEAT_REPLY', 9]],
    );
    const server = onlyOne(bench.servers);
    assert.deepEqual(
      server.take().map(({ kind }) => kind),
      ['REQUEST'],
    );
    server.send(heartbeat);
    await bench.run();
    assert.deepEqual(
      server.take().map(({ kind, id }) => [kind, id]),
      [['HEARTBEAT_REPLY', 9]],
    );
  });

  describe('answers that have no request', () => {
    it('are dropped when they come late: after the timeout, after the slot was used again', async () => {
      const bench = new ForwarderBench(toyProtocol, { connections: 1, limits: { requestTimeoutMs: 1000 } });
      const caller = bench.connect();
      caller.send(toyRequest(1, 'slow'));
      await bench.run();
      const server = onlyOne(bench.servers);
      const [slow] = server.take();
      await bench.advance(999);
      assert.deepEqual(told(caller), []);
      await bench.advance(40);
      assert.deepEqual(told(caller), ['1 timeout the service did not answer in time']);
      assert.equal(bench.forwarder.pending, 0);
      // Every slot is used once more, so the slow request's is as well.
      const again = Array.from({ length: 4096 }, (_, i) => toyRequest(1000 + i, 'x'));
      caller.send(...again);
      await bench.run();
      const slots = server.frames.map(({ id }) => id & 0xfffff);
      assert.ok(slots.includes((slow?.id ?? 0) & 0xfffff));
      server.send(toyResponse(slow?.id ?? 0, 0, 'too late'));
      await bench.run();
      assert.deepEqual(told(caller), []);
      assert.equal(bench.forwarder.counters.responsesLate, 1);
      echo(server);
      await bench.run();
      assert.equal(caller.take().length, 4096);
      assert.equal(bench.forwarder.counters.timeouts, 1);
    });

    it('are dropped when they come twice, were never asked for, or come over another connection', async () => {
      const bench = new ForwarderBench(toyProtocol);
      const caller = bench.connect();
      caller.send(toyRequest(1, 'a'), toyRequest(2, 'b'));
      await bench.run();
      const [first, second] = bench.servers as [FramePeer, FramePeer];
      const [asked] = first.take();
      const [other] = second.take();
      assert.ok(asked && other);
      second.send(toyResponse(asked.id, 0, 'from the wrong server'));
      await bench.run();
      assert.deepEqual(told(caller), []);
      first.send(toyResponse(0x7fffffff, 0, 'never asked'), toyResponse(-1, 0, 'never asked'));
      first.send(toyResponse(asked.id, 0, 'right'), toyResponse(asked.id, 0, 'again'));
      await bench.run();
      assert.deepEqual(
        told(caller).map((text) => text.slice(2)),
        ['ok right'],
      );
      assert.equal(bench.forwarder.counters.responsesLate, 4);
      assert.equal(bench.forwarder.pending, 1);
    });
  });

  it('counts answers that report a failure', async () => {
    const bench = new ForwarderBench(toyProtocol, { connections: 1 });
    const caller = bench.connect();
    caller.send(toyRequest(1, 'a'), toyRequest(2, 'b'));
    await bench.run();
    const server = onlyOne(bench.servers);
    const [a, b] = ids(server) as [number, number];
    server.send(toyResponse(a, 0, ''), toyResponse(b, 5, ''));
    await bench.run();
    const { responses, responsesFailed } = bench.forwarder.counters;
    assert.deepEqual([responses, responsesFailed], [2, 1]);
  });

  describe('when an upstream connection', () => {
    it('is lost, its requests are answered and the others are not touched; the next request dials anew', async () => {
      const bench = new ForwarderBench(toyProtocol);
      const callers = [bench.connect(), bench.connect()];
      for (const caller of callers) caller.send(toyRequest(1, 'a'), toyRequest(2, 'b'));
      await bench.run();
      const [first, second] = bench.servers as [FramePeer, FramePeer];
      echo(second);
      await bench.run();
      for (const caller of callers) assert.equal(told(caller).length, 1);
      first.transport.destroy();
      await bench.run();
      for (const caller of callers) {
        assert.match(onlyOne(told(caller)), /^[12] closed (the peer closed|read ECONNRESET)/);
        assert.equal(caller.closed, undefined);
      }
      assert.equal(bench.forwarder.pending, 0);
      // Two requests were lost on a connection that had answered nothing: it is not dialled again at once.
      await bench.advance(100);
      callers[0]?.send(toyRequest(3, 'c'), toyRequest(4, 'd'));
      await bench.run();
      assert.equal(bench.dials, 3);
      bench.servers.forEach(echo);
      await bench.run();
      assert.deepEqual(told(callers[0] as FramePeer).sort(), ['3 ok re:c', '4 ok re:d']);
    });

    it('cannot be opened, requests are told why, at once while it is not tried again, later after more failures', async () => {
      const bench = new ForwarderBench(toyProtocol, { connections: 1, redialMs: 100, redialMsMax: 400 });
      bench.dial = 'refuse';
      const caller = bench.connect();
      const ask = async (): Promise<void> => {
        caller.send(toyRequest(1, 'x'));
        await bench.run();
        assert.deepEqual(told(caller), ['1 connect cannot connect to upstream:1: ECONNREFUSED']);
      };
      const dialsAt: number[] = [];
      for (let ms = 0; ms <= 2000; ms += 50) {
        const before = bench.dials;
        await ask();
        if (bench.dials > before) dialsAt.push(ms);
        await bench.advance(50);
      }
      assert.deepEqual(dialsAt, [0, 100, 300, 700, 1100, 1500, 1900]);
      bench.dial = 'open';
      await bench.advance(400);
      caller.send(toyRequest(2, 'y'));
      await bench.run();
      echo(onlyOne(bench.servers));
      await bench.run();
      assert.deepEqual(told(caller), ['2 ok re:y']);
      // And the waiting time begins anew.
      bench.dial = 'refuse';
      bench.servers[0]?.transport.destroy();
      await bench.run();
      const before = bench.dials;
      await ask();
      await bench.advance(100);
      await ask();
      assert.equal(bench.dials, before + 2);
    });

    it('is accepted and closed again and again, it is not dialled once per request', async () => {
      const bench = new ForwarderBench(toyProtocol, { connections: 1 });
      const caller = bench.connect();
      for (let i = 0; i < 20; i++) {
        caller.send(toyRequest(i, 'x'));
        await bench.run();
        for (const server of bench.servers) server.transport.destroy();
        await bench.run();
      }
      assert.equal(bench.dials, 1);
      assert.equal(told(caller).length, 20);
    });

    it('takes its time to open, requests wait and go out in their order', async () => {
      const bench = new ForwarderBench(toyProtocol, { connections: 1 });
      bench.dial = 'wait';
      const caller = bench.connect();
      caller.send(toyRequest(1, 'a'), toyRequest(2, 'b'));
      await bench.run();
      caller.send(toyRequest(3, 'c'));
      await bench.run();
      assert.equal(bench.dials, 1);
      bench.settle();
      await bench.run();
      const server = onlyOne(bench.servers);
      assert.deepEqual(
        server.frames.map(({ bytes }) => bytes.toString('utf8', 11)),
        ['a', 'b', 'c'],
      );
      echo(server);
      await bench.run();
      assert.deepEqual(told(caller), ['1 ok re:a', '2 ok re:b', '3 ok re:c']);
    });

    it('opens too late, its requests have timed out, and are not sent twice to anybody', async () => {
      const bench = new ForwarderBench(toyProtocol, { connections: 1, limits: { requestTimeoutMs: 500 } });
      bench.dial = 'wait';
      const caller = bench.connect();
      caller.send(toyRequest(1, 'a'));
      await bench.run();
      await bench.advance(600);
      assert.match(onlyOne(told(caller)), /^1 timeout/);
      bench.settle();
      await bench.run();
      const server = onlyOne(bench.servers);
      server.send(toyResponse(onlyOne(ids(server)), 0, 'late'));
      await bench.run();
      assert.deepEqual(told(caller), []);
    });

    it('takes its time to open, callers who fill it are not read any more, and all goes on when it opens', async () => {
      const limits = { parkedHighBytes: 1000, upstreamBytesMax: 50_000 };
      const pair = { pieceBytes: 500, highWaterBytes: 2000, lowWaterBytes: 500 };
      const bench = new ForwarderBench(toyProtocol, { connections: 1, limits }, pair);
      bench.dial = 'wait';
      const callers = Array.from({ length: 80 }, () => bench.connect());
      for (const caller of callers) for (let i = 0; i < 20; i++) caller.send(toyRequest(i, 'x'.repeat(89)));
      await bench.run();
      assert.ok(bench.downstreamEnds.every((end) => end.paused));
      // One piece of 500 bytes each, and what made the first full.
      assert.ok(bench.forwarder.pending <= 80 * 5 + 10, `${bench.forwarder.pending} requests wait`);
      assert.deepEqual(callers.flatMap(told), []);
      bench.settle();
      for (let i = 0; i < 40; i++) {
        await bench.run();
        echo(onlyOne(bench.servers));
      }
      await bench.run();
      assert.ok(bench.downstreamEnds.every((end) => !end.paused));
      const answers = callers.flatMap(told);
      assert.equal(answers.length, 1600);
      assert.ok(answers.every((text) => / ok /.test(text)));
    });

    it('takes too much time for all that want it, what exceeds the limit is refused', async () => {
      const limits = { parkedHighBytes: 1000, upstreamBytesMax: 5000 };
      const bench = new ForwarderBench(toyProtocol, { connections: 1, limits }, { pieceBytes: 500 });
      bench.dial = 'wait';
      const callers = Array.from({ length: 30 }, () => bench.connect());
      for (const caller of callers) for (let i = 0; i < 20; i++) caller.send(toyRequest(i, 'x'.repeat(89)));
      await bench.run();
      assert.ok(bench.downstreamEnds.every((end) => end.paused));
      const refused = callers.flatMap(told);
      assert.ok(refused.length >= 80 && refused.length <= 30 * 5, `${refused.length} were refused`);
      assert.ok(
        refused.every((text) => /\d+ overload .*upstreamBytesMax/.test(text)),
        refused[0],
      );
      assert.ok(bench.forwarder.pending <= 51, `${bench.forwarder.pending} requests wait`);
    });

    it('sends what is not the protocol, its requests are answered and it is closed', async () => {
      const bench = new ForwarderBench(toyProtocol, { connections: 1 });
      const caller = bench.connect();
      caller.send(toyRequest(1, 'a'), toyRequest(2, 'b'));
      await bench.run();
      const server = onlyOne(bench.servers);
      const [a] = ids(server) as [number];
      server.send(toyResponse(a, 0, 'good'), Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'));
      await bench.run();
      const answers = told(caller);
      assert.equal(answers[0], '1 ok good');
      assert.match(answers[1] ?? '', /^2 closed .* sent no toy: the magic number is missing$/);
      assert.equal(bench.upstreamEnds[0]?.closed, true);
      assert.equal(caller.ended, false);
    });

    it('says goaway, it answers what it has, gets nothing more and is closed', async () => {
      const bench = new ForwarderBench(toyProtocol, { connections: 1 });
      const caller = bench.connect();
      caller.send(toyRequest(1, 'a'));
      await bench.run();
      const [old] = bench.servers as [FramePeer];
      old.send(goaway);
      await bench.run();
      caller.send(toyRequest(2, 'b'));
      await bench.run();
      assert.equal(bench.servers.length, 2);
      assert.equal(old.frames.length, 1);
      assert.equal(old.ended, false);
      bench.servers.forEach(echo);
      await bench.run();
      assert.deepEqual(told(caller).sort(), ['1 ok re:a', '2 ok re:b']);
      assert.equal(old.ended, true);
    });

    it('says goaway and then never answers, its last timeout closes it', async () => {
      const bench = new ForwarderBench(toyProtocol, { connections: 1, limits: { requestTimeoutMs: 1000 } });
      const caller = bench.connect();
      caller.send(toyRequest(1, 'a'));
      await bench.run();
      const [old] = bench.servers as [FramePeer];
      old.send(goaway, goaway);
      await bench.run();
      await bench.advance(1100);
      assert.match(onlyOne(told(caller)), /timeout/);
      assert.equal(old.ended, true);
      await bench.advance(1100);
      assert.equal(bench.upstreamEnds[0]?.closed, true, 'a peer that does not close is closed');
      assert.equal(bench.forwarder.links, 0);
    });

    it('sends requests of its own, they are refused; oneway ones are dropped', async () => {
      const bench = new ForwarderBench(toyProtocol, { connections: 1 });
      const caller = bench.connect();
      caller.send(toyRequest(1, 'a'));
      await bench.run();
      const server = onlyOne(bench.servers);
      server.take();
      server.send(toyRequest(55, 'server push'), toyRequest(56, 'push!'));
      await bench.run();
      assert.match(onlyOne(told(server)), /^55 unsupported /);
      assert.deepEqual(told(caller), []);
      assert.equal(bench.forwarder.counters.onewaysDropped, 1);
    });

    it('floods us with heartbeats and requests and reads no answers, it gets few', async () => {
      const bench = new ForwarderBench(
        toyProtocol,
        { connections: 1 },
        { highWaterBytes: 2000, lowWaterBytes: 500, pieceBytes: 100 },
      );
      bench.connect().send(toyRequest(1, 'a'));
      await bench.run();
      const server = onlyOne(bench.servers);
      server.transport.pause('app');
      for (let i = 0; i < 500; i++) server.send(heartbeat, toyRequest(i, 'push'));
      await bench.run();
      assert.ok((bench.upstreamEnds[0]?.bufferedBytes ?? 0) < 3000);
      assert.equal(bench.forwarder.counters.heartbeats, 500);
    });

    it('is silent, it gets heartbeats, and is given up when it answers none', async () => {
      const bench = new ForwarderBench(toyProtocol, { connections: 1, keepalive: { intervalMs: 1000, missesMax: 3 } });
      const caller = bench.connect();
      caller.send(toyRequest(1, 'a'));
      await bench.run();
      const server = onlyOne(bench.servers);
      server.take();
      for (let i = 0; i < 5; i++) {
        await bench.advance(1000);
        const { id, kind } = onlyOne(server.take());
        assert.equal(kind, 'HEARTBEAT');
        server.send(Buffer.from(`780001${id.toString(16).padStart(8, '0')}000000000000`, 'hex'));
        await bench.run();
        // The answer counts as a sign of life for one interval.
        await bench.advance(1000);
        assert.equal(server.take().length, 0);
      }
      assert.equal(server.ended, false);
      await bench.advance(1000);
      await bench.advance(1000);
      await bench.advance(1000);
      assert.equal(server.take().length, 3);
      await bench.advance(1000);
      assert.equal(bench.upstreamEnds[0]?.closed, true);
      assert.match(onlyOne(told(caller)), /^1 closed .*answers no heartbeats$/);
    });
  });

  describe('when a caller', () => {
    it('is gone, its answers are dropped and the others get theirs', async () => {
      const bench = new ForwarderBench(toyProtocol, { connections: 1 });
      const gone = bench.connect();
      const other = bench.connect();
      gone.send(toyRequest(1, 'a'));
      other.send(toyRequest(1, 'b'));
      await bench.run();
      (gone.transport as MemoryTransport).cut();
      await bench.run();
      echo(onlyOne(bench.servers));
      await bench.run();
      assert.deepEqual(told(other), ['1 ok re:b']);
      assert.equal(bench.forwarder.counters.responsesUnwanted, 1);
      assert.equal(bench.forwarder.pending, 0);
      assert.equal(bench.forwarder.counters.connectionsOpen, 1);
    });

    it('has sent its end, it gets its answers first', async () => {
      const bench = new ForwarderBench(toyProtocol, { connections: 1 });
      const caller = bench.connect();
      caller.send(toyRequest(1, 'a'), toyRequest(2, 'b'));
      caller.transport.end();
      await bench.run();
      assert.equal(caller.ended, false);
      echo(onlyOne(bench.servers));
      await bench.run();
      assert.deepEqual(told(caller), ['1 ok re:a', '2 ok re:b']);
      assert.equal(caller.ended, true);
    });

    it('sends what is not the protocol, it is closed and the others never notice', async () => {
      const bench = new ForwarderBench(toyProtocol, { connections: 1 });
      const bad = bench.connect();
      const good = bench.connect();
      bad.send(toyRequest(1, 'a'), Buffer.from('GET / HTTP/1.1\r\n\r\n'));
      good.send(toyRequest(1, 'b'));
      await bench.run();
      assert.equal(bad.ended, true);
      bad.send(toyRequest(2, 'after'));
      echo(onlyOne(bench.servers));
      await bench.run();
      assert.deepEqual(told(good), ['1 ok re:b']);
      assert.equal(bench.forwarder.counters.faults, 1);
      assert.equal(bench.forwarder.counters.requests, 2);
      await bench.advance(1100);
      assert.equal(bench.downstreamEnds[0]?.closed, true, 'it is not waited for longer than lingerMs');
    });

    it('sends a frame that is too long, it is told which and closed', async () => {
      const bench = new ForwarderBench(toyProtocol, { limits: { frameBytesMax: 1000 } });
      const caller = bench.connect();
      caller.send(toyRequest(33, 'x'.repeat(2000)));
      await bench.run();
      assert.deepEqual(told(caller), ['33 tooLong the frame is longer than frameBytesMax']);
      assert.equal(caller.ended, true);
      const bolt = new ForwarderBench(new BoltProtocol(), { limits: { frameBytesMax: 1000 } });
      const sofa = bolt.connect();
      sofa.send(Buffer.from('0101000101000000210100001388000000000000ffff', 'hex'));
      await bolt.run();
      const { id, status } = onlyOne(sofa.take());
      assert.deepEqual([id, status], [33, 9]);
    });

    it('does not read its answers, it is not read either', async () => {
      const bench = new ForwarderBench(toyProtocol, { connections: 1 }, { highWaterBytes: 2000, lowWaterBytes: 500 });
      const caller = bench.connect();
      caller.transport.pause('app');
      for (let i = 0; i < 60; i++) {
        caller.send(toyRequest(i, 'x'.repeat(89)));
        await bench.run();
        for (const server of bench.servers) echo(server);
        await bench.run();
      }
      const [end] = bench.downstreamEnds as [MemoryTransport];
      assert.ok(end.paused);
      assert.ok(bench.forwarder.counters.requests < 40, `${bench.forwarder.counters.requests} requests were read`);
      caller.transport.resume('app');
      for (let i = 0; i < 60; i++) {
        await bench.run();
        echo(onlyOne(bench.servers));
      }
      await bench.run();
      assert.equal(told(caller).length, 60);
      assert.ok(!end.paused);
    });

    it('has as many requests under way as it may, it is not read until one is answered', async () => {
      const limits = { pendingPerConnectionMax: 5 };
      const bench = new ForwarderBench(toyProtocol, { connections: 1, limits }, { pieceBytes: 20 });
      const caller = bench.connect();
      const other = bench.connect();
      for (let i = 0; i < 30; i++) caller.send(toyRequest(i, 'nine byte'));
      other.send(toyRequest(1, 'nine byte'));
      await bench.run();
      const server = onlyOne(bench.servers);
      assert.equal(server.frames.length, 6);
      const answered: string[] = [];
      for (let i = 0; i < 40; i++) {
        const frame = server.frames.shift();
        if (frame !== undefined) server.send(toyResponse(frame.id, 0, ''));
        await bench.run();
        assert.ok(server.frames.length <= 6);
        answered.push(...told(caller));
      }
      assert.equal(answered.length, 30);
      assert.equal(told(other).length, 1);
    });
  });

  it('refuses more than pendingMax requests by the protocol’s own error, and takes more when some are answered', async () => {
    const bench = new ForwarderBench(toyProtocol, { connections: 1, limits: { pendingMax: 3 } });
    const caller = bench.connect();
    caller.send(...[1, 2, 3, 4, 5].map((id) => toyRequest(id, 'x')));
    await bench.run();
    assert.deepEqual(
      told(caller),
      [4, 5].map((id) => `${id} overload 3 requests (pendingMax) are under way`),
    );
    echo(onlyOne(bench.servers));
    await bench.run();
    caller.send(toyRequest(6, 'x'));
    await bench.run();
    assert.equal(told(caller).length, 3);
    assert.equal(onlyOne(bench.servers).frames.length, 1);
  });

  it('holds callers while an upstream does not read, and bounds what waits for it', async () => {
    const limits = { upstreamBytesMax: 20_000 };
    const bench = new ForwarderBench(
      toyProtocol,
      { connections: 1, limits },
      { highWaterBytes: 4000, lowWaterBytes: 1000, pieceBytes: 1000 },
    );
    const callers = Array.from({ length: 10 }, () => bench.connect());
    callers[0]?.send(toyRequest(0, 'open'));
    await bench.run();
    const server = onlyOne(bench.servers);
    server.transport.pause('app');
    for (const caller of callers) for (let i = 1; i <= 100; i++) caller.send(toyRequest(i, 'x'.repeat(89)));
    await bench.run();
    const [up] = bench.upstreamEnds as [MemoryTransport];
    assert.ok(bench.downstreamEnds.every((end) => end.paused));
    assert.ok(up.bufferedBytes <= 4000 + 10 * 1100, `${up.bufferedBytes} bytes wait`);
    assert.equal(bench.forwarder.held, 10);
    assert.equal(bench.forwarder.counters.pausesByUpstream, 10);
    // One who gives up while he is held must not be missed.
    ((callers[3] as FramePeer).transport as MemoryTransport).cut();
    await bench.run();
    assert.equal(bench.forwarder.held, 9);
    server.transport.resume('app');
    for (let i = 0; i < 200; i++) {
      await bench.run();
      echo(server);
    }
    await bench.run();
    for (const [i, caller] of callers.entries()) {
      if (i !== 3) assert.equal(told(caller).length, i === 0 ? 101 : 100, `caller ${i}`);
    }
    assert.ok(bench.downstreamEnds.every((end) => !end.paused || end.closed));
    assert.equal(bench.forwarder.held, 0);
  });

  it('drains: says goaway, answers what it has, then ends', async () => {
    const bench = new ForwarderBench(toyProtocol, { connections: 1 });
    const busy = bench.connect();
    const idle = bench.connect();
    busy.send(toyRequest(1, 'a'));
    await bench.run();
    bench.forwarder.drain();
    await bench.run();
    assert.deepEqual(
      idle.take().map(({ kind }) => kind),
      ['GOAWAY'],
    );
    assert.equal(idle.ended, true);
    assert.equal(busy.ended, false);
    busy.send(toyRequest(2, 'sent before it read the goaway'));
    await bench.run();
    echo(onlyOne(bench.servers));
    await bench.run();
    assert.deepEqual(
      busy.take().map(({ kind, id }) => `${kind} ${id}`),
      ['GOAWAY 0', 'RESPONSE 1', 'RESPONSE 2'],
    );
    assert.equal(busy.ended, true);
  });

  it('closes everything and leaves nothing behind', async () => {
    const bench = new ForwarderBench(toyProtocol);
    const caller = bench.connect();
    caller.send(toyRequest(1, 'a'), toyRequest(2, 'b'));
    await bench.run();
    bench.forwarder.close();
    await bench.run();
    assert.equal(caller.ended, true);
    assert.equal(bench.servers.length, 2);
    for (const end of [...bench.upstreamEnds, ...bench.downstreamEnds]) assert.equal(end.closed, true);
    assert.equal(bench.clock.pending, 0);
    assert.equal(bench.forwarder.pending, 0);
    const late = bench.connect();
    await bench.run();
    assert.equal(late.ended, true);
  });

  it('drops a connection that opens after it was closed', async () => {
    const bench = new ForwarderBench(toyProtocol, { connections: 1 });
    bench.dial = 'wait';
    bench.connect().send(toyRequest(1, 'a'));
    await bench.run();
    bench.forwarder.close();
    bench.settle();
    await bench.run();
    assert.equal(onlyOne(bench.upstreamEnds).closed, true);
  });
});
