/**
 * Remembers the last head of one connection with its bytes: clients that keep a connection mostly repeat themselves, and
 * comparing bytes costs a tenth of parsing them. Only bytes that are equal to the last one match, so nothing is trusted.
 */

/** Longer heads are parsed each time. */
const MEMO_BYTES_MAX = 2048;
/** After so many heads that differed, only every `PROBE_EVERY`th is remembered. */
const MISSES_MAX = 4;
const PROBE_EVERY = 32;

export class HeadMemo<T> {
  private buffer: Buffer | null = null;
  private length = 0;
  private parsed: T | null = null;
  /** Heads since the last match; the first head of a connection is not worth remembering, most have only one. */
  private misses = -1;

  /** The remembered result when `buffer[start, …)` begins with exactly its bytes, else null. */
  match(buffer: Buffer, start: number, end: number): T | null {
    const { length, buffer: own } = this;
    if (own === null || length === 0 || end - start < length) return null;
    if (own.compare(buffer, start, start + length, 0, length) !== 0) return null;
    this.misses = 0;
    return this.parsed;
  }

  /** Length in bytes of the remembered head. */
  get matchedBytes(): number {
    return this.length;
  }

  /** `buffer[start, end)` is one whole head that did not match. */
  remember(buffer: Buffer, start: number, end: number, parsed: T): void {
    const misses = this.misses++;
    const length = end - start;
    if (misses < 0 || length > MEMO_BYTES_MAX || (misses > MISSES_MAX && misses % PROBE_EVERY !== 0)) return;
    if (this.buffer === null || this.buffer.length < length) this.buffer = Buffer.allocUnsafeSlow(roundUp(length));
    buffer.copy(this.buffer, 0, start, end);
    this.length = length;
    this.parsed = parsed;
  }
}

/** Heads that differ by a few bytes fit into the same buffer. */
function roundUp(length: number): number {
  return (length + 255) & ~255;
}
