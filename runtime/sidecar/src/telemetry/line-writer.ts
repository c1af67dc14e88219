/**
 * Lines to a file descriptor, in order, one write at a time and off the event loop: a reader that does not read costs
 * lines, never the sidecar. (Node's own process.stdout blocks the process on a full pipe.)
 */
import { write, writeSync } from 'node:fs';
import { type Clock, systemClock } from '@outrigger/engine';

/** Bytes waiting for a slow reader; beyond, log lines are dropped and counted. */
export const WAITING_BYTES_MAX: number = 4 * 1024 * 1024;
/** Above this `write` answers false: who can wait (the output of an app) waits. */
export const HIGH_WATER_BYTES: number = 256 * 1024;
const CHUNK_BYTES_MAX = 64 * 1024;
/** A non-blocking pipe that is full says EAGAIN; try again after this. */
const FULL_PAUSE_MS = 20;

export interface LineWriter {
  /** False above the high-water mark: `onDrain` follows. */
  write(text: string): boolean;
  onDrain(listener: () => void): void;
  /** Resolves when everything so far is written, or after `timeoutMs`. */
  flushed(timeoutMs: number): Promise<void>;
  /** Last resort of a process that ends now: writes what waits, without waiting for a write under way. */
  flushSync(): void;
}

export function createLineWriter(fd: number, clock: Clock = systemClock): LineWriter {
  return new FdWriter(fd, clock);
}

class FdWriter implements LineWriter {
  readonly #fd: number;
  readonly #clock: Clock;
  #queue: string[] = [];
  #waitingBytes = 0;
  #dropped = 0;
  /** What the write under way has not written yet. */
  #chunk: Buffer | undefined;
  #offset = 0;
  #busy = false;
  #broken = false;
  #drains: (() => void)[] = [];
  #flushes: (() => void)[] = [];

  constructor(fd: number, clock: Clock) {
    this.#fd = fd;
    this.#clock = clock;
  }

  write(text: string): boolean {
    if (this.#broken) return true;
    const bytes = Buffer.byteLength(text);
    if (this.#waitingBytes + bytes > WAITING_BYTES_MAX) {
      this.#dropped++;
      return false;
    }
    this.#queue.push(text);
    this.#waitingBytes += bytes;
    this.#next();
    return this.#waitingBytes < HIGH_WATER_BYTES;
  }

  onDrain(listener: () => void): void {
    if (this.#waitingBytes < HIGH_WATER_BYTES) setImmediate(listener);
    else this.#drains.push(listener);
  }

  flushed(timeoutMs: number): Promise<void> {
    if (!this.#busy) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#clock.after(timeoutMs, resolve);
      this.#flushes.push(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  flushSync(): void {
    const texts = this.#queue.join('');
    this.#queue = [];
    if (texts === '' || this.#broken) return;
    try {
      writeSync(this.#fd, texts);
    } catch {
      // Nobody reads any more.
    }
  }

  #next(): void {
    if (this.#busy) return;
    if (this.#chunk === undefined) {
      this.#chunk = this.#take();
      this.#offset = 0;
    }
    const chunk = this.#chunk;
    if (chunk === undefined) {
      this.#idle();
      return;
    }
    this.#busy = true;
    write(this.#fd, chunk, this.#offset, chunk.length - this.#offset, null, (error, written) => {
      if (error !== null) {
        this.#failed(error);
        return;
      }
      this.#offset += written;
      this.#waitingBytes -= written;
      if (this.#offset === chunk.length) this.#chunk = undefined;
      this.#busy = false;
      if (this.#waitingBytes < HIGH_WATER_BYTES) this.#drain();
      this.#next();
    });
  }

  #take(): Buffer | undefined {
    if (this.#queue.length === 0 && this.#dropped > 0) {
      const line = `${this.#dropped} lines were dropped: the reader of this log was too slow\n`;
      this.#dropped = 0;
      this.#waitingBytes += Buffer.byteLength(line);
      return Buffer.from(line);
    }
    if (this.#queue.length === 0) return undefined;
    let count = 0;
    let length = 0;
    while (count < this.#queue.length && length < CHUNK_BYTES_MAX) length += (this.#queue[count++] as string).length;
    return Buffer.from(this.#queue.splice(0, count).join(''));
  }

  #idle(): void {
    const flushes = this.#flushes;
    this.#flushes = [];
    for (const flush of flushes) flush();
  }

  #drain(): void {
    const drains = this.#drains;
    this.#drains = [];
    for (const drain of drains) drain();
  }

  #failed(error: NodeJS.ErrnoException): void {
    if (error.code === 'EAGAIN' || error.code === 'EINTR') {
      this.#clock.after(FULL_PAUSE_MS, () => {
        this.#busy = false;
        this.#next();
      });
      return;
    }
    // EPIPE (`outrigger … | head`), EIO (the terminal went away), ENOSPC: the sidecar goes on without its log.
    this.#broken = error.code !== 'ENOSPC';
    this.#queue = [];
    this.#chunk = undefined;
    this.#waitingBytes = 0;
    this.#busy = false;
    this.#drain();
    this.#idle();
  }
}
