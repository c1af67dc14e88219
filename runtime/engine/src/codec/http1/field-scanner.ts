/**
 * One pass over a block of field lines (RFC 9112 §5): finds where names and values lie, and refuses what is not strictly
 * valid. No strings are made here; the offsets stay in a reused array.
 */
import { COLON, CR, describeByte, FIELD_VALUE, LF, SPACE, TAB, TOKEN } from './characters.js';
import { FAILED, failure, type Http1Failure, INCOMPLETE } from './failure.js';
import { findName, HASH_PRIME, HASH_START, type KnownName } from './field-names.js';

/** nameStart, nameEnd, valueStart, valueEnd. */
const OFFSETS_PER_FIELD = 4;

export class FieldScanner {
  /** Fields found by the last complete scan. */
  count = 0;
  failure: Http1Failure | null = null;
  private readonly countMax: number;
  private readonly offsets: Int32Array;
  private readonly known: (KnownName | null)[];

  constructor(countMax: number) {
    this.countMax = countMax;
    this.offsets = new Int32Array(countMax * OFFSETS_PER_FIELD);
    this.known = new Array(countMax).fill(null);
  }

  nameStart(field: number): number {
    return this.offsets[field * OFFSETS_PER_FIELD] as number;
  }

  nameEnd(field: number): number {
    return this.offsets[field * OFFSETS_PER_FIELD + 1] as number;
  }

  valueStart(field: number): number {
    return this.offsets[field * OFFSETS_PER_FIELD + 2] as number;
  }

  valueEnd(field: number): number {
    return this.offsets[field * OFFSETS_PER_FIELD + 3] as number;
  }

  knownName(field: number): KnownName | null {
    return this.known[field] as KnownName | null;
  }

  /** `text` is the latin1 string of the bytes from `base` on. */
  name(field: number, text: string, base: number): string {
    const known = this.known[field] as KnownName | null;
    if (known !== null) return known.name;
    return text.slice(this.nameStart(field) - base, this.nameEnd(field) - base).toLowerCase();
  }

  value(field: number, text: string, base: number): string {
    return text.slice(this.valueStart(field) - base, this.valueEnd(field) - base);
  }

  /** Returns the position behind the empty line that ends the block, INCOMPLETE, or FAILED. */
  scan(buffer: Uint8Array, start: number, end: number): number {
    const { offsets } = this;
    let pos = start;
    this.count = 0;
    for (;;) {
      if (pos >= end) return INCOMPLETE;
      const nameStart = pos;
      let hash = HASH_START;
      let lower = 0;
      while (pos < end && (lower = TOKEN[buffer[pos] as number] as number) !== 0) {
        hash = Math.imul(hash ^ lower, HASH_PRIME);
        pos++;
      }
      if (pos >= end) return INCOMPLETE;
      if (pos === nameStart && buffer[pos] === CR) {
        if (pos + 1 >= end) return INCOMPLETE;
        return buffer[pos + 1] === LF ? pos + 2 : this.fail(400, 'a bare CR stands between the field lines');
      }
      if (buffer[pos] !== COLON || pos === nameStart) return this.failName(buffer[pos] as number, pos === nameStart);
      const nameEnd = pos++;
      while (pos < end && (buffer[pos] === SPACE || buffer[pos] === TAB)) pos++;
      const valueStart = pos;
      while (pos < end && FIELD_VALUE[buffer[pos] as number] === 1) pos++;
      if (pos + 1 >= end) {
        if (pos < end && buffer[pos] !== CR) return this.failValue(buffer[pos] as number);
        return INCOMPLETE;
      }
      if (buffer[pos] !== CR) return this.failValue(buffer[pos] as number);
      if (buffer[pos + 1] !== LF) return this.failValue(CR);
      if (this.count === this.countMax) return this.fail(431, `more than ${this.countMax} field lines`);
      let valueEnd = pos;
      while (valueEnd > valueStart && (buffer[valueEnd - 1] === SPACE || buffer[valueEnd - 1] === TAB)) valueEnd--;
      const at = this.count * OFFSETS_PER_FIELD;
      offsets[at] = nameStart;
      offsets[at + 1] = nameEnd;
      offsets[at + 2] = valueStart;
      offsets[at + 3] = valueEnd;
      this.known[this.count++] = findName(buffer, nameStart, nameEnd, hash);
      pos += 2;
    }
  }

  private failName(byte: number, first: boolean): number {
    if (first && (byte === SPACE || byte === TAB)) {
      return this.fail(400, 'a field line begins with white space (line folding is not accepted)');
    }
    if (first) return this.fail(400, `a field line begins with ${describeByte(byte)} instead of a name`);
    if (byte === SPACE || byte === TAB) return this.fail(400, 'white space stands between a field name and its colon');
    return this.fail(400, `a field name holds ${describeByte(byte)}`);
  }

  private failValue(byte: number): number {
    return this.fail(400, `a field value holds ${describeByte(byte)}`);
  }

  private fail(status: number, sentence: string): number {
    this.failure = failure(status, sentence);
    return FAILED;
  }
}
