/**
 * The form that the gRPC engine asks of a codec, declared here by its structure: this package imports no engine.
 */

/** Where an encoder writes: a transport's slab, or a buffer of its own. */
export interface MessageWriter {
  buffer: Buffer;
  /** Bytes written so far. */
  end: number;
  /** Makes room for `bytes` more after `end`; may replace `buffer`, never moves what is written to another index. */
  ensure(bytes: number): void;
}

export interface MessageCodec<T> {
  readonly typeName: string;
  /** Decodes `buffer[start, end)`. Throws on malformed input. The message owns its bytes. */
  decode(buffer: Buffer, start: number, end: number): T;
  encode(message: T, writer: MessageWriter): void;
}

export type MethodKind = 'unary' | 'client-stream' | 'server-stream' | 'bidi';

/** One method of a service, as a gRPC server or client needs it. */
export interface MethodInfo<I, O> {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly kind: MethodKind;
  readonly request: MessageCodec<I>;
  readonly response: MessageCodec<O>;
}

/** What is to be known of a service without its messages. */
export interface ServiceInfo {
  readonly typeName: string;
  readonly methods: readonly Pick<MethodInfo<unknown, unknown>, 'path' | 'kind'>[];
}
