/** Bodies as connect's universal handlers want them: async iterables, with the stream's own back-pressure on both sides. */
import { GrpcCode, GrpcStatusError, type ServerStream, type StreamReset } from '@outrigger/engine';

/** Bytes taken in and not yet asked for, above which the stream is paused. */
const BODY_HIGH_WATER_BYTES = 256 * 1024;

/** The request body. Iterate it once. Throws CANCELLED when the client goes away before the end. */
export class RequestBody implements AsyncIterable<Uint8Array> {
  readonly #stream: ServerStream;
  readonly #controller: AbortController;
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #paused = false;
  #ended = false;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;
  #drained: (() => void) | undefined;

  constructor(stream: ServerStream, controller: AbortController) {
    this.#stream = stream;
    this.#controller = controller;
    stream.receiver = {
      onData: (chunk, start, end) => this.#take(chunk, start, end),
      onEnd: () => {
        this.#ended = true;
        this.#wake?.();
      },
      onReset: (reset) => this.#reset(reset),
      onDrain: () => this.#drained?.(),
    };
    if (stream.headOnly) this.#ended = true;
  }

  #take(chunk: Buffer, start: number, end: number): void {
    // The engine's buffer is valid only now.
    this.#chunks.push(Uint8Array.prototype.slice.call(chunk, start, end));
    this.#bytes += end - start;
    if (this.#bytes > BODY_HIGH_WATER_BYTES && !this.#paused) {
      this.#paused = true;
      this.#stream.pause('app');
    }
    this.#wake?.();
  }

  #reset(reset: StreamReset): void {
    this.#failure = new GrpcStatusError(GrpcCode.CANCELLED, `the call was cut off: ${reset.message}`);
    this.#controller.abort(this.#failure);
    this.#wake?.();
    this.#drained?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunks = this.#chunks;
      this.#chunks = [];
      this.#bytes = 0;
      yield* chunks;
      if (this.#chunks.length > 0) continue;
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#ended) return;
      if (this.#paused) {
        this.#paused = false;
        this.#stream.resume('app');
        if (this.#chunks.length > 0) continue;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }

  get cutOff(): boolean {
    return this.#failure !== undefined;
  }

  /** Resolves when the stream takes bytes again, or was cut off. */
  async writable(): Promise<void> {
    if (this.#stream.writable || this.cutOff) return;
    await new Promise<void>((resolve) => {
      this.#drained = resolve;
    });
    this.#drained = undefined;
  }
}
