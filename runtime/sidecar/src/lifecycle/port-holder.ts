/** Who listens on a port, so that "address already in use" can name the other process. Linux; elsewhere nobody is named. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { commandOf } from './process-info.js';

export interface PortHolder {
  readonly pid: number;
  readonly command: string | undefined;
}

const LISTENING = '0A';

/** undefined when nobody is found, or when the holder belongs to somebody else and cannot be seen. */
export function portHolder(port: number): PortHolder | undefined {
  const inodes = new Set([...inodesOf('/proc/net/tcp', port), ...inodesOf('/proc/net/tcp6', port)]);
  if (inodes.size === 0) return undefined;
  for (const name of list('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    for (const fd of list(`/proc/${name}/fd`)) {
      const inode = /^socket:\[(\d+)\]$/.exec(link(`/proc/${name}/fd/${fd}`))?.[1];
      if (inode !== undefined && inodes.has(inode)) return { pid: Number(name), command: commandOf(Number(name)) };
    }
  }
  return undefined;
}

/** Lines are `sl local_address rem_address st … inode`; addresses are hex `address:port`. */
function inodesOf(file: string, port: number): string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  return read(file)
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[1]?.endsWith(`:${wanted}`) && fields[3] === LISTENING)
    .flatMap((fields) => (fields[9] === undefined ? [] : [fields[9]]));
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
