/** What the system says of a process, where it says anything (Linux: /proc). */
import { readFileSync, readlinkSync } from 'node:fs';

/** Distinguishes a process from a later one with the same pid. undefined where the system does not say. */
export function startTicks(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name (field 2) is in parentheses and may hold anything, so count from the last one. starttime is field 22.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** True when `pid` is the very process that was written down. Without ticks only the pid is compared. */
export function isSameProcess(pid: number, ticks: string | undefined): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 1 || !isAlive(pid)) return false;
  const now = startTicks(pid);
  return ticks === undefined || now === undefined || now === ticks;
}

const COMMAND_LENGTH_MAX = 120;

export function commandOf(pid: number): string | undefined {
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trim();
    if (command === '') return undefined;
    return command.length > COMMAND_LENGTH_MAX ? `${command.slice(0, COMMAND_LENGTH_MAX)}…` : command;
  } catch {
    return undefined;
  }
}

/** Pids mean something only within one of these. */
export function pidNamespace(): string | undefined {
  try {
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return undefined;
  }
}
