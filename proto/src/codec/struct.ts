/**
 * google.protobuf.Struct, which protobuf-es shows as a plain JSON object in the field of another message. Read and
 * written in the same three functions that the plugin emits for a message.
 */
import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import type { MessageWriter } from './message-codec.js';
import { endsEarly, tooDeep } from './wire-error.js';
import { cursor, fieldEnd, longTag, readBool, readDouble, readVarint, setEntry, skipValue } from './wire-read.js';
import { readName, readText } from './wire-text.js';
import { closeField, openField, putBool, putDouble, putTag, putUint32, writeText } from './wire-write.js';

export function newStruct(): JsonObject {
  return {};
}

/** Adds what is read to `json`, as a repeated Struct field is merged. */
export function readStruct(json: JsonObject, buffer: Buffer, at: number, end: number, left: number): JsonObject {
  while (at < end) {
    const tag = readTag(buffer, at);
    at = cursor.at;
    if (tag === 10) {
      const stop = fieldEnd(buffer, at, end);
      readEntry(json, buffer, cursor.at, stop, left);
      at = stop;
    } else at = skipValue(buffer, tag, at, end, left);
  }
  return json;
}

export function writeStruct(json: JsonObject, writer: MessageWriter): void {
  for (const key of Object.keys(json)) {
    const entryAt = openField(writer, 10);
    writeText(writer, 10, key);
    const valueAt = openField(writer, 18);
    writeValue(json[key], writer);
    closeField(writer, valueAt);
    closeField(writer, entryAt);
  }
}

function readTag(buffer: Buffer, at: number): number {
  const byte = buffer[at]!;
  if (byte > 127) return longTag(buffer, at);
  cursor.at = at + 1;
  return byte;
}

function readEntry(json: JsonObject, buffer: Buffer, at: number, end: number, left: number): void {
  let key = '';
  // A value of no kind is null, and so is a missing one.
  let value: JsonValue | undefined;
  while (at < end) {
    const tag = readTag(buffer, at);
    at = cursor.at;
    if (tag === 10) {
      const stop = fieldEnd(buffer, at, end);
      key = readName(buffer, cursor.at, stop);
      at = stop;
    } else if (tag === 18) {
      const stop = fieldEnd(buffer, at, end);
      value = readValue(value, buffer, cursor.at, stop, left);
      at = stop;
    } else at = skipValue(buffer, tag, at, end, left);
  }
  setEntry(json, key, value ?? null);
}

/** google.protobuf.Value; `value` is what an earlier occurrence held. */
function readValue(value: JsonValue | undefined, buffer: Buffer, at: number, end: number, left: number): JsonValue {
  if (left === 0) throw tooDeep();
  let json: JsonValue = value ?? null;
  while (at < end) {
    const tag = readTag(buffer, at);
    at = cursor.at;
    switch (tag) {
      case 8:
        readVarint(buffer, at);
        at = cursor.at;
        json = null;
        break;
      case 17:
        json = readDouble(buffer, at, end);
        at = cursor.at;
        break;
      case 26: {
        const stop = fieldEnd(buffer, at, end);
        json = readText(buffer, cursor.at, stop);
        at = stop;
        break;
      }
      case 32:
        json = readBool(buffer, at);
        at = cursor.at;
        break;
      case 42: {
        const stop = fieldEnd(buffer, at, end);
        if (left === 1) throw tooDeep();
        json = readStruct(isObject(json) ? json : {}, buffer, cursor.at, stop, left - 2);
        at = stop;
        break;
      }
      case 50: {
        const stop = fieldEnd(buffer, at, end);
        if (left === 1) throw tooDeep();
        json = readList(Array.isArray(json) ? json : [], buffer, cursor.at, stop, left - 2);
        at = stop;
        break;
      }
      default:
        at = skipValue(buffer, tag, at, end, left - 1);
    }
  }
  if (at !== end) throw endsEarly();
  return json;
}

/** google.protobuf.ListValue. */
function readList(list: JsonValue[], buffer: Buffer, at: number, end: number, left: number): JsonValue[] {
  while (at < end) {
    const tag = readTag(buffer, at);
    at = cursor.at;
    if (tag === 10) {
      const stop = fieldEnd(buffer, at, end);
      list.push(readValue(undefined, buffer, cursor.at, stop, left));
      at = stop;
    } else at = skipValue(buffer, tag, at, end, left);
  }
  return list;
}

function isObject(json: JsonValue): json is JsonObject {
  return json !== null && typeof json === 'object' && !Array.isArray(json);
}

function writeValue(json: JsonValue | undefined, writer: MessageWriter): void {
  switch (typeof json) {
    case 'number':
      putTag(writer, 17);
      putDouble(writer, json);
      return;
    case 'string':
      writeText(writer, 26, json);
      return;
    case 'boolean':
      putTag(writer, 32);
      putBool(writer, json);
      return;
    case 'object':
      break;
    default:
      // As protobuf-es: what JSON does not know becomes a value of no kind.
      return;
  }
  if (json === null) {
    putTag(writer, 8);
    putUint32(writer, 0);
    return;
  }
  const at = openField(writer, Array.isArray(json) ? 50 : 42);
  if (Array.isArray(json)) {
    for (const item of json) {
      const itemAt = openField(writer, 10);
      writeValue(item, writer);
      closeField(writer, itemAt);
    }
  } else writeStruct(json, writer);
  closeField(writer, at);
}
