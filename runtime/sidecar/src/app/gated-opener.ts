/**
 * An opener behind the concurrency gate. A call that must wait gets its stream at once: what it writes is kept (bounded)
 * and sent when there is a place. The place is given back when the response has ended, or the call is given up.
 */
import type {
  ClientReceiver,
  ClientStream,
  HeaderList,
  HttpOpener,
  PauseReason,
  RequestHead,
  ResetReason,
  ResponseHead,
  StreamReset,
} from '@outrigger/engine';
import type { ConcurrencyGate, Ticket } from './concurrency-gate.js';

/** Bytes of request bodies kept by calls that wait for a place, together. */
export const APP_QUEUE_BYTES_MAX: number = 64 * 1024 * 1024;

interface Shared {
  readonly gate: ConcurrencyGate;
  readonly inner: HttpOpener;
  readonly queueBytesMax: number;
  queuedBytes: number;
}

export function gatedOpener(
  inner: HttpOpener,
  gate: ConcurrencyGate,
  queueBytesMax: number = APP_QUEUE_BYTES_MAX,
): HttpOpener {
  if (gate.unlimited) return inner;
  const shared: Shared = { gate, inner, queueBytesMax, queuedBytes: 0 };
  return {
    open: (head, end, receiver) => {
      const call = new GatedCall(shared, head, end, receiver);
      call.enterLine();
      return call;
    },
  };
}

class GatedCall implements ClientStream, ClientReceiver {
  readonly #shared: Shared;
  readonly #head: RequestHead;
  readonly #headOnly: boolean;
  readonly #receiver: ClientReceiver;
  #ticket: Ticket | undefined;
  #stream: ClientStream | undefined;
  #over = false;
  #left = false;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #pendingEnd = false;
  #pendingTrailers: HeaderList | undefined;
  readonly #pauses: PauseReason[] = [];

  constructor(shared: Shared, head: RequestHead, headOnly: boolean, receiver: ClientReceiver) {
    this.#shared = shared;
    this.#head = head;
    this.#headOnly = headOnly;
    this.#receiver = receiver;
  }

  enterLine(): void {
    const ticket = this.#shared.gate.request(() => this.#enter());
    if (ticket === undefined) {
      // Told later: the caller does not hold its stream yet.
      queueMicrotask(() => this.#refuse(`${this.#shared.gate.waiting} calls wait for the app already`));
      return;
    }
    // The call may have ended before its ticket was in hand.
    if (this.#left) ticket.release();
    else this.#ticket = ticket;
  }

  get protocol(): 'http/1.1' | 'h2' {
    return this.#stream?.protocol ?? 'http/1.1';
  }

  get writable(): boolean {
    return this.#stream?.writable ?? (!this.#over && this.#pendingBytes === 0);
  }

  write(chunk: Uint8Array, start = 0, end: number = chunk.length): boolean {
    if (this.#stream !== undefined) return this.#stream.write(chunk, start, end);
    if (this.#over) return false;
    const bytes = end - start;
    if (this.#shared.queuedBytes + bytes > this.#shared.queueBytesMax) {
      queueMicrotask(() => this.#refuse(`calls that wait for the app hold ${this.#shared.queuedBytes} bytes already`));
      return false;
    }
    this.#pending.push(Buffer.from(chunk.subarray(start, end)));
    this.#pendingBytes += bytes;
    this.#shared.queuedBytes += bytes;
    return false;
  }

  end(trailers?: HeaderList): void {
    if (this.#stream !== undefined) {
      this.#stream.end(trailers);
    } else {
      this.#pendingEnd = true;
      this.#pendingTrailers = trailers;
    }
  }

  reset(reason: ResetReason): void {
    if (this.#over) return;
    const stream = this.#stream;
    this.#finish();
    stream?.reset(reason);
  }

  pause(reason: PauseReason): void {
    if (this.#stream !== undefined) this.#stream.pause(reason);
    else this.#pauses.push(reason);
  }

  resume(reason: PauseReason): void {
    if (this.#stream !== undefined) {
      this.#stream.resume(reason);
    } else {
      const at = this.#pauses.indexOf(reason);
      if (at >= 0) this.#pauses.splice(at, 1);
    }
  }

  onHead(head: ResponseHead, end: boolean): void {
    if (this.#over) return;
    if (end) this.#leave();
    this.#receiver.onHead(head, end);
  }

  onData(chunk: Buffer, start: number, end: number): void {
    if (!this.#over) this.#receiver.onData(chunk, start, end);
  }

  onEnd(trailers: HeaderList | null): void {
    if (this.#over) return;
    this.#finish();
    this.#receiver.onEnd(trailers);
  }

  onReset(reset: StreamReset): void {
    if (this.#over) return;
    this.#finish();
    this.#receiver.onReset(reset);
  }

  onDrain(): void {
    if (!this.#over) this.#receiver.onDrain();
  }

  #enter(): void {
    const stream = this.#shared.inner.open(this.#head, this.#headOnly, this);
    this.#stream = stream;
    if (this.#over) return;
    for (const reason of this.#pauses.splice(0)) stream.pause(reason);
    const pending = this.#pending;
    const wrote = pending.length > 0;
    this.#forget();
    for (const chunk of pending) stream.write(chunk);
    if (this.#pendingEnd) stream.end(this.#pendingTrailers);
    else if (wrote && stream.writable) this.#receiver.onDrain();
  }

  #refuse(message: string): void {
    if (this.#over || this.#stream !== undefined) return;
    this.#finish();
    this.#receiver.onReset({ reason: 'refused', message, unprocessed: true });
  }

  #forget(): void {
    this.#shared.queuedBytes -= this.#pendingBytes;
    this.#pendingBytes = 0;
    this.#pending = [];
  }

  #finish(): void {
    this.#over = true;
    this.#forget();
    this.#leave();
  }

  #leave(): void {
    this.#left = true;
    this.#ticket?.release();
    this.#ticket = undefined;
  }
}
