/** CPU per call in the app, by client: our SDK on each transport, and npm @dapr/dapr. `node test/dist/bench/sdk.js [rounds]` */
import { fileURLToPath } from 'node:url';
import { LOAD_CORE, median, pinned, startPinnedSidecar } from './contender.js';

const rounds = Number(process.argv[2] ?? 3);
const TARGET_US = 40;
const memory = `apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: statestore}
spec: {type: state.in-memory, version: v1}
`;
const program = fileURLToPath(new URL('./sdk-client.js', import.meta.url));
const clients = ['engine', 'grpc-js', 'connect', 'dapr'] as const;
const labels = {
  engine: '@outrigger/sdk, engine',
  'grpc-js': '@outrigger/sdk, grpc-js',
  connect: '@outrigger/sdk, connect',
  dapr: '@dapr/dapr',
};

const sidecar = await startPinnedSidecar({ appId: 'bench-sdk', resources: { 'state.yaml': memory } });
const results = new Map<string, { cpuUs: number; perSecond: number }[]>();
try {
  for (let round = 0; round < rounds; round++) {
    for (const client of clients) {
      const actor = pinned(LOAD_CORE, process.execPath, [program, client, String(sidecar.grpcPort)]);
      const { code } = await actor.exited;
      const line = actor.lines.findLast((text) => text.startsWith('{'));
      if (code !== 0 || line === undefined) throw new Error(`${labels[client]} failed:\n${actor.output}`);
      results.set(client, [...(results.get(client) ?? []), JSON.parse(line)]);
    }
  }
} finally {
  await sidecar.stop();
}
const cpuOf = (client: string): number => median((results.get(client) ?? []).map(({ cpuUs }) => cpuUs));
console.log(
  '\nGetState, 16 in flight: CPU of the app per call\n\n| client | CPU µs | to @dapr/dapr | calls/s |\n|---|---|---|---|',
);
for (const client of clients) {
  const perSecond = median((results.get(client) ?? []).map((one) => one.perSecond));
  const goal = client === 'engine' ? ` (goal ≤ ${TARGET_US}: ${cpuOf(client) <= TARGET_US ? 'met' : 'MISSED'})` : '';
  console.log(
    `| ${labels[client]} | ${cpuOf(client).toFixed(1)}${goal} | ${(cpuOf(client) / cpuOf('dapr')).toFixed(2)} | ${perSecond.toFixed(0)} |`,
  );
}
