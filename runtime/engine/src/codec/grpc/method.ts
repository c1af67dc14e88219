/**
 * What a gRPC server serves and a gRPC client calls, neutral of the transport: the same handler runs on our engine, behind
 * connect's universal handlers (gRPC-Web, Connect), and in the SDK.
 */
import type { PeerAddress, TlsInfo } from '../../network/transport.js';
import type { Metadata } from './metadata.js';

/** Where an encoder writes: the transport's slab, or a buffer of its own. Same shape as `Slab`. */
export interface MessageWriter {
  buffer: Buffer;
  end: number;
  ensure(bytes: number): void;
}

/**
 * Encodes and decodes one message type. `decode` throws on malformed input; decoded messages own their bytes (D6).
 * Emitted codecs and protobuf-es adapters both have this form.
 */
export interface MessageCodec<T> {
  readonly typeName: string;
  decode(buffer: Buffer, start: number, end: number): T;
  encode(message: T, writer: MessageWriter): void;
}

export type MethodKind = 'unary' | 'client-stream' | 'server-stream' | 'bidi';

export interface MethodInfo<I, O> {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly kind: MethodKind;
  readonly request: MessageCodec<I>;
  readonly response: MessageCodec<O>;
}

/** What a handler knows of its call. Everything dear (signal, metadata) is made when first asked for. */
export interface ServerCall {
  readonly path: string;
  readonly metadata: Metadata;
  /** Point in `Clock.now()` time, or undefined. */
  readonly deadline: number | undefined;
  /** Aborts when the client cancels, the deadline passes, or the connection ends. */
  readonly signal: AbortSignal;
  readonly remote: PeerAddress;
  readonly tls: TlsInfo | null;
  /** Sends initial metadata now; afterwards it cannot change. */
  sendMetadata(metadata: Metadata): void;
  /** Trailing metadata, sent with the status. */
  readonly trailers: Metadata;
}

/** The sending half of a stream. `send` resolves (or returns undefined at once) when more may be sent. */
export interface MessageSink<O> {
  send(message: O): Promise<void> | undefined;
}

export type UnaryHandler<I, O> = (request: I, call: ServerCall) => O | Promise<O>;
export type ServerStreamHandler<I, O> = (request: I, call: ServerCall, sink: MessageSink<O>) => Promise<void>;
export type ClientStreamHandler<I, O> = (requests: AsyncIterable<I>, call: ServerCall) => Promise<O>;
export type BidiHandler<I, O> = (requests: AsyncIterable<I>, call: ServerCall, sink: MessageSink<O>) => Promise<void>;

export type GrpcMethod<I = never, O = unknown> =
  | (MethodInfo<I, O> & { readonly kind: 'unary'; readonly handler: UnaryHandler<I, O> })
  | (MethodInfo<I, O> & { readonly kind: 'server-stream'; readonly handler: ServerStreamHandler<I, O> })
  | (MethodInfo<I, O> & { readonly kind: 'client-stream'; readonly handler: ClientStreamHandler<I, O> })
  | (MethodInfo<I, O> & { readonly kind: 'bidi'; readonly handler: BidiHandler<I, O> });

export interface CallOptions {
  readonly metadata?: Metadata;
  /** Sent as `grpc-timeout` and enforced here. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Receives the initial and trailing metadata. */
  readonly onMetadata?: (metadata: Metadata) => void;
  readonly onTrailers?: (trailers: Metadata) => void;
}

/** A running client-streaming or bidi call. Iterating `responses` throws a GrpcStatusError when the call fails. */
export interface ClientCall<I, O> {
  /** Resolves (or returns undefined) when more may be sent. */
  send(message: I): Promise<void> | undefined;
  closeSend(): void;
  cancel(): void;
  readonly responses: AsyncIterable<O>;
}

export interface GrpcClient {
  unary<I, O>(method: MethodInfo<I, O>, request: I, options?: CallOptions): Promise<O>;
  serverStream<I, O>(method: MethodInfo<I, O>, request: I, options?: CallOptions): AsyncIterable<O>;
  stream<I, O>(method: MethodInfo<I, O>, options?: CallOptions): ClientCall<I, O>;
}
