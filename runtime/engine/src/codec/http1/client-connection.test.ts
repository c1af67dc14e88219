import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { silentLogger } from '../../base/log.js';
import { createMemoryPair, type MemoryPair, type MemoryPairOptions } from '../../network/memory-transport.js';
import type { Transport } from '../../network/transport.js';
import { HeaderList } from '../http/headers.js';
import type { ResponseHead } from '../http/stream.js';
import { Http1ClientConnection } from './client-connection.js';
import type { Http1ClientStream } from './client-stream.js';
import { RawPeer, RecordingReceiver, request } from './raw-peer.test.support.js';

interface Client {
  readonly pair: MemoryPair;
  readonly server: RawPeer;
  readonly connection: Http1ClientConnection;
  readonly idles: number;
  readonly unusable: number;
}

function connect(options: MemoryPairOptions = {}): Client {
  const pair = createMemoryPair({ ...options, manual: true });
  const state = { idles: 0, unusable: 0 };
  const connection = new Http1ClientConnection(pair.client, {
    log: silentLogger,
    onIdle: () => state.idles++,
    onUnusable: () => state.unusable++,
  });
  const server = new RawPeer(pair.server, pair.pump);
  return {
    pair,
    server,
    connection,
    get idles() {
      return state.idles;
    },
    get unusable() {
      return state.unusable;
    },
  };
}

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** Sends a GET and answers it with `response`; then the server ends when `end`. */
function answer(response: string, end = false, method = 'GET', pieceBytes = 65_536): [RecordingReceiver, Client] {
  const client = connect({ pieceBytes });
  const receiver = new RecordingReceiver();
  client.connection.open(request(method, '/'), true, receiver);
  client.server.send(response);
  if (end) client.server.end();
  return [receiver, client];
}

describe('an HTTP/1.1 client connection', () => {
  describe('writes requests', () => {
    it('with Host from the authority and without fields of the connection', () => {
      const { server, connection, pair } = connect();
      const head = request('GET', '/a?b', {
        host: 'evil',
        'x-a': 'b',
        connection: 'close',
        te: 'trailers',
        expect: 'x',
      });
      connection.open(head, true, new RecordingReceiver());
      pair.pump();
      assert.equal(server.take(), 'GET /a?b HTTP/1.1\r\nhost: x\r\nx-a: b\r\n\r\n');
    });

    it('that have no body but usually one with content-length: 0', () => {
      for (const [method, length] of [
        ['POST', true],
        ['PUT', true],
        ['DELETE', false],
      ] as const) {
        const { server, connection, pair } = connect();
        connection.open(request(method, '/'), true, new RecordingReceiver());
        pair.pump();
        assert.equal(server.take().includes('content-length: 0'), length);
      }
    });

    it('with the content-length given, else chunked with trailers', () => {
      const one = connect();
      const stream = one.connection.open(
        request('POST', '/', { 'content-length': '3' }),
        false,
        new RecordingReceiver(),
      );
      stream.write(Buffer.from('abc'));
      stream.end();
      one.pair.pump();
      assert.equal(one.server.take(), 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc');
      const two = connect();
      const streamed = two.connection.open(request('POST', '/'), false, new RecordingReceiver());
      streamed.write(Buffer.from('abc'));
      streamed.end(HeaderList.of({ 'x-sum': 1 }));
      two.pair.pump();
      assert.equal(
        two.server.take(),
        'POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n',
      );
    });

    it('never those that could be read as two', async () => {
      const heads = [
        request('GET', '/', { a: 'b\r\nc: d' }),
        request('GET', '/', { 'a\r\nb': 'c' }),
        request('GET', '/', { 'content-length': '1, 1' }),
        request('GET', '/ HTTP/1.1\r\nX: y'),
        request('GET', '/a b'),
        request('GE T', '/'),
        request('GET', ''),
        { ...request('GET', '/'), authority: 'x\r\ny' },
      ];
      for (const head of heads) {
        const { server, connection, pair } = connect();
        const receiver = new RecordingReceiver();
        connection.open(head, true, receiver);
        assert.equal(receiver.resetReason, null, 'not inside open');
        await Promise.resolve();
        assert.equal(receiver.resetReason, 'protocol');
        assert.equal(receiver.reset?.unprocessed, true);
        pair.pump();
        assert.equal(server.take(), '');
        assert.equal(connection.usable, true);
      }
    });

    it('never a body that differs from its content-length', () => {
      for (const body of ['ab', 'abcd']) {
        const { server, connection, pair } = connect();
        const receiver = new RecordingReceiver();
        const stream = connection.open(request('POST', '/', { 'content-length': '3' }), false, receiver);
        stream.write(Buffer.from(body));
        stream.end();
        pair.pump();
        assert.equal(receiver.resetReason, 'protocol');
        assert.equal(server.ended, true);
      }
    });
  });

  describe('reads responses', () => {
    it('by content-length', () => {
      const [receiver, client] = answer(OK);
      assert.equal(receiver.summary, '200 ["content-length","2"] ok x1');
      assert.equal(client.connection.usable, true);
      assert.equal(client.idles, 1);
    });

    it('chunked, with trailers, without fields of the connection', () => {
      const [receiver, client] = answer(
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive, x-hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\r\n2;a\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n',
      );
      assert.equal(receiver.summary, '200 [] ok x1');
      assert.deepEqual(receiver.trailers?.flat, ['x-sum', '1']);
      assert.equal(client.connection.usable, true);
    });

    it('to the end of the connection, which is then not used again', () => {
      for (const version of ['1.0', '1.1']) {
        const [receiver, client] = answer(`HTTP/${version} 200 OK\r\n\r\nall of it`, true);
        assert.equal(receiver.summary, '200 [] all of it x1');
        assert.equal(client.connection.usable, false);
        assert.equal(client.unusable, 1);
      }
    });

    it('without a body for HEAD, 204 and 304', () => {
      for (const [method, head] of [
        ['HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n'],
        ['HEAD', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'],
        ['GET', 'HTTP/1.1 204 No Content\r\n\r\n'],
        ['GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n'],
        ['GET', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'],
      ] as const) {
        const [receiver, client] = answer(head, false, method);
        assert.equal(receiver.ends, 1);
        assert.equal(receiver.headEnds, true);
        assert.equal(client.connection.usable, true);
      }
    });

    it('after informational ones', () => {
      const [receiver] = answer(`HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n${OK}`);
      assert.equal(receiver.summary, '200 ["content-length","2"] ok x1');
      const [flooded] = answer('HTTP/1.1 100 Continue\r\n\r\n'.repeat(20));
      assert.equal(flooded.resetReason, 'protocol');
    });

    it('one after the other on one connection', () => {
      const { server, connection, pair } = connect();
      for (let i = 0; i < 5; i++) {
        const receiver = new RecordingReceiver();
        connection.open(request('GET', `/${i}`), true, receiver);
        pair.pump();
        assert.equal(server.take(), `GET /${i} HTTP/1.1\r\nhost: x\r\n\r\n`);
        server.send(`HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n${i}`);
        assert.equal(receiver.body, String(i));
      }
      assert.equal(connection.exchanges, 5);
    });

    it('a HEAD between GETs with equal heads', () => {
      const { server, connection } = connect();
      for (let i = 0; i < 8; i++) {
        const receiver = new RecordingReceiver();
        const method = i % 2 === 0 ? 'GET' : 'HEAD';
        connection.open(request(method, '/'), true, receiver);
        server.send(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n${method === 'GET' ? 'ok' : ''}`);
        assert.equal(receiver.ends, 1);
        assert.equal(receiver.body, method === 'GET' ? 'ok' : '');
      }
    });

    it('that close, and is then not used again', () => {
      for (const response of [
        'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok',
        'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok',
        `${OK}x`,
        `${OK}${OK}`,
        'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n',
        'HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n',
      ]) {
        const [receiver, client] = answer(response);
        assert.equal(receiver.ends, 1);
        assert.equal(client.connection.usable, false, response);
        assert.equal(client.server.ended, true);
        assert.equal(client.idles, 0);
      }
    });

    it('but never bytes nobody asked for', () => {
      const { server, connection } = connect();
      server.send(OK);
      assert.equal(connection.usable, false);
    });

    it('that are not valid as a protocol error, in pieces or at once', () => {
      for (const response of [
        'HTTP/1.1 200 OK\nContent-Length: 2\n\nok',
        'HTTP/2.0 200 OK\r\n\r\n',
        'HTTP/1.1  200 OK\r\n\r\n',
        'HTTP/1.1 20 OK\r\n\r\n',
        'HTTP/1.1 2000 OK\r\n\r\n',
        'HTTP/1.1 099 No\r\n\r\n',
        'HTTP/1.1 200 O\0K\r\n\r\n',
        'ICY 200 OK\r\n\r\n',
        'HTTP/1.1 200 OK\r\nA : b\r\n\r\n',
        'HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n',
        'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok',
        'HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok',
        'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
        'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
        'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n',
        `HTTP/1.1 200 OK\r\nA: ${'b'.repeat(70_000)}\r\n\r\n`,
      ]) {
        for (const pieceBytes of [65_536, 1]) {
          const [receiver, client] = answer(response, false, 'GET', pieceBytes);
          assert.equal(receiver.resetReason, 'protocol', response.slice(0, 80));
          assert.equal(receiver.ends, 0);
          assert.equal(client.connection.usable, false);
          assert.equal(client.server.ended || client.server.closed, true);
        }
      }
    });
  });

  describe('when the connection ends', () => {
    it('before an answer, says that the request may have been processed', () => {
      const { server, connection, pair } = connect();
      const receiver = new RecordingReceiver();
      connection.open(request('GET', '/'), true, receiver);
      pair.pump();
      server.end();
      assert.equal(receiver.summary, 'reset connection-lost: the server closed the connection before it answered');
      assert.equal(receiver.reset?.unprocessed, false);
    });

    it('before a byte of the request has left, says that it was not processed', () => {
      const { server, connection, pair } = connect();
      server.transport.end();
      const receiver = new RecordingReceiver();
      connection.open(request('GET', '/'), true, receiver);
      connection.onEnd();
      assert.equal(receiver.resetReason, 'connection-lost');
      assert.equal(receiver.reset?.unprocessed, true);
      pair.pump();
    });

    it('inside a response, says so', () => {
      for (const part of [
        'HTTP/1.1 200',
        'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab',
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n',
      ]) {
        const [receiver] = answer(part, true);
        assert.equal(receiver.summary, 'reset connection-lost: the server closed the connection inside a response');
        assert.equal(receiver.reset?.unprocessed, false);
      }
    });

    it('by a reset inside a body without length, does not take it for whole', () => {
      const [receiver, client] = answer('HTTP/1.1 200 OK\r\n\r\nab');
      client.server.transport.cut();
      client.pair.pump();
      assert.equal(receiver.resetReason, 'connection-lost');
      assert.equal(receiver.ends, 0);
    });

    it('while idle, is no longer usable', () => {
      const [, client] = answer(OK, true);
      assert.equal(client.connection.usable, false);
      assert.equal(client.unusable, 1);
    });
  });

  it('cuts the connection when the caller gives up', () => {
    const { server, connection, pair } = connect();
    const receiver = new RecordingReceiver();
    const stream = connection.open(request('GET', '/'), true, receiver);
    pair.pump();
    server.send('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab');
    stream.reset('cancel');
    pair.pump();
    assert.equal(server.ended, true);
    assert.equal(receiver.reset, null);
    stream.reset('cancel');
  });

  it('ends the exchange when the answer is whole before the request is', () => {
    const { server, connection } = connect();
    const receiver = new RecordingReceiver();
    const stream = connection.open(request('POST', '/'), false, receiver);
    stream.write(Buffer.from('abc'));
    server.send('HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n');
    assert.equal(receiver.ends, 1);
    assert.equal(stream.writable, false);
    assert.equal(stream.write(Buffer.from('d')), false);
    stream.end();
    assert.equal(connection.usable, false);
  });

  it('serves one exchange at a time and refuses a second', async () => {
    const { connection } = connect();
    connection.open(request('GET', '/'), true, new RecordingReceiver());
    const receiver = new RecordingReceiver();
    connection.open(request('GET', '/'), true, receiver);
    await Promise.resolve();
    assert.equal(receiver.resetReason, 'refused');
    assert.equal(receiver.reset?.unprocessed, true);
  });

  it('passes back-pressure on in both directions', () => {
    const { server, connection, pair } = connect();
    const receiver = new RecordingReceiver();
    const stream = connection.open(request('POST', '/'), false, receiver);
    server.transport.pause('app');
    while (stream.write(Buffer.alloc(10_000, 'x'))) pair.pump();
    assert.equal(receiver.drains, 0);
    server.transport.resume('app');
    pair.pump();
    assert.equal(receiver.drains, 1);
    stream.end();
    stream.pause('app');
    server.send(OK);
    assert.equal(receiver.head, null);
    stream.resume('app');
    pair.pump();
    assert.equal(receiver.body, 'ok');
  });

  it('drains: the running exchange ends first', () => {
    const { server, connection, pair } = connect();
    const receiver = new RecordingReceiver();
    connection.open(request('GET', '/'), true, receiver);
    connection.drain();
    pair.pump();
    server.send(OK);
    assert.equal(receiver.body, 'ok');
    assert.equal(server.ended, true);
  });

  describe('asks for another protocol', () => {
    class Upgraded extends RecordingReceiver {
      bytes = '';
      switched: ResponseHead | null = null;
      onUpgrade(head: ResponseHead, transport: Transport): void {
        this.switched = head;
        transport.receiver = {
          onBytes: (buffer, start, end) => {
            this.bytes += buffer.toString('latin1', start, end);
          },
          onDrain() {},
          onEnd() {},
          onClose() {},
        };
      }
    }
    const open = (client: Client): [Upgraded, Http1ClientStream] => {
      const receiver = new Upgraded();
      return [receiver, client.connection.openUpgrade(request('GET', '/', { 'x-a': 'b' }), 'echo', receiver)];
    };

    it('and hands the transport over, with every byte behind the 101', () => {
      for (const pieceBytes of [65_536, 1]) {
        const client = connect({ pieceBytes });
        const [receiver] = open(client);
        client.pair.pump();
        assert.equal(
          client.server.take(),
          'GET / HTTP/1.1\r\nhost: x\r\nx-a: b\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n',
        );
        client.server.send(
          'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\nX-B: c\r\n\r\nraw',
        );
        client.server.send(' bytes');
        assert.equal(receiver.bytes, 'raw bytes');
        assert.deepEqual(receiver.switched?.headers.flat, ['x-b', 'c', 'upgrade', 'echo']);
        assert.equal(receiver.ends, 0);
        assert.equal(client.connection.usable, false);
      }
    });

    it('and takes a plain answer as one', () => {
      const client = connect();
      const [receiver] = open(client);
      client.server.send(OK);
      assert.equal(receiver.body, 'ok');
      assert.equal(client.connection.usable, true);
    });
  });
});
