import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type ClientReceiver,
  type ClientStream,
  HeaderList,
  type HttpHandler,
  type RequestHead,
  type ResponseHead,
  respondText,
  type ServerStream,
  type StreamReset,
} from '@outrigger/engine';
import { loopback, request, settled } from '../stream/testing/loopback.js';
import { Forward } from './forward.js';

const nothing = { onData() {}, onEnd() {}, onReset() {}, onDrain() {} };

class PlainForward extends Forward {
  readonly ends: (StreamReset | null)[];
  readonly #upstream: ReturnType<typeof loopback>;

  constructor(down: ServerStream, upstream: ReturnType<typeof loopback>, ends: (StreamReset | null)[]) {
    super(down);
    this.#upstream = upstream;
    this.ends = ends;
    this.start(down.head);
  }
  protected override open(head: RequestHead, end: boolean): ClientStream {
    return this.#upstream.open(head, end, this);
  }
  protected override responseHead(head: ResponseHead): ResponseHead {
    return head;
  }
  protected override fail(reset: StreamReset): void {
    respondText(this.down, 502, reset.reason);
  }
  protected override ended(reset: StreamReset | null): void {
    this.ends.push(reset);
  }
}

function scene(handler: HttpHandler) {
  const ends: (StreamReset | null)[] = [];
  const upstream = loopback(handler);
  const front = loopback((stream) => void new PlainForward(stream, upstream, ends));
  return { front, upstream, ends };
}
const head = (): RequestHead => ({
  method: 'POST',
  scheme: 'http',
  authority: 'x',
  path: '/',
  headers: new HeaderList(),
});

describe('forward: two streams joined', () => {
  it('carries both directions with trailers, and ends once', async () => {
    const { front, ends } = scene((stream) => {
      stream.respond({ status: 201, headers: new HeaderList() }, false);
      stream.receiver = {
        ...nothing,
        onData: (chunk, start, end) => void stream.write(chunk, start, end),
        onEnd: () => stream.end(HeaderList.of({ 'x-sum': '1' })),
      };
    });
    const answer = await request(front, { method: 'POST', path: '/', body: 'hello' });
    assert.deepEqual([answer.status, answer.body.toString(), answer.trailers?.get('x-sum')], [201, 'hello', '1']);
    assert.deepEqual(ends, [null]);
  });

  it('lets the subclass answer when the upstream fails before its head', async () => {
    const { front, ends } = scene((stream) => {
      stream.receiver = nothing;
      stream.reset('internal');
    });
    const answer = await request(front, { path: '/' });
    assert.deepEqual([answer.status, answer.body.toString(), ends.length], [502, 'internal', 1]);
  });

  it('stops both sides at their windows while one does not take more', async () => {
    const { front, upstream } = scene((stream) => {
      stream.receiver = nothing;
      stream.pause('app');
      stream.respond({ status: 200, headers: new HeaderList() }, false);
      const more = (): void => {
        while (stream.write(Buffer.alloc(8192)));
      };
      stream.receiver = { ...nothing, onDrain: more };
      more();
    });
    let got = 0;
    const stream = front.open(head(), false, {
      ...nothing,
      onHead() {},
      onData: (_chunk, start, end) => {
        got += end - start;
        if (got >= 1024 * 1024) stream.pause('app');
      },
    });
    while (stream.write(Buffer.alloc(8192)));
    await settled();
    const [hop] = upstream.exchanges;
    assert.ok((hop?.request.bytesMax ?? 0) <= 128 * 1024);
    assert.ok((hop?.response.bytesMax ?? 0) <= 128 * 1024);
    assert.ok(got >= 1024 * 1024 && got < 2 * 1024 * 1024, `got ${got}`);
  });

  it('resets the upstream of a caller that leaves, also after the answer is through', async () => {
    const resets: string[] = [];
    const { front, ends } = scene((stream) => {
      stream.receiver = { ...nothing, onReset: ({ reason }) => void resets.push(reason) };
      if (stream.head.path === '/answered') respondText(stream, 200, 'early');
    });
    const silent: ClientReceiver = { ...nothing, onHead() {} };
    const waiting = front.open(head(), false, silent);
    const answered = front.open({ ...head(), path: '/answered' }, false, silent);
    await settled();
    waiting.reset('cancel');
    answered.reset('cancel');
    await settled();
    assert.deepEqual(resets, ['cancel', 'cancel']);
    assert.deepEqual(ends.map((reset) => reset?.reason ?? 'whole').sort(), ['cancel', 'whole']);
  });

  it('tells a caller that still sends when the upstream wants no more of it', async () => {
    const { front } = scene((stream) => {
      stream.receiver = nothing;
      stream.respond({ status: 413, headers: new HeaderList() }, true);
      setImmediate(() => stream.reset('no-error'));
    });
    const seen: string[] = [];
    front.open(head(), false, {
      ...nothing,
      onHead: ({ status }) => void seen.push(String(status)),
      onReset: ({ reason }) => void seen.push(reason),
    });
    await settled();
    assert.deepEqual(seen, ['413', 'no-error']);
  });

  it('answers in place of a head that cannot be sent on, and breaks off at such trailers', async () => {
    const upstream = loopback((stream) => {
      stream.receiver = nothing;
      stream.respond({ status: 200, headers: new HeaderList() }, false);
      stream.end(HeaderList.of({ bad: '1' }));
    });
    const ends: (StreamReset | null)[] = [];
    const failing = (what: 'respond' | 'end') =>
      loopback((stream) => {
        const original = stream[what].bind(stream) as (...parts: unknown[]) => void;
        let first = true;
        Object.assign(stream, {
          [what]: (...parts: unknown[]) => {
            if (!first) return original(...parts);
            first = false;
            throw new Error('field value is not allowed');
          },
        });
        new PlainForward(stream, upstream, ends);
      });
    const answer = await request(failing('respond'), { path: '/' });
    assert.deepEqual([answer.status, answer.body.toString()], [502, 'protocol']);
    await assert.rejects(request(failing('end'), { path: '/' }));
    assert.equal(ends.length, 2);
  });
});
