/** HPACK decoding (RFC 7541) with a dynamic table: peers may use one until they have applied our HEADER_TABLE_SIZE = 0. */
import { latin1Slice } from '../../base/bytes.js';
import { Field } from './field.js';
import { HeaderBlock } from './header-block.js';
import { FieldMemo } from './header-memo.js';
import { staticTable } from './hpack-tables.js';
import { decodeHuffman } from './huffman.js';

/** The table size every decoder must offer until its own SETTINGS are acknowledged. */
export const TABLE_BYTES_DEFAULT = 4096;
/** 5 bytes of continuation carry 35 bits: more than any length we accept. */
const INTEGER_SHIFT_MAX = 28;
const STATIC_ENTRIES = staticTable.length;

const staticFields: readonly Field[] = staticTable.map(([name, value]) => new Field(name, value));
const fieldMemo = new FieldMemo();

/** Why a block could not be decoded: COMPRESSION_ERROR for the connection (RFC 9113 §4.3). */
export class HpackProblem {
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }
}

export class HpackDecoder {
  /** What we advertised and the peer acknowledged: the largest size an update may set. */
  #limit: number;
  /** What the peer uses now. */
  #tableBytesMax: number;
  #tableBytes = 0;
  /** Newest last; `#first` is the oldest live entry. */
  #table: Field[] = [];
  #first = 0;
  /** Read position, and the problem found there. */
  #at = 0;
  #problem = '';
  /** The string stepped over last. */
  #stringAt = 0;
  #huffman = false;

  constructor(tableBytesMax: number = TABLE_BYTES_DEFAULT) {
    this.#limit = this.#tableBytesMax = tableBytesMax;
  }

  get tableBytes(): number {
    return this.#tableBytes;
  }

  get tableEntries(): number {
    return this.#table.length - this.#first;
  }

  /** Entry `index` of the dynamic table, 1 = newest. For tests and handover. */
  entry(index: number): Field | undefined {
    return index >= 1 && index <= this.tableEntries ? this.#table[this.#table.length - index] : undefined;
  }

  /** The peer acknowledged our HEADER_TABLE_SIZE: its updates may not go above it any more. */
  setLimit(bytes: number): void {
    this.#limit = bytes;
  }

  /**
   * Decodes a whole block into a fresh HeaderBlock. `repeatable` of the result is false when it depended on the dynamic
   * table. Fields beyond `listBytesMax` are dropped, `tooLarge` says so; the table stays in step all the same.
   */
  decode(buffer: Buffer, start: number, end: number, listBytesMax: number): HeaderBlock | HpackProblem {
    const block = new HeaderBlock();
    let fieldsSeen = false;
    this.#at = start;
    while (this.#at < end) {
      const at = this.#at;
      const first = buffer[at] as number;
      let field: Field | undefined;
      if (first >= 0x80) {
        const index = this.#integer(buffer, end, 0x7f);
        if (index < 0) return this.#fail();
        field = this.#lookup(index);
        if (field === undefined) return new HpackProblem(`index ${index} is not in the table`);
        if (index > STATIC_ENTRIES) block.repeatable = false;
      } else if ((first & 0xe0) === 0x20) {
        if (fieldsSeen) return new HpackProblem('a table size update follows a field');
        const size = this.#integer(buffer, end, 0x1f);
        if (size < 0) return this.#fail();
        if (size > this.#limit) return new HpackProblem(`table size ${size} is above our limit of ${this.#limit}`);
        this.#tableBytesMax = size;
        this.#evict();
        block.repeatable = false;
        continue;
      } else {
        field = this.#literal(buffer, end, (first & 0x40) !== 0, block);
        if (field === undefined) return this.#fail();
      }
      fieldsSeen = true;
      block.add(field, listBytesMax);
    }
    return block;
  }

  #fail(): HpackProblem {
    return new HpackProblem(this.#problem);
  }

  #literal(buffer: Buffer, end: number, indexed: boolean, block: HeaderBlock): Field | undefined {
    const start = this.#at;
    const nameIndex = this.#integer(buffer, end, indexed ? 0x3f : 0x0f);
    if (nameIndex < 0) return undefined;
    if (!indexed && nameIndex <= STATIC_ENTRIES) {
      // Depends on nothing but its bytes: find where it ends, and whether it was seen before.
      const stringsAt = this.#at;
      if (nameIndex === 0 && !this.#skipString(buffer, end)) return undefined;
      if (!this.#skipString(buffer, end)) return undefined;
      const after = this.#at;
      const known = fieldMemo.get(buffer, start, after);
      if (known !== undefined) return known;
      this.#at = stringsAt;
      const field = this.#readLiteral(buffer, end, nameIndex);
      if (field !== undefined) fieldMemo.put(buffer, start, after, field);
      return field;
    }
    const field = this.#readLiteral(buffer, end, nameIndex);
    if (field === undefined) return undefined;
    block.repeatable = false;
    if (indexed) this.#insert(field);
    return field;
  }

  #readLiteral(buffer: Buffer, end: number, nameIndex: number): Field | undefined {
    let name: string | undefined;
    if (nameIndex === 0) {
      name = this.#string(buffer, end);
      if (name === undefined) return undefined;
    } else {
      const named = this.#lookup(nameIndex);
      if (named === undefined) {
        this.#problem = `index ${nameIndex} is not in the table`;
        return undefined;
      }
      const value = this.#string(buffer, end);
      return value === undefined ? undefined : new Field(named.name, value, named.kind);
    }
    const value = this.#string(buffer, end);
    return value === undefined ? undefined : new Field(name, value);
  }

  #lookup(index: number): Field | undefined {
    if (index <= STATIC_ENTRIES) return staticFields[index - 1];
    const at = this.#table.length - (index - STATIC_ENTRIES);
    return at >= this.#first ? this.#table[at] : undefined;
  }

  #insert(field: Field): void {
    this.#table.push(field);
    this.#tableBytes += field.size;
    this.#evict();
  }

  #evict(): void {
    while (this.#tableBytes > this.#tableBytesMax) {
      this.#tableBytes -= (this.#table[this.#first++] as Field).size;
    }
    if (this.#first === this.#table.length || this.#first > 256) {
      this.#table = this.#table.slice(this.#first);
      this.#first = 0;
    }
  }

  /** RFC 7541 §5.1, at `#at`. Returns -1 with `#problem` set when it is cut off or too long. */
  #integer(buffer: Buffer, end: number, mask: number): number {
    let at = this.#at;
    let value = (buffer[at++] as number) & mask;
    if (value === mask) {
      let shift = 0;
      let byte: number;
      do {
        if (at >= end) {
          this.#problem = 'an integer is cut off';
          return -1;
        }
        if (shift > INTEGER_SHIFT_MAX) {
          this.#problem = 'an integer is too long';
          return -1;
        }
        byte = buffer[at++] as number;
        value += (byte & 0x7f) * 2 ** shift;
        shift += 7;
      } while (byte >= 0x80);
    }
    this.#at = at;
    return value;
  }

  /** Steps over a string literal and remembers where its octets begin. */
  #skipString(buffer: Buffer, end: number): boolean {
    if (this.#at >= end) {
      this.#problem = 'a string is cut off';
      return false;
    }
    this.#huffman = (buffer[this.#at] as number) >= 0x80;
    const length = this.#integer(buffer, end, 0x7f);
    if (length < 0) return false;
    if (length > end - this.#at) {
      this.#problem = 'a string is cut off';
      return false;
    }
    this.#stringAt = this.#at;
    this.#at += length;
    return true;
  }

  #string(buffer: Buffer, end: number): string | undefined {
    if (!this.#skipString(buffer, end)) return undefined;
    if (!this.#huffman) return latin1Slice(buffer, this.#stringAt, this.#at);
    const text = decodeHuffman(buffer, this.#stringAt, this.#at);
    if (text !== null) return text;
    this.#problem = 'a Huffman code is invalid';
    return undefined;
  }
}
