/** One request on its route: what the handler sees, everything dear made when first asked for. */
import type { ServerStream, StreamReceiver } from '@outrigger/engine';
import type { CallContext, TraceContext } from '../../block/context.js';
import { traceOfHeaders } from '../trace.js';
import type { HttpCall } from './route.js';

const noBytes = Buffer.alloc(0);
const METADATA_PREFIX = 'metadata.';

export class RouteCall implements HttpCall, CallContext, StreamReceiver {
  readonly surface = 'dapr-http' as const;
  readonly deadline: undefined = undefined;
  readonly params: Readonly<Record<string, string>>;
  readonly stream: ServerStream;
  body: Buffer = noBytes;
  /** The caller is gone: nothing may be sent any more. */
  closed = false;
  readonly #queryText: string;
  #query: URLSearchParams | undefined;
  #trace: TraceContext | undefined;
  #controller: AbortController | undefined;
  readonly #onClosed: () => void;

  constructor(stream: ServerStream, params: Readonly<Record<string, string>>, query: string, onClosed: () => void) {
    this.stream = stream;
    this.params = params;
    this.#queryText = query;
    this.#onClosed = onClosed;
  }

  get method(): string {
    return this.stream.head.method;
  }

  get query(): URLSearchParams {
    this.#query ??= new URLSearchParams(this.#queryText);
    return this.#query;
  }

  get metadata(): Readonly<Record<string, string>> {
    const metadata: Record<string, string> = {};
    if (!this.#queryText.includes(METADATA_PREFIX)) return metadata;
    for (const [name, value] of this.query) {
      if (!name.startsWith(METADATA_PREFIX)) continue;
      const key = name.slice(METADATA_PREFIX.length);
      if (!Object.hasOwn(metadata, key))
        Object.defineProperty(metadata, key, { value, enumerable: true, writable: true });
    }
    return metadata;
  }

  get context(): CallContext {
    return this;
  }

  get trace(): TraceContext {
    this.#trace ??= traceOfHeaders(this.stream.head.headers);
    return this.#trace;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.closed) this.#controller.abort();
    return this.#controller.signal;
  }

  onData(): void {}

  onEnd(): void {}

  onDrain(): void {}

  onReset(): void {
    this.closed = true;
    this.#controller?.abort();
    this.#onClosed();
  }
}
