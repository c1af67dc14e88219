/** Contenders and load of a benchmark, pinned: the contender has core 1, the load generator and the apps core 0. */
import { join } from 'node:path';
import { freePort } from '../harness/ports.js';
import { type Actor, runToEnd, startProcess } from '../harness/process.js';
import { cacheDir, goProgram, type Part } from '../harness/provision.js';
import { repositoryRoot, type Sidecar, type SidecarSetup, startSidecar } from '../harness/sidecar.js';

const BENCH = join(repositoryRoot, 'test', 'bench');
export const LOAD_CORE = '0';
export const CONTENDER_CORE = '1';

export interface Measured {
  readonly requests: number;
  readonly perSecond: number;
  readonly cpuUs: number;
  readonly cpuShare: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly residentMiB: number;
  readonly errors: number;
  readonly firstError: string;
}

let loadBinary: Promise<string> | undefined;

/** Builds the load generator once. */
export function buildLoad(): Promise<string> {
  loadBinary ??= (async () => {
    const target = join(cacheDir, 'cargo');
    await runToEnd('cargo', ['build', '--release', '--quiet', '--manifest-path', join(BENCH, 'load', 'Cargo.toml')], {
      env: { CARGO_TARGET_DIR: target },
      timeoutMs: 600_000,
    });
    return join(target, 'release', 'outrigger-load');
  })();
  return loadBinary;
}

export const goPeer = (): Promise<Part> => goProgram('bench-peer', join(BENCH, 'peer-go'));

export function pinned(
  core: string,
  command: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Actor {
  return startProcess('taskset', ['-c', core, command, ...args], { name: command.split('/').at(-1) as string, env });
}

/** Runs the load generator to its end. Throws when a request failed: a wrong answer is no measurement. */
export async function load(args: readonly string[]): Promise<Measured> {
  const binary = await buildLoad();
  const actor = pinned(LOAD_CORE, binary, args);
  await actor.exited;
  const line = actor.lines.findLast((text) => text.startsWith('{'));
  if (line === undefined) throw new Error(`the load generator said nothing:\n${actor.output}`);
  const measured = JSON.parse(line) as Measured;
  if (measured.errors > 0)
    throw new Error(`${measured.errors} requests failed, the first with: ${measured.firstError}`);
  return measured;
}

export async function startGoPeer(): Promise<{ actor: Actor; port: number }> {
  const part = await goPeer();
  if (part.value === undefined) throw new Error(part.reason);
  const port = await freePort();
  const actor = pinned(CONTENDER_CORE, part.value, [String(port)], { GOMAXPROCS: '1' });
  await actor.line(/listening on/);
  return { actor, port };
}

/** An echo app on the load's core. */
export async function startApp(protocol: 'grpc' | 'http'): Promise<{ actor: Actor; port: number }> {
  const binary = await buildLoad();
  const port = await freePort();
  const actor = pinned(LOAD_CORE, binary, ['app', '--port', String(port), '--protocol', protocol]);
  await actor.line(/listening on/);
  return { actor, port };
}

/** The production binary with its defaults, pinned to the contender's core. */
export const startPinnedSidecar = (setup: SidecarSetup): Promise<Sidecar> =>
  startSidecar({ ...setup, pinnedTo: CONTENDER_CORE });

export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
};
