/** What the cases ask of a gRPC client, whoever wrote it. */
import type { MethodInfo } from '@outrigger/engine';

export interface InteropServer {
  readonly port: number;
  stop(): Promise<unknown>;
}

export interface InteropCallOptions {
  /** Bytes for names that end in `-bin`. */
  readonly metadata?: Readonly<Record<string, string | Uint8Array>>;
  readonly timeoutMs?: number;
}

/** A call of any kind, as a stream. */
export interface InteropCall<I, O> {
  send(message: I): void;
  closeSend(): void;
  cancel(): void;
  /** Throws an error with the gRPC `code` and a `details` or `message` when the call fails. */
  readonly responses: AsyncIterable<O>;
  /** Of the initial metadata. */
  header(name: string): string | undefined;
  /** Of the trailing metadata, binary. Known after the last response. */
  trailer(name: string): Uint8Array | undefined;
}

export interface InteropClient {
  call<I, O>(method: MethodInfo<I, O>, options?: InteropCallOptions): InteropCall<I, O>;
  close(): void | Promise<void>;
}
