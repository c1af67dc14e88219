import assert from 'node:assert/strict';
import net from 'node:net';
import { describe, it } from 'node:test';
import { http2Limits } from '../../base/limits.js';
import { listen } from '../../network/listener.js';
import { HeaderList } from '../http/headers.js';
import { ErrorCode, Flag, FrameType, PREFACE, Setting } from './constants.js';
import { Http2Counters } from './counters.js';
import { data, frame, GET, headers, POST, RawPeer, rawBlock, setting, u32 } from './raw-peer.test.support.js';
import { recordStreams, respondHello } from './recording-handler.test.support.js';
import { Http2ServerConnection } from './server-connection.js';

const CALM = `GOAWAY 0 ${ErrorCode.ENHANCE_YOUR_CALM}`;

/** Sends batches until the connection ends; returns how many it took. */
function flood(
  batch: (round: number) => Buffer[],
  rounds: number,
  before: Buffer[] = [],
): { rounds: number; last: string; peak: number; counters: Http2Counters } {
  const peer = new RawPeer('client');
  const counters = new Http2Counters();
  const recording = recordStreams();
  const connection = new Http2ServerConnection(peer.subject, { ...peer.options, http: recording.handler, counters });
  peer.handshake();
  peer.send(...before);
  let peak = 0;
  let round = 0;
  let last = '';
  while (round < rounds && !connection.stopped) {
    peer.send(...batch(round++));
    peak = Math.max(peak, peer.subject.bufferedBytes + connection.sender.queuedBytes);
    last = peer.take().at(-1) ?? last;
  }
  assert.equal(connection.streams.size === 0 || !connection.stopped, true);
  return { rounds: round, last, peak, counters };
}

describe('floods end with ENHANCE_YOUR_CALM and little memory', () => {
  const cases: [string, (round: number) => Buffer[], Buffer[]?][] = [
    [
      'rapid reset (CVE-2023-44487)',
      (n) => [headers(2 * n + 1, POST, false), frame(FrameType.RST_STREAM, 0, 2 * n + 1, u32(ErrorCode.CANCEL))],
    ],
    ['PING', () => [frame(FrameType.PING, 0, 0, Buffer.alloc(8))]],
    ['SETTINGS', () => [frame(FrameType.SETTINGS, 0, 0, setting(Setting.INITIAL_WINDOW_SIZE, 1000))]],
    ['unasked acknowledgements of SETTINGS', () => [frame(FrameType.SETTINGS, Flag.ACK, 0)]],
    ['unasked acknowledgements of PING', () => [frame(FrameType.PING, Flag.ACK, 0, Buffer.alloc(8))]],
    ['PRIORITY', (n) => [frame(FrameType.PRIORITY, 0, 2 * n + 3, Buffer.from([0, 0, 0, 1, 1]))]],
    ['empty DATA', () => [data(1, '', false)], [headers(1, POST, false)]],
    ['unknown frames', () => [frame(0xfa, 0, 0, Buffer.alloc(10))]],
    ['GOAWAY', () => [frame(FrameType.GOAWAY, 0, 0, Buffer.alloc(8))]],
    ['malformed requests', (n) => [headers(2 * n + 1, [['x', 'y']], true)]],
    [
      'data on a closed stream',
      () => [data(1, 'x', false)],
      [headers(1, POST, false), frame(FrameType.RST_STREAM, 0, 1, u32(8))],
    ],
    [
      'WINDOW_UPDATE on a closed stream',
      () => [frame(FrameType.WINDOW_UPDATE, 0, 1, u32(1))],
      [headers(1, POST, false), frame(FrameType.RST_STREAM, 0, 1, u32(8))],
    ],
    ['stream errors', (n) => [headers(2 * n + 1, POST, false), frame(FrameType.WINDOW_UPDATE, 0, 2 * n + 1, u32(0))]],
    ['streams above the limit', (n) => [headers(2 * n + 1, POST, false)]],
  ];
  for (const [what, batch, before] of cases) {
    it(what, () => {
      const result = flood(batch, 10_000, before);
      assert.equal(result.last, CALM, `${result.rounds} rounds`);
      assert.ok(result.rounds <= http2Limits.controlBurst + http2Limits.streamsMax + 10, `${result.rounds} rounds`);
      assert.ok(result.peak < 200_000, `${result.peak} bytes`);
      assert.equal(result.counters.floods, 1);
      assert.equal(result.counters.streamsOpen, 0);
    });
  }

  it('CONTINUATION: too many pieces, empty ones too, and too many bytes', () => {
    for (const piece of [0, 1, 16_000]) {
      const peer = new RawPeer('client');
      const connection = new Http2ServerConnection(peer.subject, { ...peer.options, http: recordStreams().handler });
      peer.handshake();
      peer.send(frame(FrameType.HEADERS, 0, 1, rawBlock(GET)));
      let pieces = 0;
      while (!connection.stopped && pieces < 100) {
        pieces++;
        peer.send(frame(FrameType.CONTINUATION, 0, 1, Buffer.alloc(piece, 0x82)));
      }
      assert.equal(peer.take().at(-1), CALM);
      assert.ok(pieces <= http2Limits.continuationsMax);
    }
  });

  it('a header bomb: one table entry, referred to thousands of times', () => {
    const peer = new RawPeer('client');
    const recording = recordStreams(respondHello);
    const connection = new Http2ServerConnection(peer.subject, { ...peer.options, http: recording.handler });
    peer.handshake();
    const entry = Buffer.concat([Buffer.from([0x40, 1, 0x61, 0x7f, 0xa1, 0x1e]), Buffer.alloc(4000, 0x76)]); // 'a': 4,000 × 'v'
    peer.send(frame(FrameType.HEADERS, Flag.END_HEADERS | Flag.END_STREAM, 1, Buffer.concat([rawBlock(GET), entry])));
    assert.equal(recording.streams.length, 1);
    const bomb = Buffer.concat([rawBlock(GET), Buffer.alloc(10_000, 0xbe)]); // 40 MB when unpacked
    const before = process.memoryUsage().heapUsed;
    for (let id = 3; id < 100; id += 2) {
      peer.send(frame(FrameType.HEADERS, Flag.END_HEADERS | Flag.END_STREAM, id, bomb));
    }
    assert.ok(process.memoryUsage().heapUsed - before < 50e6);
    assert.equal(recording.streams.length, 1, 'none of them reached a handler');
    assert.equal(connection.stopped, false);
  });

  it('a window of a few bytes, opened again and again', () => {
    const peer = new RawPeer('client');
    const recording = recordStreams();
    const connection = new Http2ServerConnection(peer.subject, { ...peer.options, http: recording.handler });
    peer.handshake(setting(Setting.INITIAL_WINDOW_SIZE, 0));
    peer.send(headers(1, GET, true));
    recording.last.stream.respond({ status: 200, headers: new HeaderList() }, false);
    recording.last.stream.write(Buffer.alloc(100_000));
    let rounds = 0;
    while (!connection.stopped && rounds++ < 10_000) peer.send(frame(FrameType.WINDOW_UPDATE, 0, 1, u32(1)));
    assert.equal(peer.take().at(-1), CALM);
  });

  it('requests for replies that nobody reads', () => {
    const peer = new RawPeer('client');
    const connection = new Http2ServerConnection(peer.subject, {
      ...peer.options,
      http: recordStreams().handler,
      limits: { ...http2Limits, controlBurst: 1e9 },
    });
    peer.handshake();
    peer.transport.pause('app');
    let rounds = 0;
    while (!connection.stopped && rounds++ < 100_000) peer.send(frame(FrameType.PING, 0, 0, Buffer.alloc(8)));
    assert.ok(rounds < 10_000, `${rounds} rounds`);
    assert.ok(peer.subject.bufferedBytes < 200_000);
  });

  it('budgets come back with time and with useful work', () => {
    const peer = new RawPeer('client');
    const recording = recordStreams();
    const connection = new Http2ServerConnection(peer.subject, { ...peer.options, http: recording.handler });
    peer.handshake();
    peer.send(headers(1, POST, false));
    for (let second = 0; second < 60; second++) {
      for (let i = 0; i < http2Limits.controlPerSecond - 1; i++)
        peer.send(frame(FrameType.PING, 0, 0, Buffer.alloc(8)));
      peer.clock.advance(1000);
    }
    assert.equal(connection.stopped, false, 'a ping now and then is no flood');
    for (let i = 0; i < 3 * http2Limits.controlBurst; i++) {
      peer.send(data(1, 'x', false), frame(FrameType.PING, 0, 0, Buffer.alloc(8)));
    }
    assert.equal(connection.stopped, false, 'a ping per data frame is what gRPC does to measure bandwidth');
  });
});

describe('a client that never reads, over a socket', () => {
  it('leaves memory flat while it asks for megabytes', async () => {
    const body = Buffer.alloc(1024 * 1024, 'x');
    const connections: Http2ServerConnection[] = [];
    let answered = 0;
    let refusedAll!: () => void;
    const finished = new Promise<void>((resolve) => {
      refusedAll = resolve;
    });
    const counters = new Http2Counters();
    const listener = await listen({ host: '127.0.0.1', port: 0 }, (transport) => {
      connections.push(
        new Http2ServerConnection(transport, {
          counters,
          limits: { ...http2Limits, connectionQueueBytesMax: 8 * 1024 * 1024 },
          http: (stream) => {
            answered++;
            stream.respond({ status: 200, headers: new HeaderList() }, false);
            stream.write(body);
            stream.end();
          },
          onClosed: () => refusedAll(),
        }),
      );
    });
    const socket = net.connect(listener.address.port, '127.0.0.1');
    socket.on('error', () => {});
    await new Promise((resolve) => socket.once('connect', resolve));
    socket.pause();
    const memory = (): number => process.memoryUsage().rss;
    const before = memory();
    socket.write(
      Buffer.concat([
        PREFACE,
        frame(FrameType.SETTINGS, 0, 0, setting(Setting.INITIAL_WINDOW_SIZE, 0x7fffffff)),
        frame(FrameType.WINDOW_UPDATE, 0, 0, u32(0x7fff0000)),
      ]),
    );
    for (let id = 1; id < 8000; id += 2) socket.write(headers(id, GET, true));
    await finished;
    assert.ok(answered < 40, `${answered} requests of a megabyte were answered`);
    assert.ok(counters.streamsRefused > 1000);
    assert.ok(memory() - before < 80e6, `${((memory() - before) / 1e6).toFixed(0)} MB`);
    socket.destroy();
    await listener.close();
  });
});
