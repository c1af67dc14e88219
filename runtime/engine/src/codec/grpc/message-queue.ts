/** Messages of a stream on their way to an `for await` loop. A full queue pauses the stream, an empty one resumes it. */
import type { GrpcLimits } from '../../base/limits.js';

export interface Pausable {
  pause(reason: 'app'): void;
  resume(reason: 'app'): void;
}

interface Waiter<T> {
  readonly resolve: (result: IteratorResult<T, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

export class MessageQueue<T> implements AsyncIterableIterator<T, undefined> {
  readonly #stream: Pausable;
  readonly #limits: GrpcLimits;
  /** The loop was left early (`break`, `return`, a throw inside it). */
  readonly #onAbandoned: () => void;
  readonly #messages: T[] = [];
  readonly #sizes: number[] = [];
  #head = 0;
  #bytes = 0;
  #paused = false;
  #ended = false;
  #error: unknown;
  #failed = false;
  readonly #waiters: Waiter<T>[] = [];

  constructor(stream: Pausable, limits: GrpcLimits, onAbandoned: () => void) {
    this.#stream = stream;
    this.#limits = limits;
    this.#onAbandoned = onAbandoned;
  }

  /** `bytes` is what the message took on the wire. */
  push(message: T, bytes: number): void {
    if (this.#ended) return;
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) {
      waiter.resolve({ value: message, done: false });
      return;
    }
    this.#messages.push(message);
    this.#sizes.push(bytes);
    this.#bytes += bytes;
    if (!this.#paused && this.#full()) {
      this.#paused = true;
      this.#stream.pause('app');
    }
  }

  /** No more messages; those queued are still read. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const waiter of this.#waiters.splice(0)) waiter.resolve(DONE);
  }

  /** As `end`, but the loop then throws `error`. */
  fail(error: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    const waiters = this.#waiters.splice(0);
    if (waiters.length === 0) {
      this.#error = error;
      this.#failed = true;
      return;
    }
    waiters.forEach((waiter, i) => {
      if (i === 0) waiter.reject(error);
      else waiter.resolve(DONE);
    });
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#head < this.#messages.length) return Promise.resolve({ value: this.#take(), done: false });
    if (this.#failed) {
      this.#failed = false;
      return Promise.reject(this.#error);
    }
    if (this.#ended) return Promise.resolve(DONE);
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  return(): Promise<IteratorResult<T, undefined>> {
    const abandoned = !this.#ended || this.#head < this.#messages.length;
    this.#messages.length = this.#sizes.length = this.#head = this.#bytes = 0;
    this.end();
    this.#failed = false;
    this.#resume();
    if (abandoned) this.#onAbandoned();
    return Promise.resolve(DONE);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #take(): T {
    const message = this.#messages[this.#head] as T;
    this.#messages[this.#head] = undefined as T;
    this.#bytes -= this.#sizes[this.#head] as number;
    this.#head++;
    if (this.#head === this.#messages.length) {
      this.#messages.length = this.#sizes.length = this.#head = 0;
      this.#resume();
    } else if (this.#head >= 1024) {
      this.#messages.splice(0, this.#head);
      this.#sizes.splice(0, this.#head);
      this.#head = 0;
    }
    return message;
  }

  #full(): boolean {
    const { queuedMessagesMax, queuedBytesMax } = this.#limits;
    return this.#messages.length - this.#head >= queuedMessagesMax || this.#bytes >= queuedBytesMax;
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#stream.resume('app');
  }
}

const DONE: { readonly value: undefined; readonly done: true } = { value: undefined, done: true };
