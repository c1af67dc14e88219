/** What a gRPC client makes of a status, an HTTP status, or a reset. */
import { GrpcCode } from '../../base/error.js';
import type { StreamReset } from '../http/stream.js';

/** Of the field `grpc-status`. */
export function codeOfStatus(status: string): GrpcCode {
  const code = /^\d{1,2}$/.test(status) ? Number(status) : GrpcCode.UNKNOWN;
  return (code <= 16 ? code : GrpcCode.UNKNOWN) as GrpcCode;
}

/** https://grpc.github.io/grpc/core/md_doc_http-grpc-status-mapping.html */
export function codeOfHttp(status: number): GrpcCode {
  switch (status) {
    case 400:
      return GrpcCode.INTERNAL;
    case 401:
      return GrpcCode.UNAUTHENTICATED;
    case 403:
      return GrpcCode.PERMISSION_DENIED;
    case 404:
      return GrpcCode.UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
      return GrpcCode.UNAVAILABLE;
    default:
      return GrpcCode.UNKNOWN;
  }
}

/** "Errors" of gRPC over HTTP/2; a lost connection is UNAVAILABLE. */
export function codeOfReset(reset: StreamReset): GrpcCode {
  switch (reset.reason) {
    case 'cancel':
      return GrpcCode.CANCELLED;
    case 'refused':
    case 'connect':
    case 'connection-lost':
      return GrpcCode.UNAVAILABLE;
    case 'too-large':
      return GrpcCode.RESOURCE_EXHAUSTED;
    case 'timeout':
      return GrpcCode.DEADLINE_EXCEEDED;
    default:
      return GrpcCode.INTERNAL;
  }
}
