/** A child process as an actor: started, watched by what it prints, ended by pid, its whole group with it. */
import { type ChildProcess, spawn } from 'node:child_process';

/** Lines kept for messages of failed waits. */
const OUTPUT_LINES_MAX = 2_000;

export interface ProcessOptions {
  readonly cwd?: string;
  /** Added to the environment; `undefined` removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Starts from an empty environment instead of this process's. */
  readonly cleanEnv?: boolean;
  readonly name?: string;
}

export class Actor {
  readonly name: string;
  readonly child: ChildProcess;
  readonly lines: string[] = [];
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  #ended = false;
  /** Lines that are no longer kept. */
  #dropped = 0;
  readonly #waiters = new Set<() => void>();

  constructor(name: string, child: ChildProcess) {
    this.name = name;
    this.child = child;
    let partial = '';
    const take = (chunk: Buffer): void => {
      const parts = (partial + chunk.toString('utf8')).split('\n');
      partial = parts.pop() as string;
      this.lines.push(...parts);
      if (this.lines.length > OUTPUT_LINES_MAX) this.#dropped += this.lines.splice(0, OUTPUT_LINES_MAX / 2).length;
      for (const wake of this.#waiters) wake();
    };
    child.stdout?.on('data', take);
    child.stderr?.on('data', take);
    this.exited = new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => {
        this.#ended = true;
        if (partial !== '') this.lines.push(partial);
        for (const wake of this.#waiters) wake();
        resolve({ code, signal });
      });
    });
    this.exited.catch(() => {});
  }

  get pid(): number {
    return this.child.pid as number;
  }

  get output(): string {
    return this.lines.join('\n');
  }

  /** This moment, for `line` to look from. */
  get mark(): number {
    return this.#dropped + this.lines.length;
  }

  /** Resolves with the first line that matches, printed since the mark (default: since the start). */
  async line(pattern: RegExp, timeoutMs = 30_000, since = 0): Promise<RegExpMatchArray> {
    const deadline = AbortSignal.timeout(timeoutMs);
    for (;;) {
      for (const line of this.lines.slice(Math.max(0, since - this.#dropped))) {
        const match = line.match(pattern);
        if (match !== null) return match;
      }
      if (this.#ended) throw new Error(`${this.name} ended before it printed ${pattern}:\n${this.output}`);
      if (deadline.aborted)
        throw new Error(`${this.name} did not print ${pattern} within ${timeoutMs} ms:\n${this.output}`);
      await this.#change(deadline);
    }
  }

  async #change(deadline: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        this.#waiters.delete(wake);
        deadline.removeEventListener('abort', wake);
        resolve();
      };
      this.#waiters.add(wake);
      deadline.addEventListener('abort', wake);
    });
  }

  /** Sends a signal to the process group. */
  kill(signal: NodeJS.Signals = 'SIGTERM'): void {
    if (this.#ended) return;
    try {
      process.kill(-this.pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  /** TERM, then KILL after the grace. Resolves with how it ended. */
  async stop(graceMs = 10_000): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    this.kill('SIGTERM');
    const timer = setTimeout(() => this.kill('SIGKILL'), graceMs);
    try {
      return await this.exited;
    } finally {
      clearTimeout(timer);
    }
  }
}

const running = new Set<Actor>();
process.on('exit', () => {
  for (const actor of running) actor.kill('SIGKILL');
});

export function startProcess(command: string, args: readonly string[], options: ProcessOptions = {}): Actor {
  const env: NodeJS.ProcessEnv = options.cleanEnv ? {} : { ...process.env };
  for (const [name, value] of Object.entries(options.env ?? {})) {
    if (value === undefined) delete env[name];
    else env[name] = value;
  }
  const child = spawn(command, args, { cwd: options.cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const actor = new Actor(options.name ?? command, child);
  running.add(actor);
  void actor.exited.finally(() => running.delete(actor)).catch(() => {});
  return actor;
}

/** Runs a command to its end and returns its output; throws with the output when it fails. */
export async function runToEnd(
  command: string,
  args: readonly string[],
  options: ProcessOptions & { timeoutMs?: number } = {},
): Promise<string> {
  const actor = startProcess(command, args, options);
  const timer = setTimeout(() => actor.kill('SIGKILL'), options.timeoutMs ?? 120_000);
  const { code, signal } = await actor.exited.finally(() => clearTimeout(timer));
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code ?? signal}:\n${actor.output}`);
  return actor.output;
}
