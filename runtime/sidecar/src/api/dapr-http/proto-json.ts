/**
 * Fields of a protobuf message from its JSON (https://protobuf.dev/programming-guides/json/), for messages of a few
 * scalars: descriptors are too dear to load for them. Unknown fields are passed over, as Dapr has it.
 */
import { JsonNumber, type JsonObject, type JsonValue, parseJson } from '../../block/json.js';

export type ProtoFields = ReadonlyMap<string, JsonValue>;

/** An empty body is an empty message, as in Dapr. */
export function protoFieldsOf(body: Buffer): ProtoFields {
  const text = body.toString('utf8');
  const value: JsonValue = text === '' ? (new Map() as JsonObject) : parseJson(text);
  if (!(value instanceof Map)) throw new Error('a message is a JSON object');
  return value;
}

/** A field under its JSON name or its name in the .proto file. */
function fieldOf(fields: ProtoFields, name: string): JsonValue | undefined {
  const value = fields.get(name);
  return value === undefined ? fields.get(name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)) : value;
}

function invalid(value: JsonValue, type: string, name: string): Error {
  const shown = value instanceof JsonNumber ? value.text : (JSON.stringify(value) as string).slice(0, 100);
  return new Error(`invalid value for ${type} field ${name}: ${shown}`);
}

export function protoText(fields: ProtoFields, name: string): string {
  const value = fieldOf(fields, name);
  if (value === undefined || value === null) return '';
  if (typeof value !== 'string') throw invalid(value, 'string', name);
  return value;
}

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** A number, or a string that holds one; `1.0` and `1e2` are integers. */
export function protoInt32(fields: ProtoFields, name: string): number {
  const value = fieldOf(fields, name);
  if (value === undefined || value === null) return 0;
  const text = value instanceof JsonNumber ? value.text : value;
  const number = typeof text === 'string' && NUMBER.test(text) ? Number(text) : Number.NaN;
  if ((number | 0) !== number) throw invalid(value, 'int32', name);
  return number + 0;
}
