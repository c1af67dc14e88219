/**
 * The app as a child in a process group of its own, so that everything it starts ends with it. Its output goes line by
 * line, prefixed, into the log's stream, and waits when nobody reads.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import type { Clock } from '@outrigger/engine';
import type { LineWriter } from '../telemetry/line-writer.js';
import { CliError } from './cli-error.js';
import { EXIT } from './exit-codes.js';

export interface AppSpec {
  readonly command: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Before each line: `== APP == `. */
  readonly prefix: string;
  /** Every line goes to each of these. */
  readonly out: readonly LineWriter[];
  readonly stdin: 'inherit' | 'ignore';
}

export interface AppEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface AppProcess {
  readonly pid: number;
  /** The app itself has ended and its output is written; children of it may live. */
  readonly ended: Promise<AppEnd>;
  /** To the whole group; nothing when it has gone. */
  kill(signal: NodeJS.Signals): void;
  /** Ends what is left of the group: TERM, and KILL after `graceMs`. */
  endGroup(graceMs: number): Promise<void>;
}

/** Longer lines are cut into several. */
const LINE_LENGTH_MAX = 64 * 1024;
/** Output may go on after the end when a grandchild holds the pipe; it is not waited for longer than this. */
const OUTPUT_GRACE_MS = 500;
const GROUP_POLL_MS = 50;

/** Rejects with CliError when the command cannot be started. */
export async function startApp(spec: AppSpec, clock: Clock): Promise<AppProcess> {
  const [file, ...args] = spec.command as [string, ...string[]];
  const child = spawn(file, args, {
    cwd: spec.cwd,
    env: { ...spec.env },
    // A group (and session) of its own: signals reach all of it, and a terminal's Ctrl-C reaches it once, through us.
    detached: true,
    stdio: [spec.stdin, 'pipe', 'pipe'],
  });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) => reject(spawnError(file, spec.cwd, error)));
  });
  for (const stream of [child.stdout, child.stderr]) pipeLines(stream as Readable, spec.prefix, spec.out);
  const pid = child.pid as number;
  return {
    pid,
    ended: whenEnded(child, clock),
    kill: (signal) => void killGroup(pid, signal),
    endGroup: (graceMs) => endGroup(pid, graceMs, clock),
  };
}

function spawnError(file: string, cwd: string, error: NodeJS.ErrnoException): CliError {
  if (error.code === 'ENOENT') {
    return new CliError(
      `the command "${file}" was not found`,
      EXIT.commandNotFound,
      `looked for from ${cwd} and in PATH`,
    );
  }
  if (error.code === 'EACCES') return new CliError(`the command "${file}" cannot be executed`, EXIT.notExecutable);
  return new CliError(`the command "${file}" cannot be started: ${error.message}`, EXIT.notExecutable);
}

function whenEnded(child: ChildProcess, clock: Clock): Promise<AppEnd> {
  return new Promise((resolve) => {
    let end: AppEnd = { code: null, signal: null };
    child.once('exit', (code, signal) => {
      end = { code, signal };
      const timer = clock.after(OUTPUT_GRACE_MS, () => resolve(end));
      child.once('close', () => {
        timer.cancel();
        resolve(end);
      });
    });
  });
}

/** False when nobody is left in the group. */
export function killGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-pid, signal);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

export async function endGroup(pid: number, graceMs: number, clock: Clock): Promise<void> {
  if (!killGroup(pid, 'SIGTERM')) return;
  const deadline = clock.now() + graceMs;
  while (clock.now() < deadline) {
    await new Promise<void>((resolve) => void clock.after(GROUP_POLL_MS, resolve));
    if (!killGroup(pid, 0)) return;
  }
  killGroup(pid, 'SIGKILL');
}

/** Whole lines with a prefix; the last one gets its newline. */
export function pipeLines(stream: Readable, prefix: string, out: readonly LineWriter[]): void {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  const emit = (text: string): void => {
    if (text === '') return;
    for (const writer of out) {
      if (writer.write(text)) continue;
      stream.pause();
      writer.onDrain(() => stream.resume());
    }
  };
  stream.on('data', (chunk: Buffer) => {
    const lines = (rest + decoder.write(chunk)).split('\n');
    rest = lines.pop() as string;
    let text = lines.map((line) => `${prefix}${line}\n`).join('');
    while (rest.length > LINE_LENGTH_MAX) {
      text += `${prefix}${rest.slice(0, LINE_LENGTH_MAX)}\n`;
      rest = rest.slice(LINE_LENGTH_MAX);
    }
    emit(text);
  });
  stream.on('end', () => {
    rest += decoder.end();
    if (rest !== '') emit(`${prefix}${rest}\n`);
    rest = '';
  });
  stream.on('error', () => {});
}
