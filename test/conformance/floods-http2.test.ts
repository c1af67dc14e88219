/**
 * Floods over HTTP/2 on the ports of the running sidecar: each ends with the connection closed, ENHANCE_YOUR_CALM as the
 * reason where the frames were valid, memory flat, others served.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { GetStateRequestSchema } from '@outrigger/proto/dapr/runtime/v1';
import { metric } from '../harness/metrics.js';
import {
  type Ending,
  FLAG,
  FRAME,
  frame,
  grpcMessage,
  grpcRequest,
  headerBlock,
  headers,
  RawHttp2,
  SETTING,
  settings,
  u32,
} from '../harness/raw-http2.js';
import { type Sidecar, startSidecar } from '../harness/sidecar.js';
import { underWatch, within } from './floods/scene.js';

const LIMIT = { timeout: 60_000 };
const ENHANCE_YOUR_CALM = 11;
const CANCEL = 8;
const FLOODS_METRIC = 'outrigger_http2_floods';
/** An attack that is not stopped by then fails the test. */
const ROUNDS_MAX = 200_000;
const ROUNDS_PER_WRITE = 100;

const GET_STATE = '/dapr.proto.runtime.v1.Dapr/GetState';
const MESSAGE = grpcMessage(
  toBinary(GetStateRequestSchema, create(GetStateRequestSchema, { storeName: 'statestore', key: 'k' })),
);
const GET: [string, string][] = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/v1.0/state/statestore/k'],
  [':authority', '127.0.0.1'],
];

interface Flood {
  readonly name: string;
  /** Sent once, first. */
  readonly before?: readonly Buffer[];
  /** Sent again and again; `n` counts up. */
  readonly round: (n: number) => readonly Buffer[];
  /** The attacker reads nothing of what comes back, so it does not see why it is cut off. */
  readonly deaf?: true;
}

const post = (n: number): Buffer => headers(2 * n + 1, grpcRequest(GET_STATE), false);
const cancel = (n: number): Buffer => frame(FRAME.rstStream, 0, 2 * n + 1, u32(CANCEL));

const FLOODS: readonly Flood[] = [
  { name: 'rapid reset', round: (n) => [post(n), cancel(n)] },
  {
    name: 'rapid reset of GET requests',
    round: (n) => [headers(2 * n + 1, GET, false), cancel(n)],
  },
  {
    name: 'stream errors, which make the server reset (MadeYouReset)',
    round: (n) => [post(n), frame(FRAME.windowUpdate, 0, 2 * n + 1, u32(0))],
  },
  {
    name: 'CONTINUATION without bytes',
    before: [frame(FRAME.headers, 0, 1, headerBlock(grpcRequest(GET_STATE)))],
    round: () => [frame(FRAME.continuation, 0, 1)],
  },
  {
    name: 'CONTINUATION, large',
    before: [frame(FRAME.headers, 0, 1, headerBlock(grpcRequest(GET_STATE)))],
    round: (n) => [frame(FRAME.continuation, 0, 1, headerBlock([[`x-${n}`, 'v'.repeat(16_000)]]))],
  },
  { name: 'SETTINGS', round: () => [settings([SETTING.initialWindowSize, 1000])] },
  { name: 'SETTINGS, answers unread', round: () => [settings([SETTING.initialWindowSize, 1000])], deaf: true },
  { name: 'PING', round: () => [frame(FRAME.ping, 0, 0, Buffer.alloc(8))] },
  { name: 'PING, answers unread', round: () => [frame(FRAME.ping, 0, 0, Buffer.alloc(8))], deaf: true },
  {
    name: 'empty DATA',
    before: [post(0)],
    round: () => [frame(FRAME.data, 0, 1)],
  },
  {
    name: 'DATA of padding alone',
    before: [post(0)],
    round: () => [frame(FRAME.data, FLAG.padded, 1, Buffer.from([3, 0, 0, 0]))],
  },
  {
    name: 'PRIORITY',
    round: (n) => [frame(FRAME.priority, 0, 2 * n + 3, Buffer.from([0, 0, 0, 1, 1]))],
  },
  { name: 'unknown frames', round: () => [frame(0xee, 0, 0, Buffer.alloc(64))] },
  {
    name: 'header lists above the limit',
    round: (n) => [
      frame(FRAME.headers, FLAG.endStream, 2 * n + 1, headerBlock(grpcRequest(GET_STATE))),
      ...many(6, (i) => [`x-${i}`, 'v'.repeat(12_000)]).map((field, i) =>
        frame(FRAME.continuation, i === 5 ? FLAG.endHeaders : 0, 2 * n + 1, headerBlock([field])),
      ),
    ],
  },
  {
    name: 'requests for nothing that exists',
    round: (n) => [headers(2 * n + 1, [['x', 'no pseudo-headers']], true)],
  },
  {
    name: 'whole calls, none of them read',
    round: (n) => [post(n), frame(FRAME.data, FLAG.endStream, 2 * n + 1, MESSAGE)],
    deaf: true,
  },
];

function many(count: number, of: (i: number) => [string, string]): [string, string][] {
  return Array.from({ length: count }, (_, i) => of(i));
}

/** Attackers that work at the same time. */
const ATTACKERS = 4;

async function attack({ before = [], round, deaf }: Flood, port: number): Promise<Ending> {
  const peer = await RawHttp2.open(port, { read: deaf !== true });
  peer.send(...before);
  for (let n = 0; !peer.closed && n < ROUNDS_MAX; ) {
    const pieces: Buffer[] = [];
    for (let i = 0; i < ROUNDS_PER_WRITE; i++) pieces.push(...round(n++));
    peer.send(...pieces);
    await peer.writable();
    await new Promise((resolve) => setImmediate(resolve));
  }
  peer.socket.resume();
  return within(15_000, 'the end of the connection', peer.ended());
}

describe('HTTP/2 floods', () => {
  let sidecar: Sidecar;
  before(async () => {
    sidecar = await startSidecar({ appId: 'flooded' });
  });
  after(() => sidecar?.stop());

  for (const [portName, port] of [
    ['gRPC', 'grpcPort'],
    ['HTTP', 'httpPort'],
  ] as const) {
    describe(`on the ${portName} port`, () => {
      for (const flood of FLOODS) {
        it(flood.name, LIMIT, async (t: TestContext) => {
          const floods = await metric(sidecar, FLOODS_METRIC);
          const attackers = Array.from({ length: ATTACKERS }, () => attack(flood, sidecar[port]));
          const endings = await underWatch(t, sidecar, () => Promise.all(attackers));
          assert.equal((await metric(sidecar, FLOODS_METRIC)) - floods, ATTACKERS);
          if (flood.deaf) return;
          for (const { goaway, debug } of endings) assert.equal(goaway, ENHANCE_YOUR_CALM, debug);
        });
      }
    });
  }
});
