/** Whatever peers and the network do: nobody gets another's answer, nobody gets two, and nobody waits for ever. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { connect } from '../../network/connect.js';
import { listen } from '../../network/listener.js';
import type { MemoryTransport } from '../../network/memory-transport.js';
import { crc32Table } from '../bolt/crc32.js';
import { BoltProtocol } from '../bolt/protocol.js';
import { ByteBudget } from './byte-budget.js';
import { RpcForwarder } from './forwarder.js';
import { FrameReader } from './frame-reader.js';
import { ForwarderBench, type FramePeer } from './rpc-peer.test.support.js';
import { toyProtocol, toyRequest, toyResponse } from './toy-protocol.test.support.js';

const goaway = Buffer.from('7802000000000000000000', 'hex');
const heartbeat = Buffer.from('7800000000000900000000', 'hex');

/** A caller and what it is owed. */
class Caller {
  readonly peer: FramePeer;
  /** Text of every request that has had no answer. */
  readonly owed: Map<number, string> = new Map();
  answered = 0;
  /** It was cut off, or broke the protocol: it is owed nothing any more. */
  lost = false;
  /** It has sent its end. */
  finished = false;
  nextId = 1;
  readonly name: string;

  constructor(name: string, peer: FramePeer) {
    this.name = name;
    this.peer = peer;
    peer.onFrame = ({ kind, id, status, bytes }) => {
      if (kind !== 'RESPONSE') return;
      const text = this.owed.get(id);
      assert.ok(text !== undefined, `${name} got an answer to ${id}, which it did not ask or had an answer to`);
      this.owed.delete(id);
      this.answered++;
      if (status === 0) assert.equal(bytes.toString('utf8', 13), `re:${text}`, 'an answer meant for another request');
    };
  }

  ask(bytes: number, oneway: boolean): void {
    const id = this.nextId++;
    const text = `${this.name} ${id} ${'.'.repeat(bytes)}`;
    if (!oneway) this.owed.set(id, text);
    this.peer.send(toyRequest(id, oneway ? `${text}!` : text));
  }
}

type Step =
  | { readonly do: 'ask'; readonly who: number; readonly bytes: number; readonly oneway: boolean }
  | { readonly do: 'answer' | 'twice' | 'stray' | 'cross'; readonly who: number; readonly which: number }
  | { readonly do: 'connect' | 'cut' | 'end' | 'garbage' | 'kill' | 'goaway' | 'lie' | 'beat'; readonly who: number }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'dial'; readonly how: 'open' | 'refuse' | 'wait' }
  | { readonly do: 'run' };

const who = fc.nat(20);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('ask' as const), who, bytes: fc.nat(300), oneway: fc.boolean() }),
  },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('answer' as const), who, which: fc.nat() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('twice' as const, 'stray' as const, 'cross' as const),
      who,
      which: fc.nat(),
    }),
  },
  { weight: 5, arbitrary: fc.constant({ do: 'run' as const }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, 50, 120, 1100) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('dial' as const),
      how: fc.constantFrom('open' as const, 'refuse' as const, 'wait' as const),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'connect' as const,
        'cut' as const,
        'end' as const,
        'garbage' as const,
        'kill' as const,
        'goaway' as const,
        'lie' as const,
        'beat' as const,
      ),
      who,
    }),
  },
);

async function play(steps: readonly Step[], pieceBytes: number): Promise<void> {
  const limits = { requestTimeoutMs: 1000, pendingPerConnectionMax: 10, pendingMax: 40 };
  const bench = new ForwarderBench(toyProtocol, { limits, redialMs: 100, redialMsMax: 200 }, { pieceBytes });
  const callers: Caller[] = [];
  const add = (): number => callers.push(new Caller(`caller ${callers.length}`, bench.connect()));
  add();
  add();
  /** The requests that came to each server, answered or not. */
  const asked = (server: FramePeer): FramePeer['frames'] => server.frames.filter(({ kind }) => kind === 'REQUEST');
  const reply = (server: FramePeer, id: number, bytes: Buffer): void =>
    server.send(toyResponse(id, 0, `re:${bytes.toString('utf8', 11)}`));

  for (const one of steps) {
    if (one.do === 'run') await bench.run();
    else if (one.do === 'wait') await bench.advance(one.ms);
    else if (one.do === 'dial') {
      bench.dial = one.how;
      bench.settle();
    } else {
      const caller = callers[one.who % callers.length] as Caller;
      const server = bench.servers[one.who % Math.max(1, bench.servers.length)];
      if (one.do === 'ask') {
        if (!caller.lost && !caller.finished) caller.ask(one.bytes, one.oneway);
      } else if (one.do === 'connect') add();
      else if (one.do === 'beat') caller.peer.send(heartbeat);
      else if (one.do === 'end') {
        caller.finished = true;
        caller.peer.transport.end();
      } else if (one.do === 'cut' || one.do === 'garbage') {
        caller.lost = true;
        if (one.do === 'cut') (caller.peer.transport as MemoryTransport).cut();
        else caller.peer.send(Buffer.from('garbage'));
      } else if (server === undefined) continue;
      else if (one.do === 'kill') (server.transport as MemoryTransport).cut();
      else if (one.do === 'goaway') server.send(goaway);
      else if (one.do === 'lie') server.send(Buffer.from('lies'));
      else if (one.do === 'stray') server.send(toyResponse((one as { which: number }).which | 0, 0, 'stray'));
      else {
        // `cross`: a server answers what another one was asked.
        const from = one.do === 'cross' ? (bench.servers[(one.who + 1) % bench.servers.length] ?? server) : server;
        const open = asked(from);
        const request = open[(one as { which: number }).which % Math.max(1, open.length)];
        if (request === undefined) continue;
        if (from !== server) {
          server.send(toyResponse(request.id, 0, 'crossed'));
          continue;
        }
        reply(server, request.id, request.bytes);
        if (one.do === 'twice') reply(server, request.id, request.bytes);
      }
    }
  }

  // Calm: dials succeed, servers answer what they get from now on, and time passes.
  bench.dial = 'open';
  bench.settle();
  for (let i = 0; i < 12; i++) {
    await bench.advance(200);
    for (const server of bench.servers) {
      for (const { kind, id, bytes } of server.frames.splice(0)) if (kind === 'REQUEST') reply(server, id, bytes);
    }
  }
  await bench.advance(1500);
  for (const caller of callers) {
    if (caller.lost) continue;
    assert.deepEqual([...caller.owed.keys()], [], `${caller.name} still waits`);
    if (caller.finished) assert.equal(caller.peer.ended, true, `${caller.name} was not let go`);
  }
  assert.equal(bench.forwarder.pending, 0, 'no slot is left');
  const { counters } = bench.forwarder;
  assert.equal(counters.connectionsOpen, callers.filter((_, i) => bench.downstreamEnds[i]?.closed === false).length);

  // And it all still works.
  const fresh = new Caller('fresh', bench.connect());
  for (let i = 0; i < 8; i++) fresh.ask(10, false);
  for (let i = 0; i < 4; i++) {
    await bench.advance(250);
    for (const server of bench.servers) {
      for (const { kind, id, bytes } of server.frames.splice(0)) if (kind === 'REQUEST') reply(server, id, bytes);
    }
  }
  await bench.run();
  assert.equal(fresh.answered, 8);
}

describe('the forwarder under chaos', () => {
  it('answers everybody once, with their own, in any order of events', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 80 }), fc.constantFrom(1, 7, 64, 65_536), play),
      { numRuns: 150 },
    );
  });

  it('answers everybody once, with their own, over real sockets that break', { timeout: 20_000 }, async (test) => {
    // A Bolt echo peer that answers out of order, and now and then breaks off, lies, or answers twice.
    let seed = 7;
    const chance = (of: number): boolean => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return (seed >>> 8) % of === 0;
    };
    const bolt = new BoltProtocol();
    let served = 0;
    const server = await listen({ host: '127.0.0.1', port: 0 }, (transport) => {
      const waiting: Buffer[] = [];
      const write = (bytes: Buffer): void => {
        transport.slab.ensure(bytes.length);
        bytes.copy(transport.slab.buffer, transport.slab.end);
        transport.slab.end += bytes.length;
        transport.markDirty();
      };
      const answerAll = (): void => {
        for (const bytes of waiting.splice(0).reverse()) {
          write(bytes);
          if (chance(50)) write(bytes);
          served++;
        }
      };
      const reader = new FrameReader(
        bolt,
        {
          onFrame: (frame) => {
            if (chance(400)) transport.destroy();
            if (chance(400)) write(Buffer.from('\x01\x09'));
            const request = Buffer.from(frame.buffer.subarray(frame.start, frame.end));
            waiting.push(boltResponse(request));
          },
          onFault: (fault) => assert.fail(`the forwarder sent rubbish: ${fault}`),
        },
        undefined,
        new ByteBudget(1 << 24),
      );
      transport.receiver = {
        onBytes: (buffer, start, end) => {
          reader.read(buffer, start, end);
          answerAll();
        },
        onDrain: () => {},
        onEnd: () => transport.end(),
        onClose: () => {},
      };
    });
    const forwarder = new RpcForwarder(
      { redialMs: 1, redialMsMax: 5, keepalive: null },
      { protocol: bolt, dial: () => connect({ host: '127.0.0.1', port: server.address.port }) },
    );
    const front = await listen({ host: '127.0.0.1', port: 0 }, (transport) => forwarder.accept(transport));
    test.after(async () => {
      forwarder.close();
      await Promise.all([server.close(), front.close()]);
      for (const transport of server.connections) transport.destroy();
    });

    const REQUESTS = 200;
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, i) => boltCaller(front.address.port, i, REQUESTS, i % 4 === 3)),
    );
    const steady = results.filter((_, i) => i % 4 !== 3);
    for (const { answered } of steady) assert.equal(answered, REQUESTS);
    const good = results.reduce((sum, { ok }) => sum + ok, 0);
    assert.ok(good > 500 && good <= served, `${good} good answers of ${served}`);
    assert.ok(
      results.some(({ answered, ok }) => ok < answered),
      'some were told of a lost connection',
    );
    assert.ok(forwarder.counters.upstreamConnections > 2);
    assert.equal(forwarder.pending, 0);
  });
});

/** A Bolt request in one of the three shapes, whose content is `text`. */
function boltRequest(shape: number, id: number, text: string): Buffer {
  const content = Buffer.from(text);
  const head = Buffer.alloc(shape === 0 ? 22 : 24);
  let at = 0;
  head[at++] = shape === 0 ? 1 : 2;
  if (shape > 0) head[at++] = shape;
  head[at] = 1;
  head[at + 2] = 1;
  head[at + 3] = 1;
  head.writeInt32BE(id, at + 4);
  head[at + 8] = 1;
  at += 9;
  if (shape > 0) head[at++] = 1;
  head.writeInt32BE(10_000, at);
  head.writeUInt32BE(content.length, head.length - 4);
  return withSum(Buffer.concat([head, content]), shape === 2);
}

/** The same content back, as a response. */
function boltResponse(request: Buffer): Buffer {
  const v1 = request[0] === 1;
  const summed = !v1 && request[1] === 2 && request[11] === 1;
  const content = request.subarray(v1 ? 22 : 24, summed ? -4 : undefined);
  const head = Buffer.alloc(v1 ? 20 : 22);
  request.copy(head, 0, 0, v1 ? 10 : 12);
  head[v1 ? 1 : 2] = 0;
  head[v1 ? 3 : 4] = 2;
  head.writeUInt32BE(content.length, head.length - 4);
  return withSum(Buffer.concat([head, content]), summed);
}

function withSum(frame: Buffer, summed: boolean): Buffer {
  if (!summed) return frame;
  const sum = Buffer.alloc(4);
  sum.writeInt32BE(crc32Table(frame, 0, frame.length));
  return Buffer.concat([frame, sum]);
}

/** Sends `requests`, sixteen at a time, and sees that each is answered once and by its own text. `leaves`: it breaks off in the middle. */
async function boltCaller(
  port: number,
  name: number,
  requests: number,
  leaves: boolean,
): Promise<{ answered: number; ok: number }> {
  const bolt = new BoltProtocol();
  const socket = net.connect({ port, host: '127.0.0.1' });
  socket.setNoDelay();
  const texts = new Map<number, string>();
  let sent = 0;
  let answered = 0;
  let ok = 0;
  let problem: unknown = null;
  const send = (): void => {
    const shape = (sent + name) % 3;
    // Every caller counts from 1, so all use the same ids.
    const id = ++sent;
    const text = `${name}/${id}/${'z'.repeat((id * 37) % 900)}`;
    texts.set(id, text);
    const bytes = boltRequest(shape, id, text);
    const place = (id * 13) % bytes.length;
    socket.write(bytes.subarray(0, place));
    socket.write(bytes.subarray(place));
  };
  const reader = new FrameReader(bolt, {
    onFrame: (frame) => {
      const text = texts.get(frame.id);
      assert.ok(text !== undefined && texts.delete(frame.id), `caller ${name}: a second answer to ${frame.id}`);
      answered++;
      if (frame.status === 0) {
        const content = frame.buffer.toString('utf8', frame.headerEnd, frame.end - frame.checksumBytes);
        assert.equal(content, text);
        ok++;
      }
      if (leaves && answered === requests >> 1) socket.destroy();
      else if (sent < requests) send();
      else if (answered === requests) socket.end();
    },
    onFault: (fault) => assert.fail(`caller ${name}: fault ${fault}`),
  });
  socket.on('data', (chunk) => {
    try {
      if (!socket.destroyed) reader.read(chunk, 0, chunk.length);
    } catch (error) {
      problem = error;
      socket.destroy();
    }
  });
  socket.on('error', () => {});
  await once(socket, 'connect');
  for (let i = 0; i < 16; i++) send();
  await once(socket, 'close');
  if (problem !== null) throw problem;
  return { answered, ok };
}
