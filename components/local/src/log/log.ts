/**
 * The append-only log of one owner. A batch counts when its fdatasync has returned; a batch that failed is cut off again,
 * or left behind in a file that is not continued. Old files are never written.
 */
import { join } from 'node:path';
import { ComponentError, type ComponentLogger } from '@outrigger/components-core';
import { damagedFilesMax, segmentBytesGoal } from '../limits.js';
import type { Entry } from '../record.js';
import { Batch } from './batch.js';
import { crc32 } from './crc32.js';
import { type LocalFile, type LocalFs, readFully, writeAll } from './files.js';
import { encodeHeader, headerBytes, logFileName, snapshotFileName } from './format.js';
import type { Payload } from './payload.js';

/** A file of the log that can be read. `key`: its id, negative for a snapshot. */
export interface LogFile {
  readonly key: number;
  readonly name: string;
  readonly file: LocalFile;
  length: number;
  /** Set aside instead of deleted when it is not needed any more. */
  isDamaged: boolean;
}

export interface LogStart {
  readonly files: readonly LogFile[];
  readonly storeId: string;
  /** The segment that was written last, and how much of it counts. */
  readonly lastId: number;
  readonly lastLength: number;
  /** No file has a greater id. */
  readonly idMax: number;
}

interface Opened extends LogFile {
  readers: number;
  doomed: boolean;
}

/** ENOSPC and EDQUOT become `disk-full`, the rest `unavailable`. */
export function writeError(error: unknown): ComponentError {
  if (error instanceof ComponentError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new ComponentError(
      'disk-full',
      'the disk of the local components is full; nothing was changed, free space and try again',
      {
        cause: error,
      },
    );
  }
  return new ComponentError('unavailable', `the log of the local components cannot be written: ${message}`, {
    cause: error,
  });
}

export class Log {
  readonly #directory: string;
  readonly #fs: LocalFs;
  readonly #logger: ComponentLogger;
  readonly storeId: string;
  readonly #files = new Map<number, Opened>();
  /** The segment that batches go to; undefined: the next batch begins one. */
  #current: Opened | undefined;
  #currentId: number;
  #currentLength: number;
  #idMax: number;
  /** Batches in the current segment. */
  #batches = 0;
  #damaged = 0;
  #closed = false;

  constructor(directory: string, fs: LocalFs, logger: ComponentLogger, start: LogStart) {
    this.#directory = directory;
    this.#fs = fs;
    this.#logger = logger;
    this.storeId = start.storeId;
    this.#currentId = start.lastId;
    this.#currentLength = start.lastLength;
    this.#idMax = start.idMax;
    for (const file of start.files) this.#files.set(file.key, { ...file, readers: 0, doomed: false });
  }

  /** Bytes on the disk. */
  get bytes(): number {
    let sum = 0;
    for (const { length } of this.#files.values()) sum += length;
    return sum;
  }

  get segments(): number {
    return this.#files.size;
  }

  /** Writes and syncs the batch. When it rejects, nothing of it counts. One at a time. */
  async commit(batch: Batch): Promise<void> {
    if (this.#closed) throw new ComponentError('closed', 'the log is closed');
    if (this.#current !== undefined && this.#current.length >= segmentBytesGoal) {
      // Full disk or not: as long as no new segment can be made, the old one grows.
      await this.#begin().catch(() => {});
    }
    if (this.#current === undefined) await this.#begin();
    const segment = this.#current!;
    const position = segment.length;
    const bytes = batch.encode(this.#batches + 1, { storeId: this.storeId, fileId: segment.key, position });
    let isWritten = false;
    try {
      await writeAll(segment.file, bytes, bytes.length, position);
      isWritten = true;
      await segment.file.sync();
    } catch (error) {
      if (await this.#repair(segment, isWritten)) throw error;
      throw new ComponentError(
        'unavailable',
        `the log of the local components cannot be written (${(error as Error).message}), nor what was written be taken back; the next start may find it`,
        { cause: error },
      );
    }
    this.#batches++;
    segment.length = position + bytes.length;
    this.#currentLength = segment.length;
    batch.placed(segment.key, position);
  }

  /**
   * Takes a failed batch back; false: its bytes are still there, and count if the machine fails before the next segment
   * says where this one ends. After a failed sync nobody knows which pages are on the disk, so that segment is not
   * continued in any case.
   */
  async #repair(segment: Opened, isWritten: boolean): Promise<boolean> {
    if (isWritten) this.#current = undefined;
    try {
      await segment.file.truncate(segment.length);
      await segment.file.sync();
      return true;
    } catch {
      this.#current = undefined;
      return false;
    }
  }

  /** Begins the next segment. Rejects with nothing changed. */
  async #begin(): Promise<void> {
    const id = this.#idMax + 1;
    const name = logFileName(id);
    const path = join(this.#directory, name);
    // Even when it fails the id is used up, since a file of that name may be left.
    this.#idMax = id;
    const file = await this.#fs.open(path, 'create');
    try {
      const header = encodeHeader({
        kind: 'log',
        id,
        previousId: this.#currentId,
        previousLength: this.#currentLength,
        storeId: this.storeId,
      });
      await writeAll(file, header, header.length, 0);
      await file.sync();
      await this.#fs.syncDirectory(this.#directory);
    } catch (error) {
      await file.close().catch(() => {});
      await this.#fs.remove(path).catch(() => {});
      throw error;
    }
    this.#current = { key: id, name, file, length: headerBytes, isDamaged: false, readers: 0, doomed: false };
    this.#files.set(id, this.#current);
    this.#batches = 0;
    this.#currentId = id;
    this.#currentLength = headerBytes;
  }

  /** Reads a committed payload and checks it. */
  async read(payload: Payload): Promise<Uint8Array> {
    const opened = this.#files.get(payload.file);
    if (opened === undefined) throw new ComponentError('corrupt', `file ${payload.file} of the log is missing`);
    const bytes = new Uint8Array(payload.length);
    const { at } = payload;
    opened.readers++;
    try {
      const count = await readFully(opened.file, bytes, bytes.length, at);
      if (count === bytes.length && crc32(bytes) === payload.crc) return bytes;
    } finally {
      opened.readers--;
      if (opened.doomed && opened.readers === 0) await this.#discard(opened);
    }
    opened.isDamaged = true;
    throw new ComponentError('corrupt', `${opened.name} is damaged at ${at}: ${payload.length} bytes cannot be read`);
  }

  /**
   * Writes the entries into a snapshot that replaces every file there is now. To be called between batches; batches go on
   * meanwhile, into a new segment. Rejects with everything as before.
   */
  async snapshot(entries: AsyncIterable<Entry>): Promise<void> {
    // Nothing was written since the last one.
    if (![...this.#files.keys()].some((key) => key > 0)) return;
    const covered = this.#currentId;
    const replaced = [...this.#files.values()];
    this.#current = undefined;
    const name = snapshotFileName(covered);
    const path = join(this.#directory, name);
    const temporary = `${path}.tmp`;
    await this.#fs.remove(temporary).catch(() => {});
    const file = await this.#fs.open(temporary, 'create');
    const moved: { payload: Payload; at: number }[] = [];
    let length: number;
    try {
      length = await this.#writeSnapshot(file, covered, entries, moved);
      await file.sync();
      await this.#fs.rename(temporary, path);
      await this.#fs.syncDirectory(this.#directory);
    } catch (error) {
      await file.close().catch(() => {});
      await this.#fs.remove(temporary).catch(() => {});
      throw error;
    }
    this.#files.set(-covered, { key: -covered, name, file, length, isDamaged: false, readers: 0, doomed: false });
    for (const { payload, at } of moved) {
      payload.file = -covered;
      payload.at = at;
    }
    for (const opened of replaced) await this.#retire(opened);
  }

  async #writeSnapshot(
    file: LocalFile,
    covered: number,
    entries: AsyncIterable<Entry>,
    moved: { payload: Payload; at: number }[],
  ): Promise<number> {
    const { storeId } = this;
    const header = { kind: 'snapshot', id: covered, previousId: 0, previousLength: 0, storeId } as const;
    await writeAll(file, encodeHeader(header), headerBytes, 0);
    const batch = new Batch();
    let position = headerBytes;
    let number = 0;
    let records = 0;
    const flush = async (): Promise<void> => {
      const bytes = batch.encode(++number, { storeId, fileId: covered, position });
      await writeAll(file, bytes, bytes.length, position);
      for (const place of batch.places(position)) moved.push(place);
      position += bytes.length;
      batch.reset();
    };
    for await (const entry of entries) {
      if (this.#closed) throw new ComponentError('closed', 'the log is closed');
      batch.add(entry);
      records++;
      if (batch.bytes >= snapshotBatchBytes) await flush();
    }
    batch.add({ origin: undefined, record: { kind: 'end', records } });
    await flush();
    return position;
  }

  /** Deletes a file that is not needed any more, when nobody reads it. */
  async #retire(opened: Opened): Promise<void> {
    this.#files.delete(opened.key);
    opened.doomed = true;
    const path = join(this.#directory, opened.name);
    try {
      if (opened.isDamaged && this.#damaged < damagedFilesMax) {
        this.#damaged++;
        await this.#fs.rename(path, `${path}.damaged`);
      } else await this.#fs.remove(path);
    } catch (error) {
      // The next start removes it: the snapshot covers it.
      this.#logger.warn({ err: error, file: opened.name }, 'an old file of the local log could not be removed');
    }
    if (opened.readers === 0) await this.#discard(opened);
  }

  async #discard(opened: Opened): Promise<void> {
    await opened.file.close().catch(() => {});
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const opened of this.#files.values()) await opened.file.close().catch(() => {});
    this.#files.clear();
  }
}

const snapshotBatchBytes = 256 * 1024;
