/**
 * What the emitted codecs write with. `write…` writes a whole field; `put…` writes a part behind room that was asked for.
 */
import type { UnknownField } from '@bufbuild/protobuf';
import type { MessageWriter } from './message-codec.js';
import { WireError } from './wire-error.js';

/** Above this, bytes are copied by the runtime instead of by a loop. */
const shortBytes = 24;

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
