/** Finds whole heads in what arrives, in however many pieces: parses in place when a head is all there, else carries it. */

import { Carry } from './carry.js';
import { CR, LF } from './characters.js';
import { FAILED, failure, type Http1Failure, INCOMPLETE } from './failure.js';
import { HeadMemo } from './head-memo.js';

export interface HeadParser<T> {
  /** Set when `parse` returned a position. */
  readonly parsed: T | null;
  /** Set when `parse` returned FAILED. */
  readonly failure: Http1Failure | null;
  /** Parses one head in `buffer[start, end)`; returns the position behind it, INCOMPLETE, or FAILED. */
  parse(buffer: Buffer, start: number, end: number): number;
}

export class HeadReader<T> {
  /** The head that `read` completed, else null. */
  head: T | null = null;
  /** Why the head is refused, else null. */
  failure: Http1Failure | null = null;
  private readonly parser: HeadParser<T>;
  private readonly headerBytesMax: number;
  private readonly emptyLinesMax: number;
  private readonly memo: HeadMemo<T> = new HeadMemo();
  private readonly carry: Carry = new Carry();
  private emptyLines = 0;

  constructor(parser: HeadParser<T>, headerBytesMax: number, emptyLinesMax: number) {
    this.parser = parser;
    this.headerBytesMax = headerBytesMax;
    this.emptyLinesMax = emptyLinesMax;
  }

  /** Part of a head is here. */
  get pending(): boolean {
    return this.carry.length > 0;
  }

  clear(): void {
    this.carry.clear();
  }

  /** Takes in `buffer[start, end)`, not empty, up to the end of one head at most; returns the position behind what was used. */
  read(buffer: Buffer, start: number, end: number): number {
    this.head = null;
    if (this.carry.length > 0) return this.readOn(buffer, start, end);
    if (buffer[start] === CR) return this.readEmptyLine(buffer, start, end);
    const { memo, parser } = this;
    const known = memo.match(buffer, start, end);
    if (known !== null) {
      this.complete(known);
      return start + memo.matchedBytes;
    }
    const pos = parser.parse(buffer, start, end);
    if (pos >= 0) {
      this.complete(parser.parsed as T);
      memo.remember(buffer, start, pos, this.head as T);
      return pos;
    }
    if (pos === INCOMPLETE) this.carry.append(buffer, start, end);
    else this.failure = parser.failure;
    return end;
  }

  /** The head began in an earlier read. Looks at each byte once, then parses the head as a whole. */
  private readOn(buffer: Buffer, start: number, end: number): number {
    const { carry, parser } = this;
    const carried = carry.length;
    if (carried === 1 && carry.buffer[0] === CR) {
      carry.clear();
      if (buffer[start] === LF) return this.countEmptyLine(start + 1, end);
      return this.failCr(end);
    }
    carry.append(buffer, start, Math.min(end, start + this.headerBytesMax + 1 - carried));
    const headEnd = carry.findEnd();
    if (headEnd === INCOMPLETE && carry.length <= this.headerBytesMax) return end;
    // Complete, too long, or a bare LF: the parser says which.
    const used = parser.parse(carry.buffer, 0, headEnd >= 0 ? headEnd : carry.length);
    carry.clear();
    if (used >= 0) {
      this.complete(parser.parsed as T);
      return start + used - carried;
    }
    if (used === FAILED) this.failure = parser.failure;
    else this.failure = failure(431, `the head is longer than ${this.headerBytesMax} bytes`);
    return end;
  }

  private readEmptyLine(buffer: Buffer, start: number, end: number): number {
    if (start + 1 === end) {
      this.carry.append(buffer, start, end);
      return end;
    }
    return buffer[start + 1] === LF ? this.countEmptyLine(start + 2, end) : this.failCr(end);
  }

  private countEmptyLine(pos: number, end: number): number {
    if (++this.emptyLines <= this.emptyLinesMax) return pos;
    this.failure = failure(400, 'an empty line stands where the first line of a head should be');
    return end;
  }

  private failCr(end: number): number {
    this.failure = failure(400, 'a bare CR stands where the first line of a head should be');
    return end;
  }

  private complete(head: T): void {
    this.head = head;
    this.emptyLines = 0;
  }
}
