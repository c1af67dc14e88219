import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HeaderList } from '../http/headers.js';
import { collectBody, respondEmpty, respondText } from '../http/respond.js';
import type { ServerStream } from '../http/stream.js';
import { RecordingReceiver, serve } from './raw-peer.test.support.js';
import type { Http1ServerStream } from './server-stream.js';

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
const get = (path: string, fields = ''): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n${fields}\r\n`;
const post = (fields: string, body = ''): string => `POST / HTTP/1.1\r\nHost: x\r\n${fields}\r\n${body}`;

const answerPath = (stream: ServerStream): void => respondText(stream, 200, stream.head.path);
const text = (body: string, extra = ''): string =>
  `HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: ${body.length}\r\n${extra}\r\n${body}`;

/** Keeps streams for the test to answer later. */
function hold(): { streams: Http1ServerStream[]; receivers: RecordingReceiver[]; handler: (s: ServerStream) => void } {
  const streams: Http1ServerStream[] = [];
  const receivers: RecordingReceiver[] = [];
  return {
    streams,
    receivers,
    handler(stream) {
      const receiver = new RecordingReceiver();
      stream.receiver = receiver;
      streams.push(stream as Http1ServerStream);
      receivers.push(receiver);
    },
  };
}

describe('an HTTP/1.1 server connection', () => {
  describe('reads requests', () => {
    it('gives method, path, authority and the fields in lower case, without those of the connection', () => {
      const held = hold();
      const { client } = serve(held.handler);
      client.send(
        'PUT /a?b=c HTTP/1.1\r\nHost: Ex.ample:80\r\nX-One:  1\t\r\nConnection: keep-alive, X-Hop, Upgrade\r\nX-Hop: gone\r\n' +
          'Keep-Alive: timeout=5\r\nTE: trailers\r\nUpgrade: h2c\r\nX-one: 2\r\nx-empty:\r\nContent-Length: 2\r\n\r\nab',
      );
      const { head } = held.streams[0] as ServerStream;
      assert.deepEqual(
        { ...head, headers: head.headers.flat },
        {
          method: 'PUT',
          scheme: 'http',
          authority: 'Ex.ample:80',
          path: '/a?b=c',
          headers: ['x-one', '1', 'x-one', '2', 'x-empty', '', 'content-length', '2'],
        },
      );
      assert.equal(held.receivers[0]?.body, 'ab');
      assert.equal(held.receivers[0]?.ends, 1);
    });

    it('tells a request without a body at once', () => {
      const held = hold();
      const { client } = serve(held.handler);
      client.send(GET);
      assert.equal(held.streams[0]?.headOnly, true);
      assert.equal(held.receivers[0]?.ends, 1);
      client.send('');
      assert.equal(held.receivers[0]?.ends, 1);
    });

    it('takes absolute targets, and * for OPTIONS', () => {
      const { client } = serve(answerPath);
      client.send('GET http://x/a?b HTTP/1.1\r\nHost: x\r\n\r\n');
      assert.equal(client.take(), text('/a?b'));
      client.send('GET HTTP://X?b HTTP/1.1\r\nHost: x\r\n\r\n');
      assert.equal(client.take(), text('/?b'));
      client.send('GET http://x HTTP/1.1\r\nHost: x\r\n\r\n');
      assert.equal(client.take(), text('/'));
      client.send('OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n');
      assert.equal(client.take(), text('*'));
      client.send('OPTIONS http://x HTTP/1.1\r\nHost: x\r\n\r\n');
      assert.equal(client.take(), text('*'));
    });

    it('says https when the transport is TLS', () => {
      const held = hold();
      const { client } = serve(held.handler, { tls: { alpn: 'http/1.1', serverName: 'x', peerCertificate: null } });
      client.send('GET https://x/ HTTP/1.1\r\nHost: x\r\n\r\n');
      assert.equal(held.streams[0]?.head.scheme, 'https');
      assert.equal(held.streams[0]?.tls?.serverName, 'x');
    });

    it('skips an empty line in front of a request', () => {
      const { client } = serve(answerPath);
      client.send(`\r\n${get('/a')}\r\n\r\n${get('/b')}`);
      assert.equal(client.take(), text('/a') + text('/b'));
    });

    it('gives chunked bodies with their trailers, without extensions', () => {
      const held = hold();
      const { client } = serve(held.handler);
      client.send(
        post('Transfer-Encoding: chunked\r\n', '3;a="b;c"\r\nabc\r\nA\r\n0123456789\r\n0;x\r\nX-Sum: 1\r\n\r\n'),
      );
      assert.equal(held.receivers[0]?.body, 'abc0123456789');
      assert.deepEqual(held.receivers[0]?.trailers?.flat, ['x-sum', '1']);
    });

    it('answers repeated heads alike, whatever the handler does to its own', () => {
      const seen: string[][] = [];
      const { client } = serve((stream) => {
        seen.push(stream.head.headers.flat.slice());
        stream.head.headers.set('a', 'changed').append('more', '1');
        stream.head.path = '/changed';
        answerPath(stream);
      });
      for (let i = 0; i < 5; i++) client.send(get('/same', 'A: b\r\n'));
      assert.deepEqual(seen, Array(5).fill(['a', 'b']));
      client.send(get('/same', 'A: c\r\n'));
      assert.deepEqual(seen[5], ['a', 'c']);
    });
  });

  describe('writes responses', () => {
    it('with the content-length the handler gave', () => {
      const { client } = serve((stream) => {
        stream.respond({ status: 201, headers: HeaderList.of({ 'content-length': 3, 'x-a': 'b' }) }, false);
        stream.write(Buffer.from('_abc_'), 1, 4);
        stream.end();
      });
      client.send(GET);
      assert.equal(client.take(), 'HTTP/1.1 201 Created\r\ncontent-length: 3\r\nx-a: b\r\n\r\nabc');
    });

    it('chunked when the length is not known, with trailers', () => {
      const { client } = serve((stream) => {
        stream.respond({ status: 200, headers: new HeaderList() }, false);
        stream.write(Buffer.from('abc'));
        stream.write(Buffer.alloc(0));
        stream.write(Buffer.from('0123456789abcdef'));
        stream.end(HeaderList.of({ 'x-sum': 1, 'content-length': 9 }));
      });
      client.send(GET);
      assert.equal(
        client.take(),
        'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nx-sum: 1\r\n\r\n',
      );
    });

    it('to the end of the connection for HTTP/1.0', () => {
      const { client } = serve((stream) => {
        stream.respond({ status: 200, headers: new HeaderList() }, false);
        stream.write(Buffer.from('abc'));
        stream.end();
      });
      client.send('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
      assert.equal(client.take(), 'HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nabc');
      assert.equal(client.ended, true);
    });

    it('with content-length: 0 when the head ends them', () => {
      const { client } = serve((stream) => respondEmpty(stream, 404, HeaderList.of({ 'content-length': 7 })));
      client.send(GET);
      assert.equal(client.take(), 'HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n');
    });

    it('without a body for HEAD, 204 and 304', () => {
      const { client } = serve((stream) => {
        const status = stream.head.path === '/' ? 200 : Number(stream.head.path.slice(1));
        stream.respond({ status, headers: HeaderList.of({ 'content-length': 3 }) }, false);
        stream.write(Buffer.from('abc'));
        stream.end();
      });
      client.send('HEAD / HTTP/1.1\r\nHost: x\r\n\r\n');
      assert.equal(client.take(), 'HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n');
      client.send(get('/204'));
      assert.equal(client.take(), 'HTTP/1.1 204 No Content\r\n\r\n');
      client.send(get('/304'));
      assert.equal(client.take(), 'HTTP/1.1 304 Not Modified\r\ncontent-length: 3\r\n\r\n');
    });

    it('without the fields that belong to the connection', () => {
      const { client } = serve((stream) =>
        stream.respond(
          {
            status: 200,
            headers: HeaderList.of({
              connection: 'keep-alive',
              'keep-alive': 'timeout=1',
              'transfer-encoding': 'gzip',
              upgrade: 'h2c',
              'x-a': 'b',
            }),
          },
          true,
        ),
      );
      client.send(GET);
      assert.equal(client.take(), 'HTTP/1.1 200 OK\r\nx-a: b\r\ncontent-length: 0\r\n\r\n');
    });

    it('of a status nobody knows without a reason', () => {
      const { client } = serve((stream) => respondEmpty(stream, 299));
      client.send(GET);
      assert.equal(client.take(), 'HTTP/1.1 299 \r\ncontent-length: 0\r\n\r\n');
    });

    it('after informational ones, but not to HTTP/1.0', () => {
      const { client } = serve((stream) => {
        stream.inform(103);
        stream.inform(101);
        stream.inform(200);
        respondEmpty(stream, 204);
        stream.inform(103);
      });
      client.send(GET);
      assert.equal(client.take(), 'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n');
      client.send('GET / HTTP/1.0\r\n\r\n');
      assert.equal(client.take(), 'HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n');
    });

    it('answers 500 when a handler throws, and cuts the connection when it throws too late', () => {
      const early = serve(() => {
        throw new Error('no');
      });
      early.client.send(GET);
      assert.match(early.client.take(), /^HTTP\/1\.1 500 .*connection: close.*the handler of this request failed\n$/s);
      const late = serve((stream) => {
        stream.respond({ status: 200, headers: new HeaderList() }, false);
        throw new Error('no');
      });
      late.client.send(GET);
      assert.doesNotMatch(late.client.take(), /\r\n0\r\n/);
      assert.equal(late.client.ended, true);
    });

    it('survives a receiver that throws, and spares the requests before and behind it', () => {
      const calm = new RecordingReceiver();
      const wild = { ...calm, onData() {}, onReset() {}, onDrain() {} };
      const no = (): never => {
        throw new Error('no');
      };
      for (const broken of [
        { ...wild, onEnd: no },
        { ...wild, onEnd() {}, onData: no },
      ]) {
        const held = hold();
        const { client } = serve((stream) => {
          if (stream.head.method === 'GET') held.handler(stream);
          else stream.receiver = broken;
        });
        client.send(GET + post('Content-Length: 3\r\n', 'abc') + get('/never'));
        answerPath(held.streams[0] as ServerStream);
        client.send('');
        assert.match(client.take(), /^HTTP\/1\.1 200 OK.*\/HTTP\/1\.1 500 .*failed\n$/s);
        assert.equal(client.ended, true);
      }
    });

    it('never lets a body differ from its content-length', () => {
      for (const body of ['ab', 'abcd']) {
        const held = hold();
        const { client } = serve((stream) => {
          held.handler(stream);
          stream.respond({ status: 200, headers: HeaderList.of({ 'content-length': 3 }) }, false);
          stream.write(Buffer.from(body));
          stream.end();
        });
        client.send(get('/a') + get('/b'));
        assert.doesNotMatch(client.take(), /HTTP.*HTTP/s);
        assert.equal(client.ended || client.closed, true);
        assert.equal(held.receivers[0]?.resetReason, 'internal');
      }
    });
  });

  describe('keeps the connection', () => {
    it('for HTTP/1.1 unless the client says close', () => {
      const { client } = serve(answerPath);
      client.send(get('/a'));
      client.send(get('/b', 'Connection: close\r\n'));
      assert.equal(client.take(), text('/a') + text('/b', 'connection: close\r\n'));
      assert.equal(client.ended, true);
    });

    it('for HTTP/1.0 only when the client asks', () => {
      const { client } = serve(answerPath);
      client.send('GET /a HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n');
      assert.equal(client.take(), text('/a', 'connection: keep-alive\r\n'));
      client.send('GET /b HTTP/1.0\r\n\r\n');
      assert.equal(client.take(), text('/b', 'connection: close\r\n'));
      assert.equal(client.ended, true);
    });

    it('not when the handler says close', () => {
      const { client } = serve((stream) => respondEmpty(stream, 200, HeaderList.of({ connection: 'close' })));
      client.send(GET);
      assert.match(client.take(), /\r\nconnection: close\r\n/);
      assert.equal(client.ended, true);
    });

    it('answers pipelined requests in order, one handler at a time', () => {
      const held = hold();
      const { client } = serve(held.handler);
      client.send(get('/a') + get('/b') + get('/c'));
      assert.equal(held.streams.length, 1);
      answerPath(held.streams[0] as ServerStream);
      assert.equal(held.streams.length, 2);
      answerPath(held.streams[1] as ServerStream);
      answerPath(held.streams[2] as ServerStream);
      client.send('');
      assert.equal(client.take(), text('/a') + text('/b') + text('/c'));
    });

    it('answers a whole read of pipelined requests by one flush', () => {
      const { client, pair } = serve(answerPath);
      client.send(get('/a').repeat(20));
      assert.equal(client.take(), text('/a').repeat(20));
      assert.equal(pair.server.flushes, 1);
    });

    it('does not recurse over pipelined requests that are answered later', () => {
      const held = hold();
      const { client } = serve(held.handler);
      client.send(get('/a').repeat(2000));
      for (let i = 0; i < 2000; i++) {
        answerPath(held.streams[i] as ServerStream);
        if (i % 500 === 0) client.send('');
      }
      client.send('');
      assert.equal(client.take(), text('/a').repeat(2000));
    });

    it('stops reading when too many pipelined bytes wait', () => {
      const held = hold();
      const { client, pair } = serve(held.handler, { pieceBytes: 1000, limits: { pipelinedBytesMax: 5000 } });
      const many = 2000;
      client.send(get('/a').repeat(many));
      assert.equal(pair.server.paused, true);
      assert.ok(client.transport.bufferedBytes > many * 20);
      for (let i = 0; i < many; i++) {
        answerPath(held.streams[i] as ServerStream);
        client.send('');
      }
      assert.equal(client.take(), text('/a').repeat(many));
      assert.equal(pair.server.paused, false);
    });

    it('serves no further request to a client that does not read', () => {
      let served = 0;
      const big = 'x'.repeat(40_000);
      const { client, pair } = serve(
        (stream) => {
          served++;
          respondText(stream, 200, big);
        },
        { limits: { pipelinedBytesMax: 1000 } },
      );
      client.transport.pause('app');
      client.send(get('/a').repeat(100));
      assert.equal(served, 2);
      assert.ok(pair.server.bufferedBytes < 100_000);
      client.transport.resume('app');
      pair.pump();
      assert.equal(served, 100);
    });
  });

  describe('says 100', () => {
    it('when the handler wants the body', () => {
      const held = hold();
      const { client } = serve(held.handler);
      client.send(post('Expect: 100-continue\r\nContent-Length: 3\r\n'));
      assert.equal(client.take(), 'HTTP/1.1 100 Continue\r\n\r\n');
      client.send('abc');
      assert.equal(held.receivers[0]?.body, 'abc');
      respondText(held.streams[0] as ServerStream, 200, 'ok');
      client.send('');
      assert.equal(client.take(), text('ok'));
    });

    it('only when it resumes', () => {
      const held = hold();
      const { client } = serve((stream) => {
        held.handler(stream);
        stream.pause('app');
      });
      client.send(post('Expect: 100-continue\r\nContent-Length: 3\r\n'));
      assert.equal(client.take(), '');
      held.streams[0]?.resume('app');
      client.send('');
      assert.equal(client.take(), 'HTTP/1.1 100 Continue\r\n\r\n');
    });

    it('not when the body is there already, nor to HTTP/1.0', () => {
      const { client } = serve((stream) =>
        collectBody(stream, 10, (_error, body) => respondText(stream, 200, `${body}`)),
      );
      client.send(post('Expect: 100-continue\r\nContent-Length: 3\r\n', 'abc'));
      assert.equal(client.take(), text('abc'));
      client.send('POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n');
      assert.equal(client.take(), '');
    });

    it('not when the answer is there first, which then ends the connection', () => {
      const { client } = serve((stream) => respondEmpty(stream, 403));
      client.send(post('Expect: 100-continue\r\nContent-Length: 3\r\n'));
      assert.equal(client.take(), 'HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
      assert.equal(client.ended, true);
    });
  });

  describe('when the answer comes before the body has', () => {
    it('reads on and keeps the connection when little is left', () => {
      const { client } = serve((stream) => respondText(stream, 200, stream.head.method));
      client.send(post('Content-Length: 5\r\n', 'ab'));
      assert.equal(client.take(), text('POST'));
      client.send(`cde${GET}`);
      assert.equal(client.take(), text('GET'));
    });

    it('closes when much is left, and reads on for a while so that the answer arrives', () => {
      const { client, advance } = serve((stream) => respondEmpty(stream, 413), { limits: { lingerBytesMax: 1000 } });
      client.send(post('Content-Length: 100000\r\n', 'x'.repeat(500)));
      assert.match(client.take(), /^HTTP\/1\.1 413 .*connection: close/s);
      assert.equal(client.ended, true);
      client.send('x'.repeat(400));
      assert.equal(client.closed, false);
      advance(2500);
      advance(2500);
      client.send('x');
      assert.equal(client.closed, true);
    });

    it('does not cut off a client that sends more than that while it may still read the answer', () => {
      const { client, advance } = serve((stream) => respondEmpty(stream, 413), { limits: { lingerBytesMax: 1000 } });
      client.send(post('Content-Length: 100000\r\n', 'x'.repeat(50_000)));
      client.send('x'.repeat(40_000));
      assert.match(client.take(), /^HTTP\/1\.1 413 .*connection: close/s);
      assert.deepEqual([client.ended, client.closed], [true, false]);
      advance(2500);
      client.send('x');
      assert.equal(client.closed, true);
    });

    it('closes when more than the limit of a chunked body follows', () => {
      const held = hold();
      const { client } = serve(
        (stream) => {
          held.handler(stream);
          respondText(stream, 200, 'ok');
        },
        { limits: { lingerBytesMax: 1000 }, pieceBytes: 512 },
      );
      client.send(post('Transfer-Encoding: chunked\r\n'));
      assert.match(client.take(), /connection: close\r\n\r\nok$/);
      client.send(`ffff\r\n${'x'.repeat(2000)}`);
      assert.equal(held.receivers[0]?.resetReason, 'no-error');
      assert.equal(client.ended, true);
    });

    it('gives the rest of the body to a handler that has answered', () => {
      const held = hold();
      const { client } = serve((stream) => {
        held.handler(stream);
        respondText(stream, 200, 'ok');
      });
      client.send(post('Content-Length: 3\r\n', 'a'));
      client.send('bc');
      assert.equal(held.receivers[0]?.body, 'abc');
      assert.equal(held.receivers[0]?.ends, 1);
    });
  });

  describe('limits', () => {
    it('the request line: 414', () => {
      for (const pieceBytes of [65_536, 100]) {
        const { client } = serve(answerPath, { limits: { requestLineBytesMax: 1000 }, pieceBytes });
        client.send(get(`/${'a'.repeat(2000)}`, `B: ${'b'.repeat(70_000)}\r\n`));
        assert.match(client.take(), /^HTTP\/1\.1 414 .*longer than 1000 bytes\n$/s);
      }
    });

    it('the head: 431', () => {
      for (const pieceBytes of [65_536, 100, 1]) {
        const { client } = serve(answerPath, { limits: { headerBytesMax: 1000 }, pieceBytes });
        client.send(get('/', `A: ${'a'.repeat(500)}\r\nB: ${'b'.repeat(500)}\r\n`));
        assert.match(client.take(), /^HTTP\/1\.1 431 .*longer than 1000 bytes\n$/s);
        const exact = serve(answerPath, { limits: { headerBytesMax: 1000 }, pieceBytes });
        const rest = get('/', 'A: \r\n').length;
        exact.client.send(get('/', `A: ${'a'.repeat(1000 - rest)}\r\n`));
        assert.match(exact.client.take(), /^HTTP\/1\.1 200 /);
      }
    });

    it('the number of fields: 431', () => {
      const { client } = serve(answerPath, { limits: { headerCountMax: 10 } });
      client.send(get('/', 'A: b\r\n'.repeat(9)));
      assert.match(client.take(), /^HTTP\/1\.1 200 /);
      client.send(get('/', 'A: b\r\n'.repeat(10)));
      assert.match(client.take(), /^HTTP\/1\.1 431 .*more than 10 field lines\n$/s);
    });

    it('the body: 413 before the handler when the length is declared, in the middle when it is chunked', () => {
      const declared = hold();
      const one = serve(declared.handler, { bodyBytesMax: () => 10 });
      one.client.send(post('Content-Length: 11\r\n', 'x'));
      assert.match(one.client.take(), /^HTTP\/1\.1 413 .*larger than 10 bytes\n$/s);
      assert.equal(declared.streams.length, 0);
      const streamed = hold();
      const two = serve(streamed.handler, { bodyBytesMax: () => 10 });
      two.client.send(post('Transfer-Encoding: chunked\r\n', '8\r\n01234567\r\n3\r\n'));
      assert.match(two.client.take(), /^HTTP\/1\.1 413 .*larger than 10 bytes\n$/s);
      assert.equal(streamed.receivers[0]?.resetReason, 'too-large');
      assert.equal(streamed.receivers[0]?.body, '01234567');
    });
  });

  describe('does not wait for ever', () => {
    const limits = { headerTimeoutMs: 1000, idleTimeoutMs: 5000, bodyIdleTimeoutMs: 2000, lingerTimeoutMs: 500 };

    it('for a head that comes in drops: 408', () => {
      const { client, advance, refused, pair } = serve(answerPath, { limits });
      for (const drop of 'GET / HTTP/1.1\r\n') {
        client.send(drop);
        advance(100);
      }
      assert.match(client.take(), /^HTTP\/1\.1 408 .*connection: close.*the request head took too long/s);
      assert.equal(refused.length, 1);
      client.send('Host: x\r\n\r\n');
      assert.equal(client.take(), '');
      assert.equal(client.ended, true);
      advance(600);
      assert.equal(pair.server.closed, true);
    });

    it('for the first byte', () => {
      const { client, advance } = serve(answerPath, { limits });
      advance(1001);
      assert.equal(client.take(), '');
      assert.equal(client.ended, true);
    });

    it('for the next request, but longer', () => {
      const { client, advance } = serve(answerPath, { limits });
      client.send(GET);
      advance(4000);
      client.send(GET);
      advance(4000);
      assert.equal(client.ended, false);
      client.send('GET');
      advance(1001);
      assert.match(client.take(), /408/);
      const other = serve(answerPath, { limits });
      other.client.send(GET);
      other.client.take();
      other.advance(5001);
      assert.equal(other.client.ended, true);
      assert.equal(other.client.take(), '');
    });

    it('for a body that stops: 408', () => {
      const held = hold();
      const { client, advance } = serve(held.handler, { limits });
      client.send(post('Content-Length: 10\r\n', 'abc'));
      for (let i = 0; i < 3; i++) {
        advance(1900);
        client.send('d');
      }
      assert.equal(client.take(), '');
      advance(2001);
      assert.match(client.take(), /^HTTP\/1\.1 408 .*the request body took too long/s);
      assert.equal(held.receivers[0]?.resetReason, 'timeout');
    });

    it('unless it is the handler who does not read', () => {
      const held = hold();
      const { client, advance } = serve(
        (stream) => {
          held.handler(stream);
          stream.pause('app');
        },
        { limits },
      );
      client.send(post('Content-Length: 10\r\n', 'abc'));
      advance(60_000);
      assert.equal(held.receivers[0]?.resetReason, null);
      held.streams[0]?.resume('app');
      advance(2001);
      assert.equal(held.receivers[0]?.resetReason, 'timeout');
    });

    it('for a handler it does', () => {
      const held = hold();
      const { client, advance } = serve(held.handler, { limits });
      client.send(GET);
      advance(3_600_000);
      answerPath(held.streams[0] as ServerStream);
      client.send('');
      assert.equal(client.take(), text('/'));
    });

    it('for a client that does not read its response', () => {
      const held = hold();
      const { client, advance, pair } = serve(held.handler, {
        limits: { ...limits, writeStallTimeoutMs: 1000, writeBytesPerSecondMin: 100_000 },
      });
      client.transport.pause('app');
      client.send(GET);
      const stream = held.streams[0] as ServerStream;
      stream.respond({ status: 200, headers: new HeaderList() }, false);
      assert.equal(stream.write(Buffer.alloc(100_000)), false);
      advance(1900);
      assert.equal(held.receivers[0]?.resetReason, null);
      advance(200);
      assert.equal(held.receivers[0]?.resetReason, 'timeout');
      assert.equal(pair.server.closed, true);
    });

    it('and leaves no timer behind', () => {
      const { client, advance, clock } = serve(answerPath, { limits });
      client.send(get('/', 'Connection: close\r\n'));
      client.end();
      advance(0);
      assert.equal(client.closed, true);
      assert.equal(clock.pending, 0);
    });
  });

  describe('passes back-pressure on', () => {
    it('to the handler: write says false, onDrain follows', () => {
      const held = hold();
      const { client, pair } = serve(held.handler);
      client.transport.pause('app');
      client.send(GET);
      const stream = held.streams[0] as ServerStream;
      stream.respond({ status: 200, headers: new HeaderList() }, false);
      let written = 0;
      while (stream.write(Buffer.alloc(10_000, 'x'))) written++;
      assert.ok(written < 10);
      assert.equal(stream.writable, false);
      pair.pump();
      assert.equal(held.receivers[0]?.drains, 0);
      client.transport.resume('app');
      pair.pump();
      assert.equal(held.receivers[0]?.drains, 1);
      assert.equal(stream.writable, true);
    });

    it('to the client: pauses are counted by reason', () => {
      const held = hold();
      const { client, pair } = serve(held.handler);
      client.send(post('Content-Length: 100\r\n'));
      const [stream] = held.streams as [Http1ServerStream];
      stream.pause('app');
      stream.pause('app');
      stream.pause('peer');
      client.send('abc');
      assert.equal(held.receivers[0]?.body, '');
      stream.resume('app');
      stream.resume('peer');
      stream.resume('peer');
      assert.equal(pair.server.paused, true);
      stream.resume('app');
      pair.pump();
      assert.equal(held.receivers[0]?.body, 'abc');
    });

    it('and forgets pauses with the exchange', () => {
      const { client, pair } = serve((stream) => {
        stream.pause('app');
        collectBody(stream, 100, () => {});
        respondText(stream, 200, 'ok');
      });
      client.send(post('Content-Length: 3\r\n', 'abc'));
      assert.equal(client.take(), text('ok'));
      assert.equal(pair.server.paused, false);
      client.send(post('Content-Length: 3\r\n', 'abc'));
      assert.equal(client.take(), text('ok'));
    });
  });

  describe('when the client leaves', () => {
    it('inside a head or body says so', () => {
      for (const [part, sentence] of [
        ['GET / HT', /inside a request head/],
        [post('Content-Length: 5\r\n', 'ab'), /inside a request body/],
      ] as const) {
        const held = hold();
        const { client } = serve(held.handler);
        client.send(part);
        client.end();
        assert.match(client.take(), /^HTTP\/1\.1 400 /);
        assert.match(held.receivers[0]?.reset?.message ?? 'inside a request head', sentence);
        assert.equal(client.closed, true);
      }
    });

    it('after its request, the answer still goes out when it comes soon', () => {
      const held = hold();
      const { client } = serve(held.handler);
      client.send(get('/a') + get('/b'));
      client.end();
      answerPath(held.streams[0] as ServerStream);
      client.send('');
      answerPath(held.streams[1] as ServerStream);
      client.send('');
      assert.equal(client.take(), text('/a') + text('/b'));
      assert.equal(client.closed, true);
    });

    it('after its request, the handler is told when it takes longer', () => {
      const held = hold();
      const { client, advance } = serve(held.handler);
      client.send(GET);
      client.end();
      assert.equal(held.receivers[0]?.resetReason, null);
      advance(2100);
      assert.equal(held.receivers[0]?.resetReason, 'cancel');
      assert.equal(client.closed, true);
      assert.equal(held.streams[0]?.writable, false);
      respondText(held.streams[0] as ServerStream, 200, 'too late');
    });

    it('with a reset, the handler is told at once', () => {
      const held = hold();
      const { client, pair } = serve(held.handler);
      client.send(GET);
      client.transport.cut();
      pair.pump();
      assert.equal(held.receivers[0]?.resetReason, 'cancel');
    });
  });

  describe('when the handler gives up', () => {
    it('answers what the reason says, or cuts', () => {
      for (const [reason, status] of [
        ['refused', 503],
        ['internal', 500],
        ['timeout', 504],
        ['too-large', 413],
      ] as const) {
        const held = hold();
        const { client } = serve(held.handler);
        client.send(GET);
        held.streams[0]?.reset(reason);
        client.send('');
        assert.match(client.take(), new RegExp(`^HTTP/1.1 ${status} .*connection: close`, 's'));
        assert.equal(held.receivers[0]?.resetReason, null);
      }
      const held = hold();
      const { client } = serve(held.handler);
      client.send(GET);
      held.streams[0]?.reset('cancel');
      client.send('');
      assert.equal(client.take(), '');
      assert.equal(client.ended, true);
    });

    it('in the middle of a response, the client sees that it is not whole', () => {
      const held = hold();
      const { client } = serve(held.handler);
      client.send(GET);
      const stream = held.streams[0] as ServerStream;
      stream.respond({ status: 200, headers: new HeaderList() }, false);
      stream.write(Buffer.from('abc'));
      client.send('');
      stream.reset('internal');
      client.send('');
      assert.equal(client.take(), 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n');
      assert.equal(client.ended, true);
    });
  });

  describe('drains', () => {
    it('at once when idle', () => {
      const { client, connection, pair } = serve(answerPath);
      client.send(GET);
      client.take();
      connection.drain();
      pair.pump();
      assert.equal(client.take(), '');
      assert.equal(client.ended, true);
    });

    it('after the running exchange, whose response says so', () => {
      const held = hold();
      const { client, connection } = serve(held.handler);
      client.send(get('/a') + get('/b'));
      connection.drain();
      client.send('');
      assert.equal(client.ended, false);
      answerPath(held.streams[0] as ServerStream);
      client.send('');
      assert.equal(client.take(), text('/a', 'connection: close\r\n'));
      assert.equal(client.ended, true);
      assert.equal(held.streams.length, 1);
    });
  });

  describe('hands the connection over', () => {
    const upgrade = get('/', 'Connection: Upgrade\r\nUpgrade: echo\r\n');

    it('with every byte that follows the request', () => {
      for (const pieceBytes of [65_536, 1]) {
        let seen = '';
        const { client, clock } = serve(
          (stream) => {
            const accepted = (stream as Http1ServerStream).acceptUpgrade(
              'echo',
              HeaderList.of({ 'x-a': 'b' }),
              (transport) => {
                transport.receiver = {
                  onBytes: (buffer, start, end) => {
                    seen += buffer.toString('latin1', start, end);
                  },
                  onDrain() {},
                  onEnd: () => {
                    seen += '|end';
                  },
                  onClose() {},
                };
              },
            );
            assert.equal(accepted, true);
          },
          { pieceBytes },
        );
        client.send(`${upgrade}GET raw`);
        client.send(' bytes');
        client.end();
        assert.equal(
          client.take(),
          'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\nx-a: b\r\n\r\n',
        );
        assert.equal(seen, 'GET raw bytes|end');
        assert.equal(clock.pending, 0);
      }
    });

    it('later, with the bytes that waited', () => {
      const held = hold();
      let seen = '';
      const { client } = serve(held.handler);
      client.send(`${upgrade}first`);
      held.streams[0]?.acceptUpgrade('echo', null, (transport) => {
        transport.receiver = {
          onBytes: (buffer, start, end) => {
            seen += buffer.toString('latin1', start, end);
          },
          onDrain() {},
          onEnd() {},
          onClose() {},
        };
      });
      client.send(', second');
      assert.equal(seen, 'first, second');
      assert.match(client.take(), /^HTTP\/1\.1 101 /);
    });

    it('only when the client asked, and not in HTTP/1.0', () => {
      for (const head of [GET, get('/', 'Upgrade: echo\r\n'), get('/', 'Connection: upgrade\r\n')]) {
        const held = hold();
        const { client } = serve(held.handler);
        client.send(head);
        assert.equal(held.streams[0]?.upgrade, null);
        assert.equal(
          held.streams[0]?.acceptUpgrade('echo', null, () => assert.fail()),
          false,
        );
      }
      const held = hold();
      const { client } = serve(held.handler);
      client.send('GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n');
      assert.equal(held.streams[0]?.upgrade, null);
    });

    it('and goes on as HTTP when the handler ignores the wish', () => {
      const { client } = serve(answerPath);
      client.send(upgrade);
      assert.equal(client.take(), text('/'));
      client.send(GET);
      assert.equal(client.take(), text('/'));
    });
  });
});
