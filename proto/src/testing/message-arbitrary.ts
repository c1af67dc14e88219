/** Arbitraries of messages and of bytes that nearly are messages, made from descriptors. */
import {
  create,
  type DescField,
  type DescMessage,
  type JsonObject,
  type Message,
  ScalarType,
  toBinary,
} from '@bufbuild/protobuf';
import fc from 'fast-check';

const text = fc.oneof(
  { weight: 4, arbitrary: fc.string({ maxLength: 12 }) },
  { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 60 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', minLength: 30, maxLength: 200 }) },
);
/** protobuf-es drops a byte order mark, and assigns `__proto__`; both have tests of their own. */
const plainText = text.map((value) => value.replace(/^\uFEFF+/, ''));
const mapKey = plainText.filter((key) => key !== '__proto__');
const bytes = fc
  .oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 100, maxLength: 300 }))
  .map((value) => new Uint8Array(value));

const jsonObject: fc.Arbitrary<JsonObject> = fc.letrec<{ object: JsonObject; value: JsonObject[string] }>((tie) => ({
  object: entries(mapKey, tie('value') as fc.Arbitrary<JsonObject[string]>, 3) as fc.Arbitrary<JsonObject>,
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.oneof(plainText, fc.double(), fc.boolean(), fc.constant(null)),
    fc.array(tie('value'), { maxLength: 3 }),
    tie('object'),
  ) as fc.Arbitrary<JsonObject[string]>,
})).object;

function entries<T>(
  key: fc.Arbitrary<string>,
  value: fc.Arbitrary<T>,
  maxLength: number,
): fc.Arbitrary<Record<string, T>> {
  return fc.array(fc.tuple(key, value), { maxLength }).map((list) => Object.fromEntries(list));
}

function scalar(type: ScalarType, longAsString = false): fc.Arbitrary<unknown> {
  const wide = (min: bigint, max: bigint) =>
    fc
      .oneof(fc.bigInt({ min: -300n < min ? min : -300n, max: 300n }), fc.bigInt({ min, max }))
      .map((value) => (longAsString ? String(value) : value));
  switch (type) {
    case ScalarType.STRING:
      return plainText;
    case ScalarType.BYTES:
      return bytes;
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.DOUBLE:
      return fc.double();
    case ScalarType.FLOAT:
      return fc.float();
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 0xffff_ffff }));
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return wide(-(1n << 63n), (1n << 63n) - 1n);
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return wide(0n, (1n << 64n) - 1n);
    default:
      return fc.oneof(fc.integer({ min: -300, max: 300 }), fc.integer());
  }
}

function keyOf(type: ScalarType): fc.Arbitrary<string> {
  return type === ScalarType.STRING ? mapKey : scalar(type).map(String);
}

function value(field: DescField, depth: number): fc.Arbitrary<unknown> {
  if (field.message !== undefined) return messageInit(field.message, depth - 1);
  return scalar(field.scalar ?? ScalarType.INT32, 'longAsString' in field && field.longAsString);
}

/** What goes into a message's property, or undefined where it stays as it is. */
function property(field: DescField, depth: number): fc.Arbitrary<unknown> {
  if (field.message !== undefined && depth === 0) return fc.constant(undefined);
  switch (field.fieldKind) {
    case 'list':
      return fc.array(value(field, depth), { maxLength: 4 });
    case 'map':
      return entries(keyOf(field.mapKey), value(field, depth), 4);
    default:
      return fc.option(value(field, depth), { nil: undefined });
  }
}

function messageInit(schema: DescMessage, depth: number): fc.Arbitrary<unknown> {
  if (schema.typeName === 'google.protobuf.Struct') return jsonObject;
  return messages(schema, depth);
}

/** Valid messages of a type, as protobuf-es creates them; `depth` bounds how deep they nest. */
export function messages(schema: DescMessage, depth: number): fc.Arbitrary<Message> {
  const properties: Record<string, fc.Arbitrary<unknown>> = {};
  for (const member of schema.members) {
    if (member.kind === 'field') properties[member.localName] = property(member, depth);
    else {
      const choices = member.fields
        .filter((field) => field.message === undefined || depth > 0)
        .map((field) => value(field, depth).map((chosen) => ({ case: field.localName, value: chosen })));
      properties[member.localName] = fc.oneof(fc.constant(undefined), ...choices);
    }
  }
  return fc.record(properties).map((init) => {
    const set = Object.entries(init).filter(([, property]) => property !== undefined);
    return Object.assign(create(schema), Object.fromEntries(set));
  });
}

/** Valid encodings, damaged: bytes changed, cut, put in, parts doubled or moved. */
export function damaged(schema: DescMessage, depth: number): fc.Arbitrary<Uint8Array> {
  const change = fc.record({
    kind: fc.constantFrom('flip', 'set', 'cut', 'insert', 'double', 'swap'),
    at: fc.double({ min: 0, max: 0.9999, noNaN: true }),
    length: fc.nat(12),
    byte: fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff)),
  });
  return fc
    .tuple(messages(schema, depth), messages(schema, depth), fc.array(change, { minLength: 1, maxLength: 4 }))
    .map(([first, second, changes]) => {
      // Two encodings one after the other are one message whose parts are merged.
      let result: number[] = [...toBinary(schema, first), ...toBinary(schema, second)];
      for (const { kind, at, length, byte } of changes) {
        const index = Math.floor(at * result.length);
        if (kind === 'flip' && result.length > 0) result[index] = (result[index] ?? 0) ^ (1 << (byte & 7));
        else if (kind === 'set' && result.length > 0) result[index] = byte;
        else if (kind === 'cut') result = [...result.slice(0, index), ...result.slice(index + length)];
        else if (kind === 'insert') result.splice(index, 0, ...Array<number>(length % 4).fill(byte));
        else if (kind === 'double') result.splice(index, 0, ...result.slice(index, index + length));
        else result = [...result.slice(index), ...result.slice(0, index)];
      }
      return new Uint8Array(result);
    });
}

/** Fields with the numbers of the message and any wire type and content. */
export function anyFields(schema: DescMessage): fc.Arbitrary<Uint8Array> {
  const varint = fc.oneof(
    fc.nat(40).map((value) => [value & 127]),
    fc
      .array(fc.integer({ min: 128, max: 255 }), { maxLength: 10 })
      .chain((head) => fc.nat(127).map((last) => [...head, last])),
  );
  const numbers = [...schema.fields.map((field) => field.number), 1, 2, 19_000];
  const tag = (no: number, wireType: number) => {
    const result: number[] = [];
    let rest = ((no << 3) | wireType) >>> 0;
    for (; rest > 127; rest >>>= 7) result.push((rest & 127) | 128);
    return [...result, rest];
  };
  const content = (bytes: number[]) => [
    ...(bytes.length < 128 ? [bytes.length] : [(bytes.length & 127) | 128, bytes.length >> 7]),
    ...bytes,
  ];
  const { field } = fc.letrec<{ field: number[]; fields: number[] }>((tie) => ({
    fields: fc
      .array(tie('field') as fc.Arbitrary<number[]>, { maxLength: 4, size: 'small' })
      .map((list) => list.flat()),
    field: fc.constantFrom(...numbers).chain((no) =>
      fc.oneof(
        varint.map((value) => [...tag(no, 0), ...value]),
        fc.uint8Array({ minLength: 8, maxLength: 8 }).map((value) => [...tag(no, 1), ...value]),
        fc.uint8Array({ minLength: 4, maxLength: 4 }).map((value) => [...tag(no, 5), ...value]),
        fc.string({ maxLength: 10 }).map((value) => [...tag(no, 2), ...content([...Buffer.from(value)])]),
        (tie('fields') as fc.Arbitrary<number[]>).map((value) => [...tag(no, 2), ...content(value)]),
        (tie('fields') as fc.Arbitrary<number[]>).map((value) => [...tag(no, 3), ...value, ...tag(no, 4)]),
      ),
    ),
  }));
  return fc.array(field, { maxLength: 6 }).map((list) => new Uint8Array(list.flat()));
}
