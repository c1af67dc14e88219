/** Many calls at once against apps and sidecars that fail in every way by chance: each caller gets its own answer or an error, and nothing stays behind. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type ClientReceiver,
  FakeClock,
  HeaderList,
  type HttpHandler,
  type RequestHead,
  respondText,
} from '@outrigger/engine';
import { settled } from '../../stream/testing/loopback.js';
import { TestNamespace, testApp } from './testing/sidecars.js';

/** An app that answers `<path>:<body>`, or misbehaves. */
const moody =
  (random: () => number): HttpHandler =>
  (stream) => {
    const chunks: Buffer[] = [];
    const mood = random();
    stream.receiver = {
      onData: (chunk, start, end) => {
        chunks.push(Buffer.from(chunk.subarray(start, end)));
        if (mood < 0.04) stream.reset('internal');
      },
      onEnd: () => {
        if (mood > 0.97) return;
        if (mood < 0.08) return stream.reset('refused');
        const body = `${stream.head.path}:${Buffer.concat(chunks).toString()}`;
        if (mood < 0.12) {
          stream.respond({ status: 200, headers: new HeaderList() }, false);
          stream.write(Buffer.from(body.slice(0, 3)));
          setImmediate(() => stream.reset('internal'));
          return;
        }
        if (mood < 0.2) {
          stream.respond({ status: 200, headers: HeaderList.of({ 'content-length': body.length }) }, false);
          const rest = Buffer.from(body);
          setImmediate(() => {
            stream.write(rest.subarray(0, 5));
            setImmediate(() => {
              stream.write(rest.subarray(5));
              stream.end();
            });
          });
          return;
        }
        respondText(stream, 200, body);
      },
      onReset() {},
      onDrain() {},
    };
    if (mood > 0.97) respondText(stream, 413, 'early');
  };

type Outcome = 'own answer' | 'error answer' | 'broken' | 'left';

describe('invoke under chaos', () => {
  for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
    it(`loses, doubles and mixes up nothing (seed ${seed})`, async () => {
      const chance = new FakeClock({ seed });
      const random = (): number => chance.random();
      const namespace = new TestNamespace();
      const hosts = Array.from({ length: 3 }, () => namespace.add('b', testApp({ handler: moody(random) })));
      const a = namespace.add('a');
      const outcomes: (Outcome | undefined)[] = [];
      const ends: number[] = [];

      const start = (i: number): void => {
        const body = 'x'.repeat(Math.floor(random() * 2000));
        const expected = `/call/${i}:${body}`;
        const chunks: Buffer[] = [];
        let status = 0;
        ends[i] = 0;
        const end = (outcome: Outcome): void => {
          ends[i] = (ends[i] as number) + 1;
          outcomes[i] = outcome;
        };
        const whole = (): void => {
          const text = Buffer.concat(chunks).toString();
          if (status === 200) assert.equal(text, expected, 'the answer of another call');
          end(status === 200 ? 'own answer' : 'error answer');
        };
        const receiver: ClientReceiver = {
          onHead: (head, last) => {
            status = head.status;
            if (last) whole();
          },
          onData: (chunk, from, to) => void chunks.push(Buffer.from(chunk.subarray(from, to))),
          onEnd: whole,
          onReset: ({ reason }) => {
            if (reason !== 'no-error') end('broken');
          },
          onDrain() {},
        };
        const head: RequestHead = {
          method: 'POST',
          scheme: 'http',
          authority: 'x',
          path: `/v1.0/invoke/b/method/call/${i}`,
          headers: new HeaderList(),
        };
        const stream = a.http.open(head, false, receiver);
        stream.write(Buffer.from(body));
        if (random() < 0.05) {
          setImmediate(() => {
            if (outcomes[i] !== undefined) return stream.end();
            end('left');
            stream.reset('cancel');
          });
        } else if (random() < 0.3) {
          setImmediate(() => stream.end());
        } else stream.end();
      };

      for (let i = 0; i < 300; i++) {
        start(i);
        if (i % 10 === 0) await settled();
        if (i === 100) hosts[0]?.port.kill();
        if (i === 200) hosts[1]?.port.kill();
      }
      for (let i = 0; i < 8; i++) {
        await settled();
        namespace.clock.advance(1020);
      }
      await settled();

      assert.deepEqual(
        ends.flatMap((count, i) => (count === 1 ? [] : [`call ${i} ended ${count} times as ${outcomes[i]}`])),
        [],
      );
      assert.ok(outcomes.filter((outcome) => outcome === 'own answer').length > 200);
      assert.equal(a.proxy.inFlight, 0);
      for (const host of hosts) assert.equal(host.internal.inFlight, 0);
      assert.deepEqual(a.proxy.decisions.recent().length, 300 - outcomes.filter((o) => o === undefined).length);
    });
  }
});
