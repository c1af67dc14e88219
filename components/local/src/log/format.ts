/**
 * The format of log and snapshot files (version 1, little-endian):
 *
 *   file    header (64 bytes, twice, since without it nothing can be read), then batches
 *   header  magic "OUTRIGLG", version u32, kind u32 (1 log, 2 snapshot), id u64, previous id u64, previous length u64,
 *           4 bytes 0, store id (8 bytes), 8 bytes 0, crc u32 of what precedes
 *   batch   magic u32, number u32 (1, 2, … in the file), length u32 of the records, crc u32 of what precedes and of its place; records
 *   record  length u32, crc u32 of the payload; payload
 *
 * A log file says how long the one before it is: what lies behind that length was never acknowledged (a torn write, or
 * one that failed), and is not looked at. So nothing ever writes into an old file to repair it.
 */
import { frameBytesMax } from '../limits.js';
import { crc32 } from './crc32.js';

export const formatVersion = 1;
const headerCopyBytes = 64;
export const headerBytes = 128;
export const batchHeadBytes = 16;
export const recordHeadBytes = 8;
/** One batch: the goal plus one record of the largest kind. */
export const batchBytesMax: number = frameBytesMax * 2;

const fileMagic = Buffer.from('OUTRIGLG', 'latin1');
/** "OBAT" */
export const batchMagic = 0x5441424f;
export const batchMagicBytes: Buffer = Buffer.from('OBAT', 'latin1');

export interface FileHeader {
  readonly kind: 'log' | 'snapshot';
  readonly id: number;
  readonly previousId: number;
  readonly previousLength: number;
  /** 16 hex characters; random at the birth of the directory's data. */
  readonly storeId: string;
}

export function encodeHeader(header: FileHeader): Buffer {
  const buffer = Buffer.alloc(headerCopyBytes);
  fileMagic.copy(buffer, 0);
  buffer.writeUInt32LE(formatVersion, 8);
  buffer.writeUInt32LE(header.kind === 'log' ? 1 : 2, 12);
  buffer.writeBigUInt64LE(BigInt(header.id), 16);
  buffer.writeBigUInt64LE(BigInt(header.previousId), 24);
  buffer.writeBigUInt64LE(BigInt(header.previousLength), 32);
  Buffer.from(header.storeId, 'hex').copy(buffer, 44, 0, 8);
  buffer.writeUInt32LE(crc32(buffer.subarray(0, 60)), 60);
  return Buffer.concat([buffer, buffer]);
}

/** undefined: damaged or not ours. A file of another version is told apart, so that it is refused and not overwritten. */
export function decodeHeader(buffer: Buffer): FileHeader | 'other-version' | undefined {
  return decodeCopy(buffer.subarray(0, headerCopyBytes)) ?? decodeCopy(buffer.subarray(headerCopyBytes, headerBytes));
}

function decodeCopy(buffer: Buffer): FileHeader | 'other-version' | undefined {
  if (buffer.length < headerCopyBytes || !buffer.subarray(0, 8).equals(fileMagic)) return undefined;
  if (buffer.readUInt32LE(60) !== crc32(buffer.subarray(0, 60))) return undefined;
  if (buffer.readUInt32LE(8) !== formatVersion) return 'other-version';
  return {
    kind: buffer.readUInt32LE(12) === 1 ? 'log' : 'snapshot',
    id: Number(buffer.readBigUInt64LE(16)),
    previousId: Number(buffer.readBigUInt64LE(24)),
    previousLength: Number(buffer.readBigUInt64LE(32)),
    storeId: buffer.toString('hex', 44, 52),
  };
}

/**
 * What goes into the checksum of a batch's head beside its bytes: where it stands. The search for the next batch behind a
 * damaged place then finds none inside a value, not even one that somebody saved for that purpose: nobody outside knows
 * the store id.
 */
export interface BatchPlace {
  readonly storeId: string;
  readonly fileId: number;
  readonly position: number;
}

const headBuffer = Buffer.alloc(12 + 8 + 8 + 8);

function batchHeadCrc(buffer: Buffer, at: number, place: BatchPlace): number {
  buffer.copy(headBuffer, 0, at, at + 12);
  headBuffer.write(place.storeId, 12, 8, 'hex');
  headBuffer.writeBigUInt64LE(BigInt(place.fileId), 20);
  headBuffer.writeBigUInt64LE(BigInt(place.position), 28);
  return crc32(headBuffer);
}

export function encodeBatchHead(buffer: Buffer, batch: number, length: number, place: BatchPlace): void {
  buffer.writeUInt32LE(batchMagic, 0);
  buffer.writeUInt32LE(batch, 4);
  buffer.writeUInt32LE(length, 8);
  buffer.writeUInt32LE(batchHeadCrc(buffer, 0, place), 12);
}

export interface BatchHead {
  readonly batch: number;
  readonly length: number;
}

export function decodeBatchHead(buffer: Buffer, place: BatchPlace): BatchHead | undefined {
  if (buffer.length < batchHeadBytes || buffer.readUInt32LE(0) !== batchMagic) return undefined;
  if (buffer.readUInt32LE(12) !== batchHeadCrc(buffer, 0, place)) return undefined;
  const length = buffer.readUInt32LE(8);
  return length > batchBytesMax ? undefined : { batch: buffer.readUInt32LE(4), length };
}

export function logFileName(id: number): string {
  return `${String(id).padStart(12, '0')}.log`;
}

export function snapshotFileName(id: number): string {
  return `${String(id).padStart(12, '0')}.snapshot`;
}

export function parseFileName(name: string): { readonly kind: 'log' | 'snapshot'; readonly id: number } | undefined {
  const match = /^(\d{12})\.(log|snapshot)$/.exec(name);
  return match === null ? undefined : { id: Number(match[1]), kind: match[2] as 'log' | 'snapshot' };
}
