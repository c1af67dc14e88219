/**
 * One folder for each running sidecar: `$OUTRIGGER_HOME/instances/<app-id>-<n>`, 0700, with `instance.json` and the admin
 * socket. Whose process has gone is removed by whoever comes next.
 */
import { randomBytes } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Clock } from '@outrigger/engine';
import { adminCall, adminSocketPath } from './admin-socket.js';
import { ensurePrivateDir, privateDirProblem } from './private-dir.js';
import { isSameProcess, pidNamespace, startTicks } from './process-info.js';

/** `instance.json`. */
export interface InstanceRecord {
  readonly appId: string;
  /** Random, never the pid. */
  readonly instanceId: string;
  readonly personality: string;
  readonly version: string;
  readonly pid: number;
  readonly startTicks: string | undefined;
  readonly pidNamespace: string | undefined;
  readonly startedAt: string;
  readonly adminSocket: string;
  /** The app that `outrigger run` started: the process group to stop when the sidecar was killed. */
  readonly app?: AppProcess | undefined;
}

export interface AppProcess {
  readonly pid: number;
  readonly startTicks: string | undefined;
  readonly command: readonly string[];
}

export interface InstanceDir {
  readonly path: string;
  readonly record: InstanceRecord;
  update(fields: Pick<InstanceRecord, 'app'>): void;
  /** Removes what belongs to this instance. Idempotent. */
  remove(): void;
}

/** `orphan`: the sidecar is dead and the app it started lives. */
export type InstanceState = 'running' | 'orphan' | 'dead';

export interface FoundInstance {
  readonly path: string;
  readonly record: InstanceRecord;
  readonly state: InstanceState;
}

export interface AcquireInput {
  readonly homeDir: string;
  /** `--state-dir`: this very folder. */
  readonly stateDir: string | undefined;
  readonly appId: string;
  readonly personality: string;
  readonly version: string;
  readonly clock: Clock;
}

const INSTANCES_PER_APP_MAX = 1000;
const RECORD = 'instance.json';
const RECORD_BYTES_MAX = 64 * 1024;
/** A folder without a readable record is somebody's who is just making or removing it, for this long. */
const UNREADABLE_GRACE_MS = 60_000;
const PROBE_MS = 1_000;

export class StateDirInUse extends Error {}

export async function acquireInstanceDir(input: AcquireInput): Promise<InstanceDir> {
  return input.stateDir === undefined ? acquireNumbered(input) : acquireGiven(input, path.resolve(input.stateDir));
}

export function instancesDir(homeDir: string): string {
  return path.join(homeDir, 'instances');
}

async function acquireNumbered(input: AcquireInput): Promise<InstanceDir> {
  ensurePrivateDir(input.homeDir);
  const parent = instancesDir(input.homeDir);
  ensurePrivateDir(parent);
  sweep(parent, input.clock);
  for (let n = 0; n < INSTANCES_PER_APP_MAX; n++) {
    const folder = path.join(parent, `${input.appId}-${n}`);
    const dead = readRecord(folder);
    if ((await stateOf(folder, dead, input.clock)) !== 'dead') continue;
    discard(folder, dead?.instanceId);
    const record = newRecord(input, folder);
    // Made whole beside its place and moved there: nobody ever sees it without its record, and only one can move.
    const made = path.join(parent, `.new-${randomBytes(8).toString('hex')}`);
    mkdirSync(made, { mode: 0o700 });
    writeRecord(made, record);
    try {
      renameSync(made, folder);
    } catch {
      rmSync(made, { recursive: true, force: true });
      continue;
    }
    return new Directory(folder, record, () => discard(folder, record.instanceId));
  }
  throw new Error(`${parent} has ${INSTANCES_PER_APP_MAX} running instances of ${input.appId}`);
}

async function acquireGiven(input: AcquireInput, folder: string): Promise<InstanceDir> {
  ensurePrivateDir(folder);
  const known = readRecord(folder);
  if (known !== undefined && (await stateOf(folder, known, input.clock)) === 'running') {
    throw new StateDirInUse(`the state folder ${folder} is in use by pid ${known.pid}; taking over is not served yet`);
  }
  const record = newRecord(input, folder);
  writeRecord(folder, record);
  return new Directory(folder, record, () => {
    rmSync(path.join(folder, RECORD), { force: true });
    rmSync(record.adminSocket, { force: true });
  });
}

class Directory implements InstanceDir {
  readonly path: string;
  record: InstanceRecord;
  readonly #discard: () => void;
  #removed = false;

  constructor(folder: string, record: InstanceRecord, discardFolder: () => void) {
    this.path = folder;
    this.record = record;
    this.#discard = discardFolder;
  }

  update(fields: Pick<InstanceRecord, 'app'>): void {
    if (this.#removed) return;
    this.record = { ...this.record, ...fields };
    writeRecord(this.path, this.record);
  }

  remove(): void {
    if (this.#removed) return;
    this.#removed = true;
    rmSync(this.record.adminSocket, { force: true });
    this.#discard();
  }
}

/** Every instance of this home, dead ones included. Empty when there is no such folder or it is not ours. */
export async function listInstances(homeDir: string, clock: Clock): Promise<FoundInstance[]> {
  const parent = instancesDir(homeDir);
  if (privateDirProblem(parent) !== undefined) return [];
  const found: FoundInstance[] = [];
  for (const name of readdirSync(parent).sort()) {
    if (name.startsWith('.')) continue;
    const folder = path.join(parent, name);
    const record = readRecord(folder);
    if (record !== undefined) found.push({ path: folder, record, state: await stateOf(folder, record, clock) });
  }
  return found;
}

/** Removes the folder of a dead instance, unless another one has taken its place meanwhile. */
export function discard(folder: string, instanceId: string | undefined): void {
  const aside = path.join(path.dirname(folder), `.stale-${randomBytes(8).toString('hex')}`);
  try {
    renameSync(folder, aside);
  } catch {
    return; // Not there, or somebody else was faster.
  }
  const moved = readRecord(aside);
  if (moved !== undefined && moved.instanceId !== instanceId) {
    renameSync(aside, folder);
    return;
  }
  rmSync(aside, { recursive: true, force: true });
  if (moved !== undefined) rmSync(moved.adminSocket, { force: true });
}

/** `dead` also when there is nothing. */
async function stateOf(folder: string, record: InstanceRecord | undefined, clock: Clock): Promise<InstanceState> {
  if (record === undefined) return isRecent(folder, clock) ? 'running' : 'dead';
  const here = record.pidNamespace === pidNamespace();
  if (here && isSameProcess(record.pid, record.startTicks)) return 'running';
  // Pids of another container (or of the time before a reboot) say nothing; its socket does.
  if (!here && (await answers(record.adminSocket, clock))) return 'running';
  if (here && record.app !== undefined && isSameProcess(record.app.pid, record.app.startTicks)) return 'orphan';
  return 'dead';
}

async function answers(socket: string, clock: Clock): Promise<boolean> {
  try {
    await adminCall(socket, 'GET /status', clock, PROBE_MS);
    return true;
  } catch {
    return false;
  }
}

function isRecent(folder: string, clock: Clock): boolean {
  try {
    return lstatSync(folder).mtimeMs > clock.wallMs() - UNREADABLE_GRACE_MS;
  } catch {
    return false;
  }
}

/** What others began and did not finish. */
function sweep(parent: string, clock: Clock): void {
  for (const name of readdirSync(parent)) {
    if (!name.startsWith('.new-') && !name.startsWith('.stale-')) continue;
    const folder = path.join(parent, name);
    if (!isRecent(folder, clock)) rmSync(folder, { recursive: true, force: true });
  }
}

function newRecord(input: AcquireInput, folder: string): InstanceRecord {
  const instanceId = randomBytes(16).toString('hex');
  return {
    appId: input.appId,
    instanceId,
    personality: input.personality,
    version: input.version,
    pid: process.pid,
    startTicks: startTicks(process.pid),
    pidNamespace: pidNamespace(),
    startedAt: new Date(input.clock.wallMs()).toISOString(),
    adminSocket: adminSocketPath(folder, instanceId),
  };
}

function writeRecord(folder: string, record: InstanceRecord): void {
  const temporary = path.join(folder, `.${RECORD}.${process.pid}`);
  writeFileSync(temporary, `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600 });
  renameSync(temporary, path.join(folder, RECORD));
}

/** undefined when there is none, or it is not one of ours. */
function readRecord(folder: string): InstanceRecord | undefined {
  try {
    if (privateDirProblem(folder) !== undefined) return undefined;
    const file = path.join(folder, RECORD);
    const found = lstatSync(file);
    if (!found.isFile() || found.size > RECORD_BYTES_MAX) return undefined;
    const record = JSON.parse(readFileSync(file, 'utf8')) as InstanceRecord;
    const whole =
      typeof record.appId === 'string' &&
      typeof record.instanceId === 'string' &&
      Number.isSafeInteger(record.pid) &&
      typeof record.adminSocket === 'string';
    return whole ? record : undefined;
  } catch {
    return undefined;
  }
}
