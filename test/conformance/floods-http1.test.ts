/** Floods over HTTP/1.1 on the HTTP and gRPC ports: each is refused by name or cut off, memory flat, others served. */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { RawSocket } from '../harness/raw-socket.js';
import { type Sidecar, startSidecar } from '../harness/sidecar.js';
import { underWatch, within } from './floods/scene.js';

const LIMIT = { timeout: 60_000 };
const ATTACKERS = 4;
/** An attack that is not stopped by then fails the test. */
const ROUNDS_MAX = 100_000;

interface Flood {
  readonly name: string;
  readonly before: string;
  readonly round: (n: number) => string;
  /** The last thing the server says. */
  readonly answer: RegExp;
}

const big = 'v'.repeat(16 * 1024);

const FLOODS: readonly Flood[] = [
  { name: 'a request line without end', before: 'GET /', round: () => big, answer: /^HTTP\/1\.1 414 / },
  { name: 'a method without end', before: '', round: () => 'M'.repeat(1024), answer: /^HTTP\/1\.1 501 / },
  {
    name: 'a field without end',
    before: 'GET / HTTP/1.1\r\nHost: x\r\nX: ',
    round: () => big,
    answer: /^HTTP\/1\.1 431 /,
  },
  {
    name: 'fields without end',
    before: 'GET / HTTP/1.1\r\nHost: x\r\n',
    round: (n) => `X-${n}: v\r\n`,
    answer: /^HTTP\/1\.1 431 /,
  },
  { name: 'empty lines without end', before: '', round: () => '\r\n'.repeat(100), answer: /^HTTP\/1\.1 400 / },
  {
    name: 'chunk extensions without end',
    before: 'POST /v1.0/state/statestore HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n',
    round: () => '1;name=value\r\nx\r\n'.repeat(100),
    answer: /^HTTP\/1\.1 400 /,
  },
  {
    name: 'one chunk extension without end',
    before: 'POST /v1.0/state/statestore HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;a=',
    round: () => big,
    answer: /^HTTP\/1\.1 400 /,
  },
  {
    name: 'trailers without end',
    before: 'POST /v1.0/state/statestore HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n',
    round: (n) => `X-${n}: ${'v'.repeat(100)}\r\n`,
    answer: /^HTTP\/1\.1 (400|431) /,
  },
  {
    name: 'a body without end',
    before: 'POST /v1.0/state/statestore HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n',
    round: () => `4000\r\n${big}\r\n`,
    answer: /^HTTP\/1\.1 413 /,
  },
  {
    name: 'a body declared to be too large',
    before: 'POST /v1.0/state/statestore HTTP/1.1\r\nHost: x\r\nContent-Length: 9007199254740991\r\n\r\n',
    round: () => big,
    answer: /^HTTP\/1\.1 413 /,
  },
  {
    name: 'a body that no route wants',
    before: 'POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 9007199254740991\r\n\r\n',
    round: () => big,
    answer: /^HTTP\/1\.1 (404|200) /,
  },
];

async function attack({ before: head, round }: Flood, port: number): Promise<string> {
  const peer = await RawSocket.open(port);
  peer.send(head);
  let n = 0;
  while (!peer.closed && n < ROUNDS_MAX) {
    let text = '';
    for (let i = 0; i < 50; i++) text += round(n++);
    peer.send(text);
    await peer.writable();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await within(15_000, 'the end of the connection', peer.ended());
  assert.ok(n < ROUNDS_MAX, 'it was never stopped');
  return peer.text;
}

describe('HTTP/1.1 floods', () => {
  let sidecar: Sidecar;
  before(async () => {
    sidecar = await startSidecar({ appId: 'flooded' });
  });
  after(() => sidecar?.stop());

  for (const [portName, port] of [
    ['HTTP', 'httpPort'],
    ['gRPC', 'grpcPort'],
  ] as const) {
    describe(`on the ${portName} port`, () => {
      for (const flood of FLOODS) {
        // The gRPC ports have one answer for what is no call; the body is dropped, not gathered.
        const isCall = flood.before.includes('/v1.0/');
        it(flood.name, LIMIT, async (t: TestContext) => {
          const attackers = Array.from({ length: ATTACKERS }, () => attack(flood, sidecar[port]));
          const answers = await underWatch(t, sidecar, () => Promise.all(attackers));
          for (const answer of answers) {
            assert.match(answer, port === 'grpcPort' && isCall ? /^HTTP\/1\.1 (2|4)\d\d / : flood.answer);
          }
        });
      }
    });
  }
});
