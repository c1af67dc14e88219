/**
 * GetState and SaveState in memory over gRPC through the whole sidecar (surface, block, policy, component, metrics on)
 * against a bare grpc-go server with a map. `node test/dist/bench/state.js [rounds]`
 */
import { load, type Measured, startGoPeer, startPinnedSidecar } from './contender.js';
import { printTable, type Row } from './table.js';

const rounds = Number(process.argv[2] ?? 3);
const memory = `apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: statestore}
spec: {type: state.in-memory, version: v1}
`;

const works: readonly { work: string; args: readonly string[]; target: number }[] = [
  { work: '4 connections × 10 streams', args: ['--conns', '4', '--streams', '10'], target: 0.5 },
  { work: '40 connections × 1', args: ['--conns', '40', '--streams', '1'], target: 0.5 },
  { work: '1 in flight', args: ['--conns', '1', '--streams', '1'], target: 0.8 },
  { work: '1,600 requests/s, 40 connections', args: ['--conns', '40', '--rate', '1600'], target: 0.8 },
];

const sidecar = await startPinnedSidecar({ appId: 'bench', resources: { 'state.yaml': memory } });
const peer = await startGoPeer();
try {
  const measure = (port: number, pid: number, args: readonly string[]): Promise<Measured> =>
    load(['state', '--port', String(port), '--watch', String(pid), '--warmup', '1', '--duration', '3', ...args]);
  const rows: Row[] = works.map(({ work, target }) => ({ work, target, ours: [], peer: [] }));
  await measure(sidecar.grpcPort, sidecar.actor.pid, works[0]?.args ?? []);
  await measure(peer.port, peer.actor.pid, works[0]?.args ?? []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, { args }] of works.entries()) {
      const row = rows[index] as Row;
      row.ours.push(await measure(sidecar.grpcPort, sidecar.actor.pid, args));
      row.peer.push(await measure(peer.port, peer.actor.pid, args));
    }
  }
  printTable('GetState/SaveState 80/20, 10,000 keys of 128 B, gRPC', 'grpc-go', rows);
  console.log(
    `\nresident: ours ${rows[0]?.ours.at(-1)?.residentMiB} MiB, grpc-go ${rows[0]?.peer.at(-1)?.residentMiB} MiB`,
  );
} finally {
  await Promise.all([sidecar.stop(), peer.actor.stop()]);
}
