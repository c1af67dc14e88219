/**
 * One error class over hand-written tables (D2). A row holds what every surface needs to know about an error: the gRPC
 * and HTTP status, the sentence, the hint, and where a dialect has its own code or text, that as well.
 */

/** gRPC status codes (https://grpc.github.io/grpc/core/md_doc_statuscodes.html). */
export const GrpcCode = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;
export type GrpcCode = (typeof GrpcCode)[keyof typeof GrpcCode];
/** Rows name the code, so that a table reads without a legend; `GrpcCode[row.grpc]` is the number. */
export type GrpcCodeName = keyof typeof GrpcCode;

/** What one surface of a dialect says where it differs from the row. */
export interface SurfaceOverride {
  readonly grpc?: GrpcCodeName;
  readonly http?: number;
  readonly text?: string;
  /** Another `errorCode`. */
  readonly code?: string;
  /** Another ErrorInfo `reason`. */
  readonly reason?: string;
  /** Other parameters in ErrorInfo's metadata. */
  readonly info?: readonly string[];
}

export interface ErrorRow {
  readonly grpc: GrpcCodeName;
  readonly http: number;
  /** A sentence with `{param}` places. */
  readonly text: string;
  /** How to mend it. */
  readonly hint?: string;
  /** Envoy-style response flag, on the data path. */
  readonly flag?: string;
  /**
   * Dapr's `errorCode` (HTTP), the ErrorInfo `reason` (details; absent: none is attached), the parameters that ErrorInfo
   * carries as metadata, the category of `dapr_error_code_total`, and where one surface differs.
   */
  readonly dapr?: {
    readonly code: string;
    readonly reason?: string;
    readonly info?: readonly string[];
    readonly category?: string;
    readonly httpApi?: SurfaceOverride;
    readonly grpcApi?: SurfaceOverride;
  };
  readonly layotto?: SurfaceOverride;
}

/** The google.rpc detail messages that Dapr attaches to errors. A description `{text}` stands for the error's own text. */
export type ErrorDetail =
  | {
      readonly type: 'ErrorInfo';
      readonly reason: string;
      readonly domain: string;
      readonly metadata: Record<string, string>;
    }
  | {
      readonly type: 'ResourceInfo';
      readonly resourceType: string;
      readonly resourceName: string;
      readonly owner: string;
      readonly description: string;
    }
  | {
      readonly type: 'BadRequest';
      readonly fieldViolations: readonly { readonly field: string; readonly description: string }[];
    }
  | { readonly type: 'Help'; readonly links: readonly { readonly url: string; readonly description: string }[] };

export type ErrorParams = Readonly<Record<string, string | number>>;

export interface FailOptions {
  readonly cause?: unknown;
  readonly details?: readonly ErrorDetail[];
}

/** Fills `{name}` places of a row's text; an unknown place stays as it is, so that it is seen. */
export function fillText(text: string, params: ErrorParams): string {
  return text.replace(/\{(\w+)\}/g, (place, name: string) => (name in params ? String(params[name]) : place));
}

export class OutriggerError extends Error {
  readonly code: string;
  readonly row: ErrorRow;
  readonly params: ErrorParams;
  readonly details: readonly ErrorDetail[];

  constructor(code: string, row: ErrorRow, params: ErrorParams = {}, options: FailOptions = {}) {
    super(fillText(row.text, params), options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'OutriggerError';
    this.code = code;
    this.row = row;
    this.params = params;
    this.details = options.details ?? [];
  }
}

/** Makes the `fail(code, params, options)` of one table: it builds the error, the caller throws it. */
export function errorsOf<T extends Record<string, ErrorRow>>(
  table: T,
): (code: keyof T & string, params?: ErrorParams, options?: FailOptions) => OutriggerError {
  return (code, params, options) => new OutriggerError(code, table[code] as ErrorRow, params, options);
}
