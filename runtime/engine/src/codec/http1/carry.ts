/** Bytes that must outlive the read they came in: a head that arrives in pieces, or requests that must wait. */
import { CR, LF } from './characters.js';
import { FAILED, INCOMPLETE } from './failure.js';

const NOTHING: Buffer = Buffer.alloc(0);
const FIRST_BYTES = 1024;

export class Carry {
  buffer: Buffer = NOTHING;
  length = 0;
  /** Where `findEnd` goes on, so that a head that comes byte by byte is looked at once, not once per byte. */
  private scanned = 0;
  private lineStart = 0;

  append(source: Buffer, start: number, end: number): void {
    const needed = this.length + (end - start);
    if (needed > this.buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(FIRST_BYTES, this.buffer.length * 2, needed));
      this.buffer.copy(grown, 0, 0, this.length);
      this.buffer = grown;
    }
    source.copy(this.buffer, this.length, start, end);
    this.length = needed;
  }

  /**
   * The position behind the first empty line, INCOMPLETE, or FAILED when a line ends in a bare LF (so that a client that
   * sends only LFs is told at once, not after the header timeout).
   */
  findEnd(): number {
    const { buffer, length } = this;
    while (this.scanned < length) {
      const at = this.scanned++;
      if (buffer[at] !== LF) continue;
      if (at === this.lineStart || buffer[at - 1] !== CR) return FAILED;
      const empty = at - 1 === this.lineStart;
      this.lineStart = at + 1;
      if (empty) return at + 1;
    }
    return INCOMPLETE;
  }

  /** Forgets everything; nothing is held while there is nothing to carry. */
  clear(): void {
    this.buffer = NOTHING;
    this.length = 0;
    this.scanned = 0;
    this.lineStart = 0;
  }

  /** Hands the bytes over and forgets them. */
  detach(): Buffer {
    const bytes = this.buffer.subarray(0, this.length);
    this.clear();
    return bytes;
  }
}
