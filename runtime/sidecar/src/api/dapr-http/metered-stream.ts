/** An exchange that tells how it ended, for handlers that own their stream; its answer carries the fields of every answer. */
import {
  HeaderList,
  type PauseReason,
  type PeerAddress,
  type RequestHead,
  type ResetReason,
  type ResponseHead,
  type ServerStream,
  type StreamReceiver,
  type StreamReset,
  type TlsInfo,
} from '@outrigger/engine';

/** Status 0: the exchange ended before an answer began. */
export type ExchangeEnd = (status: number, responseBytes: number) => void;

export class MeteredStream implements ServerStream, StreamReceiver {
  readonly #stream: ServerStream;
  readonly #extraHeaders: readonly string[];
  #ended: ExchangeEnd | undefined;
  #status = 0;
  #bytes = 0;
  receiver: StreamReceiver;

  constructor(stream: ServerStream, extraHeaders: readonly string[], ended: ExchangeEnd) {
    this.#stream = stream;
    this.#extraHeaders = extraHeaders;
    this.#ended = ended;
    this.receiver = stream.receiver;
    stream.receiver = this;
  }

  get protocol(): 'http/1.1' | 'h2' {
    return this.#stream.protocol;
  }
  get head(): RequestHead {
    return this.#stream.head;
  }
  get headOnly(): boolean {
    return this.#stream.headOnly;
  }
  get remote(): PeerAddress {
    return this.#stream.remote;
  }
  get local(): PeerAddress {
    return this.#stream.local;
  }
  get tls(): TlsInfo | null {
    return this.#stream.tls;
  }
  get writable(): boolean {
    return this.#stream.writable;
  }
  get responded(): boolean {
    return this.#stream.responded;
  }

  respond(head: ResponseHead, end: boolean): void {
    const headers =
      this.#extraHeaders.length === 0 ? head.headers : new HeaderList([...head.headers.flat, ...this.#extraHeaders]);
    this.#status = head.status;
    this.#stream.respond({ status: head.status, headers }, end);
    if (end) this.#end();
  }

  inform(status: number): void {
    this.#stream.inform(status);
  }

  write(chunk: Uint8Array, start?: number, end?: number): boolean {
    this.#bytes += (end ?? chunk.length) - (start ?? 0);
    return this.#stream.write(chunk, start, end);
  }

  end(trailers?: HeaderList): void {
    this.#stream.end(trailers);
    this.#end();
  }

  reset(reason: ResetReason): void {
    this.#stream.reset(reason);
    this.#end();
  }

  pause(reason: PauseReason): void {
    this.#stream.pause(reason);
  }

  resume(reason: PauseReason): void {
    this.#stream.resume(reason);
  }

  onData(chunk: Buffer, start: number, end: number): void {
    this.receiver.onData(chunk, start, end);
  }

  onEnd(trailers: HeaderList | null): void {
    this.receiver.onEnd(trailers);
  }

  onReset(reset: StreamReset): void {
    this.#end();
    this.receiver.onReset(reset);
  }

  onDrain(): void {
    this.receiver.onDrain();
  }

  #end(): void {
    const ended = this.#ended;
    this.#ended = undefined;
    ended?.(this.#status, this.#bytes);
  }
}
