/**
 * The part of a request body that is kept: what came before an upstream was there, and what a retry would need. Both are
 * bounded. A body that outgrows the replay limit is streamed, and from then on the request cannot be made again.
 */

/** Bytes kept for a retry. More than an upstream takes in before its connection stands, so that only requests already on their way lose their retry. */
export const REPLAY_BYTES_MAX: number = 192 * 1024;
/** Kept bytes from which on the caller is told to stop, while there is no upstream. */
export const PARK_HIGH_BYTES: number = 64 * 1024;
/** A caller that goes on regardless is reset here. */
export const PARK_BYTES_MAX: number = 1024 * 1024;

export class RequestBody {
  #chunks: Buffer[] | null = null;
  #bytes = 0;
  #replayable = true;

  get bytes(): number {
    return this.#bytes;
  }

  /** False once a byte is gone that a retry would need. */
  get replayable(): boolean {
    return this.#replayable;
  }

  /** Keeps a copy because nobody takes the bytes yet. False: too many, the request must end. */
  park(chunk: Uint8Array, start: number, end: number): boolean {
    if (this.#bytes + end - start > PARK_BYTES_MAX) return false;
    this.#keep(chunk, start, end);
    return true;
  }

  /** The bytes go to an upstream now; keeps a copy for a retry while that is within the limit. */
  pass(chunk: Uint8Array, start: number, end: number): void {
    if (!this.#replayable) return;
    if (this.#bytes + end - start > REPLAY_BYTES_MAX) {
      this.forgo();
      return;
    }
    this.#keep(chunk, start, end);
  }

  /** What is kept, in order; gone from here when no retry will ask for it again. */
  take(): readonly Buffer[] | null {
    const chunks = this.#chunks;
    if (!this.#replayable) this.#clear();
    return chunks;
  }

  /** There will be no retry: keeps nothing any more. */
  forgo(): void {
    this.#replayable = false;
    this.#clear();
  }

  /** There will be no retry, but what is parked has not been taken yet. */
  forgoReplay(): void {
    this.#replayable = false;
  }

  #keep(chunk: Uint8Array, start: number, end: number): void {
    const copy = Buffer.allocUnsafe(end - start);
    copy.set(chunk.subarray(start, end));
    this.#chunks ??= [];
    this.#chunks.push(copy);
    this.#bytes += copy.length;
  }

  #clear(): void {
    this.#chunks = null;
    this.#bytes = 0;
  }
}
