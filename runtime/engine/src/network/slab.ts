/**
 * Output slabs. A transport holds a pooled buffer only from its first byte until the kernel has taken it, so ten
 * thousand idle connections hold none. A buffer whose write went asynchronous is never written to again before that
 * write has ended (performance rule 11).
 */
import { SLAB_BYTES, SLABS_FREE_MAX } from '../base/limits.js';
import type { Slab } from './transport.js';

const free: Buffer[] = [];
const empty: Buffer = Buffer.alloc(0);

function acquire(bytes: number): Buffer {
  if (bytes > SLAB_BYTES) return Buffer.allocUnsafeSlow(roundUp(bytes));
  return free.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES);
}

/** Gives a buffer back; only those of the pooled size are kept. */
export function releaseSlab(buffer: Buffer): void {
  if (buffer.length === SLAB_BYTES && free.length < SLABS_FREE_MAX) free.push(buffer);
}

function roundUp(bytes: number): number {
  let size = SLAB_BYTES;
  while (size < bytes) size *= 2;
  return size;
}

export class PooledSlab implements Slab {
  buffer: Buffer = empty;
  end = 0;

  ensure(bytes: number): void {
    const need = this.end + bytes;
    if (need <= this.buffer.length) return;
    const larger = acquire(need);
    if (this.end > 0) this.buffer.copy(larger, 0, 0, this.end);
    releaseSlab(this.buffer);
    this.buffer = larger;
  }

  /** The bytes were taken: start anew, keeping nothing. */
  reset(): void {
    releaseSlab(this.buffer);
    this.buffer = empty;
    this.end = 0;
  }

  /** Hands the buffer to a write in progress, which releases it when it has ended. */
  detach(): Buffer {
    const { buffer } = this;
    this.buffer = empty;
    this.end = 0;
    return buffer;
  }
}

/** A writer of its own for messages that do not go straight into a transport; grows, and shrinks back when cleared. */
export class ScratchSlab implements Slab {
  buffer: Buffer;
  end = 0;
  readonly #initialBytes: number;

  constructor(initialBytes = 4096) {
    this.#initialBytes = initialBytes;
    this.buffer = Buffer.allocUnsafeSlow(initialBytes);
  }

  ensure(bytes: number): void {
    const need = this.end + bytes;
    if (need <= this.buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(need, this.buffer.length * 2));
    this.buffer.copy(larger, 0, 0, this.end);
    this.buffer = larger;
  }

  clear(): void {
    this.end = 0;
    // One large message must not hold its memory for the life of the process.
    if (this.buffer.length > SLAB_BYTES) this.buffer = Buffer.allocUnsafeSlow(this.#initialBytes);
  }
}
