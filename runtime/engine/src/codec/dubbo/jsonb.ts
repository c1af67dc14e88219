/**
 * The part of fastjson2's JSONB (com.alibaba.fastjson2.JSONB) that attachments are made of: strings and other scalars.
 * Objects, arrays, references and symbols are not followed.
 */

import { latin1Slice } from '../../base/bytes.js';
import type { Slab } from '../../network/transport.js';
import { readI32, readU16, writeI32 } from '../xprotocol/bytes.js';

export const JSONB_NULL = 0xaf;
export const JSONB_OBJECT = 0xa6;
export const JSONB_OBJECT_END = 0xa5;

const ASCII_SHORT = 0x49;
const ASCII = 0x79;
const UTF8 = 0x7a;
const UTF16_LE = 0x7c;
const UTF16_BE = 0x7d;
const SHORT_MAX = 47;

const NOTHING: Buffer = Buffer.alloc(0);

export class JsonbReader {
  buffer: Buffer = NOTHING;
  at = 0;
  end = 0;

  open(buffer: Buffer, start: number, end: number): void {
    this.buffer = buffer;
    this.at = start;
    this.end = end;
  }

  /** The next byte, or -1 at the end. */
  peek(): number {
    return this.at < this.end ? (this.buffer[this.at] as number) : -1;
  }

  /** Takes an int of any width, a byte and a short as well; undefined when there is none. */
  int(): number | undefined {
    const { buffer, at } = this;
    const tag = this.peek();
    const bytes = intBytes(tag);
    if (bytes === 0 || at + bytes > this.end) return undefined;
    this.at = at + bytes;
    if (tag >= 0xf0) return tag - 0x100;
    if (tag < 0x30) return tag;
    if (tag < 0x40) return ((tag - 0x38) << 8) + (buffer[at + 1] as number);
    if (tag < 0x48) return ((tag - 0x44) << 16) + readU16(buffer, at + 1);
    if (tag === 0xbd) return ((buffer[at + 1] as number) << 24) >> 24;
    if (tag === 0xbc) return (readU16(buffer, at + 1) << 16) >> 16;
    return readI32(buffer, at + 1);
  }

  /** Takes a string; undefined for anything else, and for GB18030 and UTF-16 of unnamed order. */
  string(): string | undefined {
    const tag = this.peek();
    if (tag >= ASCII_SHORT && tag < ASCII) {
      const start = this.at + 1;
      const end = start + tag - ASCII_SHORT;
      if (end > this.end) return undefined;
      this.at = end;
      return latin1Slice(this.buffer, start, end);
    }
    if (tag !== ASCII && tag !== UTF8 && tag !== UTF16_LE && tag !== UTF16_BE) return undefined;
    this.at++;
    const bytes = this.int();
    if (bytes === undefined || bytes < 0 || this.at + bytes > this.end) return undefined;
    const start = this.at;
    this.at += bytes;
    if (tag === ASCII) return latin1Slice(this.buffer, start, this.at);
    if (tag === UTF8) return this.buffer.toString('utf8', start, this.at);
    if (tag === UTF16_LE) return this.buffer.toString('utf16le', start, this.at);
    if (bytes % 2 !== 0) return undefined;
    return Buffer.from(this.buffer.subarray(start, this.at)).swap16().toString('utf16le');
  }

  /** Takes a string, int, boolean or null and tells it as text, null as undefined. False when it is nothing of these. */
  scalar(): string | undefined | false {
    const tag = this.peek();
    if (tag === JSONB_NULL || tag === 0xb0 || tag === 0xb1) {
      this.at++;
      return tag === JSONB_NULL ? undefined : String(tag === 0xb1);
    }
    if (intBytes(tag) > 0) return this.int()?.toString() ?? false;
    return (tag >= ASCII_SHORT && tag < 0x7f ? this.string() : this.#long()) ?? false;
  }

  #long(): string | undefined {
    const { buffer, at } = this;
    const tag = this.peek();
    const bytes = longBytes(tag);
    if (bytes === 0 || at + bytes > this.end) return undefined;
    this.at = at + bytes;
    if (tag === 0xbe) return buffer.readBigInt64BE(at + 1).toString();
    if (tag === 0xbf) return String(readI32(buffer, at + 1));
    if (tag >= 0xd8) return String(tag - 0xe0);
    if (tag >= 0xc8) return String(((tag - 0xd0) << 8) + (buffer[at + 1] as number));
    return String(((tag - 0xc4) << 16) + readU16(buffer, at + 1));
  }
}

/** Bytes of an int with this tag; 0 when it is none. */
function intBytes(tag: number): number {
  if (tag < 0) return 0;
  if (tag < 0x30 || tag >= 0xf0) return 1;
  if (tag < 0x40 || tag === 0xbd) return 2;
  if (tag < 0x48 || tag === 0xbc) return 3;
  return tag === 0x48 ? 5 : 0;
}

function longBytes(tag: number): number {
  if (tag === 0xbe) return 9;
  if (tag === 0xbf) return 5;
  if (tag < 0xc0 || tag >= 0xf0) return 0;
  return tag < 0xc8 ? 3 : tag < 0xd8 ? 2 : 1;
}

export function writeJsonbString(slab: Slab, text: string): void {
  const bytes = Buffer.byteLength(text);
  slab.ensure(6 + bytes);
  const { buffer } = slab;
  let at = slab.end;
  if (bytes === text.length && bytes <= SHORT_MAX) buffer[at++] = ASCII_SHORT + bytes;
  else {
    buffer[at++] = bytes === text.length ? ASCII : UTF8;
    buffer[at++] = 0x48;
    writeI32(buffer, at, bytes);
    at += 4;
  }
  buffer.write(text, at, 'utf8');
  slab.end = at + bytes;
}
