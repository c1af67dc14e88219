/** What a failed handler looks like on the wire. */
import { type ErrorRow, fillText, GrpcCode, OutriggerError, type SurfaceOverride } from '../../base/error.js';
import type { Metadata } from './metadata.js';
import { GrpcStatusError } from './status.js';
import { encodeStatusDetails } from './status-details.js';

export interface GrpcFailure {
  readonly code: GrpcCode;
  readonly message: string;
  /** Encoded google.rpc.Status. */
  readonly details: Uint8Array | undefined;
  readonly trailers: Metadata | undefined;
}

/** Whose codes and texts a surface uses where they differ from the table's. */
export type GrpcDialect = 'dapr' | 'layotto';

function overrideOf(row: ErrorRow, dialect: GrpcDialect | undefined): SurfaceOverride | undefined {
  if (dialect === 'dapr') return row.dapr?.grpcApi;
  return dialect === 'layotto' ? row.layotto : undefined;
}

/**
 * OutriggerError → its row (or the dialect's override) with its details; GrpcStatusError → itself; anything else →
 * UNKNOWN with its message, as grpc-go does with a plain error. Never a stack.
 */
export function toGrpcStatus(error: unknown, dialect?: GrpcDialect): GrpcFailure {
  if (error instanceof OutriggerError) {
    const override = overrideOf(error.row, dialect);
    const code = GrpcCode[override?.grpc ?? error.row.grpc];
    const message = override?.text === undefined ? error.message : fillText(override.text, error.params);
    const details = error.details.length === 0 ? undefined : encodeStatusDetails(code, message, error.details);
    return { code, message, details, trailers: undefined };
  }
  if (error instanceof GrpcStatusError) {
    const { code, message, details, trailers } = error;
    return { code: code === GrpcCode.OK ? GrpcCode.UNKNOWN : code, message, details, trailers };
  }
  const message = error instanceof Error ? error.message : typeof error === 'string' ? error : 'unknown error';
  return { code: GrpcCode.UNKNOWN, message, details: undefined, trailers: undefined };
}
