/** The sidecar as tests see it: the real binary in a process of its own, ready when its health endpoint says so. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from './ports.js';
import { type Actor, startProcess } from './process.js';

export const repositoryRoot: string = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');

export interface SidecarSetup {
  readonly appId?: string;
  readonly appPort?: number;
  readonly appProtocol?: 'http' | 'grpc' | 'h2c' | 'https' | 'grpcs';
  /** File name → text, written into the resources folder. */
  readonly resources?: Readonly<Record<string, string>>;
  /** Sidecars with one home share events, names and configuration. */
  readonly home?: string;
  /** `outrigger` brings the embedded components; `daprd` has only what `resources` declares. */
  readonly entry?: 'daprd' | 'outrigger' | 'layotto';
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Run on this CPU only. */
  readonly pinnedTo?: string;
  /** Resolve as soon as the process is started. */
  readonly noWait?: boolean;
}

export interface Sidecar {
  readonly actor: Actor;
  readonly appId: string;
  readonly httpPort: number;
  readonly grpcPort: number;
  readonly layottoPort: number;
  readonly internalPort: number;
  readonly metricsPort: number;
  readonly home: string;
  readonly resourcesDir: string;
  readonly http: string;
  stop(): Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

let count = 0;

const scratch: string[] = [];
process.on('exit', () => {
  for (const dir of scratch) rmSync(dir, { recursive: true, force: true });
});

/** A folder that lives as long as the test process. */
export function scratchDir(label: string): string {
  const dir = mkdtempSync(join(tmpdir(), `outrigger-${label}-`));
  scratch.push(dir);
  return dir;
}

export async function startSidecar(setup: SidecarSetup = {}): Promise<Sidecar> {
  const appId = setup.appId ?? `app-${++count}`;
  const home = setup.home ?? scratchDir('home');
  const resourcesDir = scratchDir('resources');
  mkdirSync(resourcesDir, { recursive: true });
  for (const [file, text] of Object.entries(setup.resources ?? {})) writeFileSync(join(resourcesDir, file), text);
  const [httpPort, grpcPort, layottoPort, internalPort, metricsPort] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  const entry = setup.entry ?? 'outrigger';
  const args = [
    join(repositoryRoot, 'runtime', 'sidecar', 'bin', `${entry}.mjs`),
    ...(entry === 'daprd' ? [] : ['start']),
    '--app-id',
    appId,
    '--dapr-http-port',
    String(httpPort),
    '--dapr-grpc-port',
    String(grpcPort),
    '--dapr-internal-grpc-port',
    String(internalPort),
    '--metrics-port',
    String(metricsPort),
    '--resources-path',
    resourcesDir,
    ...(setup.appPort === undefined ? [] : ['--app-port', String(setup.appPort)]),
    ...(setup.appProtocol === undefined ? [] : ['--app-protocol', setup.appProtocol]),
    ...(setup.args ?? []),
  ];
  const command = setup.pinnedTo === undefined ? process.execPath : 'taskset';
  const actor = startProcess(
    command,
    setup.pinnedTo === undefined ? args : ['-c', setup.pinnedTo, process.execPath, ...args],
    {
      name: `sidecar ${appId}`,
      env: { OUTRIGGER_HOME: home, OUTRIGGER_LAYOTTO_GRPC_PORT: String(layottoPort), ...setup.env },
    },
  );
  const sidecar: Sidecar = {
    actor,
    appId,
    httpPort,
    grpcPort,
    layottoPort,
    internalPort,
    metricsPort,
    home,
    resourcesDir,
    http: `http://127.0.0.1:${httpPort}`,
    stop: () => actor.stop(),
  };
  if (!setup.noWait) await ready(sidecar);
  return sidecar;
}

/** Resolves when `/v1.0/healthz` answers 204; throws with the log when the process ends first or takes too long. */
export async function ready(sidecar: Sidecar, timeoutMs = 20_000, path = '/v1.0/healthz'): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  let ended = false;
  void sidecar.actor.exited.then(() => {
    ended = true;
  });
  for (;;) {
    const status = await fetch(`${sidecar.http}${path}`).then(
      (response) => response.status,
      () => 0,
    );
    if (status === 204) return;
    if (ended) throw new Error(`${sidecar.actor.name} ended before it was ready:\n${sidecar.actor.output}`);
    if (performance.now() > deadline)
      throw new Error(`${sidecar.actor.name} was not ready within ${timeoutMs} ms:\n${sidecar.actor.output}`);
    // The port may not be open yet: there is no event to wait on across processes, so ask again shortly.
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
