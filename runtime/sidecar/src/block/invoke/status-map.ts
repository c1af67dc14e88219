/** gRPC codes and HTTP statuses in each other's terms, as Dapr maps them (dapr/dapr pkg/messaging/v1/util.go). */
import { GrpcCode } from '@outrigger/engine';

const HTTP_OF: readonly number[] = [
  200, // OK
  408, // CANCELLED
  500, // UNKNOWN
  400, // INVALID_ARGUMENT
  504, // DEADLINE_EXCEEDED
  404, // NOT_FOUND
  409, // ALREADY_EXISTS
  403, // PERMISSION_DENIED
  429, // RESOURCE_EXHAUSTED
  400, // FAILED_PRECONDITION
  409, // ABORTED
  400, // OUT_OF_RANGE
  501, // UNIMPLEMENTED
  500, // INTERNAL
  503, // UNAVAILABLE
  500, // DATA_LOSS
  401, // UNAUTHENTICATED
];

export function httpStatusOf(code: number): number {
  return HTTP_OF[code] ?? 500;
}

const CODE_OF: Readonly<Record<number, GrpcCode>> = {
  408: GrpcCode.CANCELLED,
  500: GrpcCode.UNKNOWN,
  400: GrpcCode.INTERNAL,
  504: GrpcCode.DEADLINE_EXCEEDED,
  404: GrpcCode.NOT_FOUND,
  409: GrpcCode.ALREADY_EXISTS,
  403: GrpcCode.PERMISSION_DENIED,
  401: GrpcCode.UNAUTHENTICATED,
  429: GrpcCode.RESOURCE_EXHAUSTED,
  501: GrpcCode.UNIMPLEMENTED,
  503: GrpcCode.UNAVAILABLE,
};

/** Not the inverse of `httpStatusOf`: what comes back of a 400 is INTERNAL, because the callee found our request wrong. */
export function grpcCodeOf(httpStatus: number): GrpcCode {
  if (httpStatus >= 200 && httpStatus < 300) return GrpcCode.OK;
  return CODE_OF[httpStatus] ?? GrpcCode.UNKNOWN;
}

/** grpc-go's names, which Dapr's error texts carry. */
const CODE_NAMES: readonly string[] = [
  'OK',
  'Canceled',
  'Unknown',
  'InvalidArgument',
  'DeadlineExceeded',
  'NotFound',
  'AlreadyExists',
  'PermissionDenied',
  'ResourceExhausted',
  'FailedPrecondition',
  'Aborted',
  'OutOfRange',
  'Unimplemented',
  'Internal',
  'Unavailable',
  'DataLoss',
  'Unauthenticated',
];

/** `rpc error: code = Internal desc = …`: how an error that crossed a sidecar hop reads in Dapr. */
export function rpcErrorText(code: number, message: string): string {
  return `rpc error: code = ${CODE_NAMES[code] ?? `Code(${code})`} desc = ${message}`;
}
