/**
 * App A → sidecar → sidecar → app B, over gRPC and HTTP/1.1, at 1,600 requests/s over 40 connections: the CPU of both
 * sidecars together against one nginx hop of the same protocol, and the latency above the direct call.
 * `node test/dist/bench/invoke.js [rounds]`
 */
import { scratchDir } from '../harness/sidecar.js';
import { load, type Measured, median, startApp, startPinnedSidecar } from './contender.js';
import { startNginx } from './nginx.js';
import { printTable, type Row } from './table.js';

const rounds = Number(process.argv[2] ?? 3);
const RATE = ['--conns', '40', '--rate', '1600', '--warmup', '1', '--duration', '3'];
const CLOSED = ['--conns', '40', '--streams', '1', '--warmup', '1', '--duration', '3'];
const rows: Row[] = [];
const added: string[] = [];

for (const protocol of ['grpc', 'http'] as const) {
  const home = scratchDir('bench-home');
  const app = await startApp(protocol);
  const callee = await startPinnedSidecar({
    appId: 'callee',
    appPort: app.port,
    appProtocol: protocol,
    home,
  });
  const caller = await startPinnedSidecar({ appId: 'caller', home });
  const nginx = await startNginx(protocol, app.port);
  const path = protocol === 'grpc' ? '/' : '/v1.0/invoke/callee/method/echo';
  const size = protocol === 'grpc' ? '128' : '1024';
  const run = (port: number, watch: readonly number[], args: readonly string[], appId?: string): Promise<Measured> =>
    load([
      protocol === 'grpc' ? 'invoke' : 'http',
      '--port',
      String(port),
      '--value',
      size,
      ...(watch.length === 0 ? [] : ['--watch', watch.join(',')]),
      ...(protocol === 'grpc' ? (appId === undefined ? [] : ['--app-id', appId]) : ['--path', path]),
      ...args,
    ]);
  const both = [callee.actor.pid, caller.actor.pid];
  const apiPort = protocol === 'grpc' ? caller.grpcPort : caller.httpPort;
  try {
    await run(apiPort, both, CLOSED, 'callee');
    const open: Row = { work: `${protocol}, 1,600 requests/s, two sidecars`, target: 2, ours: [], peer: [] };
    const closed: Row = { work: `${protocol}, 40 in flight, two sidecars`, target: 2, ours: [], peer: [] };
    const direct: Measured[] = [];
    for (let round = 0; round < rounds; round++) {
      open.ours.push(await run(apiPort, both, RATE, 'callee'));
      open.peer.push(await run(nginx.port, [nginx.actor.pid], RATE));
      direct.push(await run(app.port, [app.actor.pid], RATE));
      closed.ours.push(await run(apiPort, both, CLOSED, 'callee'));
      closed.peer.push(await run(nginx.port, [nginx.actor.pid], CLOSED));
    }
    rows.push(open, closed);
    const above = (pick: (measured: Measured) => number): string =>
      median(open.ours.map((ours, round) => pick(ours) - pick(direct[round] as Measured))).toFixed(0);
    added.push(
      `${protocol}: p50 ${above(({ p50Us }) => p50Us)} µs above the direct call (target ≤ 300), p99 ${above(({ p99Us }) => p99Us)} µs above`,
    );
  } finally {
    await Promise.all([callee.stop(), caller.stop(), nginx.actor.stop(), app.actor.stop()]);
  }
}
printTable('Invoke through two sidecars', 'one nginx hop', rows);
console.log(`\n${added.join('\n')}`);
