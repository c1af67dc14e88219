/**
 * Reads one file of the log after a start. Records of complete batches are handed over in order. What is damaged is told
 * apart:
 *   torn    at the end of the newest file, with no valid batch behind it: a write that never ended, hence was never
 *           acknowledged. Reading stops in front of it.
 *   corrupt anything else: it was synced once. It is reported with its place, and reading goes on behind it.
 */
import { crc32 } from './crc32.js';
import { type LocalFile, readFully } from './files.js';
import {
  type BatchHead,
  batchHeadBytes,
  batchMagicBytes,
  decodeBatchHead,
  headerBytes,
  recordHeadBytes,
} from './format.js';

/** Read and parsed in one go: small enough not to hold up the event loop. */
const windowBytes = 256 * 1024;

export interface Damage {
  readonly file: string;
  readonly offset: number;
  readonly length: number;
  readonly kind: 'torn' | 'corrupt';
}

export interface ScanResult {
  /** Where the valid part ends. */
  readonly length: number;
  readonly records: number;
  readonly damage: readonly Damage[];
}

export interface ScanOptions {
  readonly name: string;
  readonly storeId: string;
  readonly fileId: number;
  /** How much of the file counts: its size, or what the next file says. */
  readonly limit: number;
  /** No file follows, so that a torn end is possible. */
  readonly isNewest: boolean;
  /** `payload` is valid during the call; `position` is where it begins in the file. May throw: the record is corrupt. */
  onRecord(payload: Buffer, position: number): void;
}

/** A part of the file in memory that moves forward. */
class Window {
  #buffer: Buffer = Buffer.allocUnsafeSlow(windowBytes);
  #start = 0;
  #length = 0;
  readonly #file: LocalFile;
  readonly limit: number;

  constructor(file: LocalFile, limit: number) {
    this.#file = file;
    this.limit = limit;
  }

  /** The bytes from `position` on: `count` of them, or as many as there are before the limit. Valid until the next call. */
  async at(position: number, count: number): Promise<Buffer> {
    const wanted = Math.max(0, Math.min(count, this.limit - position));
    if (position < this.#start || position + wanted > this.#start + this.#length) {
      const size = Math.max(wanted, windowBytes);
      if (this.#buffer.length < size) this.#buffer = Buffer.allocUnsafeSlow(size);
      else if (this.#buffer.length > 4 * windowBytes && size <= windowBytes)
        this.#buffer = Buffer.allocUnsafeSlow(windowBytes);
      this.#start = position;
      this.#length = await readFully(
        this.#file,
        this.#buffer,
        Math.min(this.#buffer.length, this.limit - position),
        position,
      );
    }
    const from = position - this.#start;
    return this.#buffer.subarray(from, Math.min(from + wanted, this.#length));
  }
}

type Origin = Pick<ScanOptions, 'storeId' | 'fileId'>;

async function headAt(window: Window, origin: Origin, position: number): Promise<BatchHead | undefined> {
  const { storeId, fileId } = origin;
  return decodeBatchHead(await window.at(position, batchHeadBytes), { storeId, fileId, position });
}

/** Where the next valid batch begins, from `position` on; undefined when there is none. */
async function nextBatch(window: Window, origin: Origin, position: number): Promise<number | undefined> {
  let from = position;
  while (from < window.limit) {
    const part = await window.at(from, windowBytes);
    if (part.length < batchHeadBytes) return undefined;
    let found = part.indexOf(batchMagicBytes);
    const candidates: number[] = [];
    while (found >= 0) {
      candidates.push(from + found);
      found = part.indexOf(batchMagicBytes, found + 1);
    }
    for (const candidate of candidates) {
      if ((await headAt(window, origin, candidate)) !== undefined) return candidate;
    }
    from += part.length - (batchMagicBytes.length - 1);
  }
  return undefined;
}

export async function scanFile(file: LocalFile, options: ScanOptions): Promise<ScanResult> {
  const window = new Window(file, options.limit);
  const damage: Damage[] = [];
  let records = 0;
  let lastBatch = 0;
  let position = headerBytes;

  const note = (offset: number, end: number, kind: Damage['kind']): void => {
    damage.push({ file: options.name, offset, length: end - offset, kind });
  };
  const done = (length: number): ScanResult => ({ length, records, damage });

  /** Reads the records of one batch; answers where the valid part of it ends when the rest is torn. */
  async function readBatch(head: BatchHead): Promise<number | undefined> {
    const start = position + batchHeadBytes;
    const announced = start + head.length;
    const end = Math.min(announced, options.limit);
    let isLast: boolean | undefined;
    let at = start;
    while (at < end) {
      let next: number | undefined;
      const recordHead = await window.at(at, recordHeadBytes);
      if (recordHead.length === recordHeadBytes) {
        const length = recordHead.readUInt32LE(0);
        const crc = recordHead.readUInt32LE(4);
        if (at + recordHeadBytes + length <= end) {
          next = at + recordHeadBytes + length;
          const payload = await window.at(at + recordHeadBytes, length);
          if (payload.length === length && crc32(payload) === crc) {
            try {
              options.onRecord(payload, at + recordHeadBytes);
              records++;
              at = next;
              continue;
            } catch {
              // Valid bytes that mean nothing to us: as corrupt as the others.
            }
          }
        }
      }
      isLast ??= options.isNewest && (await nextBatch(window, options, announced)) === undefined;
      if (isLast) {
        note(at, options.limit, 'torn');
        return at;
      }
      // With a believable length only this record is lost, else the rest of the batch.
      const resume = next !== undefined && (await isRecord(next, end)) ? next : end;
      note(at, resume, 'corrupt');
      at = resume;
    }
    if (announced > options.limit && options.isNewest) {
      note(options.limit, options.limit, 'torn');
      return options.limit;
    }
    return undefined;
  }

  async function isRecord(at: number, end: number): Promise<boolean> {
    if (at === end) return true;
    const head = await window.at(at, recordHeadBytes);
    if (head.length < recordHeadBytes) return false;
    const length = head.readUInt32LE(0);
    const crc = head.readUInt32LE(4);
    if (at + recordHeadBytes + length > end) return false;
    return crc32(await window.at(at + recordHeadBytes, length)) === crc;
  }

  while (position < options.limit) {
    const head = await headAt(window, options, position);
    if (head === undefined || head.batch <= lastBatch) {
      const next = await nextBatch(window, options, position + 1);
      if (next === undefined && options.isNewest) {
        note(position, options.limit, 'torn');
        return done(position);
      }
      note(position, next ?? options.limit, 'corrupt');
      position = next ?? options.limit;
      continue;
    }
    const torn = await readBatch(head);
    if (torn !== undefined) return done(torn);
    lastBatch = head.batch;
    position = Math.min(position + batchHeadBytes + head.length, options.limit);
  }
  return done(options.limit);
}
