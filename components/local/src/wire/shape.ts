/** How a type is written and read: small shapes, put together to those of records and messages. */
import { crc32 } from '../log/crc32.js';
import { Payload } from '../log/payload.js';
import { type Reader, WireError } from './reader.js';
import type { Writer } from './writer.js';

export interface Shape<T> {
  write(writer: Writer, value: T): void;
  read(reader: Reader): T;
}

export const number: Shape<number> = {
  write: (writer, value) => writer.number(value),
  read: (reader) => reader.number(),
};

export const int64: Shape<bigint> = { write: (writer, value) => writer.int64(value), read: (reader) => reader.int64() };

export const text: Shape<string> = { write: (writer, value) => writer.text(value), read: (reader) => reader.text() };

export const flag: Shape<boolean> = {
  write: (writer, value) => writer.u8(value ? 1 : 0),
  read: (reader) => reader.u8() === 1,
};

/** Bytes that belong to the reader afterwards. */
export const bytes: Shape<Uint8Array> = {
  write: (writer, value) => writer.bytes(value),
  read: (reader) => {
    const view = reader.view();
    // A plain Uint8Array with memory of its own, so that nothing else is kept alive by it.
    const copy = new Uint8Array(view.length);
    copy.set(view);
    return copy;
  },
};

/** Bytes that stay where they are in the log; reading yields their place and checks nothing but their length. */
export const payload: Shape<Payload> = {
  write: (writer, value) => {
    if (value.bytes === undefined) throw new Error('a payload must be loaded before it is written');
    writer.number(value.length);
    writer.u32(value.crc);
    writer.marks.push({ payload: value, at: writer.position });
    writer.raw(value.bytes);
  },
  read: (reader) => {
    const length = reader.number();
    const crc = reader.u32();
    if (length > reader.left)
      throw new WireError(`a payload of ${length} bytes is announced and ${reader.left} are left`);
    const at = reader.position;
    reader.position += length;
    const found = new Payload(length, crc);
    found.at = reader.base + at;
    found.bytes = reader.buffer.subarray(at, at + length);
    reader.payloads.push(found);
    return found;
  },
};

/** A payload for `value`, which belongs to it from now on. */
export function payloadOf(value: Uint8Array): Payload {
  const made = new Payload(value.length, crc32(value));
  made.bytes = value;
  return made;
}

export function optional<T>(shape: Shape<T>): Shape<T | undefined> {
  return {
    write: (writer, value) => {
      writer.u8(value === undefined ? 0 : 1);
      if (value !== undefined) shape.write(writer, value);
    },
    read: (reader) => (reader.u8() === 0 ? undefined : shape.read(reader)),
  };
}

export function list<T>(shape: Shape<T>): Shape<readonly T[]> {
  return {
    write: (writer, value) => {
      writer.number(value.length);
      for (const entry of value) shape.write(writer, entry);
    },
    read: (reader) => {
      const count = reader.count();
      const entries: T[] = [];
      for (let index = 0; index < count; index++) entries.push(shape.read(reader));
      return entries;
    },
  };
}

/** String pairs; the object has no prototype, so that no key is special. */
export const pairs: Shape<Readonly<Record<string, string>>> = {
  write: (writer, value) => {
    const keys = Object.keys(value);
    writer.number(keys.length);
    for (const key of keys) {
      writer.text(key);
      writer.text(value[key]!);
    }
  },
  read: (reader) => {
    const count = reader.count();
    const found: Record<string, string> = Object.create(null);
    for (let index = 0; index < count; index++) {
      const key = reader.text();
      found[key] = reader.text();
    }
    return found;
  },
};

/** One of a fixed list of words, as its number. */
export function oneOf<T extends string>(...words: readonly T[]): Shape<T> {
  return {
    write: (writer, value) => writer.u8(words.indexOf(value)),
    read: (reader) => {
      const word = words[reader.u8()];
      if (word === undefined) throw new WireError(`a number stands for none of: ${words.join(', ')}`);
      return word;
    },
  };
}

/** An object, field by field in the order given. */
export function fields<T extends object>(shapes: { readonly [K in keyof Required<T>]: Shape<T[K]> }): Shape<T> {
  const entries = Object.entries(shapes) as [keyof T & string, Shape<unknown>][];
  return {
    write: (writer, value) => {
      for (const [name, shape] of entries) shape.write(writer, value[name]);
    },
    read: (reader) => {
      const value: Record<string, unknown> = {};
      for (const [name, shape] of entries) value[name] = shape.read(reader);
      return value as T;
    },
  };
}

/** A union told apart by one field: its word first, then the fields of that member. */
export function variants<T extends { readonly [K in D]: string }, D extends string>(
  discriminator: D,
  members: { readonly [W in T[D]]: Shape<Extract<T, Record<D, W>>> },
): Shape<T> {
  const words = Object.keys(members) as T[D][];
  return {
    write: (writer, value) => {
      const word = value[discriminator] as T[D];
      writer.u8(words.indexOf(word));
      members[word].write(writer, value as never);
    },
    read: (reader) => {
      const word = words[reader.u8()];
      if (word === undefined) throw new WireError(`a number stands for none of: ${words.join(', ')}`);
      return members[word].read(reader);
    },
  };
}

/** A field that is not written, since the variant tells it. */
export function constant<T extends string>(value: T): Shape<T> {
  return { write: () => {}, read: () => value };
}

export const nothing: Shape<undefined> = { write: () => {}, read: () => undefined };
