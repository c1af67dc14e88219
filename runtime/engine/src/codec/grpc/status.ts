/** The outcome of a gRPC call that failed: what crosses the wire in grpc-status, grpc-message, grpc-status-details-bin. */
import type { GrpcCode } from '../../base/error.js';
import type { ResetReason } from '../http/stream.js';
import { Metadata } from './metadata.js';

export class GrpcStatusError extends Error {
  readonly code: GrpcCode;
  /** Encoded google.rpc.Status, when the sender attached details. */
  readonly details: Uint8Array | undefined;
  readonly trailers: Metadata;
  /** True when the call provably did not reach a handler, so that anybody may retry it. */
  readonly unprocessed: boolean;
  /** Why the stream ended, when it ended without a status of the peer's: the code is then our reading of it. */
  readonly reset: ResetReason | undefined;

  constructor(
    code: GrpcCode,
    message: string,
    options: {
      details?: Uint8Array;
      trailers?: Metadata;
      unprocessed?: boolean;
      reset?: ResetReason;
      cause?: unknown;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'GrpcStatusError';
    this.code = code;
    this.details = options.details;
    this.trailers = options.trailers ?? new Metadata();
    this.unprocessed = options.unprocessed ?? false;
    this.reset = options.reset;
  }
}
