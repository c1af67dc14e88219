/** Exchanges in memory: an opener whose streams arrive at a handler, with flow control, resets and everything delivered later. */
import {
  type ClientReceiver,
  type ClientStream,
  HeaderList,
  type HttpHandler,
  type HttpOpener,
  type PauseReason,
  type PeerAddress,
  type RequestHead,
  type ResetReason,
  type ResponseHead,
  type ServerStream,
  type StreamReceiver,
  type StreamReset,
} from '@outrigger/engine';

export const LOOPBACK_WINDOW_BYTES: number = 64 * 1024;

/** One direction: bytes wait here until the reader is not paused. */
class Direction {
  readonly #window: number;
  readonly #deliver: {
    onData(chunk: Buffer, start: number, end: number): void;
    onEnd(trailers: HeaderList | null): void;
  };
  readonly #onDrain: () => void;
  /** Counted by reason, as the engine's streams do. */
  readonly #held: PauseReason[] = [];
  #queue: Buffer[] = [];
  #bytes = 0;
  #full = false;
  #ended = false;
  #told = false;
  #trailers: HeaderList | null = null;
  #scheduled = false;
  closed = false;
  total = 0;
  bytesMax = 0;

  constructor(
    window: number,
    deliver: { onData(chunk: Buffer, start: number, end: number): void; onEnd(trailers: HeaderList | null): void },
    onDrain: () => void,
  ) {
    this.#window = window;
    this.#deliver = deliver;
    this.#onDrain = onDrain;
  }

  get writable(): boolean {
    return this.#bytes < this.#window;
  }

  write(chunk: Uint8Array, start: number, end: number): boolean {
    if (this.closed || this.#ended) return true;
    this.#queue.push(Buffer.from(chunk.subarray(start, end)));
    this.#bytes += end - start;
    this.total += end - start;
    this.bytesMax = Math.max(this.bytesMax, this.#bytes);
    this.#schedule();
    if (this.writable) return true;
    this.#full = true;
    return false;
  }

  end(trailers: HeaderList | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#trailers = trailers;
    this.#schedule();
  }

  hold(reason: PauseReason): void {
    this.#held.push(reason);
  }

  letGo(reason: PauseReason): void {
    const at = this.#held.indexOf(reason);
    if (at >= 0) this.#held.splice(at, 1);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#pump();
    });
  }

  #pump(): void {
    while (!this.closed && this.#held.length === 0) {
      const chunk = this.#queue.shift();
      if (chunk === undefined) break;
      this.#bytes -= chunk.length;
      this.#deliver.onData(chunk, 0, chunk.length);
    }
    if (this.closed) return;
    if (this.#full && this.writable) {
      this.#full = false;
      this.#onDrain();
    }
    if (this.#ended && !this.#told && this.#queue.length === 0 && this.#held.length === 0) {
      this.#told = true;
      this.#deliver.onEnd(this.#trailers);
    }
  }
}

const LOCAL: PeerAddress = { kind: 'unix', address: '/loopback', port: 0 };
const unset: StreamReceiver = { onData() {}, onEnd() {}, onReset() {}, onDrain() {} };

/** Both ends of one exchange. */
export class LoopbackExchange {
  readonly server: ServerStream;
  readonly client: ClientStream;
  readonly request: Direction;
  readonly response: Direction;
  receiver: StreamReceiver = unset;
  #over = false;

  constructor(head: RequestHead, end: boolean, receiver: ClientReceiver, protocol: 'http/1.1' | 'h2', window: number) {
    const exchange = this;
    let responded = false;
    this.request = new Direction(
      window,
      { onData: (c, s, e) => this.receiver.onData(c, s, e), onEnd: (t) => this.receiver.onEnd(t) },
      () => receiver.onDrain(),
    );
    this.response = new Direction(
      window,
      { onData: (c, s, e) => receiver.onData(c, s, e), onEnd: (t) => receiver.onEnd(t) },
      () => this.receiver.onDrain(),
    );
    this.server = {
      protocol,
      head,
      headOnly: end,
      remote: LOCAL,
      local: LOCAL,
      tls: null,
      get receiver() {
        return exchange.receiver;
      },
      set receiver(value) {
        exchange.receiver = value;
      },
      get responded() {
        return responded;
      },
      get writable() {
        return exchange.response.writable;
      },
      respond(answer: ResponseHead, last: boolean) {
        if (responded) throw new Error('responded twice');
        responded = true;
        const copy = { status: answer.status, headers: answer.headers.clone() };
        queueMicrotask(() => {
          if (!exchange.#over) receiver.onHead(copy, last);
        });
        if (last) exchange.response.closed = true;
      },
      inform() {},
      write: (chunk, start = 0, until = chunk.length) => exchange.response.write(chunk, start, until),
      end: (trailers) => exchange.response.end(trailers ?? null),
      reset: (reason) => exchange.#reset(() => receiver.onReset(resetBy('server', reason))),
      pause: (reason) => exchange.request.hold(reason),
      resume: (reason) => exchange.request.letGo(reason),
    };
    this.client = {
      protocol,
      get writable() {
        return exchange.request.writable;
      },
      write: (chunk, start = 0, until = chunk.length) => exchange.request.write(chunk, start, until),
      end: (trailers) => exchange.request.end(trailers ?? null),
      reset: (reason) => exchange.#reset(() => this.receiver.onReset(resetBy('client', reason))),
      pause: (reason) => exchange.response.hold(reason),
      resume: (reason) => exchange.response.letGo(reason),
    };
    if (end) this.request.end(null);
  }

  /** The connection under the exchange is gone: both sides learn it. */
  break(receiver: ClientReceiver): void {
    const lost: StreamReset = { reason: 'connection-lost', message: 'the connection was closed', unprocessed: false };
    this.#reset(() => {
      receiver.onReset(lost);
      this.receiver.onReset(lost);
    });
  }

  #reset(tell: () => void): void {
    if (this.#over) return;
    this.#over = true;
    this.request.closed = true;
    this.response.closed = true;
    queueMicrotask(tell);
  }
}

const resetBy = (side: string, reason: ResetReason): StreamReset => ({
  reason: side === 'client' ? 'cancel' : reason,
  message: `the ${side} reset the stream (${reason})`,
  unprocessed: side === 'server' && reason === 'refused',
});

export interface Loopback extends HttpOpener {
  readonly exchanges: readonly LoopbackExchange[];
  drain(): void;
  close(): void;
  /** Fails every running exchange as a lost connection does, and every new one as refused. */
  kill(): void;
}

export interface LoopbackOptions {
  readonly protocol?: 'http/1.1' | 'h2';
  readonly windowBytes?: number;
}

export function loopback(handler: HttpHandler, options: LoopbackOptions = {}): Loopback {
  const exchanges: LoopbackExchange[] = [];
  const receivers: ClientReceiver[] = [];
  let dead = false;
  return {
    exchanges,
    open(head, end, receiver) {
      const copy = { ...head, headers: head.headers.clone() };
      const { protocol = 'h2', windowBytes = LOOPBACK_WINDOW_BYTES } = options;
      const exchange = new LoopbackExchange(copy, end, receiver, protocol, windowBytes);
      if (dead) {
        queueMicrotask(() =>
          receiver.onReset({ reason: 'connect', message: 'connect ECONNREFUSED', unprocessed: true }),
        );
        return exchange.client;
      }
      exchanges.push(exchange);
      receivers.push(receiver);
      exchange.request.hold('handover');
      queueMicrotask(() => {
        handler(exchange.server);
        exchange.request.letGo('handover');
      });
      return exchange.client;
    },
    drain() {},
    close() {
      this.kill();
    },
    kill() {
      dead = true;
      for (const [i, exchange] of exchanges.entries()) exchange.break(receivers[i] as ClientReceiver);
    },
  };
}

export interface Answer {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: Buffer;
  readonly trailers: HeaderList | null;
}

export interface SimpleRequest {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** One request with its whole answer; rejects with the reset. */
export function request(
  opener: HttpOpener,
  { method = 'GET', path, headers = {}, body }: SimpleRequest,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let answer: ResponseHead | undefined;
    const finish = (trailers: HeaderList | null): void => {
      const { status, headers: fields } = answer as ResponseHead;
      resolve({ status, headers: fields, body: Buffer.concat(chunks), trailers });
    };
    const list = HeaderList.of(headers);
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    if (bytes !== undefined && !list.has('content-length')) list.append('content-length', String(bytes.length));
    const head: RequestHead = { method, scheme: 'http', authority: 'localhost', path, headers: list };
    const stream = opener.open(head, bytes === undefined, {
      onHead(given, end) {
        answer = given;
        if (end) finish(null);
      },
      onData: (chunk, start, end) => void chunks.push(Buffer.from(chunk.subarray(start, end))),
      onEnd: finish,
      onReset: reject,
      onDrain() {},
    });
    if (bytes === undefined) return;
    stream.write(bytes);
    stream.end();
  });
}

/** Lets everything that is ready run: microtasks, and what they schedule. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}
