import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Http2Limits, http2Limits } from '../../base/limits.js';
import { HeaderList } from '../http/headers.js';
import { FrameType, Setting } from './constants.js';
import { readU32 } from './frame-writer.js';
import { data, frame, GET, headers, POST, RawPeer, setting, u32 } from './raw-peer.test.support.js';
import { type Recording, recordStreams } from './recording-handler.test.support.js';
import { Http2ServerConnection } from './server-connection.js';

const OK = { status: 200, headers: new HeaderList() };

function open(
  settings: Buffer[] = [],
  limits: Http2Limits = http2Limits,
): { peer: RawPeer; recording: Recording; connection: Http2ServerConnection } {
  const peer = new RawPeer('client');
  const recording = recordStreams();
  const connection = new Http2ServerConnection(peer.subject, { ...peer.options, http: recording.handler, limits });
  peer.handshake(...settings);
  return { peer, recording, connection };
}

const window = (id: number, bytes: number): Buffer => frame(FrameType.WINDOW_UPDATE, 0, id, u32(bytes));
const initialWindow = (bytes: number): Buffer => setting(Setting.INITIAL_WINDOW_SIZE, bytes);

describe('sending under flow control', () => {
  it('sends what the windows of stream and connection allow, and the rest as they open', () => {
    const { peer, recording } = open([initialWindow(10)]);
    peer.send(headers(1, GET, true));
    const { stream, events } = recording.last;
    stream.respond(OK, false);
    stream.write(Buffer.from('0123456789abcdef'));
    stream.end();
    assert.equal(peer.take().join(), 'HEADERS 1,DATA 1');
    peer.send(window(1, 3));
    assert.equal(peer.body(1), 'abc');
    peer.send(window(1, 3));
    assert.deepEqual(peer.take(), ['DATA 1', 'DATA 1 END']);
    assert.deepEqual(events, ['end']);
  });

  it('follows a change of INITIAL_WINDOW_SIZE, below zero too, and acknowledges before it sends', () => {
    const { peer, recording } = open([initialWindow(5)]);
    peer.send(headers(1, GET, true));
    const { stream } = recording.last;
    stream.respond(OK, false);
    stream.write(Buffer.from('0123456789'));
    peer.take();
    peer.send(frame(FrameType.SETTINGS, 0, 0, initialWindow(2))); // window is now -3
    peer.send(window(1, 3));
    assert.deepEqual(peer.take(), ['SETTINGS 0 ACK']);
    peer.send(window(1, 1));
    assert.equal(peer.body(1), '5');
    peer.take();
    peer.send(frame(FrameType.SETTINGS, 0, 0, initialWindow(100)));
    assert.deepEqual(peer.take(), ['SETTINGS 0 ACK', 'DATA 1']);
  });

  it('shares the window of the connection between streams in turn', () => {
    const { peer, recording } = open([initialWindow(1 << 20)]);
    for (const id of [1, 3, 5]) peer.send(headers(id, GET, true));
    for (const { stream } of recording.streams) {
      stream.respond(OK, false);
      stream.write(Buffer.alloc(60_000, stream.head.path));
    }
    peer.pair.pump();
    assert.equal(
      peer.seen.filter((f) => f.type === 0).reduce((sum, f) => sum + f.payload.length, 0),
      65_535,
    );
    peer.take();
    peer.send(window(0, 16384 * 2));
    const ids = peer.takeFrames().map((f) => f.id);
    assert.equal(new Set(ids).size, 2, 'two streams got a frame each');
  });

  it('says false above the high watermark and drains once below the low one', () => {
    const { peer, recording } = open([initialWindow(1000)]);
    peer.send(headers(1, GET, true));
    const { stream, events } = recording.last;
    stream.respond(OK, false);
    assert.equal(stream.write(Buffer.alloc(1000)), true);
    assert.equal(stream.write(Buffer.alloc(1000)), true, 'queued, below the watermark');
    assert.equal(stream.write(Buffer.alloc(http2Limits.streamQueueHighBytes)), false);
    assert.equal(stream.writable, false);
    peer.send(window(1, http2Limits.streamQueueHighBytes - http2Limits.streamQueueLowBytes));
    assert.deepEqual(events, ['end']);
    peer.send(window(1, 1000));
    assert.deepEqual(events, ['end', 'drain']);
    assert.equal(stream.writable, true);
  });

  it('keeps order and content whatever the windows do', () => {
    const step = fc.oneof(
      fc.record({ write: fc.integer({ min: 1, max: 40_000 }) }),
      fc.record({ stream: fc.integer({ min: 1, max: 30_000 }) }),
      fc.record({ connection: fc.integer({ min: 1, max: 30_000 }) }),
      fc.record({ initial: fc.nat(50_000) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.boolean(), (steps, trailers) => {
        const { peer, recording, connection } = open([initialWindow(100)]);
        peer.send(headers(1, GET, true));
        const { stream } = recording.last;
        stream.respond(OK, false);
        let written = 0;
        let allowed = 100;
        let connectionAllowed = 65_535;
        let initial = 100;
        let received = 0;
        const check = (): void => {
          peer.pair.pump();
          for (const seen of peer.seen) {
            if (seen.type !== FrameType.DATA) continue;
            for (const byte of seen.payload) assert.equal(byte, received++ % 251);
          }
          peer.seen.length = 0;
          assert.ok(received <= connectionAllowed, 'sent beyond the window of the connection');
        };
        for (const action of steps) {
          if ('write' in action) {
            const chunk = Buffer.alloc(action.write);
            for (let i = 0; i < chunk.length; i++) chunk[i] = (written + i) % 251;
            written += chunk.length;
            stream.write(chunk);
          } else if ('stream' in action) {
            allowed += action.stream;
            peer.send(window(1, action.stream));
          } else if ('connection' in action) {
            connectionAllowed += action.connection;
            peer.send(window(0, action.connection));
          } else {
            allowed += action.initial - initial;
            initial = action.initial;
            peer.send(frame(FrameType.SETTINGS, 0, 0, initialWindow(initial)));
          }
          const before = received;
          check();
          if (received > before) assert.ok(received <= allowed, 'sent beyond the window of the stream');
          assert.equal(received >= written || connection.sender.queuedBytes === written - received, true);
        }
        stream.end(trailers ? HeaderList.of({ t: '1' }) : undefined);
        peer.send(window(0, 4_000_000), window(1, 4_000_000));
        connectionAllowed += 4_000_000;
        const last = peer.seen.filter((f) => f.id === 1).at(-1);
        assert.equal(last === undefined || (last.flags & 1) === 1, true, 'the stream did not end');
        check();
        assert.equal(received, written);
        assert.equal(connection.sender.queuedBytes, 0);
        assert.equal(connection.streams.size, 0);
      }),
      { numRuns: 150 },
    );
  });

  it('resets a stream whose writer ignores back-pressure, and tells it', () => {
    const limits = { ...http2Limits, streamQueueBytesMax: 200_000 };
    const { peer, recording, connection } = open([initialWindow(0)], limits);
    peer.send(headers(1, GET, true));
    const { stream, events } = recording.last;
    stream.respond(OK, false);
    for (let i = 0; i < 10; i++) stream.write(Buffer.alloc(50_000));
    assert.deepEqual(events, ['end', 'reset too-large']);
    assert.equal(connection.sender.queuedBytes, 0);
    assert.equal(peer.take().at(-1), 'RST_STREAM 1 2');
  });

  it('refuses new streams while too much is queued on a connection', () => {
    const limits = { ...http2Limits, connectionQueueBytesMax: 100_000 };
    const { peer, recording } = open([initialWindow(0)], limits);
    for (const id of [1, 3, 5]) {
      peer.send(headers(id, GET, true));
      if (id === 5) break;
      recording.last.stream.respond(OK, false);
      recording.last.stream.write(Buffer.alloc(60_000));
    }
    assert.equal(recording.streams.length, 2);
    assert.equal(peer.take().at(-1), 'RST_STREAM 5 7');
  });
});

describe('a peer that does not read', () => {
  it('holds nothing but what may be queued, whatever it asks for', () => {
    const { peer, recording, connection } = open([initialWindow(1 << 20)]);
    peer.send(window(0, 1 << 28));
    peer.transport.pause('app');
    for (let i = 0; i < http2Limits.streamsMax; i++) {
      peer.send(headers(2 * i + 1, GET, true));
      const { stream } = recording.last;
      stream.respond(OK, false);
      stream.write(Buffer.alloc(1000));
      stream.end();
    }
    assert.ok(peer.subject.bufferedBytes < 100_000, `${peer.subject.bufferedBytes} bytes in the transport`);
    assert.ok(connection.sender.queuedBytes > 0);
    peer.transport.resume('app');
    peer.pair.pump();
    assert.equal(connection.sender.queuedBytes, 0);
    assert.equal(peer.seen.filter((f) => f.type === 0 && (f.flags & 1) === 1).length, http2Limits.streamsMax);
    assert.equal(connection.streams.size, 0);
  });

  it('wakes writers that were held back by the transport alone', () => {
    const { peer, recording } = open([initialWindow(1 << 20)]);
    peer.send(window(0, 1 << 20));
    peer.send(headers(1, GET, true));
    const { stream, events } = recording.last;
    stream.respond(OK, false);
    peer.transport.pause('app');
    let writes = 0;
    while (stream.write(Buffer.alloc(16_000)) && writes < 100) writes++;
    assert.ok(writes < 20);
    assert.ok(!events.includes('drain'));
    peer.transport.resume('app');
    peer.pair.pump();
    assert.ok(events.includes('drain'));
  });
});

describe('receiving under flow control', () => {
  const chunk = Buffer.alloc(16_000, 'x');

  it('gives credit for what was taken, of the stream and of the connection', () => {
    const { peer, recording } = open([], { ...http2Limits, streamWindowBytes: 65_535, connectionWindowBytes: 65_535 });
    peer.send(headers(1, POST, false));
    for (let i = 0; i < 20; i++) peer.send(data(1, chunk, false));
    assert.equal(recording.last.body.length, 20 * chunk.length);
    const updates = peer.takeFrames().filter((f) => f.type === FrameType.WINDOW_UPDATE);
    for (const id of [0, 1]) {
      const credited = updates.filter((f) => f.id === id).reduce((sum, f) => sum + readU32(f.payload, 0), 0);
      assert.ok(credited > 20 * chunk.length - 65_535 && credited <= 20 * chunk.length, `${id}: ${credited}`);
    }
  });

  it('gives a paused stream none, and the others go on', () => {
    const { peer, recording } = open([], { ...http2Limits, streamWindowBytes: 65_535, connectionWindowBytes: 65_535 });
    peer.send(headers(1, POST, false));
    const paused = recording.last;
    paused.stream.pause('app');
    for (let i = 0; i < 4; i++) peer.send(data(1, chunk, false));
    assert.ok(!peer.take().includes('WINDOW_UPDATE 1'));
    peer.send(headers(3, POST, false));
    for (let i = 0; i < 10; i++) peer.send(data(3, chunk, false));
    assert.equal(recording.last.body.length, 10 * chunk.length);
    assert.ok(!peer.take().includes('WINDOW_UPDATE 1'));
    paused.stream.resume('app');
    assert.ok(peer.take().includes('WINDOW_UPDATE 1'));
  });

  it('withholds the window of the connection when paused streams hold too much', () => {
    const limits = {
      ...http2Limits,
      streamWindowBytes: 65_535,
      connectionWindowBytes: 65_535,
      parkedBytesMax: 100_000,
    };
    const { peer, recording } = open([], limits);
    for (const id of [1, 3]) {
      peer.send(headers(id, POST, false));
      recording.last.stream.pause('app');
      for (let i = 0; i < 4; i++) peer.send(data(id, chunk, false));
    }
    peer.take();
    peer.send(headers(5, POST, false), data(5, chunk, false), data(5, chunk, false));
    assert.ok(!peer.take().includes('WINDOW_UPDATE 0'));
    recording.streams[0]?.stream.resume('app');
    assert.ok(peer.take().includes('WINDOW_UPDATE 0'));
  });

  it('credits the connection for data of streams that are gone', () => {
    const { peer, recording } = open([], { ...http2Limits, streamWindowBytes: 65_535, connectionWindowBytes: 65_535 });
    peer.send(headers(1, POST, false));
    recording.last.stream.reset('cancel');
    for (let i = 0; i < 4; i++) peer.send(data(1, chunk, false));
    assert.ok(peer.take().includes('WINDOW_UPDATE 0'));
  });
});
