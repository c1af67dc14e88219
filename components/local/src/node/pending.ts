/** Requests without an answer, in order. They outlive the owner they were sent to. */
import { type ComponentClock, ComponentError, type ComponentTimer } from '@outrigger/components-core';
import { pendingBytesMax, requestsMax, requestTimeoutMs } from '../limits.js';
import type { Operation, Reply, Request } from '../operation.js';

export interface Pending {
  readonly operation: Operation;
  readonly request: never;
  readonly bytes: number;
  readonly atMs: number;
  readonly resolve: (reply: never) => void;
  readonly reject: (error: unknown) => void;
}

export interface PendingConfig {
  readonly clock: ComponentClock;
  readonly directory: string;
  /** Why there is no owner, when there is none. */
  reason(): string | undefined;
}

export class PendingRequests {
  readonly #config: PendingConfig;
  readonly #pending = new Map<number, Pending>();
  #numbers = 0;
  /** No number below it is pending. */
  #lowest = 1;
  #bytes = 0;
  #timer: ComponentTimer | undefined;
  #isClosed = false;

  constructor(config: PendingConfig) {
    this.#config = config;
  }

  nextNumber(): number {
    return ++this.#numbers;
  }

  /** The lowest number without an answer. */
  get floor(): number {
    while (this.#lowest <= this.#numbers && !this.#pending.has(this.#lowest)) this.#lowest++;
    return this.#lowest;
  }

  /** In the order in which they were added. */
  get numbers(): number[] {
    return [...this.#pending.keys()];
  }

  get(number: number): Pending | undefined {
    return this.#pending.get(number);
  }

  /** Answers its number and the promise of the reply; throws ComponentError when there are too many. */
  add<O extends Operation>(
    operation: O,
    request: Request<O>,
    bytes: number,
  ): { number: number; reply: Promise<Reply<O>> } {
    if (this.#isClosed) throw new ComponentError('closed', 'the local components are closed');
    const isFull =
      this.#pending.size >= requestsMax || (this.#bytes + bytes > pendingBytesMax && this.#pending.size > 0);
    if (isFull) {
      const waiting = `${this.#pending.size} requests (${this.#bytes} bytes)`;
      throw new ComponentError(
        'unavailable',
        `${waiting} wait for the owner of ${this.#config.directory}, the limit; try again`,
      );
    }
    const number = this.nextNumber();
    this.#bytes += bytes;
    const atMs = this.#config.clock.now();
    const reply = new Promise<Reply<O>>((resolve, reject) => {
      this.#pending.set(number, { operation, request: request as never, bytes, atMs, resolve, reject });
    });
    this.#arm();
    return { number, reply };
  }

  /** The request has its answer. */
  take(number: number): Pending | undefined {
    const pending = this.#pending.get(number);
    if (pending === undefined) return undefined;
    this.#pending.delete(number);
    this.#bytes -= pending.bytes;
    return pending;
  }

  /** Everything fails as `closed`. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    for (const number of this.numbers) {
      this.take(number)?.reject(new ComponentError('closed', 'the local components are closed'));
    }
  }

  /** One timer for the request that waits longest. It is not cancelled by every answer: when it fires it looks again. */
  #arm(): void {
    if (this.#timer !== undefined || this.#isClosed) return;
    const oldest = this.#pending.get(this.floor);
    if (oldest === undefined) return;
    const { clock, directory } = this.#config;
    this.#timer = clock.after(Math.max(0, oldest.atMs + requestTimeoutMs - clock.now()), () => {
      this.#timer = undefined;
      const reason = this.#config.reason();
      for (const [number, { atMs, operation }] of this.#pending) {
        if (atMs + requestTimeoutMs > clock.now()) break;
        const message = `the owner of ${directory} did not answer ${operation} within ${requestTimeoutMs / 1000} s`;
        const error = new ComponentError('unavailable', reason === undefined ? message : `${message} (${reason})`);
        this.take(number)?.reject(error);
      }
      this.#arm();
    });
  }
}
