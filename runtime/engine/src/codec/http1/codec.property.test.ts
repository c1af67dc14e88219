import assert from 'node:assert/strict';
import http from 'node:http';
import { Duplex } from 'node:stream';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { silentLogger } from '../../base/log.js';
import { createMemoryPair } from '../../network/memory-transport.js';
import { HeaderList } from '../http/headers.js';
import { collectBody, respondText } from '../http/respond.js';
import { Http1ClientConnection } from './client-connection.js';
import { RawPeer, RecordingReceiver, request, serve } from './raw-peer.test.support.js';

const SAMPLES = [
  'GET /a?b=c HTTP/1.1\r\nHost: x\r\nAccept: */*\r\nX-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\r\n',
  'POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\r\nhello',
  'POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;e=1\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nX-T: 1\r\n\r\n',
  '\r\nHEAD /d HTTP/1.0\r\nConnection: keep-alive\r\nUser-Agent: y\r\n\r\n',
  'PUT http://x/e HTTP/1.1\r\nHost: X\r\nExpect: 100-continue\r\nContent-Length: 1\r\nConnection: close, a\r\nA: b\r\n\r\nz',
];

interface Seen {
  readonly method: string;
  readonly path: string;
  readonly body: string;
  readonly trailers: number;
}

/** Serves `pieces`, one read each, and returns what reached the handler and what was answered. */
function run(pieces: readonly Buffer[]): { seen: Seen[]; fields: string[][]; bytes: string; closed: boolean } {
  const seen: Seen[] = [];
  const fields: string[][] = [];
  const { client, advance, pair, clock } = serve(
    (stream) => {
      const { method, path, headers } = stream.head;
      collectBody(stream, 1_000_000, (error, body, trailers) => {
        if (error !== null) return;
        seen.push({ method, path, body: body.toString('latin1'), trailers: trailers?.size ?? 0 });
        fields.push(headers.flat);
        respondText(stream, 200, `${method} ${path} ${body.length}`);
      });
    },
    { limits: { headerBytesMax: 8192, lingerBytesMax: 4096, pipelinedBytesMax: 4096 } },
  );
  for (const piece of pieces) {
    client.send(piece.toString('latin1'));
    if (pair.client.closed) break;
  }
  const { bytes } = client;
  client.end();
  for (let i = 0; i < 10; i++) advance(100_000);
  assert.equal(clock.pending, 0, 'a timer was left behind');
  return { seen, fields, bytes, closed: pair.server.closed };
}

/** Cuts `text` at the given positions. */
function cut(text: string, cuts: readonly number[]): Buffer[] {
  const raw = Buffer.from(text, 'latin1');
  const points = [...new Set([0, ...cuts.map((at) => at % raw.length), raw.length])].sort((a, b) => a - b);
  return points.slice(1).map((end, i) => raw.subarray(points[i], end));
}

describe('the HTTP/1.1 server', () => {
  it('sees the same requests wherever the bytes are cut', () => {
    const all = SAMPLES.join('');
    const whole = run([Buffer.from(all, 'latin1')]);
    assert.equal(whole.seen.length, 5);
    const raw = Buffer.from(all, 'latin1');
    // Whether 100 is said depends on what has arrived, by the rules; everything else does not.
    const answers = (bytes: string): string => bytes.replaceAll('HTTP/1.1 100 Continue\r\n\r\n', '');
    for (let at = 1; at < raw.length; at++) {
      const split = run([raw.subarray(0, at), raw.subarray(at)]);
      assert.deepEqual(split.seen, whole.seen, `cut at ${at}`);
      assert.deepEqual(split.fields, whole.fields);
      assert.equal(answers(split.bytes), answers(whole.bytes));
    }
    const single = run([...raw].map((byte) => Buffer.from([byte])));
    assert.deepEqual(single.seen, whole.seen);
    assert.equal(answers(single.bytes), answers(whole.bytes));
  });

  it('sees the same requests, cut at several random places', () => {
    const requests = fc.array(fc.constantFrom(...SAMPLES.slice(0, 4)), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(requests, fc.array(fc.nat(), { maxLength: 8 }), (texts, cuts) => {
        const all = texts.join('');
        assert.deepEqual(run(cut(all, cuts)).seen, run([Buffer.from(all, 'latin1')]).seen);
      }),
      { numRuns: 200 },
    );
  });

  it('survives arbitrary bytes: never throws, always ends, holds nothing', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map((part) => Buffer.from(part)),
      fc
        .string({
          unit: fc.constantFrom('\r', '\n', ' ', ':', 'G', '0', 'a', ';', ',', '\0', '\t', '/'),
          maxLength: 300,
        })
        .map((text) => Buffer.from(text)),
    );
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 4 }), (pieces) => {
        const { closed, bytes: answered } = run(pieces.filter((piece) => piece.length > 0));
        assert.equal(closed, true);
        assert.match(answered, /^(HTTP\/1\.1 \d{3} |$)/);
      }),
      { numRuns: 500 },
    );
  });
});

/** One mutation of a request, at a random place: what breaks parsers in practice. */
const mutation = fc.record({
  at: fc.nat(),
  kind: fc.constantFrom('insert', 'replace', 'delete', 'repeat'),
  text: fc.oneof(
    fc.constantFrom(
      '\r\n',
      '\n',
      '\r',
      ' ',
      '\t',
      ':',
      '\0',
      ',',
      ';',
      '0',
      '\r\n\r\n',
      '\x7f',
      '\x80',
      '+',
      '-',
      '0x',
      ' : ',
    ),
    fc.constantFrom(
      'Content-Length: 3\r\n',
      'content-length:0\r\n',
      'Transfer-Encoding: chunked\r\n',
      'Transfer-Encoding: identity\r\n',
      'Host: y\r\n',
      'Connection: close\r\n',
      'Expect: 100-continue\r\n',
      'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n',
      '0\r\n\r\n',
    ),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 3 }).map((text) => Buffer.from(text).toString('latin1')),
  ),
});

function mutate(text: string, { at, kind, text: part }: { at: number; kind: string; text: string }): string {
  const point = at % text.length;
  if (kind === 'insert') return text.slice(0, point) + part + text.slice(point);
  if (kind === 'replace') return text.slice(0, point) + part + text.slice(point + part.length);
  if (kind === 'delete') return text.slice(0, point) + text.slice(point + 1);
  return text.slice(0, point) + text.slice(Math.max(0, point - 10), point) + text.slice(point);
}

/** What node:http makes of `bytes`. */
function runNode(bytes: Buffer): Promise<Seen[]> {
  return new Promise((resolve) => {
    const seen: Seen[] = [];
    const server = http.createServer({ requireHostHeader: true }, (req, res) => {
      const parts: Buffer[] = [];
      req.on('data', (part: Buffer) => parts.push(part));
      req.on('error', () => {});
      req.on('end', () => {
        const trailers = req.rawTrailers.length / 2;
        seen.push({
          method: req.method ?? '',
          path: req.url ?? '',
          body: Buffer.concat(parts).toString('latin1'),
          trailers,
        });
        res.end();
      });
    });
    const socket = new Duplex({
      read() {},
      write: (_chunk, _encoding, done) => done(),
      final: (done) => done(),
    });
    socket.on('close', () => resolve(seen));
    server.on('clientError', () => socket.destroy());
    server.emit('connection', socket);
    socket.push(bytes);
    // Everything was pushed: parsing takes a few turns, no time.
    let turns = 20;
    const wait = (): void => {
      if (--turns > 0) setImmediate(wait);
      else socket.destroy();
    };
    setImmediate(wait);
  });
}

describe('mutated requests', () => {
  it('never throw, and whatever is served, node:http would have read in the same way', async () => {
    let compared = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom(...SAMPLES.slice(0, 3)), { minLength: 1, maxLength: 2 }),
        fc.array(mutation, { minLength: 1, maxLength: 3 }),
        fc.array(fc.nat(), { maxLength: 3 }),
        async (texts, mutations, cuts) => {
          let text = texts.join('');
          for (const one of mutations) text = mutate(text, one);
          if (text.length === 0) return;
          const { seen, closed } = run(cut(text, cuts));
          assert.equal(closed, true);
          const others = await runNode(Buffer.from(text, 'latin1'));
          for (const [i, mine] of seen.entries()) {
            const other = others[i];
            // node may refuse or not get to it (it is stricter here and there), but must not read another request.
            if (other === undefined) break;
            compared++;
            const path = other.path.replace(/^http:\/\/x(?=\/)/i, '');
            assert.deepEqual(
              [mine.method, mine.path, mine.body],
              [other.method, path, other.body],
              JSON.stringify(text),
            );
          }
        },
      ),
      { numRuns: 1000 },
    );
    assert.ok(compared > 100, `the oracle saw only ${compared} requests`);
  });
});

describe('the HTTP/1.1 client', () => {
  const RESPONSES = [
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello',
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n',
    'HTTP/1.1 204 No Content\r\n\r\n',
    'HTTP/1.0 200 \r\nContent-Type: text/plain\r\n\r\nto the end',
  ];

  function receive(pieces: readonly Buffer[]): RecordingReceiver {
    const pair = createMemoryPair({ manual: true });
    const connection = new Http1ClientConnection(pair.client, { log: silentLogger });
    const server = new RawPeer(pair.server, pair.pump);
    const receiver = new RecordingReceiver();
    connection.open(request('GET', '/'), true, receiver);
    for (const piece of pieces) server.send(piece.toString('latin1'));
    server.end();
    assert.equal(receiver.ends + (receiver.reset === null ? 0 : 1), 1, 'the exchange ends exactly once');
    return receiver;
  }

  it('reads the same response wherever the bytes are cut', () => {
    for (const response of RESPONSES) {
      const raw = Buffer.from(response, 'latin1');
      const whole = receive([raw]);
      assert.equal(whole.ends, 1);
      for (let at = 1; at < raw.length; at++) {
        const split = receive([raw.subarray(0, at), raw.subarray(at)]);
        assert.equal(split.summary, whole.summary, `cut at ${at}`);
        assert.deepEqual(split.trailers, whole.trailers);
      }
      assert.equal(receive([...raw].map((byte) => Buffer.from([byte]))).summary, whole.summary);
    }
  });

  it('survives mutated responses: the exchange ends exactly once', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...RESPONSES),
        fc.array(mutation, { minLength: 1, maxLength: 3 }),
        fc.array(fc.nat(), { maxLength: 3 }),
        (response, mutations, cuts) => {
          let text = response;
          for (const one of mutations) text = mutate(text, one);
          if (text.length > 0) receive(cut(text, cuts));
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('client and server together', () => {
  it('exchange every message whole, over any cutting', () => {
    const field = fc.tuple(
      fc.stringMatching(/^x-[a-z0-9!#$%&'*+.^_`|~-]{1,12}$/),
      fc.stringMatching(/^[!-~\x80-\xff]([ -~\x80-\xff]{0,20}[!-~\x80-\xff])?$/),
    );
    const message = fc.record({
      path: fc.stringMatching(/^\/[!"$-~]{0,30}$/),
      fields: fc.array(field, { maxLength: 8 }),
      body: fc.array(fc.uint8Array({ minLength: 1, maxLength: 200 }), { maxLength: 4 }),
      declared: fc.boolean(),
      trailers: fc.array(field, { maxLength: 3 }),
    });
    fc.assert(
      fc.property(message, message, fc.integer({ min: 1, max: 100 }), (asked, answered, pieceBytes) => {
        const flat = (fields: [string, string][]): string[] => fields.flat();
        const length = (body: Uint8Array[]): number => body.reduce((sum, part) => sum + part.length, 0);
        const framed = (one: typeof asked): string[] =>
          one.declared ? [...flat(one.fields), 'content-length', String(length(one.body))] : flat(one.fields);
        const served = new RecordingReceiver();
        let path = '';
        let fields: string[] = [];
        const { client, pair } = serve(
          (stream) => {
            path = stream.head.path;
            fields = stream.head.headers.flat;
            stream.receiver = served;
            stream.respond({ status: 200, headers: new HeaderList(framed(answered)) }, false);
            for (const part of answered.body) stream.write(part);
            stream.end(new HeaderList(flat(answered.trailers)));
          },
          { pieceBytes },
        );
        const connection = new Http1ClientConnection(client.transport, { log: silentLogger });
        const receiver = new RecordingReceiver();
        const stream = connection.open(
          { ...request('POST', asked.path), headers: new HeaderList(framed(asked)) },
          false,
          receiver,
        );
        for (const part of asked.body) stream.write(part);
        stream.end(new HeaderList(flat(asked.trailers)));
        pair.pump();
        const text = (body: Uint8Array[]): string => Buffer.concat(body).toString('latin1');
        assert.equal(path, asked.path);
        assert.deepEqual(fields, framed(asked));
        assert.equal(served.body, text(asked.body));
        assert.equal(served.ends, 1);
        assert.deepEqual(receiver.head?.headers.flat, framed(answered));
        assert.equal(receiver.body, text(answered.body));
        assert.equal(receiver.ends, 1);
        if (!asked.declared) assert.deepEqual(served.trailers?.flat ?? [], flat(asked.trailers));
        if (!answered.declared) assert.deepEqual(receiver.trailers?.flat ?? [], flat(answered.trailers));
        // The answer comes before the body: whether that ends in time is known of a declared one alone.
        assert.equal(connection.usable, asked.declared);
      }),
      { numRuns: 200 },
    );
  });
});
