import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { OutriggerError } from '../../base/error.js';
import { serve } from '../http1/raw-peer.test.support.js';
import { HeaderList } from './headers.js';
import {
  afterRequest,
  collectBody,
  readBody,
  respondBytes,
  respondEmpty,
  respondJson,
  respondText,
} from './respond.js';

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
const post = (fields: string, body: string): string => `POST / HTTP/1.1\r\nHost: x\r\n${fields}\r\n${body}`;

function answer(handler: Parameters<typeof serve>[0]): string {
  const { client } = serve(handler);
  client.send(GET);
  return client.take();
}

describe('short answers', () => {
  it('carry type, length and whatever fields are given', () => {
    assert.equal(
      answer((stream) => respondText(stream, 404, 'nöt', HeaderList.of({ 'x-a': 'b' }))),
      'HTTP/1.1 404 Not Found\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 4\r\nx-a: b\r\n\r\nn\xc3\xb6t',
    );
    assert.equal(
      answer((stream) => respondJson(stream, 200, { a: [1, null] })),
      'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 14\r\n\r\n{"a":[1,null]}',
    );
    assert.match(
      answer((stream) => respondJson(stream, 200, undefined)),
      /content-length: 4\r\n\r\nnull$/,
    );
    assert.equal(
      answer((stream) => respondBytes(stream, 200, 'a/b', Buffer.alloc(0))),
      'HTTP/1.1 200 OK\r\ncontent-type: a/b\r\ncontent-length: 0\r\n\r\n',
    );
    assert.equal(
      answer((stream) => respondEmpty(stream, 204, HeaderList.of({ 'x-a': 'b' }))),
      'HTTP/1.1 204 No Content\r\nx-a: b\r\n\r\n',
    );
  });
});

describe('a collected body', () => {
  it('is whole, owned by its receiver, and comes with its trailers', () => {
    const bodies: Buffer[] = [];
    const trailers: (string | undefined)[] = [];
    const { client } = serve((stream) =>
      collectBody(stream, 100_000, (error, body, trailer) => {
        assert.equal(error, null);
        bodies.push(body);
        trailers.push(trailer?.get('x-sum'));
        respondEmpty(stream, 204);
      }),
    );
    const large = 'y'.repeat(70_000);
    client.send(post('Content-Length: 3\r\n', 'abc'));
    client.send(post('Transfer-Encoding: chunked\r\n', '2\r\nde\r\n1\r\nf\r\n0\r\nX-Sum: 3\r\n\r\n'));
    client.send(post('Content-Length: 70000\r\n', large));
    client.send(post('Transfer-Encoding: chunked\r\n', `${(70_000).toString(16)}\r\n${large}\r\n0\r\n\r\n`));
    client.send(GET);
    assert.deepEqual(
      bodies.map((body) => body.toString()),
      ['abc', 'def', large, large, ''],
    );
    assert.deepEqual(trailers, [undefined, '3', undefined, undefined, undefined]);
  });

  it('is given up at the limit, before the rest arrives', () => {
    for (const request of [
      post('Content-Length: 1000\r\n', 'x'),
      post('Content-Length: 1000\r\nExpect: 100-continue\r\n', ''),
      post('Transfer-Encoding: chunked\r\n', '8\r\n01234567\r\n3\r\nabc\r\n'),
    ]) {
      const errors: (OutriggerError | null)[] = [];
      const { client } = serve((stream) =>
        collectBody(stream, 10, (error) => {
          errors.push(error);
          respondText(stream, error?.row.http ?? 200, error?.message ?? '');
        }),
      );
      client.send(request);
      assert.match(client.take(), /^HTTP\/1\.1 413 .*larger than the limit of 10 bytes$/s);
      assert.equal(errors.length, 1);
      assert.equal(errors[0]?.code, 'BODY_TOO_LARGE');
    }
  });

  it('that just fits is taken', () => {
    const { client } = serve((stream) =>
      collectBody(stream, 3, (error) => respondEmpty(stream, error === null ? 204 : 413)),
    );
    client.send(post('Content-Length: 3\r\n', 'abc'));
    assert.match(client.take(), /^HTTP\/1\.1 204 /);
  });

  it('that breaks off is an error', async () => {
    const reading: Promise<Buffer>[] = [];
    const { client } = serve((stream) => {
      reading.push(readBody(stream, 10));
    });
    client.send(post('Content-Length: 3\r\n', 'a'));
    client.end();
    await assert.rejects(reading[0] as Promise<Buffer>, { code: 'BODY_INTERRUPTED' });
  });

  it('comes as a promise as well', async () => {
    const reading: Promise<Buffer>[] = [];
    const { client } = serve((stream) => {
      reading.push(readBody(stream, 10));
    });
    client.send(post('Content-Length: 3\r\n', 'abc'));
    assert.equal(String(await reading[0]), 'abc');
  });
});

describe('an unwanted body', () => {
  const refusal = (): ReturnType<typeof serve> =>
    serve((stream) => afterRequest(stream, 10, () => respondText(stream, 404, 'no')));

  it('is dropped before the answer', () => {
    const { client } = refusal();
    client.send(post('Content-Length: 6\r\n', 'abc'));
    assert.equal(client.take(), '');
    client.send('def');
    assert.match(client.take(), /^HTTP\/1\.1 404 .*no$/s);
    client.send(GET);
    assert.match(client.take(), /^HTTP\/1\.1 404 .*no$/s);
  });

  it('is not waited for without end', () => {
    const { client } = refusal();
    client.send(post('Content-Length: 1000\r\n', 'x'.repeat(11)));
    assert.match(client.take(), /^HTTP\/1\.1 404 .*no$/s);
  });
});
