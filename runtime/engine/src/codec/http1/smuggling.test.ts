import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock } from '../../base/fake-clock.js';
import { silentLogger } from '../../base/log.js';
import { createMemoryPair } from '../../network/memory-transport.js';
import { collectBody, respondText } from '../http/respond.js';
import { Http1ServerConnection } from './server-connection.js';

interface Outcome {
  /** Status of each response, in order. */
  readonly statuses: number[];
  /** `METHOD path` of each request that reached the handler whole. */
  readonly handled: string[];
  readonly bytes: string;
  readonly ended: boolean;
}

/** Sends `text` to a server connection in pieces of `pieceBytes`. */
function send(text: string, pieceBytes = 65_536): Outcome {
  const pair = createMemoryPair({ manual: true, pieceBytes });
  const handled: string[] = [];
  let bytes = '';
  let ended = false;
  pair.client.receiver = {
    onBytes: (buffer, start, end) => {
      bytes += buffer.toString('latin1', start, end);
    },
    onDrain() {},
    onEnd() {
      ended = true;
    },
    onClose() {},
  };
  new Http1ServerConnection(pair.server, {
    clock: new FakeClock(),
    log: silentLogger,
    handler: (stream) =>
      collectBody(stream, 100_000, (error) => {
        if (error !== null) return;
        handled.push(`${stream.head.method} ${stream.head.path}`);
        respondText(stream, 200, 'ok');
      }),
  });
  const { client } = pair;
  const raw = Buffer.from(text, 'latin1');
  client.slab.ensure(raw.length);
  raw.copy(client.slab.buffer, client.slab.end);
  client.slab.end += raw.length;
  client.markDirty();
  pair.pump();
  const statuses = [...bytes.matchAll(/HTTP\/1\.1 (\d{3})/g)].map((match) => Number(match[1]));
  return { statuses, handled, bytes, ended };
}

/** The request is refused with `status`, and whatever is hidden behind it is never served. */
function refuses(status: number, sentence: RegExp, text: string): void {
  const hidden = `${text}GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n`;
  for (const pieceBytes of [65_536, 1, 7]) {
    const outcome = send(hidden, pieceBytes);
    assert.deepEqual(outcome.statuses, [status], `pieces of ${pieceBytes}: ${outcome.bytes}`);
    assert.deepEqual(outcome.handled, []);
    assert.match(outcome.bytes, /\r\nconnection: close\r\n/);
    assert.match(outcome.bytes, sentence);
    assert.equal(outcome.ended, true);
  }
}

const post = (fields: string, body = ''): string => `POST /p HTTP/1.1\r\nHost: x\r\n${fields}\r\n${body}`;
const chunked = (body: string): string => post('Transfer-Encoding: chunked\r\n', body);

describe('an HTTP/1.1 request that two hops could read differently', () => {
  describe('with both framings', () => {
    it('is refused with CL.TE', () => {
      refuses(400, /both/, post('Content-Length: 6\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\nG'));
    });
    it('is refused with TE.CL', () => {
      refuses(
        400,
        /both/,
        post('Transfer-Encoding: chunked\r\nContent-Length: 4\r\n', '5c\r\nGPOST / HTTP/1.1\r\n0\r\n\r\n'),
      );
    });
    it('is refused with Content-Length: 0 as well', () => {
      refuses(400, /both/, post('Content-Length: 0\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'));
    });
  });

  describe('with an obfuscated transfer-encoding', () => {
    const codings: [string, number][] = [
      ['Transfer-Encoding: xchunked\r\n', 400],
      ['Transfer-Encoding: chunked, chunked\r\n', 400],
      ['Transfer-Encoding: chunked, identity\r\n', 400],
      ['Transfer-Encoding: identity, chunked\r\n', 400],
      ['Transfer-Encoding: gzip, chunked\r\n', 400],
      ['Transfer-Encoding: chunked;q=1\r\n', 400],
      ['Transfer-Encoding: "chunked"\r\n', 400],
      ['Transfer-Encoding: chunked,\r\n', 400],
      ['Transfer-Encoding: ,chunked\r\n', 400],
      ['Transfer-Encoding:\r\n', 400],
      ['Transfer-Encoding: identity\r\n', 501],
      ['Transfer-Encoding: gzip\r\n', 501],
      ['Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', 400],
      ['Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n', 400],
      ['Transfer-Encoding: identity\r\nTransfer-encoding: chunked\r\n', 400],
      ['Transfer-Encoding : chunked\r\n', 400],
      ['Transfer-Encoding\t: chunked\r\n', 400],
      [' Transfer-Encoding: chunked\r\n', 400],
      ['X: y\r\n Transfer-Encoding: chunked\r\n', 400],
      ['Transfer-Encoding: \x0bchunked\r\n', 400],
      ['Transfer-Encoding: chunked\x00\r\n', 400],
      ['Transfer-Encoding: chunked\r\r\n', 400],
      ['Transfer-Encoding: chun\rked\r\n', 400],
      ['Transfer-Encoding:\r\n chunked\r\n', 400],
      ['X: y\nTransfer-Encoding: chunked\r\n', 400],
      ['X: y\rTransfer-Encoding: chunked\r\n', 400],
      ['Transfer\x00-Encoding: chunked\r\n', 400],
      ['Transfer-Encoding: \xa0chunked\r\n', 400],
      ['Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n', 400],
    ];
    for (const [fields, status] of codings) {
      it(`is refused: ${JSON.stringify(fields)}`, () => refuses(status, /\n.*\w.*\n$/, post(fields, '0\r\n\r\n')));
    }
    it('is refused in HTTP/1.0', () => {
      refuses(400, /HTTP\/1\.0/, 'POST /p HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n');
    });
    it('is taken when it is only written in another case', () => {
      const outcome = send(post('TRANSFER-encoding: Chunked\r\n', '0\r\n\r\n'));
      assert.deepEqual(outcome.statuses, [200]);
    });
  });

  describe('with an ambiguous content-length', () => {
    const lengths = [
      'Content-Length: 3\r\nContent-Length: 3\r\n',
      'Content-Length: 3\r\nContent-Length: 5\r\n',
      'Content-Length: 3, 3\r\n',
      'Content-Length: 3,5\r\n',
      'Content-Length: +3\r\n',
      'Content-Length: -3\r\n',
      'Content-Length: 0x3\r\n',
      'Content-Length: 3.0\r\n',
      'Content-Length: 3e0\r\n',
      'Content-Length: 3 \t3\r\n',
      'Content-Length: 3\x00\r\n',
      'Content-Length: "3"\r\n',
      'Content-Length:\r\n',
      'Content-Length: \xb2\r\n',
      'Content-Length : 3\r\n',
      'Content-Length\r\n: 3\r\n',
      'X: \r\n Content-Length: 3\r\n',
      'Connection: content-length\r\nContent-Length: 3\r\n',
    ];
    for (const fields of lengths) {
      it(`is refused: ${JSON.stringify(fields)}`, () => refuses(400, /\n.*\w.*\n$/, post(fields, 'abc')));
    }
    it('is refused with 413 when the number is beyond every integer', () => {
      refuses(413, /larger/, post('Content-Length: 99999999999999999999\r\n', 'abc'));
      refuses(413, /larger/, post('Content-Length: 9007199254740992\r\n', 'abc'));
    });
    it('cannot be made by a field name that only hashes alike', () => {
      const outcome = send(post('Content_Length: 3\r\nXontent-Length: 9\r\nContent-Lengti: 9\r\n'));
      assert.deepEqual(outcome.handled, ['POST /p']);
    });
  });

  describe('with tricks in its chunks', () => {
    const bodies = [
      '3 \r\nabc\r\n0\r\n\r\n',
      '3\t;a\r\nabc\r\n0\r\n\r\n',
      ' 3\r\nabc\r\n0\r\n\r\n',
      '+3\r\nabc\r\n0\r\n\r\n',
      '-3\r\nabc\r\n0\r\n\r\n',
      '0x3\r\nabc\r\n0\r\n\r\n',
      '3_0\r\nabc\r\n0\r\n\r\n',
      'g\r\nabc\r\n0\r\n\r\n',
      '\r\nabc\r\n0\r\n\r\n',
      ';\r\nabc\r\n0\r\n\r\n',
      '00000000000003\r\nabc\r\n0\r\n\r\n',
      'ffffffffffffffff\r\nabc\r\n0\r\n\r\n',
      '10000000000000003\r\nabc\r\n0\r\n\r\n',
      '3\nabc\r\n0\r\n\r\n',
      '3\r\nabc\n0\r\n\r\n',
      '3\r\nabcd\r\n0\r\n\r\n',
      '3\r\nab\r\n0\r\n\r\n',
      '3;a\nb\r\nabc\r\n0\r\n\r\n',
      '3;a\rb\r\nabc\r\n0\r\n\r\n',
      '3;a="\x00"\r\nabc\r\n0\r\n\r\n',
      '3\r\rabc\r\n0\r\n\r\n',
      '3\r\nabc\r\r\n0\r\n\r\n',
      '3\r\nabc\r\n0\n\n',
      '3\r\nabc\r\n0\r\n\n',
      '3\r\nabc\r\n0\r\nX: y\n\r\n',
      '3\r\nabc\r\n0\r\nX : y\r\n\r\n',
      '3\r\nabc\r\n0\r\n X: y\r\n\r\n',
      '3\r\nabc\r\n0\r\nX: y\r\n z\r\n\r\n',
      '3\r\nabc\r\n0\r\nX: y\x00\r\n\r\n',
      '3\r\nabc\r\n0\r\nContent-Length: 50\r\n\r\n',
      '3\r\nabc\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n',
      '3\r\nabc\r\n0\r\nHost: evil\r\n\r\n',
      '3\r\nabc\r\n0\r\nAuthorization: Bearer x\r\n\r\n',
    ];
    for (const body of bodies) {
      it(`is refused: ${JSON.stringify(body)}`, () => refuses(400, /\n.*\w.*\n$/, chunked(body)));
    }
    it('is refused when the extensions go on and on', () => {
      refuses(400, /extensions/, chunked(`3;${'a'.repeat(5000)}\r\nabc\r\n0\r\n\r\n`));
      refuses(400, /extensions/, chunked(`${`1;${'a'.repeat(100)}\r\nx\r\n`.repeat(60)}0\r\n\r\n`));
    });
    it('is refused with 431 when the trailers go on and on', () => {
      refuses(
        431,
        /trailer/,
        chunked(`0\r\n${'X-Filler: yyyyyyyyyyyyyyyy\r\n'.repeat(110)}${'X: y\r\n'.repeat(5000)}\r\n`),
      );
    });
  });

  describe('with a head that is not clean', () => {
    const heads: [string, string][] = [
      ['a bare LF in the request line', 'GET / HTTP/1.1\nHost: x\r\n\r\n'],
      ['a bare LF after a field', 'GET / HTTP/1.1\r\nHost: x\n\r\n'],
      ['only LFs', 'GET / HTTP/1.1\nHost: x\n\n'],
      ['a bare CR in a value', 'GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n'],
      ['a bare CR before the end', 'GET / HTTP/1.1\r\nHost: x\r\n\rX\r\n\r\n'],
      ['NUL in a value', 'GET / HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n'],
      ['NUL in a name', 'GET / HTTP/1.1\r\nHost: x\r\nA\x00: b\r\n\r\n'],
      ['NUL in the target', 'GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n'],
      ['DEL in a value', 'GET / HTTP/1.1\r\nHost: x\r\nA: \x7f\r\n\r\n'],
      ['a folded line', 'GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n'],
      ['a folded first line', 'GET / HTTP/1.1\r\n Host: x\r\n\r\n'],
      ['a space before the colon', 'GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n'],
      ['an empty name', 'GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n'],
      ['a line without a colon', 'GET / HTTP/1.1\r\nHost: x\r\nAbc\r\n\r\n'],
      ['a name that is no token', 'GET / HTTP/1.1\r\nHost: x\r\nA(b): c\r\n\r\n'],
      ['a name outside ASCII', 'GET / HTTP/1.1\r\nHost: x\r\n\xc4: c\r\n\r\n'],
      ['two spaces after the method', 'GET  / HTTP/1.1\r\nHost: x\r\n\r\n'],
      ['two spaces before the version', 'GET /  HTTP/1.1\r\nHost: x\r\n\r\n'],
      ['a space in the target', 'GET /a b HTTP/1.1\r\nHost: x\r\n\r\n'],
      ['a tab as separator', 'GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n'],
      ['a space before the method', ' GET / HTTP/1.1\r\nHost: x\r\n\r\n'],
      ['a space after the version', 'GET / HTTP/1.1 \r\nHost: x\r\n\r\n'],
      ['no target', 'GET HTTP/1.1\r\nHost: x\r\n\r\n'],
      ['no version', 'GET /\r\nHost: x\r\n\r\n'],
      ['a version in lower case', 'GET / http/1.1\r\nHost: x\r\n\r\n'],
      ['a longer version', 'GET / HTTP/1.10\r\nHost: x\r\n\r\n'],
      ['a fragment in the target', 'GET /#a HTTP/1.1\r\nHost: x\r\n\r\n'],
      ['a target that is no path', 'GET a HTTP/1.1\r\nHost: x\r\n\r\n'],
      ['a target of another scheme', 'GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n'],
      ['https in a target on plain text', 'GET https://x/ HTTP/1.1\r\nHost: x\r\n\r\n'],
      ['* for another method than OPTIONS', 'GET * HTTP/1.1\r\nHost: x\r\n\r\n'],
      ['three empty lines before it', '\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n'],
      ['a bare LF before it', '\nGET / HTTP/1.1\r\nHost: x\r\n\r\n'],
      ['a bare CR before it', '\rGET / HTTP/1.1\r\nHost: x\r\n\r\n'],
      ['a connection field that is no list of tokens', 'GET / HTTP/1.1\r\nHost: x\r\nConnection: a b\r\n\r\n'],
      ['connection naming host', 'GET / HTTP/1.1\r\nHost: x\r\nConnection: host\r\n\r\n'],
    ];
    for (const [what, head] of heads) {
      it(`is refused with ${what}`, () => refuses(400, /\n.*\w.*\n$/, head));
    }
    it('is refused with 505 for another major version', () => {
      refuses(505, /HTTP\/1\.1/, 'GET / HTTP/2.0\r\nHost: x\r\n\r\n');
      refuses(505, /HTTP\/1\.1/, 'GET / HTTP/0.9\r\nHost: x\r\n\r\n');
    });
    it('is closed without an answer when it is no HTTP at all', () => {
      for (const pieceBytes of [65_536, 1, 7]) {
        const outcome = send('INVALID CONNECTION PREFACE\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n', pieceBytes);
        assert.deepEqual([outcome.bytes, outcome.handled, outcome.ended], ['', [], true]);
      }
    });
    it('is refused with 501 for CONNECT and for a method without end', () => {
      refuses(501, /CONNECT/, 'CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n');
      refuses(501, /method/, `${'M'.repeat(200)} / HTTP/1.1\r\nHost: x\r\n\r\n`);
    });
    it('is refused with 417 for an expectation nobody meets', () => {
      refuses(417, /100-continue/, 'POST / HTTP/1.1\r\nHost: x\r\nExpect: 200-ok\r\nContent-Length: 3\r\n\r\nabc');
    });
  });

  describe('with a doubtful host', () => {
    const heads: [string, string][] = [
      ['missing', 'GET / HTTP/1.1\r\nA: b\r\n\r\n'],
      ['empty', 'GET / HTTP/1.1\r\nHost:\r\n\r\n'],
      ['given twice', 'GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n'],
      ['given twice, differently', 'GET / HTTP/1.1\r\nHost: x\r\nhOST: evil\r\n\r\n'],
      ['given twice in HTTP/1.0', 'GET / HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n'],
      ['a list', 'GET / HTTP/1.1\r\nHost: x, y\r\n\r\n'],
      ['with user information', 'GET / HTTP/1.1\r\nHost: a@x\r\n\r\n'],
      ['with a path', 'GET / HTTP/1.1\r\nHost: x/y\r\n\r\n'],
      ['with a space', 'GET / HTTP/1.1\r\nHost: x y\r\n\r\n'],
      ['with a port that is no number', 'GET / HTTP/1.1\r\nHost: x:y\r\n\r\n'],
      ['with a port that is too large', 'GET / HTTP/1.1\r\nHost: x:70000\r\n\r\n'],
      ['with two ports', 'GET / HTTP/1.1\r\nHost: x:1:2\r\n\r\n'],
      ['only a port', 'GET / HTTP/1.1\r\nHost: :80\r\n\r\n'],
      ['with an open bracket', 'GET / HTTP/1.1\r\nHost: [::1\r\n\r\n'],
      ['with a broken escape', 'GET / HTTP/1.1\r\nHost: x%2\r\n\r\n'],
      ['another one than the absolute target', 'GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n'],
      ['another port than the absolute target', 'GET http://a:81/ HTTP/1.1\r\nHost: a\r\n\r\n'],
      ['in an absolute target with user information', 'GET http://b@a/ HTTP/1.1\r\nHost: a\r\n\r\n'],
      ['in an absolute target without host', 'GET http:///p HTTP/1.1\r\nHost: a\r\n\r\n'],
      ['missing beside an absolute target', 'GET http://a/ HTTP/1.1\r\n\r\n'],
    ];
    for (const [what, head] of heads) {
      it(`is refused: ${what}`, () => refuses(400, /\n.*\w.*\n$/, head));
    }
    for (const host of ['x', 'X.example:80', '127.0.0.1:3500', '[::1]:3500', '[fe80::1]', 'a_b', 'x:', 'x%2dy']) {
      it(`is served: ${host}`, () => {
        assert.deepEqual(send(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`).statuses, [200]);
        assert.deepEqual(send(`GET http://${host}/ HTTP/1.1\r\nHost: ${host.toUpperCase()}\r\n\r\n`).statuses, [200]);
      });
    }
  });
});

describe('a response head', () => {
  it('cannot be split by what a handler puts into it', () => {
    for (const [name, value] of [
      ['x', 'a\r\nset-cookie: b'],
      ['x', 'a\nb'],
      ['x', 'a\rb'],
      ['x', 'a\0b'],
      ['x', 'snow \u2603'],
      ['x\r\ny', 'a'],
      ['x y', 'a'],
      ['x:', 'a'],
      ['', 'a'],
      ['X', 'a'],
    ] as const) {
      const pair = createMemoryPair({ manual: true });
      let bytes = '';
      pair.client.receiver = {
        onBytes: (buffer, start, end) => {
          bytes += buffer.toString('latin1', start, end);
        },
        onDrain() {},
        onEnd() {},
        onClose() {},
      };
      new Http1ServerConnection(pair.server, {
        clock: new FakeClock(),
        log: silentLogger,
        handler: (stream) => {
          const headers = stream.head.headers;
          headers.append(name, value);
          stream.respond({ status: 200, headers }, true);
        },
      });
      const request = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
      pair.client.slab.end += pair.client.slab.buffer.write(request, 'latin1');
      pair.client.markDirty();
      pair.pump();
      assert.match(
        bytes,
        /^HTTP\/1\.1 500 [\s\S]*\r\n\r\nthe handler of this request gave a response that cannot be sent\n$/,
      );
      assert.doesNotMatch(bytes, /set-cookie/);
    }
  });
});
