/**
 * HPACK encoding that never indexes (D7): every field is an index into the static table or a literal, so a block means
 * the same on any connection, can be made once and sent often, and a live connection can move to another process.
 */
import { latin1Write } from '../../base/bytes.js';
import type { Slab } from '../../network/transport.js';
import { FIELD_VALUE, isFieldName } from '../http1/characters.js';
import { staticTable } from './hpack-tables.js';

/** Fields of an HTTP/1.1 connection, which may not appear in HTTP/2; dropped when a message is passed on. */
const dropped: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'host',
]);

/** Written as never-indexed literals, so that no hop behind us puts them into a table (RFC 7541 §7.1.3). */
const sensitive: ReadonlySet<string> = new Set([
  'authorization',
  'proxy-authorization',
  'cookie',
  'set-cookie',
  'dapr-api-token',
]);

const staticNames: ReadonlyMap<string, number> = new Map(
  staticTable.map(([name], i) => [name, i + 1] as const).reverse(), // the first of several entries wins
);

const NAMES_KEPT_MAX = 1024;
const NAME_KEPT_BYTES = 64;
/** The representation of each name seen: first octets of the field, up to where its value begins. Null: drop the field. */
const names = new Map<string, Buffer | null>();

/** A field that may not be sent: its name is no token in lower case, or its value holds CR, LF, NUL or the like. */
export class FieldError extends Error {
  constructor(name: string, what: string) {
    super(`header field ${JSON.stringify(name.slice(0, 100))} cannot be sent: ${what}`);
    this.name = 'FieldError';
  }
}

function representationOf(name: string): Buffer | null {
  const known = names.get(name);
  if (known !== undefined) return known;
  if (!isFieldName(name)) throw new FieldError(name, 'the name is not a token in lower case');
  let made: Buffer | null = null;
  if (!dropped.has(name)) {
    const index = staticNames.get(name) ?? 0;
    const bytes: number[] = [];
    putInteger(bytes, sensitive.has(name) ? 0x10 : 0x00, 0x0f, index);
    if (index === 0) putInteger(bytes, 0, 0x7f, name.length);
    made = Buffer.concat([Buffer.from(bytes), Buffer.from(index === 0 ? name : '', 'latin1')]);
  }
  if (names.size < NAMES_KEPT_MAX && name.length <= NAME_KEPT_BYTES) names.set(name, made);
  return made;
}

function putInteger(out: number[], first: number, mask: number, value: number): void {
  if (value < mask) {
    out.push(first | value);
    return;
  }
  out.push(first | mask);
  let rest = value - mask;
  while (rest > 0x7f) {
    out.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  out.push(rest);
}

/** An entry of the static table, whole. */
export function encodeIndex(slab: Slab, index: number): void {
  slab.ensure(1);
  slab.buffer[slab.end++] = 0x80 | index;
}

/** Size update to 0: owed once to a peer that lowered its table (RFC 9113 §4.3.1). */
export function encodeTableSizeZero(slab: Slab): void {
  slab.ensure(1);
  slab.buffer[slab.end++] = 0x20;
}

const LENGTH_BYTES_MAX = 6;
/** Below this a loop over the characters is faster than a call into native code, and checks them on the way. */
const LOOP_MAX = 40;

function encodeValue(slab: Slab, name: string, text: string): void {
  const value = trimmed(text);
  const { length } = value;
  slab.ensure(length + LENGTH_BYTES_MAX);
  const { buffer } = slab;
  let at = slab.end;
  if (length < 0x7f) {
    buffer[at++] = length;
  } else {
    buffer[at++] = 0x7f;
    let rest = length - 0x7f;
    while (rest > 0x7f) {
      buffer[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    buffer[at++] = rest;
  }
  if (length < LOOP_MAX) {
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code > 0xff || FIELD_VALUE[code] === 0)
        throw new FieldError(name, 'its value holds a character that may not be sent');
      buffer[at++] = code;
    }
  } else {
    if (UNSENDABLE.test(value)) throw new FieldError(name, 'its value holds a character that may not be sent');
    at += latin1Write(buffer, value, at);
  }
  slab.end = at;
}

/** A value may not begin or end with white space (RFC 9113 §8.2.1). */
function trimmed(text: string): string {
  const last = text.charCodeAt(text.length - 1);
  const first = text.charCodeAt(0);
  if (first !== 0x20 && first !== 0x09 && last !== 0x20 && last !== 0x09) return text;
  return text.replace(/^[ \t]+|[ \t]+$/g, '');
}

const UNSENDABLE = /[^\t\x20-\x7e\x80-\xff]/;

/** One field. Throws FieldError; what was written of it by then is the caller's to take back. */
export function encodeField(slab: Slab, name: string, value: string): void {
  const representation = representationOf(name);
  if (representation === null) return;
  const { length } = representation;
  slab.ensure(length);
  const { buffer } = slab;
  let at = slab.end;
  for (let i = 0; i < length; i++) buffer[at++] = representation[i] as number;
  slab.end = at;
  encodeValue(slab, name, value);
}

/** Fields of a HeaderList: name, value, name, value, …. `te` is passed on only where it says `trailers`. */
export function encodeFields(slab: Slab, flat: readonly string[]): void {
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i] as string;
    const value = flat[i + 1] as string;
    if (name === 'te' && value !== 'trailers') continue;
    encodeField(slab, name, value);
  }
}

const statusIndex: Readonly<Record<number, number>> = { 200: 8, 204: 9, 206: 10, 304: 11, 400: 12, 404: 13, 500: 14 };

export function encodeStatus(slab: Slab, status: number): void {
  const index = statusIndex[status];
  if (index !== undefined) {
    encodeIndex(slab, index);
    return;
  }
  if (!Number.isInteger(status) || status < 100 || status > 999)
    throw new FieldError(':status', `${status} is no status`);
  pseudo(slab, 8, ':status', String(status));
}

export function encodeMethod(slab: Slab, method: string): void {
  if (method === 'GET') encodeIndex(slab, 2);
  else if (method === 'POST') encodeIndex(slab, 3);
  else pseudo(slab, 2, ':method', method);
}

export function encodeScheme(slab: Slab, scheme: string): void {
  if (scheme === 'http') encodeIndex(slab, 6);
  else if (scheme === 'https') encodeIndex(slab, 7);
  else pseudo(slab, 6, ':scheme', scheme);
}

export function encodePath(slab: Slab, path: string): void {
  if (path === '/') encodeIndex(slab, 4);
  else pseudo(slab, 4, ':path', path);
}

export function encodeAuthority(slab: Slab, authority: string): void {
  pseudo(slab, 1, ':authority', authority);
}

/** A literal whose name is static entry `index` (below 15). */
function pseudo(slab: Slab, index: number, name: string, value: string): void {
  slab.ensure(1);
  slab.buffer[slab.end++] = index;
  encodeValue(slab, name, value);
}
