import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { http2Limits } from '../../base/limits.js';
import { HeaderList } from '../http/headers.js';
import { ErrorCode, Flag, FrameType, PREFACE, Setting } from './constants.js';
import { Http2Counters } from './counters.js';
import { readU32 } from './frame-writer.js';
import { data, frame, GET, headers, POST, RawPeer, rawBlock, setting, u32 } from './raw-peer.test.support.js';
import { type Recording, recordStreams, respondHello } from './recording-handler.test.support.js';
import { Http2ServerConnection, type Http2ServerOptions } from './server-connection.js';

interface Scene {
  readonly peer: RawPeer;
  readonly connection: Http2ServerConnection;
  readonly recording: Recording;
  readonly counters: Http2Counters;
}

function scene(options: Partial<Http2ServerOptions> = {}, recording: Recording = recordStreams(respondHello)): Scene {
  const peer = new RawPeer('client');
  const counters = new Http2Counters();
  const connection = new Http2ServerConnection(peer.subject, {
    ...peer.options,
    http: recording.handler,
    counters,
    ...options,
  });
  return { peer, connection, recording, counters };
}

function open(options: Partial<Http2ServerOptions> = {}, recording?: Recording): Scene {
  const made = scene(options, recording);
  made.peer.handshake();
  return made;
}

const replaced = (fields: readonly (readonly [string, string])[], name: string, value: string | null) =>
  fields.flatMap((field) => (field[0] === name ? (value === null ? [] : [[name, value] as const]) : [field]));

describe('an HTTP/2 server connection', () => {
  it('begins with SETTINGS and a larger window, and acknowledges the SETTINGS of the client', () => {
    const { peer } = scene();
    peer.send(PREFACE, frame(FrameType.SETTINGS, 0, 0));
    const [settings, window, ack] = peer.takeFrames();
    assert.equal(settings?.type, FrameType.SETTINGS);
    const values = new Map<number, number>();
    for (let at = 0; at < (settings?.payload.length ?? 0); at += 6) {
      values.set(settings?.payload.readUInt16BE(at) ?? 0, settings?.payload.readUInt32BE(at + 2) ?? 0);
    }
    assert.equal(values.get(Setting.MAX_CONCURRENT_STREAMS), http2Limits.streamsMax);
    assert.equal(values.get(Setting.INITIAL_WINDOW_SIZE), http2Limits.streamWindowBytes);
    assert.equal(values.get(Setting.MAX_HEADER_LIST_SIZE), http2Limits.headerListBytesMax);
    assert.equal(window?.type, FrameType.WINDOW_UPDATE);
    assert.equal(readU32(window?.payload as Buffer, 0), http2Limits.connectionWindowBytes - 65535);
    assert.deepEqual([ack?.type, ack?.flags, ack?.payload.length], [FrameType.SETTINGS, Flag.ACK, 0]);
  });

  it('answers a request, golden bytes', () => {
    const { peer, recording } = open();
    peer.send(headers(1, GET, true));
    const seen = peer.takeFrames();
    assert.equal(seen[0]?.payload.toString('hex'), '880f100a746578742f706c61696e');
    assert.deepEqual(seen.map((f) => [f.type, f.flags, f.id, f.payload.toString('latin1')]).slice(1), [
      [FrameType.DATA, Flag.END_STREAM, 1, 'hello'],
    ]);
    const { head } = recording.last.stream;
    assert.deepEqual([head.method, head.scheme, head.authority, head.path], ['GET', 'http', 'test', '/']);
    assert.deepEqual(recording.last.events, ['end']);
    assert.equal(recording.last.stream.headOnly, true);
  });

  it('takes padding, priority, continuations and trailers', () => {
    const { peer, recording } = open();
    const block = rawBlock([...POST, ['x', 'y']]);
    const padded = Buffer.concat([Buffer.from([4]), u32(0), Buffer.from([1]), block.subarray(0, 5), Buffer.alloc(4)]);
    peer.send(
      frame(FrameType.HEADERS, Flag.PADDED | Flag.PRIORITY, 1, padded),
      frame(FrameType.CONTINUATION, 0, 1, block.subarray(5, 9)),
      frame(FrameType.CONTINUATION, Flag.END_HEADERS, 1, block.subarray(9)),
      frame(FrameType.DATA, Flag.PADDED, 1, Buffer.from('\x03abc\0\0\0', 'latin1')),
      headers(1, [['t', '1']], true),
    );
    assert.equal(recording.last.stream.head.headers.get('x'), 'y');
    assert.deepEqual(recording.last.events, ['data 3', 'end t 1']);
    assert.equal(recording.last.body, 'abc');
    assert.deepEqual(peer.take(), ['HEADERS 1', 'DATA 1 END']);
  });

  it('understands the same bytes however they are split', () => {
    const bytes = Buffer.concat([
      PREFACE,
      frame(FrameType.SETTINGS, 0, 0, setting(Setting.INITIAL_WINDOW_SIZE, 100_000)),
      headers(1, POST, false),
      data(1, 'first', false),
      frame(FrameType.PING, 0, 0, Buffer.from('12345678')),
      headers(3, GET, true),
      data(1, Buffer.alloc(300, 'x'), false),
      headers(1, [['t', '1']], true),
      frame(FrameType.RST_STREAM, 0, 3, u32(ErrorCode.CANCEL)),
    ]);
    const run = (feed: (write: (chunk: Buffer) => void) => void): unknown => {
      const { peer, recording } = scene();
      feed((chunk) => peer.send(chunk));
      return {
        frames: peer.take(),
        streams: recording.streams.map(({ events, body }) => ({ end: events.at(-1), body })),
      };
    };
    const whole = run((write) => write(bytes));
    assert.deepEqual(
      run((write) => {
        for (let i = 0; i < bytes.length; i++) write(bytes.subarray(i, i + 1));
      }),
      whole,
    );
    for (let at = 1; at < bytes.length; at++) {
      const split = run((write) => {
        write(bytes.subarray(0, at));
        write(bytes.subarray(at));
      });
      assert.deepEqual(split, whole, `split at ${at}`);
    }
  });

  it('refuses what is malformed, the stream only', () => {
    const cases: [string, readonly (readonly [string, string])[]][] = [
      ['no method', replaced(GET, ':method', null)],
      ['no path', replaced(GET, ':path', null)],
      ['an empty path', replaced(GET, ':path', '')],
      ['no scheme', replaced(GET, ':scheme', null)],
      ['a relative path', replaced(GET, ':path', 'a')],
      ['* for GET', replaced(GET, ':path', '*')],
      ['a path with a space', replaced(GET, ':path', '/a b')],
      ['a method that is no token', replaced(GET, ':method', 'G T')],
      ['userinfo', replaced(GET, ':authority', 'u@h')],
      ['host that differs', [...GET, ['host', 'other']]],
      ['two hosts', [...replaced(GET, ':authority', null), ['host', 'a'], ['host', 'b']]],
      ['an upper-case name', [...GET, ['X', 'y']]],
      ['an empty name', [...GET, ['', 'y']]],
      ['a name with a space', [...GET, ['a b', 'y']]],
      ['connection', [...GET, ['connection', 'close']]],
      ['transfer-encoding', [...GET, ['transfer-encoding', 'chunked']]],
      ['upgrade', [...GET, ['upgrade', 'h2c']]],
      ['keep-alive', [...GET, ['keep-alive', '1']]],
      ['te other than trailers', [...GET, ['te', 'gzip']]],
      ['a value with CR LF', [...GET, ['x', 'a\r\nb: c']]],
      ['a value with NUL', [...GET, ['x', 'a\0']]],
      ['a value that begins with a space', [...GET, ['x', ' a']]],
      ['a pseudo-header after a field', [['x', 'y'], ...GET]],
      ['a pseudo-header twice', [[':method', 'GET'], ...GET]],
      ['an unknown pseudo-header', [[':protocol', 'websocket'], ...GET]],
      [':status', [[':status', '200'], ...GET]],
      ['a content-length that is no number', [...GET, ['content-length', '+1']]],
      ['two content-lengths', [...GET, ['content-length', '1'], ['content-length', '2']]],
      ['CONNECT with a path', replaced(GET, ':method', 'CONNECT')],
      ['a body promised and not sent', [...GET, ['content-length', '5']]],
    ];
    for (const [what, fields] of cases) {
      const { peer, recording } = open();
      peer.send(headers(1, fields, true));
      assert.deepEqual(peer.take(), ['RST_STREAM 1 1'], what);
      assert.equal(recording.streams.length, 0, what);
      peer.send(headers(3, GET, true));
      assert.deepEqual(peer.take(), ['HEADERS 3', 'DATA 3 END'], `the connection lives on after ${what}`);
    }
  });

  it('accepts what is unusual and right', () => {
    for (const fields of [
      [...replaced(GET, ':authority', null), ['host', 'only-host']],
      [...GET, ['host', 'test']],
      [...GET, ['te', 'trailers']],
      replaced(replaced(GET, ':method', 'OPTIONS'), ':path', '*'),
      replaced(replaced(replaced(GET, ':method', 'CONNECT'), ':path', null), ':scheme', null),
      [...GET, ['content-length', '0']],
      [...GET, ['x', '']],
      [...GET, ['x', 'caf\xe9']],
    ] as (readonly (readonly [string, string])[])[]) {
      const { peer } = open();
      peer.send(headers(1, fields, true));
      assert.deepEqual(peer.take(), ['HEADERS 1', 'DATA 1 END'], JSON.stringify(fields));
    }
  });

  it('joins cookie crumbs, takes Host for the authority, and gives each handler fields of its own', () => {
    const { peer, recording } = open();
    const fields = [
      ...replaced(GET, ':authority', null),
      ['host', 'h:1'],
      ['cookie', 'a=1'],
      ['x', 'y'],
      ['cookie', 'b=2'],
    ];
    peer.send(headers(1, fields as [string, string][], true));
    assert.deepEqual(recording.last.stream.head.headers.flat, ['cookie', 'a=1; b=2', 'x', 'y']);
    assert.equal(recording.last.stream.head.authority, 'h:1');
    recording.last.stream.head.headers.set('x', 'changed');
    peer.send(headers(3, fields as [string, string][], true));
    assert.equal(recording.last.stream.head.headers.get('x'), 'y');
  });

  it('checks the body against its content-length', () => {
    const post: readonly (readonly [string, string])[] = [...POST, ['content-length', '3']];
    for (const [frames, expected] of [
      [[data(1, 'abcd', true)], ['RST_STREAM 1 1']],
      [[data(1, 'ab', true)], ['RST_STREAM 1 1']],
      [[data(1, 'ab', false), headers(1, [['t', '1']], true)], ['RST_STREAM 1 1']],
      [
        [data(1, 'ab', false), data(1, 'c', true)],
        ['HEADERS 1', 'DATA 1 END'],
      ],
    ] as const) {
      const { peer } = open();
      peer.send(headers(1, post, false), ...frames);
      assert.deepEqual(peer.take(), expected);
    }
  });

  it('answers 431 to a header list above the limit, and goes on', () => {
    const { peer, recording } = open();
    const big = Array.from({ length: 20 }, (_, i) => [`x-${i}`, 'v'.repeat(4000)] as const);
    const block = rawBlock([...GET, ...big]);
    const frames = [frame(FrameType.HEADERS, Flag.END_STREAM, 1, block.subarray(0, 16000))];
    for (let at = 16000; at < block.length; at += 16000) {
      const last = at + 16000 >= block.length ? Flag.END_HEADERS : 0;
      frames.push(frame(FrameType.CONTINUATION, last, 1, block.subarray(at, at + 16000)));
    }
    peer.send(...frames);
    const [head] = peer.takeFrames();
    assert.equal(peer.decode(head as never).status, 431);
    assert.equal(recording.streams.length, 0);
    peer.send(headers(3, GET, true));
    assert.deepEqual(peer.take(), ['HEADERS 3', 'DATA 3 END']);
  });

  it('tells a client to stop when the answer is complete before the request', () => {
    const recording = recordStreams();
    const { peer } = open({}, recording);
    peer.send(headers(1, POST, false));
    respondHello(recording.last);
    assert.deepEqual(peer.take(), ['HEADERS 1', 'DATA 1 END', 'RST_STREAM 1 0']);
    peer.send(data(1, 'late', false), data(1, 'later', true));
    assert.deepEqual(peer.take(), [], 'what was on its way is dropped in silence');
  });

  it('answers 500 when a handler throws, and resets when it had begun to answer', () => {
    const { peer } = open({
      http: (stream) => {
        if (stream.head.path === '/begun') stream.respond({ status: 200, headers: new HeaderList() }, false);
        throw new Error('handler');
      },
    });
    peer.send(headers(1, GET, true));
    assert.equal(peer.decode(peer.takeFrames()[0] as never).status, 500);
    peer.send(headers(3, replaced(GET, ':path', '/begun'), true));
    assert.deepEqual(peer.take(), ['HEADERS 3', 'RST_STREAM 3 2']);
  });

  it('ends a stream whose receiver throws, and no other', () => {
    const recording = recordStreams(() => {
      throw new Error('receiver');
    });
    const { peer } = open({}, recording);
    peer.send(headers(1, GET, true));
    assert.deepEqual(peer.take(), ['RST_STREAM 1 2']);
    peer.send(frame(FrameType.PING, 0, 0, Buffer.alloc(8)));
    assert.deepEqual(peer.take(), ['PING 0 ACK']);
  });

  it('sends informational heads, fields it cannot send as an error, and each head once', () => {
    const recording = recordStreams();
    const { peer } = open({}, recording);
    peer.send(headers(1, POST, false));
    const { stream } = recording.last;
    stream.inform(103);
    assert.throws(() => stream.inform(101));
    assert.throws(() => stream.write(Buffer.from('x')), /before the response head/);
    assert.throws(() => stream.end(), /before its head/);
    assert.throws(
      () => stream.respond({ status: 200, headers: HeaderList.of({ a: 'b\r\n' }) }, false),
      /cannot be sent/,
    );
    stream.respond({ status: 200, headers: new HeaderList() }, false);
    assert.throws(() => stream.respond({ status: 200, headers: new HeaderList() }, false), /already/);
    stream.end(HeaderList.of({ t: '1' }));
    const seen = peer.takeFrames();
    assert.deepEqual(
      seen.slice(0, 3).map((f) => peer.decode(f).status || peer.decode(f).fields.join()),
      [103, 200, 't,1'],
    );
  });

  it('splits header blocks that do not fit one frame', () => {
    const recording = recordStreams();
    const { peer } = open({}, recording);
    peer.send(headers(1, GET, true));
    const value = 'v'.repeat(40_000);
    recording.last.stream.respond({ status: 200, headers: HeaderList.of({ x: value, y: 'z' }) }, true);
    const seen = peer.takeFrames();
    assert.deepEqual(
      seen.map((f) => [f.type, f.flags, f.payload.length <= 16384]),
      [
        [FrameType.HEADERS, Flag.END_STREAM, true],
        [FrameType.CONTINUATION, 0, true],
        [FrameType.CONTINUATION, Flag.END_HEADERS, true],
      ],
    );
    const block = peer.decode({
      ...(seen[0] as never as object),
      payload: Buffer.concat(seen.map((f) => f.payload)),
    } as never);
    assert.deepEqual(block.fields, ['x', value, 'y', 'z']);
  });

  it('reduces its table once, in the next block, for a peer that asks for a smaller one', () => {
    const { peer } = open();
    peer.send(frame(FrameType.SETTINGS, 0, 0, setting(Setting.HEADER_TABLE_SIZE, 0)));
    peer.send(headers(1, GET, true), headers(3, GET, true));
    const blocks = peer.takeFrames().filter((f) => f.type === FrameType.HEADERS);
    assert.deepEqual(
      blocks.map((f) => f.payload.subarray(0, 2).toString('hex')),
      ['2088', '880f'],
    );
  });

  it('asks a client that uses its dynamic table to stop, and then insists', () => {
    const { peer } = open();
    const indexing = Buffer.from('828684410474657374400161016240016301 64'.replace(/ /g, ''), 'hex');
    const request = (id: number, block: Buffer): Buffer =>
      frame(FrameType.HEADERS, Flag.END_HEADERS | Flag.END_STREAM, id, block);
    peer.send(request(1, indexing));
    assert.deepEqual(peer.take(), ['HEADERS 1', 'DATA 1 END']);
    peer.send(request(3, indexing));
    assert.deepEqual(peer.take(), ['SETTINGS 0', 'HEADERS 3', 'DATA 3 END']);
    peer.send(request(5, Buffer.concat([Buffer.from('3fe11f', 'hex'), indexing])));
    assert.deepEqual(peer.take(), ['HEADERS 5', 'DATA 5 END'], 'not acknowledged yet');
    peer.send(frame(FrameType.SETTINGS, Flag.ACK, 0), request(7, Buffer.concat([Buffer.from('20', 'hex'), indexing])));
    assert.deepEqual(peer.take(), ['HEADERS 7', 'DATA 7 END']);
    peer.send(request(9, Buffer.concat([Buffer.from('21', 'hex'), indexing])));
    assert.deepEqual(peer.take(), [`GOAWAY 0 ${ErrorCode.COMPRESSION_ERROR}`]);
  });
});

describe('mistakes that end an HTTP/2 connection', () => {
  const cases: [string, Buffer[], number][] = [
    ['a frame that is too long', [frame(FrameType.PING, 0, 0, Buffer.alloc(16385))], ErrorCode.FRAME_SIZE_ERROR],
    ['DATA on stream 0', [data(0, 'x', false)], ErrorCode.PROTOCOL_ERROR],
    ['DATA on an idle stream', [data(1, 'x', false)], ErrorCode.PROTOCOL_ERROR],
    ['an even stream id', [headers(2, GET, true)], ErrorCode.PROTOCOL_ERROR],
    ['an id used before', [headers(5, GET, true), headers(3, GET, true)], ErrorCode.STREAM_CLOSED],
    ['RST_STREAM on an idle stream', [frame(FrameType.RST_STREAM, 0, 1, u32(8))], ErrorCode.PROTOCOL_ERROR],
    [
      'RST_STREAM of a wrong size',
      [headers(1, POST, false), frame(FrameType.RST_STREAM, 0, 1, Buffer.alloc(3))],
      ErrorCode.FRAME_SIZE_ERROR,
    ],
    ['WINDOW_UPDATE of 0', [frame(FrameType.WINDOW_UPDATE, 0, 0, u32(0))], ErrorCode.PROTOCOL_ERROR],
    [
      'a window beyond its limit',
      [frame(FrameType.WINDOW_UPDATE, 0, 0, u32(0x7fffffff))],
      ErrorCode.FLOW_CONTROL_ERROR,
    ],
    ['SETTINGS on a stream', [frame(FrameType.SETTINGS, 0, 1)], ErrorCode.PROTOCOL_ERROR],
    ['SETTINGS of a wrong size', [frame(FrameType.SETTINGS, 0, 0, Buffer.alloc(5))], ErrorCode.FRAME_SIZE_ERROR],
    ['ENABLE_PUSH 2', [frame(FrameType.SETTINGS, 0, 0, setting(2, 2))], ErrorCode.PROTOCOL_ERROR],
    [
      'INITIAL_WINDOW_SIZE 2^31',
      [frame(FrameType.SETTINGS, 0, 0, setting(4, 0x80000000))],
      ErrorCode.FLOW_CONTROL_ERROR,
    ],
    ['MAX_FRAME_SIZE 1', [frame(FrameType.SETTINGS, 0, 0, setting(5, 1))], ErrorCode.PROTOCOL_ERROR],
    [
      'an acknowledgement with settings',
      [frame(FrameType.SETTINGS, Flag.ACK, 0, setting(4, 1))],
      ErrorCode.FRAME_SIZE_ERROR,
    ],
    ['PING of a wrong size', [frame(FrameType.PING, 0, 0, Buffer.alloc(7))], ErrorCode.FRAME_SIZE_ERROR],
    ['PUSH_PROMISE', [frame(FrameType.PUSH_PROMISE, 4, 1, u32(2))], ErrorCode.PROTOCOL_ERROR],
    ['CONTINUATION alone', [frame(FrameType.CONTINUATION, 4, 1)], ErrorCode.PROTOCOL_ERROR],
    [
      'a block that is interrupted',
      [frame(FrameType.HEADERS, 0, 1, rawBlock(GET)), frame(FrameType.PING, 0, 0, Buffer.alloc(8))],
      ErrorCode.PROTOCOL_ERROR,
    ],
    [
      'a block that cannot be decoded',
      [frame(FrameType.HEADERS, 5, 1, Buffer.from([0x80]))],
      ErrorCode.COMPRESSION_ERROR,
    ],
    [
      'padding longer than its frame',
      [headers(1, POST, false), frame(FrameType.DATA, Flag.PADDED, 1, Buffer.from([9, 1]))],
      ErrorCode.PROTOCOL_ERROR,
    ],
    [
      'a stream that depends on itself',
      [frame(FrameType.PRIORITY, 0, 3, Buffer.from([0, 0, 0, 3, 1]))],
      ErrorCode.PROTOCOL_ERROR,
    ],
    ['GOAWAY that is too short', [frame(FrameType.GOAWAY, 0, 0, Buffer.alloc(7))], ErrorCode.FRAME_SIZE_ERROR],
  ];
  for (const [what, frames, code] of cases) {
    it(`${what}: GOAWAY ${code}, nothing after it`, () => {
      const { peer, connection } = open();
      peer.send(...frames, headers(99, GET, true));
      const seen = peer.take();
      assert.equal(seen.at(-1), `GOAWAY 0 ${code}`);
      assert.equal(connection.stopped, true);
      assert.equal(peer.ended, true);
    });
  }

  it('a preface that is not HTTP/2, and a first frame that is not SETTINGS', () => {
    for (const bytes of [Buffer.from('GET / HTTP/1.1\r\n\r\n'), Buffer.concat([PREFACE, headers(1, GET, true)])]) {
      const { peer } = scene();
      peer.send(bytes);
      assert.equal(peer.take().at(-1), `GOAWAY 0 ${ErrorCode.PROTOCOL_ERROR}`);
    }
  });

  it('more data than a window allows: the stream, or the connection', () => {
    const limits = { ...http2Limits, streamWindowBytes: 65535, connectionWindowBytes: 100_000 };
    const recording = recordStreams();
    const { peer } = open({ limits }, recording);
    peer.send(headers(1, POST, false));
    recording.last.stream.pause('app');
    const chunk = Buffer.alloc(16384);
    peer.send(data(1, chunk, false), data(1, chunk, false), data(1, chunk, false), data(1, chunk, false));
    assert.ok(peer.take().includes(`RST_STREAM 1 ${ErrorCode.FLOW_CONTROL_ERROR}`));
    assert.deepEqual(recording.last.events.at(-1), 'reset flow-control');
  });
});

describe('the times of an HTTP/2 server connection', () => {
  it('ends a connection without preface, and one that leaves a header block open', () => {
    for (const first of [
      Buffer.alloc(0),
      Buffer.concat([PREFACE, frame(FrameType.SETTINGS, 0, 0), frame(FrameType.HEADERS, 0, 1, rawBlock(GET))]),
    ]) {
      const { peer } = scene();
      peer.send(first);
      peer.clock.advance(http2Limits.handshakeMs - 1);
      peer.pair.pump();
      assert.equal(peer.ended, false);
      peer.clock.advance(1);
      assert.equal(peer.take().at(-1), `GOAWAY 0 ${ErrorCode.PROTOCOL_ERROR}`);
    }
  });

  it('has no timer left after the handshake, nor after the end', () => {
    const { peer, connection } = open();
    assert.equal(peer.clock.pending, 0);
    peer.send(headers(1, GET, true));
    assert.equal(peer.clock.pending, 0);
    connection.drain();
    peer.transport.destroy();
    peer.pair.pump();
    assert.equal(peer.clock.pending, 0);
  });

  it('drains in two steps: what is on its way is served, what comes later is refused', () => {
    const recording = recordStreams();
    const { peer, connection } = open({}, recording);
    peer.send(headers(1, POST, false));
    connection.drain();
    const [goaway, ping] = peer.takeFrames();
    assert.deepEqual([goaway?.type, readU32(goaway?.payload as Buffer, 0)], [FrameType.GOAWAY, 0x7fffffff]);
    peer.send(headers(3, GET, true));
    assert.equal(recording.streams.length, 2);
    peer.send(frame(FrameType.PING, Flag.ACK, 0, ping?.payload));
    const [second] = peer.takeFrames();
    assert.deepEqual([second?.type, readU32(second?.payload as Buffer, 0)], [FrameType.GOAWAY, 3]);
    peer.send(headers(5, POST, false), data(5, 'x', true));
    assert.deepEqual(peer.take(), [`RST_STREAM 5 ${ErrorCode.REFUSED_STREAM}`]);
    assert.equal(recording.streams.length, 2);
    for (const recorded of recording.streams) respondHello(recorded);
    peer.pair.pump();
    assert.equal(peer.ended, true);
  });

  it('sends the second GOAWAY without an answer to the ping, and cuts off after the grace', () => {
    const recording = recordStreams();
    const { peer, connection } = open({}, recording);
    peer.send(headers(1, GET, true));
    connection.drain(5000);
    peer.clock.advance(http2Limits.lingerMs);
    assert.deepEqual(peer.take(), ['GOAWAY 0 0', 'PING 0', 'GOAWAY 0 0']);
    peer.clock.advance(5000 - http2Limits.lingerMs);
    peer.pair.pump();
    assert.equal(peer.ended, true);
    assert.deepEqual(recording.last.events, ['end', 'reset connection-lost']);
  });

  it('drains when it is old, about the same time for none', () => {
    const { peer } = open({ maxAge: { ms: 10_000, graceMs: 1000 } });
    peer.clock.advance(8999);
    assert.deepEqual(peer.take(), []);
    peer.clock.advance(2001);
    assert.equal(peer.take()[0], 'GOAWAY 0 0');
  });

  it('drains when it is idle, not while a stream runs', () => {
    const recording = recordStreams();
    const { peer } = open({ idleMs: 1000 }, recording);
    peer.send(headers(1, POST, false));
    peer.clock.advance(5000);
    assert.deepEqual(peer.take(), []);
    respondHello(recording.last);
    peer.take();
    peer.clock.advance(1000);
    assert.equal(peer.take()[0], 'GOAWAY 0 0');
  });

  it('pings a silent peer and closes when it stays silent', () => {
    const { peer, counters } = open({ keepalive: { intervalMs: 1000, timeoutMs: 200 } });
    peer.clock.advance(1000); // heard of since
    assert.deepEqual(peer.take(), []);
    peer.clock.advance(1000);
    const [ping] = peer.takeFrames();
    assert.equal(ping?.type, FrameType.PING);
    peer.send(frame(FrameType.PING, Flag.ACK, 0, ping?.payload));
    peer.clock.advance(200);
    peer.clock.advance(1000);
    assert.deepEqual(peer.take(), ['PING 0']);
    peer.clock.advance(200);
    peer.pair.pump();
    assert.equal(peer.ended, true);
    assert.equal(counters.keepaliveTimeouts, 1);
  });

  it('tells every open stream when the connection is lost, once', () => {
    let closed = 0;
    const recording = recordStreams();
    const { peer } = open({ onClosed: () => closed++ }, recording);
    peer.send(headers(1, POST, false), headers(3, POST, false));
    peer.pair.client.cut();
    peer.pair.pump();
    assert.deepEqual(
      recording.streams.map((recorded) => recorded.events),
      [['reset connection-lost'], ['reset connection-lost']],
    );
    assert.equal(closed, 1);
    recording.last.stream.reset('cancel');
    assert.equal(recording.last.stream.write(Buffer.from('x')), false);
  });
});

describe('a connection upgraded from HTTP/1.1', () => {
  it('serves the request as stream 1 with the settings of HTTP2-Settings', () => {
    const peer = new RawPeer('client');
    const recording = recordStreams(respondHello);
    const request = { method: 'POST', scheme: 'http', authority: 'h', path: '/up', headers: HeaderList.of({ a: 'b' }) };
    const settings = setting(Setting.INITIAL_WINDOW_SIZE, 2);
    Http2ServerConnection.fromUpgrade(
      peer.subject,
      { ...peer.options, http: recording.handler },
      request,
      settings,
      Buffer.from('body'),
    );
    peer.pair.pump();
    assert.equal(recording.last.body, 'body');
    assert.equal(recording.last.stream.head.headers.get('a'), 'b');
    assert.equal(peer.body(1), 'he', 'the window of 2 holds');
    peer.handshake(settings);
    peer.send(frame(FrameType.WINDOW_UPDATE, 0, 1, u32(10)));
    assert.equal(peer.body(1), 'llo');
    peer.send(headers(3, GET, true));
    assert.ok(peer.take().includes('HEADERS 3'));
  });

  it('refuses settings that are none', () => {
    const peer = new RawPeer('client');
    const { handler } = recordStreams();
    const request = { method: 'GET', scheme: 'http', authority: 'h', path: '/', headers: new HeaderList() };
    const made = Http2ServerConnection.fromUpgrade(
      peer.subject,
      { ...peer.options, http: handler },
      request,
      Buffer.alloc(5),
    );
    assert.equal(made.stopped, true);
  });
});

describe('hostile bytes', () => {
  const frameArbitrary = fc
    .record({
      type: fc.nat(11),
      flags: fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 4, 5, 8, 0x20)),
      id: fc.oneof(fc.nat(9), fc.nat(0x7fffffff)),
      payload: fc.oneof(
        fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
        fc.constantFrom(rawBlock(GET), rawBlock(POST), u32(1), u32(100_000), setting(4, 10), Buffer.alloc(8)),
      ),
    })
    .map(({ type, flags, id, payload }) => frame(type, flags, id, payload));

  const survive = (bytes: Buffer[], pieceBytes: number): void => {
    const peer = new RawPeer('client', { pieceBytes });
    const recording = recordStreams(respondHello);
    new Http2ServerConnection(peer.subject, { ...peer.options, http: recording.handler });
    peer.handshake();
    for (const chunk of bytes) {
      peer.send(chunk);
      assert.ok(peer.subject.bufferedBytes < 1 << 20);
    }
    peer.clock.advance(60_000);
    peer.transport.destroy();
    peer.pair.pump();
    assert.equal(peer.clock.pending, 0, 'a timer is left');
    for (const recorded of recording.streams) {
      assert.ok(recorded.events.filter((event) => event.startsWith('end') || event.startsWith('reset')).length <= 2);
    }
  };

  it('never throw, leave timers, or make output grow: frames at random', () => {
    fc.assert(fc.property(fc.array(frameArbitrary, { maxLength: 40 }), fc.constantFrom(1, 7, 65536), survive), {
      numRuns: 400,
    });
  });

  it('never throw, leave timers, or make output grow: good traffic with bytes changed', () => {
    const good = Buffer.concat([
      headers(1, POST, false),
      data(1, 'body', true),
      headers(3, GET, true),
      frame(FrameType.WINDOW_UPDATE, 0, 0, u32(1000)),
      headers(5, [...GET, ['x', 'y']], false),
      headers(5, [['t', '1']], true),
      frame(FrameType.SETTINGS, 0, 0, setting(4, 100)),
    ]);
    const change = fc.record({ at: fc.nat(good.length - 1), to: fc.nat(255) });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const bytes = Buffer.from(good);
        for (const { at, to } of changes) bytes[at] = to;
        survive([bytes, good], 65536);
      }),
      { numRuns: 600 },
    );
  });
});
