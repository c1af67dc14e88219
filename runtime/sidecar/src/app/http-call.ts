/** One HTTP call to the app with a whole body in both directions, for callbacks. */
import type { ClientReceiver, HttpOpener, RequestHead, ResponseHead, StreamReset } from '@outrigger/engine';
import { HeaderList } from '@outrigger/engine';

export interface AppResponse {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: Buffer;
}

/** The app did not answer, or not within the rules. */
export class AppCallError extends Error {
  /** True when the app provably did not see the request. */
  readonly unprocessed: boolean;
  readonly reason: StreamReset['reason'];

  constructor(reset: StreamReset) {
    super(reset.message);
    this.name = 'AppCallError';
    this.reason = reset.reason;
    this.unprocessed = reset.unprocessed;
  }
}

export interface AppCallOptions {
  readonly method: string;
  /** Path and query, beginning with `/`. */
  readonly path: string;
  readonly headers?: HeaderList;
  readonly body?: Uint8Array;
  readonly signal?: AbortSignal;
  /** Largest response body. */
  readonly bytesMax: number;
}

/** Rejects with AppCallError, or with the signal's reason. The authority is filled in by the channel. */
export function callApp(opener: HttpOpener, options: AppCallOptions): Promise<AppResponse> {
  return new Promise((resolve, reject) => {
    const { signal, body } = options;
    if (signal?.aborted) return reject(signal.reason);
    const headers = options.headers ?? new HeaderList();
    const bodyBytes = body?.length ?? 0;
    if (body !== undefined) headers.set('content-length', String(bodyBytes));
    const head: RequestHead = { method: options.method, scheme: 'http', authority: '', path: options.path, headers };
    const collector = new Collector(options.bytesMax, (error, response) => {
      signal?.removeEventListener('abort', onAbort);
      if (response !== null) return resolve(response);
      if (error instanceof AppCallError && error.reason === 'too-large') stream.reset('too-large');
      reject(error);
    });
    const stream = opener.open(head, bodyBytes === 0, collector);
    const onAbort = (): void => {
      stream.reset('cancel');
      collector.fail(signal?.reason);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    if (body !== undefined && bodyBytes > 0) {
      stream.write(body);
      stream.end();
    }
  });
}

class Collector implements ClientReceiver {
  readonly #bytesMax: number;
  #done: ((error: unknown, response: AppResponse | null) => void) | null;
  #head: ResponseHead | undefined;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(bytesMax: number, done: (error: unknown, response: AppResponse | null) => void) {
    this.#bytesMax = bytesMax;
    // Answers are given in a later microtask, when the caller holds its stream.
    this.#done = (error, response) => queueMicrotask(() => done(error, response));
  }

  onHead(head: ResponseHead, end: boolean): void {
    this.#head = head;
    if (end) this.onEnd();
  }

  onData(chunk: Buffer, start: number, end: number): void {
    if (this.#done === null) return;
    this.#bytes += end - start;
    if (this.#bytes > this.#bytesMax) {
      const message = `the app's response is larger than ${this.#bytesMax} bytes`;
      this.fail(new AppCallError({ reason: 'too-large', message, unprocessed: false }));
      return;
    }
    this.#chunks.push(Buffer.from(chunk.subarray(start, end)));
  }

  onEnd(): void {
    const { status, headers } = this.#head as ResponseHead;
    this.#settle(null, { status, headers, body: Buffer.concat(this.#chunks) });
  }

  onReset(reset: StreamReset): void {
    this.fail(new AppCallError(reset));
  }

  onDrain(): void {}

  fail(error: unknown): void {
    this.#settle(error, null);
  }

  #settle(error: unknown, response: AppResponse | null): void {
    const done = this.#done;
    this.#done = null;
    done?.(error, response);
  }
}
