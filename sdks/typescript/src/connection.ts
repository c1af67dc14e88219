/** What every building block of the client shares: the transport, the API token and the default deadline. */
import {
  type CallOptions,
  type GrpcClient,
  GrpcCode,
  GrpcStatusError,
  Metadata,
  type MethodInfo,
} from '@outrigger/engine';

export interface RequestOptions {
  readonly signal?: AbortSignal;
  /** Overrides the client's `timeoutMs`. */
  readonly timeoutMs?: number;
}

/** A transport that calls the sidecar; `close` ends its connections. */
export type RpcTransport = GrpcClient & { close(): void | Promise<void> };

export class Connection {
  readonly transport: RpcTransport;
  readonly #apiToken: string | undefined;
  readonly #timeoutMs: number | undefined;

  constructor(transport: RpcTransport, apiToken: string | undefined, timeoutMs: number | undefined) {
    this.transport = transport;
    this.#apiToken = apiToken;
    this.#timeoutMs = timeoutMs;
  }

  /** A unary call. Rejects with GrpcStatusError. */
  call<I, O>(method: MethodInfo<I, O>, request: I, options: RequestOptions = {}): Promise<O> {
    return this.transport.unary(method, request, this.options(options, this.#timeoutMs));
  }

  /** Streams have no deadline unless one is asked for. */
  options(options: RequestOptions, defaultTimeoutMs?: number): CallOptions {
    const timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
    return {
      ...(this.#apiToken === undefined ? {} : { metadata: Metadata.of({ 'dapr-api-token': this.#apiToken }) }),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    };
  }
}

/** True when the sidecar answered that somebody else changed the item (etag mismatch). */
export function isConflict(error: unknown): boolean {
  return error instanceof GrpcStatusError && error.code === GrpcCode.ABORTED;
}
