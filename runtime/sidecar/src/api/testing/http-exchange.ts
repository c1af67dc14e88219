/** HTTP exchanges without a connection: a request goes in, what the handler answers comes out. */
import {
  HeaderList,
  type HttpHandler,
  type PauseReason,
  type RequestHead,
  type ResetReason,
  type ResponseHead,
  type ServerStream,
  type StreamReceiver,
} from '@outrigger/engine';

export interface TestRequest {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly authority?: string;
  /** Address that the connection was accepted on. */
  readonly local?: string;
}

export interface TestResponse {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: Buffer;
  readonly text: string;
  /** Parses the body. */
  json(): unknown;
}

const nobody: StreamReceiver = { onData() {}, onEnd() {}, onReset() {}, onDrain() {} };

export class TestExchange implements ServerStream {
  readonly protocol = 'http/1.1' as const;
  readonly head: RequestHead;
  readonly headOnly: boolean;
  readonly remote = { kind: 'tcp', address: '127.0.0.1', port: 1 } as const;
  readonly local: ServerStream['local'];
  readonly tls: null = null;
  readonly writable = true;
  receiver: StreamReceiver = nobody;
  responded = false;
  readonly response: Promise<TestResponse>;
  #resolve: (response: TestResponse) => void = () => {};
  #reject: (error: Error) => void = () => {};
  #head: ResponseHead | undefined;
  readonly #chunks: Buffer[] = [];

  constructor(request: TestRequest) {
    const headers = HeaderList.of(request.headers ?? {});
    if (request.body !== undefined) headers.set('content-length', String(Buffer.byteLength(request.body)));
    this.head = {
      method: request.method ?? 'GET',
      scheme: 'http',
      authority: request.authority ?? 'localhost:3500',
      path: request.path,
      headers,
    };
    this.headOnly = request.body === undefined;
    this.local = { kind: 'tcp', address: request.local ?? '127.0.0.1', port: 3500 };
    this.response = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.response.catch(() => {});
  }

  respond(head: ResponseHead, end: boolean): void {
    if (this.responded) throw new Error('a second response head');
    this.responded = true;
    this.#head = head;
    if (end) this.#done();
  }

  inform(): void {}

  write(chunk: Uint8Array, start = 0, end: number = chunk.length): boolean {
    this.#chunks.push(Buffer.from(chunk.subarray(start, end)));
    return true;
  }

  end(): void {
    this.#done();
  }

  reset(reason: ResetReason): void {
    this.#reject(new Error(`the handler reset the stream: ${reason}`));
  }

  pause(_reason: PauseReason): void {}
  resume(_reason: PauseReason): void {}

  #done(): void {
    const { status, headers } = this.#head as ResponseHead;
    const body = Buffer.concat(this.#chunks);
    const text = body.toString('utf8');
    this.#resolve({ status, headers, body, text, json: () => JSON.parse(text) });
  }
}

/** Sends a request in pieces of `pieceBytes` and resolves with the answer. */
export function exchange(handler: HttpHandler, request: TestRequest, pieceBytes = 1000): Promise<TestResponse> {
  const stream = new TestExchange(request);
  handler(stream);
  const body = Buffer.from(request.body ?? '');
  for (let at = 0; at < body.length; at += pieceBytes) {
    stream.receiver.onData(body, at, Math.min(at + pieceBytes, body.length));
  }
  stream.receiver.onEnd(null);
  return stream.response;
}
