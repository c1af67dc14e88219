/** A request to an HTTP app: passes through, but for what the app may not say and for failures, which become answers. */
import {
  type ClientReceiver,
  type ClientStream,
  GrpcCode,
  HeaderList,
  type HttpOpener,
  type PauseReason,
  type RequestHead,
  type ResetReason,
  type ResponseHead,
  type StreamReset,
} from '@outrigger/engine';
import { fromUpstream } from '../../proxy/header-rules.js';
import { channelError, errorHead } from './wire.js';

export class AppHttpCall implements ClientStream, ClientReceiver {
  readonly protocol = 'h2' as const;
  readonly #receiver: ClientReceiver;
  readonly #local: boolean;
  #stream: ClientStream | null = null;
  #responded = false;
  #over = false;

  constructor(app: HttpOpener, head: RequestHead, end: boolean, receiver: ClientReceiver, local: boolean) {
    this.#receiver = receiver;
    this.#local = local;
    const stream = app.open(head, end, this);
    if (!this.#over) this.#stream = stream;
  }

  get writable(): boolean {
    return this.#stream?.writable ?? true;
  }

  write(chunk: Uint8Array, start?: number, end?: number): boolean {
    return this.#stream === null || this.#stream.write(chunk, start, end);
  }

  end(trailers?: HeaderList): void {
    this.#stream?.end(trailers);
  }

  reset(reason: ResetReason): void {
    this.#over = true;
    const stream = this.#stream;
    this.#stream = null;
    stream?.reset(reason);
  }

  pause(reason: PauseReason): void {
    this.#stream?.pause(reason);
  }

  resume(reason: PauseReason): void {
    this.#stream?.resume(reason);
  }

  onHead(head: ResponseHead, end: boolean): void {
    this.#responded = true;
    this.#receiver.onHead({ status: head.status, headers: new HeaderList(fromUpstream(head.headers.flat)) }, end);
  }

  onData(chunk: Buffer, start: number, end: number): void {
    this.#receiver.onData(chunk, start, end);
  }

  onEnd(trailers: HeaderList | null): void {
    this.#receiver.onEnd(trailers);
  }

  onReset(reset: StreamReset): void {
    this.#over = true;
    this.#stream = null;
    // Refused by app-max-concurrency: another instance may have room.
    if (this.#responded || reset.reason === 'refused') {
      this.#receiver.onReset(reset);
      return;
    }
    const text = this.#local ? reset.message : channelError(reset.message);
    queueMicrotask(() => this.#receiver.onHead(errorHead(GrpcCode.INTERNAL, text), true));
  }

  onDrain(): void {
    this.#receiver.onDrain();
  }
}
