/**
 * A file system in memory that knows what a disk would have: every write, truncation and name is only certain after its
 * sync. `crash` answers the file system that a machine finds after a power cut; `faults` makes it fail, `capacity` full.
 */
import type { LocalFile, LocalFs } from './files.js';

type Change = { readonly at: number; readonly bytes: Buffer } | { readonly length: number };

interface Inode {
  content: Buffer;
  /** Content at the last sync, and what has been done to it since. */
  durable: Buffer;
  pending: Change[];
}

export interface CrashFs extends LocalFs {
  /** What happened, in order: `write <name>`, `sync <name>`, `syncDirectory`, and whatever tests add. */
  readonly events: string[];
  capacityBytes: number;
  /** Called before every operation; throws to make it fail. */
  fault: ((operation: string, name: string) => void) | undefined;
  /** Runs before a write or sync returns, so that a test can hold the disk up. */
  delay: ((operation: string) => Promise<void>) | undefined;
  /** `keep` decides for every unsynced change and name whether it reached the disk; the default keeps none. */
  crash(keep?: () => boolean): CrashFs;
  files(): Map<string, Buffer>;
  /** Damages a file as a failing disk would. */
  alter(name: string, change: (content: Buffer) => Buffer): void;
}

function applied(content: Buffer, change: Change): Buffer {
  if ('length' in change) {
    const cut = Buffer.alloc(change.length);
    content.copy(cut, 0, 0, change.length);
    return cut;
  }
  const end = change.at + change.bytes.length;
  const grown = end > content.length ? Buffer.alloc(end) : content;
  if (grown !== content) content.copy(grown);
  change.bytes.copy(grown, change.at);
  return grown;
}

const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
const sectorBytes = 512;

export function createCrashFs(names: Map<string, Inode> = new Map()): CrashFs {
  const durableNames = new Map(names);
  const events: string[] = [];
  const failure = (code: string): Error => Object.assign(new Error(code), { code });
  const used = (): number => [...names.values()].reduce((sum, { content }) => sum + content.length, 0);

  function step(operation: string, name: string): void {
    fs.fault?.(operation, name);
    events.push(`${operation} ${name}`);
  }

  function fileOf(name: string, inode: Inode): LocalFile {
    return {
      write: async (buffer, offset, length, position) => {
        step('write', name);
        const free = fs.capacityBytes - used() + Math.max(0, inode.content.length - position);
        if (free <= 0 && length > 0) throw failure('ENOSPC');
        const count = Math.min(length, free);
        const bytes = Buffer.from(buffer.subarray(offset, offset + count));
        inode.content = applied(inode.content, { at: position, bytes });
        inode.pending.push({ at: position, bytes });
        await fs.delay?.('write');
        return count;
      },
      read: async (buffer, offset, length, position) => {
        fs.fault?.('read', name);
        return inode.content.copy(buffer, offset, position, Math.min(position + length, inode.content.length));
      },
      size: async () => inode.content.length,
      sync: async () => {
        await fs.delay?.('sync');
        step('sync', name);
        inode.durable = Buffer.from(inode.content);
        inode.pending = [];
      },
      truncate: async (length) => {
        step('truncate', name);
        inode.content = applied(inode.content, { length });
        inode.pending.push({ length });
      },
      close: async () => {},
    };
  }

  const fs: CrashFs = {
    events,
    capacityBytes: Number.POSITIVE_INFINITY,
    fault: undefined,
    delay: undefined,
    open: async (path, mode) => {
      const name = nameOf(path);
      let inode = names.get(name);
      if (mode === 'create') {
        step('create', name);
        if (inode !== undefined) throw failure('EEXIST');
        inode = { content: Buffer.alloc(0), durable: Buffer.alloc(0), pending: [] };
        names.set(name, inode);
      }
      if (inode === undefined) throw failure('ENOENT');
      return fileOf(name, inode);
    },
    list: async () => [...names.keys()],
    rename: async (from, to) => {
      step('rename', nameOf(to));
      const inode = names.get(nameOf(from));
      if (inode === undefined) throw failure('ENOENT');
      names.delete(nameOf(from));
      names.set(nameOf(to), inode);
    },
    remove: async (path) => {
      if (!names.has(nameOf(path))) throw failure('ENOENT');
      step('remove', nameOf(path));
      names.delete(nameOf(path));
    },
    syncDirectory: async () => {
      step('syncDirectory', '');
      durableNames.clear();
      for (const [name, inode] of names) durableNames.set(name, inode);
    },
    crash: (keep = () => false) => {
      const after = new Map<string, Inode>();
      for (const name of new Set([...durableNames.keys(), ...names.keys()])) {
        const before = durableNames.get(name);
        const now = names.get(name);
        const inode = before === now || !keep() ? before : now;
        if (inode === undefined) continue;
        let content: Buffer = Buffer.from(inode.durable);
        for (const change of inode.pending) {
          if ('length' in change) {
            if (keep()) content = applied(content, change);
            continue;
          }
          // A write reaches the disk sector by sector, in any order.
          for (let at = 0; at < change.bytes.length; at += sectorBytes) {
            if (!keep()) continue;
            content = applied(content, { at: change.at + at, bytes: change.bytes.subarray(at, at + sectorBytes) });
          }
        }
        after.set(name, { content, durable: Buffer.from(content), pending: [] });
      }
      return createCrashFs(after);
    },
    files: () => new Map([...names].map(([name, { content }]) => [name, content])),
    alter: (name, change) => {
      const inode = names.get(name);
      if (inode === undefined) throw new Error(`no file ${name}`);
      inode.content = change(Buffer.from(inode.content));
      inode.durable = Buffer.from(inode.content);
    },
  };
  return fs;
}
