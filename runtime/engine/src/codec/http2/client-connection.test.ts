import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { http2Limits } from '../../base/limits.js';
import { createMemoryPair } from '../../network/memory-transport.js';
import { HeaderList } from '../http/headers.js';
import type { ClientReceiver, ClientStream, RequestHead, StreamReset } from '../http/stream.js';
import { Http2ClientConnection, type Http2ClientOptions } from './client-connection.js';
import { ErrorCode, Flag, FrameType, Setting } from './constants.js';
import { data, frame, headers, RawPeer, rawBlock, setting, u32 } from './raw-peer.test.support.js';
import { recordStreams, respondHello } from './recording-handler.test.support.js';
import { Http2ServerConnection } from './server-connection.js';

class Caller implements ClientReceiver {
  readonly events: string[] = [];
  body = '';
  reset: StreamReset | undefined;
  onHead(head: { status: number; headers: HeaderList }, end: boolean): void {
    this.events.push(
      `head ${head.status}${head.headers.size > 0 ? ` ${head.headers.flat.join(' ')}` : ''}${end ? ' end' : ''}`,
    );
  }
  onData(chunk: Buffer, start: number, end: number): void {
    this.body += chunk.toString('latin1', start, end);
    this.events.push(`data ${end - start}`);
  }
  onEnd(trailers: HeaderList | null): void {
    this.events.push(trailers === null ? 'end' : `end ${trailers.flat.join(' ')}`);
  }
  onReset(reset: StreamReset): void {
    this.reset = reset;
    this.events.push(`reset ${reset.reason}${reset.unprocessed ? ' unprocessed' : ''}`);
  }
  onDrain(): void {
    this.events.push('drain');
  }
}

const GET: RequestHead = { method: 'GET', scheme: 'http', authority: 'h', path: '/', headers: new HeaderList() };
const POST: RequestHead = {
  ...GET,
  method: 'POST',
  headers: HeaderList.of({ a: 'b', connection: 'close', te: 'trailers' }),
};
const OK: readonly (readonly [string, string])[] = [[':status', '200']];

function open(
  options: Http2ClientOptions = {},
  settings: Buffer[] = [],
): { peer: RawPeer; connection: Http2ClientConnection } {
  const peer = new RawPeer('server');
  const connection = new Http2ClientConnection(peer.subject, { ...peer.options, ...options });
  peer.handshake(...settings);
  return { peer, connection };
}

function call(
  connection: Http2ClientConnection,
  head: RequestHead = GET,
  end = true,
): { caller: Caller; stream: ClientStream } {
  const caller = new Caller();
  return { caller, stream: connection.open(head, end, caller) };
}

describe('an HTTP/2 client connection', () => {
  it('sends its head without the fields of HTTP/1.1, data and trailers, and takes head, data and trailers', () => {
    const { peer, connection } = open();
    const { caller, stream } = call(connection, POST, false);
    stream.write(Buffer.from('xbodyx'), 1, 5);
    stream.end(HeaderList.of({ t: '1' }));
    const [head, body, trailers] = peer.takeFrames();
    const block = peer.decode(head as never);
    assert.deepEqual([block.method, block.scheme, block.authority, block.path], ['POST', 'http', 'h', '/']);
    assert.deepEqual(block.fields, ['a', 'b', 'te', 'trailers']);
    assert.equal(body?.payload.toString(), 'body');
    assert.deepEqual([trailers?.type, (trailers?.flags ?? 0) & Flag.END_STREAM], [FrameType.HEADERS, 1]);
    peer.send(headers(1, [...OK, ['x', 'y']], false), data(1, 'answer', false), headers(1, [['u', '2']], true));
    assert.deepEqual(caller.events, ['head 200 x y', 'data 6', 'end u 2']);
    assert.equal(connection.streams.size, 0);
  });

  it('passes over informational heads, and ends with a head alone', () => {
    const { peer, connection } = open();
    const { caller } = call(connection);
    peer.send(headers(1, [[':status', '103']], false), headers(1, [[':status', '204']], true));
    assert.deepEqual(caller.events, ['head 204 end', 'end']);
  });

  it('takes a content-length without a body for HEAD and 304, and checks it elsewhere', () => {
    const length = ['content-length', '5'] as const;
    const { peer, connection } = open();
    const head = call(connection, { ...GET, method: 'HEAD' }).caller;
    const unchanged = call(connection).caller;
    const short = call(connection).caller;
    peer.send(headers(1, [...OK, length], true), headers(3, [[':status', '304'], length], true));
    peer.send(headers(5, [...OK, length], false), data(5, 'abc', true));
    assert.equal(head.events.at(-1), 'end');
    assert.equal(unchanged.events.at(-1), 'end');
    assert.equal(short.events.at(-1), 'reset protocol');
  });

  it('resets a stream whose response is malformed', () => {
    const cases: [string, Buffer[]][] = [
      ['no status', [headers(1, [['x', 'y']], true)]],
      ['a request pseudo-header', [headers(1, [...OK, [':path', '/']], true)]],
      ['status 101', [headers(1, [[':status', '101']], false)]],
      ['a status that is none', [headers(1, [[':status', '20']], true)]],
      ['an informational head that ends', [headers(1, [[':status', '100']], true)]],
      ['data before the head', [data(1, 'x', false)]],
      ['trailers that do not end', [headers(1, OK, false), headers(1, [['t', '1']], false)]],
      ['trailers with :status', [headers(1, OK, false), headers(1, OK, true)]],
      ['an upper-case name', [headers(1, [...OK, ['X', 'y']], true)]],
    ];
    for (const [what, frames] of cases) {
      const { peer, connection } = open();
      const { caller } = call(connection);
      peer.take();
      peer.send(...frames);
      assert.equal(caller.events.at(-1), 'reset protocol', what);
      assert.deepEqual(peer.take(), ['RST_STREAM 1 1'], what);
      assert.equal(connection.retired, false, what);
    }
  });

  it('says what the server did not process: refused, and above the last id of GOAWAY', () => {
    const { peer, connection } = open();
    const [first, second, third] = [call(connection).caller, call(connection).caller, call(connection).caller];
    peer.send(frame(FrameType.RST_STREAM, 0, 1, u32(ErrorCode.REFUSED_STREAM)));
    peer.send(frame(FrameType.GOAWAY, 0, 0, Buffer.concat([u32(3), u32(0), Buffer.from('bye')])));
    assert.deepEqual(first?.events, ['reset refused unprocessed']);
    assert.deepEqual(third?.events, ['reset refused unprocessed']);
    assert.match(third?.reset?.message ?? '', /GOAWAY NO_ERROR \(bye\)/);
    assert.equal(connection.retired, true);
    assert.deepEqual(second?.events, []);
    peer.send(headers(3, OK, true));
    assert.deepEqual(second?.events, ['head 200 end', 'end']);
    peer.pair.pump();
    assert.equal(peer.ended, true, 'closed after the last stream');
  });

  it('does not call a lost connection unprocessed', () => {
    const { peer, connection } = open();
    const { caller } = call(connection);
    peer.pair.server.cut();
    peer.pair.pump();
    assert.deepEqual(caller.events, ['reset connection-lost']);
  });

  it('opens no more streams than the server allows, and tells when there is room', () => {
    let available = 0;
    const { peer, connection } = open({ onAvailable: () => available++ }, [setting(Setting.MAX_CONCURRENT_STREAMS, 2)]);
    const told = available;
    call(connection);
    call(connection);
    assert.equal(connection.available, 0);
    const { caller } = call(connection);
    return new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
      assert.deepEqual(caller.events, ['reset refused unprocessed']);
      peer.send(headers(1, OK, true));
      assert.equal(available, told + 1);
      assert.equal(connection.available, 1);
    });
  });

  it('keeps the order of ids when nothing can be sent', () => {
    const { peer, connection } = open({}, [setting(Setting.MAX_CONCURRENT_STREAMS, 1000)]);
    peer.transport.pause('app');
    for (let i = 0; i < 300; i++) {
      const { stream } = call(connection, POST, false);
      stream.write(Buffer.alloc(1000));
      stream.end();
    }
    assert.ok(peer.subject.bufferedBytes < 200_000);
    peer.transport.resume('app');
    peer.pair.pump();
    peer.send(frame(FrameType.WINDOW_UPDATE, 0, 0, u32(10_000_000)));
    const opened = peer.seen.filter((f) => f.type === FrameType.HEADERS).map((f) => f.id);
    assert.deepEqual(
      opened,
      Array.from({ length: 300 }, (_, i) => 2 * i + 1),
    );
    assert.equal(peer.seen.filter((f) => f.type === 0 && (f.flags & 1) === 1).length, 300);
  });

  it('reports a field it cannot send without opening a stream', async () => {
    const { peer, connection } = open();
    const { caller } = call(connection, { ...GET, headers: HeaderList.of({ x: 'a\nb' }) });
    await new Promise<void>((resolve) => setImmediate(resolve));
    assert.deepEqual(caller.events, ['reset protocol unprocessed']);
    call(connection);
    assert.deepEqual(peer.take(), ['HEADERS 1 END'], 'the id was not used up');
  });

  it('resets a stream that the caller gives up, and calls nothing afterwards', () => {
    const { peer, connection } = open();
    const { caller, stream } = call(connection, POST, false);
    peer.take();
    stream.reset('cancel');
    stream.reset('cancel');
    assert.equal(stream.write(Buffer.from('x')), false);
    assert.deepEqual(peer.take(), ['RST_STREAM 1 8']);
    peer.send(headers(1, OK, false), data(1, 'x', true));
    assert.deepEqual(caller.events, []);
    assert.equal(connection.retired, false);
  });

  it('tells a caller that still sends when the server stops it after the answer', () => {
    const { peer, connection } = open();
    const { caller, stream } = call(connection, POST, false);
    peer.send(headers(1, OK, true));
    assert.deepEqual(caller.events, ['head 200 end', 'end']);
    assert.equal(stream.writable, true);
    peer.send(frame(FrameType.RST_STREAM, 0, 1, u32(0)));
    assert.deepEqual(caller.events.at(-1), 'reset no-error');
    assert.equal(stream.writable, false);
  });

  it('ends the connection for pushes and frames on streams it never opened', () => {
    for (const bytes of [
      frame(FrameType.PUSH_PROMISE, 4, 1, Buffer.concat([u32(2), rawBlock(OK)])),
      headers(2, OK, true),
      headers(9, OK, true),
      data(9, 'x', true),
    ]) {
      const { peer, connection } = open();
      const { caller } = call(connection);
      peer.take();
      peer.send(bytes);
      assert.equal(peer.take().at(-1), `GOAWAY 0 ${ErrorCode.PROTOCOL_ERROR}`);
      assert.equal(connection.retired, true);
      assert.deepEqual(caller.events, ['reset connection-lost']);
    }
  });

  it('refuses a response head above the limit by name', () => {
    const { peer, connection } = open({ limits: { ...http2Limits, headerListBytesMax: 1000 } });
    const { caller } = call(connection);
    peer.send(headers(1, [...OK, ['x', 'v'.repeat(2000)]], true));
    assert.equal(caller.reset?.reason, 'too-large');
    assert.match(caller.reset?.message ?? '', /1000 bytes \(headerListBytesMax\)/);
  });

  it('drains: no new streams, closes after the last', () => {
    const { peer, connection } = open();
    const { caller } = call(connection);
    connection.drain();
    assert.equal(connection.available, 0);
    peer.send(headers(1, OK, true));
    assert.equal(caller.events.at(-1), 'end');
    peer.pair.pump();
    assert.equal(peer.ended, true);
  });

  it('never throws, whatever a server sends', () => {
    const pieces = fc.oneof(
      fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
      fc
        .record({ type: fc.nat(11), flags: fc.nat(255), id: fc.nat(8), payload: fc.uint8Array({ maxLength: 40 }) })
        .map(({ type, flags, id, payload }) => frame(type, flags, id, payload)),
      fc.constantFrom(headers(1, OK, false), headers(3, OK, true), data(1, 'x', false), headers(1, [['t', '1']], true)),
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 20 }), (bytes) => {
        const { peer, connection } = open();
        const callers = [call(connection, POST, false).caller, call(connection).caller];
        peer.send(...bytes);
        peer.transport.destroy();
        peer.pair.pump();
        for (const caller of callers) {
          assert.ok(caller.events.some((event) => event.startsWith('end') || event.startsWith('reset')));
        }
        peer.clock.advance(60_000);
        assert.equal(peer.clock.pending, 0);
      }),
      { numRuns: 500 },
    );
  });
});

describe('client and server connections together', () => {
  it('carry bodies of any size both ways, whole, in pieces of any size', () => {
    const body = fc.integer({ min: 0, max: 300_000 });
    fc.assert(
      fc.property(body, body, fc.constantFrom(100, 1777, 65536), (up, down, pieceBytes) => {
        const pair = createMemoryPair({ manual: true, pieceBytes });
        const limits = { ...http2Limits, streamWindowBytes: 65_535, connectionWindowBytes: 65_535 };
        const recording = recordStreams(({ stream, body: received }) => {
          stream.respond({ status: 200, headers: HeaderList.of({ received: received.length }) }, false);
          stream.write(Buffer.alloc(down, 'd'));
          stream.end();
        });
        new Http2ServerConnection(pair.server, { http: recording.handler, limits });
        const connection = new Http2ClientConnection(pair.client, { limits });
        pair.pump();
        const { caller, stream } = call(connection, POST, false);
        stream.write(Buffer.alloc(up, 'u'));
        stream.end();
        pair.pump();
        assert.equal(recording.last.body, 'u'.repeat(up));
        assert.equal(caller.events[0], `head 200 received ${up}`);
        assert.equal(caller.body, 'd'.repeat(down));
        assert.equal(caller.events.at(-1), 'end');
        assert.equal(connection.streams.size, 0);
        pair.client.destroy();
        pair.server.destroy();
        pair.pump();
      }),
      { numRuns: 40 },
    );
  });

  it('agree on memoised heads for streams with many different fields', () => {
    const pair = createMemoryPair({ manual: true });
    const recording = recordStreams(respondHello);
    new Http2ServerConnection(pair.server, { http: recording.handler });
    const connection = new Http2ClientConnection(pair.client);
    pair.pump();
    for (let i = 0; i < 500; i++) {
      const { caller } = call(connection, {
        ...GET,
        path: `/${i % 300}`,
        headers: HeaderList.of({ n: i % 7, s: `${i}` }),
      });
      pair.pump();
      const { head } = recording.last.stream;
      assert.equal(head.path, `/${i % 300}`);
      assert.deepEqual(head.headers.flat, ['n', `${i % 7}`, 's', `${i}`]);
      assert.equal(caller.body, 'hello');
    }
    pair.client.destroy();
    pair.server.destroy();
    pair.pump();
  });
});
