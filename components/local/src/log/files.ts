/** The file system as the log uses it. Tests put another one here: one that fails, fills up, or forgets what was not synced. */
import { constants, type FileHandle, open, readdir, rename, unlink } from 'node:fs/promises';

export interface LocalFile {
  /** Returns how many bytes were taken, which may be fewer. */
  write(buffer: Uint8Array, offset: number, length: number, position: number): Promise<number>;
  /** Returns how many bytes were there, 0 at the end. */
  read(buffer: Uint8Array, offset: number, length: number, position: number): Promise<number>;
  size(): Promise<number>;
  /** fdatasync: contents and length are on the disk. */
  sync(): Promise<void>;
  truncate(length: number): Promise<void>;
  close(): Promise<void>;
}

export interface LocalFs {
  /** `create` fails when the file exists. */
  open(path: string, mode: 'create' | 'read'): Promise<LocalFile>;
  list(directory: string): Promise<string[]>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Makes created, renamed and removed names durable. */
  syncDirectory(directory: string): Promise<void>;
}

function fileOf(handle: FileHandle): LocalFile {
  return {
    write: async (buffer, offset, length, position) =>
      (await handle.write(buffer, offset, length, position)).bytesWritten,
    read: async (buffer, offset, length, position) => (await handle.read(buffer, offset, length, position)).bytesRead,
    size: async () => (await handle.stat()).size,
    sync: () => handle.datasync(),
    truncate: (length) => handle.truncate(length),
    close: () => handle.close(),
  };
}

export const nodeFs: LocalFs = {
  open: async (path, mode) => fileOf(await open(path, mode === 'create' ? 'wx+' : 'r', 0o600)),
  list: (directory) => readdir(directory),
  rename,
  remove: unlink,
  syncDirectory: async (directory) => {
    const handle = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
};

/** Writes all of it or throws. */
export async function writeAll(file: LocalFile, buffer: Uint8Array, length: number, position: number): Promise<void> {
  let done = 0;
  while (done < length) {
    const count = await file.write(buffer, done, length - done, position + done);
    if (count <= 0) throw Object.assign(new Error('the disk took nothing of a write'), { code: 'ENOSPC' });
    done += count;
  }
}

/** Reads `length` bytes, or as many as there are. */
export async function readFully(
  file: LocalFile,
  buffer: Uint8Array,
  length: number,
  position: number,
): Promise<number> {
  let done = 0;
  while (done < length) {
    const count = await file.read(buffer, done, length - done, position + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}
