/** Big-endian integers and copies, written out: a call per integer costs more than the integer. */
import type { Slab } from '../../network/transport.js';

/** Signed 32 bits. */
export function readI32(buffer: Buffer, at: number): number {
  return (
    ((buffer[at] as number) << 24) |
    ((buffer[at + 1] as number) << 16) |
    ((buffer[at + 2] as number) << 8) |
    (buffer[at + 3] as number)
  );
}

export function readU32(buffer: Buffer, at: number): number {
  return readI32(buffer, at) >>> 0;
}

export function readU16(buffer: Buffer, at: number): number {
  return ((buffer[at] as number) << 8) | (buffer[at + 1] as number);
}

export function writeI32(buffer: Buffer, at: number, value: number): void {
  buffer[at] = value >>> 24;
  buffer[at + 1] = value >>> 16;
  buffer[at + 2] = value >>> 8;
  buffer[at + 3] = value;
}

export function writeU16(buffer: Buffer, at: number, value: number): void {
  buffer[at] = value >>> 8;
  buffer[at + 1] = value;
}

/** Appends `buffer[start, end)`. */
export function appendBytes(slab: Slab, buffer: Buffer, start: number, end: number): void {
  slab.ensure(end - start);
  buffer.copy(slab.buffer, slab.end, start, end);
  slab.end += end - start;
}
