/**
 * Members of a JSON body, read as Go decodes into a struct: names without regard to case, null as absent, a value of
 * another type is an error in Go's words. Errors are plain Errors; the route says what they mean.
 */
import { JsonNumber, type JsonObject, type JsonValue, parseJson } from '../../block/json.js';

/** Go's words for the types of JSON. */
function typeName(value: JsonValue): string {
  if (value === null) return 'null';
  if (typeof value === 'string') return 'string';
  if (typeof value === 'boolean') return 'bool';
  if (value instanceof JsonNumber) return 'number';
  return Array.isArray(value) ? 'array' : 'object';
}

function mismatch(value: JsonValue, field: string, goType: string): Error {
  const place = field === '' ? 'value' : `struct field ${field}`;
  return new Error(`json: cannot unmarshal ${typeName(value)} into Go ${place} of type ${goType}`);
}

/** The document of a body. An empty body is Go's EOF. */
export function documentOf(body: Buffer): JsonValue {
  const text = body.toString('utf8');
  if (text.trim() === '') throw new Error('EOF');
  return parseJson(text);
}

/** The member `name`, spelled exactly if there is one so spelled. */
export function memberOf(object: JsonObject, name: string): JsonValue | undefined {
  const exact = object.get(name);
  if (exact !== undefined) return exact;
  const wanted = name.toLowerCase();
  let found: JsonValue | undefined;
  for (const [key, value] of object) if (key.toLowerCase() === wanted) found = value;
  return found;
}

export function objectOf(value: JsonValue | undefined, field: string, goType: string): JsonObject | undefined {
  if (value === undefined || value === null) return undefined;
  if (!(value instanceof Map)) throw mismatch(value, field, goType);
  return value;
}

export function arrayOf(value: JsonValue | undefined, field: string, goType: string): readonly JsonValue[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw mismatch(value, field, goType);
  return value;
}

export function textOf(value: JsonValue | undefined, field: string): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') throw mismatch(value, field, 'string');
  return value;
}

export function integerOf(value: JsonValue | undefined, field: string): number {
  if (value === undefined || value === null) return 0;
  if (!(value instanceof JsonNumber)) throw mismatch(value, field, 'int');
  const number = Number(value.text);
  if (!Number.isSafeInteger(number)) {
    throw new Error(`json: cannot unmarshal number ${value.text} into Go struct field ${field} of type int`);
  }
  return number;
}

/** A `map[string]string`; undefined when absent. */
export function textsOf(value: JsonValue | undefined, field: string): Record<string, string> | undefined {
  const object = objectOf(value, field, 'map[string]string');
  if (object === undefined) return undefined;
  return Object.fromEntries([...object].map(([key, each]) => [key, textOf(each, field) ?? '']));
}
