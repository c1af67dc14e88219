/** The commands of the product as processes, with whatever arguments. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Actor, type ProcessOptions, startProcess } from './process.js';
import { repositoryRoot, scratchDir } from './sidecar.js';

export type Entry = 'outrigger' | 'daprd' | 'layotto';

/** Every port is one that the system chooses. */
export const ANY_PORTS: readonly string[] = [
  '--dapr-http-port=0',
  '--dapr-grpc-port=0',
  '--dapr-internal-grpc-port=0',
  '--metrics-port=0',
];

const RUN_TIMEOUT_MS = 20_000;

/** `env` is added to the environment of the test; the home is a folder of its own unless it is given. */
export function startCommand(entry: Entry, args: readonly string[], options: ProcessOptions = {}): Actor {
  const bin = join(repositoryRoot, 'runtime', 'sidecar', 'bin', `${entry}.mjs`);
  const env = { OUTRIGGER_HOME: scratchDir('home'), OUTRIGGER_LAYOTTO_GRPC_PORT: '0', ...options.env };
  return startProcess(process.execPath, [bin, ...args], { name: `${entry} ${args[0] ?? ''}`, ...options, env });
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly lines: readonly string[];
  /** What somebody sees who looks at the end only. */
  readonly last: string;
}

/** Runs to the end; a process that does not end by itself is killed and shows as signal SIGKILL. */
export async function runCommand(
  entry: Entry,
  args: readonly string[],
  options: ProcessOptions & { readonly timeoutMs?: number } = {},
): Promise<Ended> {
  const actor = startCommand(entry, args, options);
  const timer = setTimeout(() => actor.kill('SIGKILL'), options.timeoutMs ?? RUN_TIMEOUT_MS);
  const { code, signal } = await actor.exited.finally(() => clearTimeout(timer));
  const lines = actor.lines.filter((line) => line !== '');
  return { code, signal, lines, last: lines.at(-1) ?? '' };
}

/** A folder with these files; names may hold folders. */
export function folderOf(files: Readonly<Record<string, string | Buffer>>): string {
  const folder = scratchDir('files');
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}

/** A Dapr Component document; `spec` is further YAML below spec, `more` below the document. */
export function component(name: string, type: string, spec = '', more = ''): string {
  return `apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: ${name}
spec:
  type: ${type}
  version: v1
${spec.replace(/^(?=.)/gm, '  ')}${more}`;
}
