/** Reads the log after a start: the newest snapshot, then the segments behind it. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { ComponentError } from '@outrigger/components-core';
import { type Entry, entry } from '../record.js';
import { Reader } from '../wire/reader.js';
import { type LocalFile, type LocalFs, readFully } from './files.js';
import { decodeHeader, type FileHeader, headerBytes, parseFileName } from './format.js';
import type { LogFile, LogStart } from './log.js';
import { type Damage, scanFile } from './scan.js';

export interface Recovery extends LogStart {
  readonly damage: readonly Damage[];
  readonly records: number;
}

interface Candidate {
  readonly name: string;
  readonly id: number;
  readonly file: LocalFile;
  readonly size: number;
  readonly header: FileHeader | undefined;
}

/**
 * `onEntry` gets every record in order; the bytes of its payloads are views that are valid during the call. Throws
 * ComponentError `unsupported` when the files are of another version, and leaves them alone.
 */
export async function recover(directory: string, fs: LocalFs, onEntry: (found: Entry) => void): Promise<Recovery> {
  const names = (await fs.list(directory)).sort();
  for (const name of names) {
    if (name.endsWith('.snapshot.tmp')) await fs.remove(join(directory, name)).catch(() => {});
  }
  const opened: LocalFile[] = [];
  try {
    return await read(directory, fs, names, opened, onEntry);
  } catch (error) {
    for (const file of opened) await file.close().catch(() => {});
    throw error;
  }
}

async function read(
  directory: string,
  fs: LocalFs,
  names: readonly string[],
  opened: LocalFile[],
  onEntry: (found: Entry) => void,
): Promise<Recovery> {
  const snapshots: number[] = [];
  const segments: number[] = [];
  for (const name of names) {
    const parsed = parseFileName(name);
    if (parsed !== undefined) (parsed.kind === 'log' ? segments : snapshots).push(parsed.id);
  }
  const covered = Math.max(0, ...snapshots);
  const idMax = Math.max(covered, ...segments);
  const candidates: Candidate[] = [];
  for (const name of names) {
    const parsed = parseFileName(name);
    if (parsed === undefined) continue;
    if (parsed.id < covered || (parsed.id === covered && parsed.kind === 'log')) {
      // Left over by a crash between writing the snapshot and deleting what it replaces.
      await fs.remove(join(directory, name)).catch(() => {});
      continue;
    }
    const file = await fs.open(join(directory, name), 'read');
    opened.push(file);
    candidates.push({
      name,
      id: parsed.id,
      file,
      size: await file.size(),
      header: await headerOf(file, directory, name),
    });
  }

  const storeId =
    candidates.find(({ header }) => header !== undefined)?.header?.storeId ?? randomBytes(8).toString('hex');
  const damage: Damage[] = [];
  const files: LogFile[] = [];
  let records = 0;
  let lastId = covered;
  let lastLength = 0;

  // Files that were not finished being made hold no batch: the newest without a header, and those that the next one does
  // not know as the one before it.
  for (const [index, { name, id, file, header, size }] of [...candidates.entries()].reverse()) {
    const next = candidates[index + 1]?.header;
    const isUnfinished =
      next === undefined ? header === undefined && index === candidates.length - 1 : next.previousId < id;
    if (name.endsWith('.snapshot') || size > headerBytes || !isUnfinished) continue;
    damage.push({ file: name, offset: 0, length: size, kind: 'torn' });
    candidates.splice(index, 1);
    await file.close();
    await fs.remove(join(directory, name)).catch(() => {});
  }

  for (const [index, candidate] of candidates.entries()) {
    const { name, id, file, header } = candidate;
    const isSnapshot = name.endsWith('.snapshot');
    const found: Damage[] = [];
    if (header === undefined) found.push({ file: name, offset: 0, length: headerBytes, kind: 'corrupt' });
    const next = candidates[index + 1]?.header;
    const limit =
      !isSnapshot && next?.previousId === id ? Math.min(next.previousLength, candidate.size) : candidate.size;
    if (!isSnapshot && next?.previousId === id && next.previousLength > candidate.size) {
      const { size } = candidate;
      found.push({ file: name, offset: size, length: next.previousLength - size, kind: 'corrupt' });
    }
    if (header !== undefined && header.previousId > covered && !segments.includes(header.previousId)) {
      found.push({ file: `the log file before ${name}`, offset: 0, length: header.previousLength, kind: 'corrupt' });
    }
    const key = isSnapshot ? -id : id;
    let isComplete = !isSnapshot;
    const scanned = await scanFile(file, {
      name,
      storeId: header?.storeId ?? storeId,
      fileId: id,
      limit,
      isNewest: index === candidates.length - 1 && !isSnapshot,
      onRecord: (payload, position) => {
        const reader = new Reader(payload, 0, payload.length, position);
        const decoded = entry.read(reader);
        reader.mustEnd();
        for (const held of reader.payloads) held.file = key;
        if (decoded.record.kind === 'end') isComplete = true;
        else onEntry(decoded);
      },
    });
    if (!isComplete) found.push({ file: name, offset: scanned.length, length: 0, kind: 'corrupt' });
    found.push(...scanned.damage);
    damage.push(...found);
    records += scanned.records;
    if (!isSnapshot) {
      lastId = id;
      lastLength = scanned.length;
    }
    const isDamaged = found.some(({ kind }) => kind === 'corrupt');
    files.push({ key, name, file, length: scanned.length, isDamaged });
  }
  // What was read may still be in the page cache alone: it is about to be answered from, so it has to be on the disk.
  const last = files.at(-1);
  if (last !== undefined) {
    await last.file.sync();
    await fs.syncDirectory(directory);
  }
  return { files, storeId, lastId, lastLength, idMax, damage, records };
}

async function headerOf(file: LocalFile, directory: string, name: string): Promise<FileHeader | undefined> {
  const buffer = Buffer.alloc(headerBytes);
  const count = await readFully(file, buffer, headerBytes, 0);
  const header = decodeHeader(buffer.subarray(0, count));
  if (header !== 'other-version') return header;
  throw new ComponentError(
    'unsupported',
    `${join(directory, name)} was written by another version of Outrigger; use that version, or another OUTRIGGER_HOME`,
  );
}
