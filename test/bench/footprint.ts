/**
 * What one sidecar costs that does nothing: time from start to ready, memory and CPU at rest, against a bare Node HTTP
 * server; and memory after 200 saves of 3 MiB. `node test/dist/bench/footprint.js [rounds]`
 */
import { readdirSync, readFileSync } from 'node:fs';
import { createClient } from '@outrigger/sdk';
import { freePort } from '../harness/ports.js';
import { startProcess } from '../harness/process.js';
import { startSidecar } from '../harness/sidecar.js';
import { median } from './contender.js';

const rounds = Number(process.argv[2] ?? 5);
const REST_MS = 10_000;
/** V8 tidies its heap once, some seconds after a start or a burst; rest is what comes then. */
const SETTLE_MS = 15_000;
const memory = `apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: statestore}
spec: {type: state.in-memory, version: v1}
`;

const residentMiB = (pid: number): number => {
  const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
  return (pages * 4096) / 1048576;
};

function cpuMs(pid: number): number {
  let nanos = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    nanos += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]);
  }
  return nanos / 1e6;
}

const rest = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function bareReadyMs(): Promise<{ readyMs: number; residentMiB: number }> {
  const port = await freePort();
  const began = performance.now();
  const code = `require('http').createServer((q, s) => s.writeHead(204).end()).listen(${port}, '127.0.0.1')`;
  const actor = startProcess(process.execPath, ['-e', code], { name: 'bare node' });
  while ((await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined)) === undefined) await rest(2);
  const readyMs = performance.now() - began;
  await rest(1_000);
  const resident = residentMiB(actor.pid);
  await actor.stop();
  return { readyMs, residentMiB: resident };
}

async function sidecarReadyMs(): Promise<{ readyMs: number; residentMiB: number }> {
  const began = performance.now();
  const sidecar = await startSidecar({ resources: { 'state.yaml': memory } });
  const readyMs = performance.now() - began;
  await rest(1_000);
  const resident = residentMiB(sidecar.actor.pid);
  await sidecar.stop();
  return { readyMs, residentMiB: resident };
}

const bare = [];
const ours = [];
for (let round = 0; round < rounds; round++) {
  bare.push(await bareReadyMs());
  ours.push(await sidecarReadyMs());
}
const of = (list: readonly { readyMs: number; residentMiB: number }[], key: 'readyMs' | 'residentMiB'): number =>
  median(list.map((one) => one[key]));
const startRatio = of(ours, 'readyMs') / of(bare, 'readyMs');
const moreMiB = of(ours, 'residentMiB') - of(bare, 'residentMiB');

const sidecar = await startSidecar({ resources: { 'state.yaml': memory } });
const { pid } = sidecar.actor;
await rest(SETTLE_MS);
const cpuBefore = cpuMs(pid);
await rest(REST_MS);
const idleMsPerSecond = (cpuMs(pid) - cpuBefore) / (REST_MS / 1000);
const before = residentMiB(pid);
const client = createClient({ address: `127.0.0.1:${sidecar.grpcPort}` });
for (let i = 0; i < 200; i++) await client.state().save(`large-${i % 4}`, new Uint8Array(3 * 1048576));
for (let i = 0; i < 4; i++) await client.state().delete(`large-${i}`);
const peak = residentMiB(pid);
await rest(SETTLE_MS);
const after = residentMiB(pid);
await client.close();
await sidecar.stop();

const row = (what: string, measured: string, target: string, met: boolean): string =>
  `| ${what} | ${measured} | ${target} ${met ? 'met' : 'MISSED'} |`;
console.log('\nFootprint\n\n| what | measured | target |\n|---|---|---|');
console.log(
  [
    row(
      'start to ready',
      `${of(ours, 'readyMs').toFixed(0)} ms, bare Node ${of(bare, 'readyMs').toFixed(0)} ms: ${startRatio.toFixed(2)}×`,
      '≤ 3×',
      startRatio <= 3,
    ),
    row(
      'memory at rest',
      `${of(ours, 'residentMiB').toFixed(0)} MiB, bare Node ${of(bare, 'residentMiB').toFixed(0)} MiB: +${moreMiB.toFixed(0)} MiB`,
      '≤ +25 MiB',
      moreMiB <= 25,
    ),
    row('CPU at rest', `${idleMsPerSecond.toFixed(2)} ms per second`, '≤ 0.5', idleMsPerSecond <= 0.5),
    row(
      'memory after 200 × 3 MiB saves',
      `${before.toFixed(0)} → ${peak.toFixed(0)} → ${after.toFixed(0)} MiB`,
      '±20 MiB',
      Math.abs(after - before) <= 20,
    ),
  ].join('\n'),
);
