/**
 * Walks Hessian 2 (final grammar, http://hessian.caucho.com/doc/hessian-serialization.html §6) without building
 * anything: values are skipped, strings found where they lie. Lengths of strings count UTF-16 units, their bytes are
 * CESU-8. References and types do not change how long a value is; class definitions do, so their field counts are kept.
 */
import { readI32, readU16 } from '../xprotocol/bytes.js';

/** Nesting below this is walked; Java's own reader recurses as well and fails at a few thousand. */
const DEPTH_MAX = 200;
/** Class definitions of one message. */
const CLASSES_MAX = 1024;
const Z = 0x5a;

const NOTHING: Buffer = Buffer.alloc(0);

export class HessianWalker {
  buffer: Buffer = NOTHING;
  at = 0;
  end = 0;
  /** Bytes of the last string that `string` found. */
  textStart = 0;
  textEnd = 0;
  /** Field counts by class definition. */
  readonly #fields: number[] = [];

  open(buffer: Buffer, start: number, end: number): void {
    this.buffer = buffer;
    this.at = start;
    this.end = end;
    this.#fields.length = 0;
  }

  /** The next byte, or -1 at the end. */
  peek(): number {
    return this.at < this.end ? (this.buffer[this.at] as number) : -1;
  }

  /**
   * Takes a string, or null as an empty one, and tells its bytes in `textStart`, `textEnd`. False for anything else,
   * for a string in several chunks too (over 32,768 units).
   */
  string(): boolean {
    const tag = this.peek();
    if (tag === 0x4e) {
      this.textStart = this.textEnd = ++this.at;
      return true;
    }
    if (tag === 0x52 || !isString(tag)) return false;
    this.at++;
    const units = this.#units(tag);
    this.textStart = this.at;
    if (!this.#skipUnits(units)) return false;
    this.textEnd = this.at;
    return true;
  }

  /** Takes an int; undefined when there is none. */
  int(): number | undefined {
    const tag = this.peek();
    const { buffer, at } = this;
    const bytes = tag === 0x49 ? 5 : tag >= 0xd0 && tag < 0xd8 ? 3 : tag >= 0xc0 && tag < 0xd0 ? 2 : 1;
    if (tag < 0 || at + bytes > this.end) return undefined;
    let value: number;
    if (tag === 0x49) value = readI32(buffer, at + 1);
    else if (tag >= 0x80 && tag < 0xc0) value = tag - 0x90;
    else if (bytes === 2) value = ((tag - 0xc8) << 8) + (buffer[at + 1] as number);
    else if (bytes === 3) value = ((tag - 0xd4) << 16) + readU16(buffer, at + 1);
    else return undefined;
    this.at = at + bytes;
    return value;
  }

  /** Takes one value of any kind. False when the bytes are not Hessian, end too soon, or are nested too deeply. */
  skip(depth = 0): boolean {
    if (depth > DEPTH_MAX) return false;
    for (;;) {
      if (this.at >= this.end) return false;
      const tag = this.buffer[this.at++] as number;
      if (tag >= 0x80) return this.#skipBytes(compactBytes(tag));
      if (isString(tag)) return this.#skipChunks(tag, 0x52);
      if (isBinary(tag)) return this.#skipChunks(tag, 0x41);
      if (tag >= 0x78) return this.#skipValues(tag - 0x78, depth);
      if (tag >= 0x70) return this.skipType() && this.#skipValues(tag - 0x70, depth);
      if (tag >= 0x60) return this.#skipObject(tag - 0x60, depth);
      switch (tag) {
        case 0x43: // class definition; the object follows
          if (!this.#defineClass()) return false;
          continue;
        case 0x4f: // object
          return this.#skipObject(this.int() ?? -1, depth);
        case 0x51: // reference
          return this.int() !== undefined;
        case 0x48: // map
          return this.#skipUntilZ(depth);
        case 0x4d: // map with a type
        case 0x55: // list with a type
          return this.skipType() && this.#skipUntilZ(depth);
        case 0x57: // list
          return this.#skipUntilZ(depth);
        case 0x56: // list with a type and a length
          return this.skipType() && this.#skipValues(this.int() ?? -1, depth);
        case 0x58: // list with a length
          return this.#skipValues(this.int() ?? -1, depth);
        case 0x46: // false, null, true, 0.0, 1.0
        case 0x4e:
        case 0x54:
        case 0x5b:
        case 0x5c:
          return true;
        case 0x5d: // double of a byte
          return this.#skipBytes(1);
        case 0x5e: // double of a short
        case 0x38: // compact longs of three bytes
        case 0x39:
        case 0x3a:
        case 0x3b:
        case 0x3c:
        case 0x3d:
        case 0x3e:
        case 0x3f:
          return this.#skipBytes(2);
        case 0x49: // int
        case 0x4b: // date in minutes
        case 0x59: // long of an int
        case 0x5f: // double of thousandths
          return this.#skipBytes(4);
        case 0x44: // double
        case 0x4a: // date
        case 0x4c: // long
          return this.#skipBytes(8);
        default:
          return false;
      }
    }
  }

  #skipBytes(bytes: number): boolean {
    this.at += bytes;
    return this.at <= this.end;
  }

  /** Units or bytes of the string or binary chunk whose tag was taken; -1 at the end of the bytes. */
  #units(tag: number): number {
    if (tag < 0x20) return tag;
    if (tag < 0x30) return tag - 0x20;
    if (tag < 0x40) return this.at < this.end ? ((tag & 3) << 8) | (this.buffer[this.at++] as number) : -1;
    if (this.at + 2 > this.end) return -1;
    this.at += 2;
    return readU16(this.buffer, this.at - 2);
  }

  #skipUnits(units: number): boolean {
    const { buffer, end } = this;
    if (units < 0 || this.at + units > end) return false;
    let at = this.at;
    for (let left = units; left > 0; left--) {
      if (at >= end) return false;
      const byte = buffer[at] as number;
      if (byte < 0x80) at++;
      else if (byte < 0xe0) at += 2;
      else if (byte < 0xf0) at += 3;
      else {
        // Plain UTF-8 from a writer that is not Java: two units in one sequence.
        at += 4;
        left--;
      }
    }
    this.at = at;
    return at <= end;
  }

  /** A string (`more` = 'R') or binary ('A') whose first tag was taken, with all its chunks. */
  #skipChunks(first: number, more: number): boolean {
    for (let tag = first; ; ) {
      const units = this.#units(tag);
      if (units < 0 || !(more === 0x52 ? this.#skipUnits(units) : this.#skipBytes(units))) return false;
      if (tag !== more) return true;
      tag = this.peek();
      if (more === 0x52 ? !isString(tag) : !isBinary(tag)) return false;
      this.at++;
    }
  }

  /** A type is its name or the number of one that came before. */
  skipType(): boolean {
    return isString(this.peek()) ? this.skip() : this.int() !== undefined;
  }

  #defineClass(): boolean {
    if (this.#fields.length === CLASSES_MAX || !isString(this.peek()) || !this.skip()) return false;
    const count = this.int() ?? -1;
    if (count < 0) return false;
    for (let i = 0; i < count; i++) if (!isString(this.peek()) || !this.skip()) return false;
    this.#fields.push(count);
    return true;
  }

  #skipObject(index: number, depth: number): boolean {
    return this.#skipValues(this.#fields[index] ?? -1, depth);
  }

  #skipValues(count: number, depth: number): boolean {
    for (let i = 0; i < count; i++) if (!this.skip(depth + 1)) return false;
    return count >= 0;
  }

  #skipUntilZ(depth: number): boolean {
    while (this.peek() !== Z) if (!this.skip(depth + 1)) return false;
    this.at++;
    return true;
  }
}

function isString(tag: number): boolean {
  return tag >= 0 && (tag < 0x20 || (tag >= 0x30 && tag < 0x34) || tag === 0x52 || tag === 0x53);
}

function isBinary(tag: number): boolean {
  return (tag >= 0x20 && tag < 0x30) || (tag >= 0x34 && tag < 0x38) || tag === 0x41 || tag === 0x42;
}

/** Bytes behind the tag of a compact int or long. */
function compactBytes(tag: number): number {
  if (tag < 0xc0 || (tag >= 0xd8 && tag < 0xf0)) return 0;
  return tag >= 0xd0 && tag < 0xd8 ? 2 : 1;
}

/** Bytes of `text` in CESU-8. */
function cesu8Bytes(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    bytes += unit < 0x80 ? 1 : unit < 0x800 ? 2 : 3;
  }
  return bytes;
}

/** Most bytes `writeHessianString` writes for `text`. */
export function hessianStringBytes(text: string): number {
  return 3 + cesu8Bytes(text);
}

/** Writes `text`, at most 65,535 units long, and returns where it ends. */
export function writeHessianString(buffer: Buffer, start: number, text: string): number {
  const { length } = text;
  let at = start;
  if (length < 0x20) buffer[at++] = length;
  else if (length < 0x400) {
    buffer[at++] = 0x30 | (length >> 8);
    buffer[at++] = length;
  } else {
    buffer[at++] = 0x53;
    buffer[at++] = length >> 8;
    buffer[at++] = length;
  }
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) buffer[at++] = unit;
    else if (unit < 0x800) {
      buffer[at++] = 0xc0 | (unit >> 6);
      buffer[at++] = 0x80 | (unit & 0x3f);
    } else {
      buffer[at++] = 0xe0 | (unit >> 12);
      buffer[at++] = 0x80 | ((unit >> 6) & 0x3f);
      buffer[at++] = 0x80 | (unit & 0x3f);
    }
  }
  return at;
}
