/**
 * A slow decoder by the letter of the specification, the oracle of the emitted codecs where protobuf-es is lenient. It
 * shares no code with them: varints are bigints, text is decoded by TextDecoder, and repeated messages are merged the
 * way the specification defines it, by decoding their concatenation.
 */
import {
  create,
  type DescField,
  type DescMessage,
  type JsonObject,
  type JsonValue,
  ScalarType,
} from '@bufbuild/protobuf';

/** What made protobuf-es read the same bytes otherwise; empty where the two must agree. */
export type Leniency =
  /** A known field with another wire type: unknown here (as in Go), read anyhow by protobuf-es. */
  | 'wire type'
  /** An unknown field in a map entry, or a message value in two parts: skipped and merged here. */
  | 'map entry'
  /** A text that begins with a byte order mark, which protobuf-es drops. */
  | 'byte order mark'
  /** A map key `__proto__`, which protobuf-es assigns. */
  | '__proto__'
  /** A length that reaches past the message it is in, but not past the input: accepted by protobuf-es. */
  | 'overrun'
  /** A varint beyond 64 bits, or a length beyond 32. */
  | 'overflow';

export type Reference =
  | { readonly message: object; readonly leniency: ReadonlySet<Leniency> }
  | { readonly error: string; readonly leniency: ReadonlySet<Leniency> };

const nestingMax = 100;

export function referenceDecode(schema: DescMessage, bytes: Uint8Array): Reference {
  const leniency = new Set<Leniency>();
  try {
    return { message: decodeMessage(schema, bytes, { leniency, depth: 1 }), leniency };
  } catch (error) {
    return { error: (error as Error).message, leniency };
  }
}

interface Context {
  readonly leniency: Set<Leniency>;
  /** 1 for the outermost message. */
  readonly depth: number;
}

interface RawField {
  readonly no: number;
  readonly wireType: number;
  /** Everything behind the tag. */
  readonly data: Uint8Array;
  /** The varint, or the bytes of what has a length or a fixed size. */
  readonly value: bigint | Uint8Array;
}

type Shape = Record<string, unknown> & { $unknown?: { no: number; wireType: number; data: Uint8Array }[] };

function readVarint(bytes: Uint8Array, at: number, context: Context, bytesMax = 10): { value: bigint; at: number } {
  let value = 0n;
  for (let i = 0; ; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) throw endsEarly(context);
    value |= BigInt(byte & 127) << BigInt(7 * i);
    if (i + 1 > bytesMax || (i + 1 === bytesMax && byte > 127)) {
      if (bytesMax === 10) context.leniency.add('overflow');
      throw new Error('varint too long');
    }
    if (byte < 128) {
      if (value >= 1n << 64n) {
        context.leniency.add('overflow');
        throw new Error('varint overflows');
      }
      return { value, at: at + i + 1 };
    }
  }
}

/** Within an inner message protobuf-es would read on, in what follows it. */
function endsEarly(context: Context): Error {
  if (context.depth > 1) context.leniency.add('overrun');
  return new Error('ends early');
}

/** `judge` sees the tag before the value is read, so that it can note what protobuf-es would do from there on. */
function readField(
  bytes: Uint8Array,
  start: number,
  judge: (no: number, wireType: number) => void,
  context: Context,
  groupsLeft: number,
): { field: RawField; at: number } {
  const tag = readVarint(bytes, start, context, 5);
  if (tag.value > 0xffff_ffffn) throw new Error('tag overflows');
  const no = Number(tag.value >> 3n);
  const wireType = Number(tag.value & 7n);
  if (no === 0 || wireType > 5) throw new Error('illegal tag');
  judge(no, wireType);
  const at = tag.at;
  if (wireType === 0) {
    const { value, at: end } = readVarint(bytes, at, context);
    return { field: { no, wireType, data: bytes.slice(at, end), value }, at: end };
  }
  if (wireType === 3) {
    const end = groupEnd(bytes, at, no, context, groupsLeft);
    return { field: { no, wireType, data: bytes.slice(at, end), value: 0n }, at: end };
  }
  if (wireType === 4) throw new Error('end of no group');
  let from = at;
  let length = wireType === 1 ? 8 : 4;
  if (wireType === 2) {
    const varint = readVarint(bytes, at, context);
    if (varint.value > 0xffff_ffffn) context.leniency.add('overflow');
    from = varint.at;
    length = Number(varint.value);
  }
  if (from + length > bytes.length) throw endsEarly(context);
  const end = from + length;
  return { field: { no, wireType, data: bytes.slice(at, end), value: bytes.slice(from, end) }, at: end };
}

function groupEnd(bytes: Uint8Array, start: number, no: number, context: Context, groupsLeft: number): number {
  if (groupsLeft <= 0) throw new Error('too deep');
  let at = start;
  while (at < bytes.length) {
    const tag = readVarint(bytes, at, context, 5);
    if ((tag.value & 7n) === 4n) {
      if (tag.value > 0xffff_ffffn || Number(tag.value >> 3n) !== no) throw new Error('wrong end of group');
      return tag.at;
    }
    at = readField(bytes, at, () => {}, context, groupsLeft - 1).at;
  }
  throw endsEarly(context);
}

const wireTypeOfScalar = (scalar: ScalarType): number => {
  switch (scalar) {
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return 1;
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return 2;
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return 5;
    default:
      return 0;
  }
};

function wireTypesOf(field: DescField): number[] {
  if (field.fieldKind === 'message' || field.fieldKind === 'map') return [2];
  if (field.fieldKind === 'list' && field.listKind === 'message') return [2];
  const wireType = wireTypeOfScalar(field.scalar ?? ScalarType.INT32);
  return field.fieldKind === 'list' ? [wireType, 2] : [wireType];
}

/** The parts of singular messages by the property that they belong to, and the first of them decoded. */
type Parts = Map<string, { field: DescField & { fieldKind: 'message' }; bytes: Uint8Array[]; first: unknown }>;

function decodeMessage(schema: DescMessage, bytes: Uint8Array, context: Context): Shape {
  if (context.depth > nestingMax) throw new Error('too deep');
  const message = create(schema) as unknown as Shape;
  const parts: Parts = new Map();
  const judge = (no: number, wireType: number) => {
    const known = schema.fields.find((field) => field.number === no);
    if (known && !wireTypesOf(known).includes(wireType)) context.leniency.add('wire type');
  };
  // One field after the other, so that of several errors the first in the input is met first, as in any decoder.
  for (let at = 0; at < bytes.length; ) {
    const next = readField(bytes, at, judge, context, nestingMax - context.depth);
    at = next.at;
    const raw = next.field;
    const field = schema.fields.find((candidate) => candidate.number === raw.no);
    if (field && wireTypesOf(field).includes(raw.wireType)) setField(message, field, raw, context, parts);
    else (message.$unknown ??= []).push({ no: raw.no, wireType: raw.wireType, data: raw.data });
  }
  for (const { field, bytes: list, first } of parts.values()) {
    const value = list.length === 1 ? first : decodeInner(field.message, new Uint8Array(Buffer.concat(list)), context);
    if (field.oneof) message[field.oneof.localName] = { case: field.localName, value };
    else message[field.localName] = value;
  }
  return message;
}

function decodeInner(schema: DescMessage, bytes: Uint8Array, context: Context): unknown {
  const message = decodeMessage(schema, bytes, { ...context, depth: context.depth + 1 });
  return schema.typeName === 'google.protobuf.Struct' ? structJson(message) : message;
}

function setField(message: Shape, field: DescField, raw: RawField, context: Context, parts: Parts): void {
  const inner = { ...context, depth: context.depth + 1 };
  switch (field.fieldKind) {
    case 'message': {
      const first = decodeInner(field.message, raw.value as Uint8Array, context);
      const property = field.oneof?.localName ?? field.localName;
      const known = parts.get(property);
      if (known?.field === field) known.bytes.push(raw.value as Uint8Array);
      else parts.set(property, { field, bytes: [raw.value as Uint8Array], first });
      return;
    }
    case 'list': {
      const list = message[field.localName] as unknown[];
      if (field.listKind === 'message') list.push(decodeInner(field.message, raw.value as Uint8Array, context));
      else for (const value of scalars(field.scalar ?? ScalarType.INT32, raw, inner)) list.push(long(value, field));
      return;
    }
    case 'map':
      setEntry(message[field.localName] as Record<string, unknown>, field, raw.value as Uint8Array, inner);
      return;
    default: {
      const value = long(scalar(field.scalar ?? ScalarType.INT32, raw.value, context), field);
      if (field.oneof) {
        parts.delete(field.oneof.localName);
        message[field.oneof.localName] = { case: field.localName, value };
      } else message[field.localName] = value;
    }
  }
}

function long(value: unknown, field: DescField): unknown {
  return typeof value === 'bigint' && 'longAsString' in field && field.longAsString ? String(value) : value;
}

/** The values of a list field: one, or many when packed. */
function scalars(type: ScalarType, raw: RawField, context: Context): unknown[] {
  const wireType = wireTypeOfScalar(type);
  if (raw.wireType === wireType) return [scalar(type, raw.value, context)];
  const bytes = raw.value as Uint8Array;
  const values: unknown[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (wireType === 0) {
      const varint = readVarint(bytes, at, context);
      values.push(scalar(type, varint.value, context));
      at = varint.at;
    } else {
      const size = wireType === 1 ? 8 : 4;
      if (at + size > bytes.length) throw endsEarly(context);
      values.push(scalar(type, bytes.slice(at, at + size), context));
      at += size;
    }
  }
  return values;
}

function scalar(type: ScalarType, value: bigint | Uint8Array, context: Context): unknown {
  if (typeof value === 'bigint') {
    const zigzag = (bits: number) => (BigInt.asUintN(bits, value) >> 1n) ^ -(value & 1n);
    switch (type) {
      case ScalarType.BOOL:
        return value !== 0n;
      case ScalarType.INT32:
        return Number(BigInt.asIntN(32, value));
      case ScalarType.UINT32:
        return Number(BigInt.asUintN(32, value));
      case ScalarType.SINT32:
        return Number(zigzag(32));
      case ScalarType.INT64:
        return BigInt.asIntN(64, value);
      case ScalarType.UINT64:
        return value;
      case ScalarType.SINT64:
        return zigzag(64);
      default:
        throw new Error(`no varint: ${type}`);
    }
  }
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  switch (type) {
    case ScalarType.STRING:
      return text(value, context);
    case ScalarType.BYTES:
      return new Uint8Array(value);
    case ScalarType.DOUBLE:
      return view.getFloat64(0, true);
    case ScalarType.FLOAT:
      return view.getFloat32(0, true);
    case ScalarType.FIXED32:
      return view.getUint32(0, true);
    case ScalarType.SFIXED32:
      return view.getInt32(0, true);
    case ScalarType.FIXED64:
      return view.getBigUint64(0, true);
    case ScalarType.SFIXED64:
      return view.getBigInt64(0, true);
    default:
      throw new Error(`no bytes: ${type}`);
  }
}

function text(bytes: Uint8Array, context: Context): string {
  const decoded = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  if (decoded.startsWith('\uFEFF')) context.leniency.add('byte order mark');
  return decoded;
}

function setEntry(
  map: Record<string, unknown>,
  field: DescField & { fieldKind: 'map' },
  bytes: Uint8Array,
  context: Context,
): void {
  const valueType = field.mapKind === 'message' ? undefined : (field.scalar ?? ScalarType.INT32);
  const keyWireType = wireTypeOfScalar(field.mapKey);
  const valueWireType = valueType === undefined ? 2 : wireTypeOfScalar(valueType);
  let key: unknown = scalar(field.mapKey, keyWireType === 0 ? 0n : new Uint8Array(keyWireType === 2 ? 0 : 8), context);
  let value: unknown;
  const parts: Uint8Array[] = [];
  let first: unknown;
  const judge = (no: number, wireType: number) => {
    const expected = no === 1 ? keyWireType : no === 2 ? valueWireType : undefined;
    if (wireType !== expected) context.leniency.add('map entry');
  };
  for (let at = 0; at < bytes.length; ) {
    const next = readField(bytes, at, judge, context, nestingMax - context.depth + 1);
    at = next.at;
    const { no, wireType, value: rawValue } = next.field;
    if (no === 1 && wireType === keyWireType) key = scalar(field.mapKey, rawValue, context);
    else if (no === 2 && wireType === valueWireType && valueType === undefined) {
      // Depth: an entry is not counted as a message.
      const part = decodeInner(field.message!, rawValue as Uint8Array, { ...context, depth: context.depth - 1 });
      first ??= part;
      parts.push(rawValue as Uint8Array);
    } else if (no === 2 && wireType === valueWireType) value = scalar(valueType!, rawValue, context);
  }
  if (valueType === undefined) {
    if (parts.length > 1) context.leniency.add('map entry');
    const message =
      parts.length === 1
        ? first
        : decodeInner(field.message!, new Uint8Array(Buffer.concat(parts)), { ...context, depth: context.depth - 1 });
    value = message;
  } else if (value === undefined) {
    value = scalar(valueType, valueWireType === 0 ? 0n : new Uint8Array(valueWireType === 2 ? 0 : 8), context);
  }
  if (key === '__proto__') context.leniency.add('__proto__');
  Object.defineProperty(map, String(key), { value, enumerable: true, configurable: true, writable: true });
}

function structJson(struct: Shape): JsonObject {
  const json: JsonObject = {};
  for (const [key, value] of Object.entries(struct['fields'] as Record<string, Shape>))
    Object.defineProperty(json, key, { value: valueJson(value), enumerable: true, configurable: true, writable: true });
  return json;
}

function valueJson(value: Shape): JsonValue {
  const kind = value['kind'] as { case: string | undefined; value: unknown };
  switch (kind.case) {
    case 'structValue':
      // Converted already, as every Struct in a field is.
      return kind.value as JsonObject;
    case 'listValue':
      return (kind.value as { values: Shape[] }).values.map(valueJson);
    case 'nullValue':
    case undefined:
      return null;
    default:
      return kind.value as JsonValue;
  }
}
