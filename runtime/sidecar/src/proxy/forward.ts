/**
 * Joins a stream that came in with one that goes out: bytes, ends, trailers, resets and back-pressure in both directions.
 * What differs between surfaces (heads, errors) is in the subclasses. Two small objects per request, no promise.
 */
import type {
  ClientReceiver,
  ClientStream,
  HeaderList,
  RequestHead,
  ResetReason,
  ResponseHead,
  ServerStream,
  StreamReceiver,
  StreamReset,
} from '@outrigger/engine';

/** The receiver of the stream that came in: its request goes on to the upstream. */
class RequestSide implements StreamReceiver {
  readonly #down: ServerStream;
  readonly #forward: Forward;
  up: ClientStream | null = null;
  #held = false;

  constructor(down: ServerStream, forward: Forward) {
    this.#down = down;
    this.#forward = forward;
  }

  onData(chunk: Buffer, start: number, end: number): void {
    if (this.up !== null && !this.up.write(chunk, start, end)) this.hold();
  }

  /** Pauses are counted: one for the whole time until the upstream drains, however much still comes. */
  hold(): void {
    if (this.#held) return;
    this.#held = true;
    this.#down.pause('peer');
  }

  letGo(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#down.resume('peer');
  }

  onEnd(trailers: HeaderList | null): void {
    const { up } = this;
    this.up = null;
    if (trailers === null) up?.end();
    else up?.end(trailers);
  }

  onReset(_reset: StreamReset): void {
    this.#forward.cancel();
  }

  onDrain(): void {
    this.#forward.drained();
  }
}

export abstract class Forward implements ClientReceiver {
  protected readonly down: ServerStream;
  readonly #request: RequestSide;
  #up: ClientStream | null = null;
  #upHeld = false;
  #over = false;

  constructor(down: ServerStream) {
    this.down = down;
    this.#request = new RequestSide(down, this);
    down.receiver = this.#request;
  }

  /** Opens the upstream. To be called once, before the handler returns. */
  protected start(head: RequestHead): void {
    const up = this.open(head, this.down.headOnly);
    if (this.#over) return;
    this.#up = up;
    if (!this.down.headOnly) this.#request.up = up;
  }

  protected abstract open(head: RequestHead, end: boolean): ClientStream;

  /** The response as the caller shall see it; null when the subclass answers itself (`takeOver`). */
  protected abstract responseHead(head: ResponseHead, end: boolean): ResponseHead | null;

  /** Answers in place of the upstream, which failed before its response. */
  protected abstract fail(reset: StreamReset): void;

  /** The upstream failed in the middle of its response: the caller must not take it for whole. */
  protected abort(reset: StreamReset): void {
    this.down.reset(reset.reason === 'cancel' || reset.reason === 'timeout' ? 'cancel' : 'internal');
  }

  /** Called exactly once. `reset` is null when the response went through whole. */
  protected ended(_reset: StreamReset | null): void {}

  /** The caller gave up. */
  cancel(): void {
    const up = this.#up;
    this.#up = null;
    this.#request.up = null;
    up?.reset('cancel');
    if (this.#over) return;
    this.#over = true;
    this.ended({ reason: 'cancel', message: 'the caller gave up', unprocessed: false });
  }

  /** The caller takes bytes again. */
  drained(): void {
    if (!this.#upHeld) return;
    this.#upHeld = false;
    this.#up?.resume('peer');
  }

  /** For a subclass that answers itself: ends the upstream, whose rest is dropped. */
  protected takeOver(reason: ResetReason, reset: StreamReset | null): void {
    if (this.#over) return;
    this.#over = true;
    const up = this.#up;
    this.#up = null;
    this.#request.up = null;
    up?.reset(reason);
    this.#request.letGo();
    this.ended(reset);
  }

  onHead(head: ResponseHead, end: boolean): void {
    if (this.#over) return;
    const shown = this.responseHead(head, end);
    if (shown === null) return;
    try {
      this.down.respond(shown, end);
    } catch (error) {
      // Fields that came over one protocol and cannot be sent over the other.
      this.#refuseUpstream(error);
      return;
    }
    if (end) this.#finish();
  }

  onData(chunk: Buffer, start: number, end: number): void {
    if (this.#over || this.down.write(chunk, start, end) || this.#upHeld) return;
    this.#upHeld = true;
    this.#up?.pause('peer');
  }

  onEnd(trailers: HeaderList | null): void {
    if (this.#over) return;
    try {
      if (trailers === null) this.down.end();
      else this.down.end(trailers);
    } catch (error) {
      this.#refuseUpstream(error);
      return;
    }
    this.#finish();
  }

  onReset(reset: StreamReset): void {
    this.#up = null;
    const unread = this.#request.up !== null;
    this.#request.up = null;
    if (this.#over) {
      // The answer is whole, but the rest of the request is not wanted: say so, rather than read it for nobody.
      if (unread) this.down.reset('no-error');
      return;
    }
    this.#over = true;
    if (this.down.responded) this.abort(reset);
    else this.fail(reset);
    this.#request.letGo();
    this.ended(reset);
  }

  onDrain(): void {
    this.#request.letGo();
  }

  #refuseUpstream(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    const reset: StreamReset = { reason: 'protocol', message, unprocessed: false };
    this.takeOver('protocol', reset);
    if (this.down.responded) this.down.reset('internal');
    else this.fail(reset);
  }

  #finish(): void {
    this.#over = true;
    this.ended(null);
  }
}
