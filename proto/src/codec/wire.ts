/**
 * What the emitted codecs are made of: reading and writing of the protobuf wire format, strict as the specification and
 * as Go's protobuf are (https://protobuf.dev/programming-guides/encoding/). Readers take the buffer, where to begin and
 * where the message ends; what a reader returns besides its value, the place behind it, lies in `cursor.at`.
 */
import { isUtf8 } from 'node:buffer';
import type { UnknownField } from '@bufbuild/protobuf';
import type { MessageWriter } from './message-codec.js';

/** How deep messages and groups may nest, the outermost counted: the default of protobuf-es, C++ and Java. */
export const nestingMax = 100;

/** Input that is not a valid encoding, or a value that its field cannot hold. */
export class WireError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'WireError';
  }
}

/** Where the last read ended. One object for all: reading is synchronous, and a number is returned for free. */
export const cursor: { at: number } = { at: 0 };

export function decodeError(typeName: string, error: unknown): WireError {
  return new WireError(`cannot decode ${typeName}: ${error instanceof Error ? error.message : error}`, {
    cause: error,
  });
}

export function endsEarly(): WireError {
  return new WireError('a field reaches past the end of its message');
}

export function tooDeep(): WireError {
  return new WireError(`messages nest deeper than ${nestingMax}`);
}

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

/** Below this, building a string of char codes is cheaper than a call into the runtime (25 against 45 ns for 5 bytes). */
const shortTextBytes = 8;

export function readText(buffer: Buffer, at: number, end: number): string {
  if (end - at >= shortTextBytes) return readLongText(buffer, at, end);
  let text = '';
  for (let i = at; i < end; i++) {
    const byte = buffer[i]!;
    if (byte > 127) return readLongText(buffer, at, end);
    text += String.fromCharCode(byte);
  }
  return text;
}

/** Node's `toString('utf8')` without its look-up of the encoding: 44 instead of 65 ns for 12 bytes. Not in the typings. */
interface SliceableBuffer extends Buffer {
  utf8Slice(start: number, end: number): string;
}

function readLongText(buffer: Buffer, at: number, end: number): string {
  const text = (buffer as SliceableBuffer).utf8Slice(at, end);
  // Whatever is invalid was replaced by U+FFFD; its absence proves the text valid, and looking for it is nearly free.
  if (text.includes('\uFFFD') && !isUtf8(buffer.subarray(at, end))) throw new WireError('a string is not valid UTF-8');
  return text;
}

const nameBytesMax = 64;
const nameSlots = 256;
const names: string[] = Array.from({ length: nameSlots }, () => '');

/**
 * Text that comes again and again: names of components and topics, keys of metadata. It is looked up by its bytes among
 * those seen last (18 instead of 45 ns), and the same string each time makes a property or a Map quick to find (two
 * entries of a map: 57 instead of 178 ns).
 */
export function readName(buffer: Buffer, at: number, end: number): string {
  const length = end - at;
  if (length === 0 || length > nameBytesMax) return readText(buffer, at, end);
  const slot = (length * 131 + buffer[at]! * 31 + buffer[end - 1]! * 7 + buffer[at + (length >> 1)]!) & (nameSlots - 1);
  const name = names[slot]!;
  if (name.length === length) {
    let i = 0;
    while (i < length && name.charCodeAt(i) === buffer[at + i]) i++;
    if (i === length) return name;
  }
  const text = readLongText(buffer, at, end);
  // As many UTF-16 units as bytes: ASCII, so that units and bytes compare.
  if (text.length === length) names[slot] = text;
  return text;
}

/** The bytes of a field that is not set. It has no content that could change, so all messages share it. */
export const noBytes: Uint8Array<ArrayBuffer> = new Uint8Array(0);

/** Below this, a loop copies faster than the constructor (25 against 59 ns for 4 bytes). */
const shortBytes = 24;

/** A copy: the buffer is the transport's. */
export function readBytes(buffer: Buffer, at: number, end: number): Uint8Array<ArrayBuffer> {
  const length = end - at;
  if (length > shortBytes) return new Uint8Array(buffer.subarray(at, end));
  if (length === 0) return noBytes;
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = buffer[at + i]!;
  return bytes;
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

function put(writer: MessageWriter, value: number): void {
  const { buffer } = writer;
  let end = writer.end;
  while (value > 127) {
    buffer[end++] = (value & 127) | 128;
    value >>>= 7;
  }
  buffer[end++] = value;
  writer.end = end;
}

/** What a tag and a varint take at most. */
const scalarBytesMax = 5 + 10;

export function writeVarint(writer: MessageWriter, tag: number, value: number): void {
  writer.ensure(scalarBytesMax);
  put(writer, tag);
  putUint32(writer, value);
}

/** A number behind `ensure`: an entry of a packed field, or a value whose tag is written. */
export function putUint32(writer: MessageWriter, value: number): void {
  if (value >>> 0 !== value) throw new WireError(`${value} is not an unsigned 32-bit integer`);
  put(writer, value);
}

export function putInt32(writer: MessageWriter, value: number): void {
  if ((value | 0) !== value) throw new WireError(`${value} is not a 32-bit integer`);
  if (value >= 0) put(writer, value);
  else putPair(writer, value >>> 0, 0xffff_ffff);
}

export function putSint32(writer: MessageWriter, value: number): void {
  if ((value | 0) !== value) throw new WireError(`${value} is not a 32-bit integer`);
  put(writer, ((value << 1) ^ (value >> 31)) >>> 0);
}

export function putBool(writer: MessageWriter, value: boolean): void {
  put(writer, value ? 1 : 0);
}

/** `value` may be a string where the field has `jstype = JS_STRING`. */
export function putInt64(writer: MessageWriter, value: bigint | string | number): void {
  const wide = BigInt(value);
  if (BigInt.asIntN(64, wide) !== wide) throw new WireError(`${value} is not a 64-bit integer`);
  putWide(writer, BigInt.asUintN(64, wide));
}

export function putUint64(writer: MessageWriter, value: bigint | string | number): void {
  const wide = BigInt(value);
  if (BigInt.asUintN(64, wide) !== wide) throw new WireError(`${value} is not an unsigned 64-bit integer`);
  putWide(writer, wide);
}

export function putSint64(writer: MessageWriter, value: bigint | string | number): void {
  const wide = BigInt(value);
  if (BigInt.asIntN(64, wide) !== wide) throw new WireError(`${value} is not a 64-bit integer`);
  putWide(writer, BigInt.asUintN(64, (wide << 1n) ^ (wide >> 63n)));
}

function putWide(writer: MessageWriter, value: bigint): void {
  putPair(writer, Number(value & 0xffff_ffffn), Number(value >> 32n));
}

function putPair(writer: MessageWriter, lo: number, hi: number): void {
  const { buffer } = writer;
  let end = writer.end;
  while (hi > 0 || lo > 127) {
    buffer[end++] = (lo & 127) | 128;
    lo = ((lo >>> 7) | (hi << 25)) >>> 0;
    hi >>>= 7;
  }
  buffer[end++] = lo;
  writer.end = end;
}

export function putFixed32(writer: MessageWriter, value: number): void {
  if (value >>> 0 !== value) throw new WireError(`${value} is not an unsigned 32-bit integer`);
  writer.end = writer.buffer.writeUInt32LE(value, writer.end);
}

export function putSfixed32(writer: MessageWriter, value: number): void {
  if ((value | 0) !== value) throw new WireError(`${value} is not a 32-bit integer`);
  writer.end = writer.buffer.writeInt32LE(value, writer.end);
}

export function putFixed64(writer: MessageWriter, value: bigint | string | number): void {
  writer.end = writer.buffer.writeBigUInt64LE(BigInt(value), writer.end);
}

export function putSfixed64(writer: MessageWriter, value: bigint | string | number): void {
  writer.end = writer.buffer.writeBigInt64LE(BigInt(value), writer.end);
}

export function putFloat(writer: MessageWriter, value: number): void {
  if (Number.isFinite(value) && Math.abs(value) > floatMax) throw new WireError(`${value} is not a 32-bit float`);
  writer.end = writer.buffer.writeFloatLE(value, writer.end);
}

const floatMax = 3.4028234663852886e38;

export function putDouble(writer: MessageWriter, value: number): void {
  writer.end = writer.buffer.writeDoubleLE(value, writer.end);
}

/** Room for a tag and any number, then the tag. */
export function putTag(writer: MessageWriter, tag: number): void {
  writer.ensure(scalarBytesMax);
  put(writer, tag);
}

/** Above this, a text is measured first; below, three bytes for each UTF-16 unit are reserved. 3 × 42 < 128: its length takes one byte. */
const measuredText = 42;

export function writeText(writer: MessageWriter, tag: number, text: string): void {
  const units = text.length;
  if (units > measuredText) {
    const length = Buffer.byteLength(text);
    writer.ensure(length + 10);
    put(writer, tag);
    put(writer, length);
    writer.buffer.write(text, writer.end);
    writer.end += length;
    return;
  }
  writer.ensure(units * 3 + 6);
  put(writer, tag);
  const { buffer } = writer;
  const lengthAt = writer.end;
  let end = lengthAt + 1;
  for (let i = 0; i < units; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 127) {
      end = lengthAt + 1 + buffer.write(text, lengthAt + 1);
      break;
    }
    buffer[end++] = unit;
  }
  buffer[lengthAt] = end - lengthAt - 1;
  writer.end = end;
}

export function writeBytes(writer: MessageWriter, tag: number, bytes: Uint8Array): void {
  const { length } = bytes;
  writer.ensure(length + 10);
  put(writer, tag);
  put(writer, length);
  const { buffer, end } = writer;
  if (length > shortBytes) buffer.set(bytes, end);
  else for (let i = 0; i < length; i++) buffer[end + i] = bytes[i]!;
  writer.end = end + length;
}

/** Begins a length-delimited field of unknown length; the result goes to `closeField`. */
export function openField(writer: MessageWriter, tag: number): number {
  writer.ensure(6);
  put(writer, tag);
  return writer.end++;
}

/** Writes the length of what follows `lengthAt`. One byte is reserved for it; what is longer is moved. */
export function closeField(writer: MessageWriter, lengthAt: number): void {
  const length = writer.end - lengthAt - 1;
  if (length < 128) {
    writer.buffer[lengthAt] = length;
    return;
  }
  const more = length < 0x4000 ? 1 : length < 0x20_0000 ? 2 : length < 0x1000_0000 ? 3 : 4;
  writer.ensure(more);
  writer.buffer.copyWithin(lengthAt + 1 + more, lengthAt + 1, writer.end);
  writer.end = lengthAt;
  put(writer, length);
  writer.end += length;
}

export function writeTextMap(writer: MessageWriter, tag: number, map: Record<string, string>): void {
  for (const key of Object.keys(map)) {
    const lengthAt = openField(writer, tag);
    writeText(writer, 10, key);
    writeText(writer, 18, map[key]!);
    closeField(writer, lengthAt);
  }
}

export function writeUnknown(writer: MessageWriter, fields: readonly UnknownField[]): void {
  for (const { no, wireType, data } of fields) {
    writer.ensure(data.length + 5);
    put(writer, ((no << 3) | wireType) >>> 0);
    writer.buffer.set(data, writer.end);
    writer.end += data.length;
  }
}
