/**
 * What the emitted codecs read with: the protobuf wire format, strict as the specification and as Go's protobuf are
 * (https://protobuf.dev/programming-guides/encoding/). Readers take the buffer, where to begin and where the message
 * ends; what a reader returns besides its value, the place behind it, lies in `cursor.at`.
 */
import type { UnknownField } from '@bufbuild/protobuf';
import { endsEarly, tooDeep, WireError } from './wire-error.js';
import { readBytes, readName, readText } from './wire-text.js';

/** Where the last read ended. One object for all: reading is synchronous, and a number is returned for free. */
export const cursor: { at: number } = { at: 0 };

/** The end of the length-delimited field whose length is at `at`; its content begins at `cursor.at`. */
export function fieldEnd(buffer: Buffer, at: number, end: number): number {
  const length = buffer[at]!;
  const stop = length < 128 ? at + 1 + length : longFieldEnd(buffer, at);
  // Written so that NaN, from reading past the buffer, fails as well.
  if (!(stop <= end)) throw endsEarly();
  if (length < 128) cursor.at = at + 1;
  return stop;
}

function longFieldEnd(buffer: Buffer, at: number): number {
  readVarint64(buffer, at);
  return cursor.at + high * 0x1_0000_0000 + low;
}

/** A tag that is longer than one byte, from its first byte on. */
export function longTag(buffer: Buffer, at: number): number {
  let tag = 0;
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = buffer[at++];
    if (byte === undefined) throw endsEarly();
    if (shift === 28 && byte > 15) break;
    tag |= (byte & 127) << shift;
    if (byte < 128) {
      cursor.at = at;
      return tag >>> 0;
    }
  }
  throw new WireError('a tag does not fit 32 bits');
}

/** The low 32 bits of a varint, unsigned. What int32, uint32, enums need. */
export function readVarint(buffer: Buffer, at: number): number {
  const byte = buffer[at]!;
  if (byte < 128) {
    cursor.at = at + 1;
    return byte;
  }
  readVarint64(buffer, at);
  return low;
}

let low = 0;
let high = 0;

/** Reads a varint into `low` and `high`, both unsigned. Ten bytes at most, and no bit beyond the 64th. */
function readVarint64(buffer: Buffer, at: number): void {
  let lo = 0;
  let hi = 0;
  for (let shift = 0; shift < 70; shift += 7) {
    const byte = buffer[at++];
    if (byte === undefined) throw endsEarly();
    const bits = byte & 127;
    if (shift < 28) lo |= bits << shift;
    else if (shift === 28) {
      lo |= bits << 28;
      hi = bits >>> 4;
    } else hi |= bits << (shift - 32);
    if (byte < 128) {
      if (shift === 63 && byte > 1) break;
      low = lo >>> 0;
      high = hi >>> 0;
      cursor.at = at;
      return;
    }
  }
  throw new WireError('a varint does not fit 64 bits');
}

export function readBool(buffer: Buffer, at: number): boolean {
  readVarint64(buffer, at);
  return low !== 0 || high !== 0;
}

export function readSint32(buffer: Buffer, at: number): number {
  const value = readVarint(buffer, at);
  return (value >>> 1) ^ -(value & 1);
}

export function readUint64(buffer: Buffer, at: number): bigint {
  readVarint64(buffer, at);
  return high === 0 ? BigInt(low) : (BigInt(high) << 32n) | BigInt(low);
}

export function readInt64(buffer: Buffer, at: number): bigint {
  readVarint64(buffer, at);
  return high === 0 ? BigInt(low) : (BigInt(high | 0) << 32n) | BigInt(low);
}

export function readSint64(buffer: Buffer, at: number): bigint {
  const value = readUint64(buffer, at);
  return (value & 1n) === 0n ? value >> 1n : -(value >> 1n) - 1n;
}

function fixedEnd(at: number, bytes: number, end: number): void {
  if (at + bytes > end) throw endsEarly();
  cursor.at = at + bytes;
}

export function readFixed32(buffer: Buffer, at: number, end: number): number {
  fixedEnd(at, 4, end);
  return buffer.readUInt32LE(at);
}

export function readSfixed32(buffer: Buffer, at: number, end: number): number {
  fixedEnd(at, 4, end);
  return buffer.readInt32LE(at);
}

export function readFixed64(buffer: Buffer, at: number, end: number): bigint {
  fixedEnd(at, 8, end);
  return buffer.readBigUInt64LE(at);
}

export function readSfixed64(buffer: Buffer, at: number, end: number): bigint {
  fixedEnd(at, 8, end);
  return buffer.readBigInt64LE(at);
}

export function readFloat(buffer: Buffer, at: number, end: number): number {
  fixedEnd(at, 4, end);
  return buffer.readFloatLE(at);
}

export function readDouble(buffer: Buffer, at: number, end: number): number {
  fixedEnd(at, 8, end);
  return buffer.readDoubleLE(at);
}

/** What a message that keeps unknown fields has. */
interface HasUnknown {
  $unknown?: UnknownField[] | undefined;
}

/** Keeps the field behind `tag`, which the message does not know or knows with another wire type; returns its end. */
export function readUnknown(
  message: HasUnknown,
  buffer: Buffer,
  tag: number,
  at: number,
  end: number,
  left: number,
): number {
  const stop = skipValue(buffer, tag, at, end, left);
  message.$unknown ??= [];
  message.$unknown.push({ no: tag >>> 3, wireType: tag & 7, data: readBytes(buffer, at, stop) });
  return stop;
}

/** The end of the value behind `tag`, a group's end tag included. `left` bounds how deep groups may nest. */
export function skipValue(buffer: Buffer, tag: number, at: number, end: number, left: number): number {
  if (tag >>> 3 === 0) throw new WireError('field number 0');
  let stop: number;
  switch (tag & 7) {
    case 0:
      readVarint64(buffer, at);
      stop = cursor.at;
      break;
    case 1:
      stop = at + 8;
      break;
    case 2:
      return fieldEnd(buffer, at, end);
    case 3:
      return skipGroup(buffer, tag, at, end, left);
    case 5:
      stop = at + 4;
      break;
    default:
      throw new WireError(`field ${tag >>> 3} has wire type ${tag & 7}, which is not the start of a value`);
  }
  if (stop > end) throw endsEarly();
  return stop;
}

function skipGroup(buffer: Buffer, startTag: number, start: number, end: number, left: number): number {
  if (left === 0) throw tooDeep();
  let at = start;
  while (at < end) {
    let tag = buffer[at++]!;
    if (tag > 127) {
      tag = longTag(buffer, at - 1);
      at = cursor.at;
      if (at > end) throw endsEarly();
    }
    // The end tag of a group differs from its start tag by the wire type: 4, not 3.
    if (tag === startTag + 1) return at;
    if ((tag & 7) === 4) throw new WireError(`a group of field ${startTag >>> 3} is ended as field ${tag >>> 3}`);
    at = skipValue(buffer, tag, at, end, left - 1);
  }
  throw endsEarly();
}

/** Sets a map entry, whatever its key is named: an assignment to `__proto__` would change the map's prototype. */
export function setEntry<T>(map: Record<string, T>, key: string | number, value: T): void {
  if (key === '__proto__')
    Object.defineProperty(map, key, { value, enumerable: true, configurable: true, writable: true });
  else map[key] = value;
}

/** One entry of a `map<string, string>`, the usual map. */
export function readTextEntry(
  map: Record<string, string>,
  buffer: Buffer,
  at: number,
  end: number,
  left: number,
): void {
  let key = '';
  let value = '';
  while (at < end) {
    let tag = buffer[at++]!;
    if (tag > 127) {
      tag = longTag(buffer, at - 1);
      at = cursor.at;
    }
    if (tag === 10) {
      const stop = fieldEnd(buffer, at, end);
      key = readName(buffer, cursor.at, stop);
      at = stop;
    } else if (tag === 18) {
      const stop = fieldEnd(buffer, at, end);
      value = readText(buffer, cursor.at, stop);
      at = stop;
    } else at = skipValue(buffer, tag, at, end, left);
  }
  setEntry(map, key, value);
}
