/** What one surface says of an error: the row of the table with that surface's overrides applied. */
import {
  type ErrorDetail,
  type ErrorRow,
  fillText,
  GrpcCode,
  OutriggerError,
  type SurfaceOverride,
} from '@outrigger/engine';
import { fail } from '../errors.js';

/** `domain` of every ErrorInfo, as Dapr's. */
export const ERROR_DOMAIN = 'dapr.io';

export type ErrorSurface = 'dapr-grpc' | 'dapr-http' | 'layotto-grpc';

export interface ErrorView {
  readonly grpc: GrpcCode;
  readonly http: number;
  /** Dapr's `errorCode`; `ERROR` for rows that name none. */
  readonly code: string;
  /** Category of `dapr_error_code_total`. */
  readonly category: string;
  readonly text: string;
  /** In Dapr's order: ErrorInfo comes last. */
  readonly details: readonly ErrorDetail[];
}

type DaprRow = NonNullable<ErrorRow['dapr']>;

function overrideOf(row: ErrorRow, surface: ErrorSurface): SurfaceOverride | undefined {
  if (surface === 'layotto-grpc') return row.layotto;
  return surface === 'dapr-grpc' ? row.dapr?.grpcApi : row.dapr?.httpApi;
}

/** The row's ErrorInfo where the surface sends one and the error does not bring its own. */
function errorInfoOf(
  error: OutriggerError,
  dapr: DaprRow,
  override: SurfaceOverride | undefined,
): ErrorDetail | undefined {
  const reason = override?.reason ?? dapr.reason;
  if (reason === undefined || error.details.some((detail) => detail.type === 'ErrorInfo')) return undefined;
  const metadata: Record<string, string> = {};
  for (const name of override?.info ?? dapr.info ?? []) {
    const value = error.params[name];
    if (value !== undefined && value !== '') metadata[name] = String(value);
  }
  return { type: 'ErrorInfo', reason, domain: ERROR_DOMAIN, metadata };
}

function withText(detail: ErrorDetail, text: string): ErrorDetail {
  if (detail.type === 'ResourceInfo' && detail.description === '{text}') return { ...detail, description: text };
  if (detail.type !== 'BadRequest') return detail;
  const fieldViolations = detail.fieldViolations.map(({ field, description }) => ({
    field,
    description: description === '{text}' ? text : description,
  }));
  return { type: 'BadRequest', fieldViolations };
}

/** Layotto attaches no details. */
export function errorView(error: OutriggerError, surface: ErrorSurface): ErrorView {
  const { row } = error;
  const override = overrideOf(row, surface);
  const text = override?.text === undefined ? error.message : fillText(override.text, error.params);
  let details: ErrorDetail[] = [];
  if (surface !== 'layotto-grpc') {
    details = error.details.map((detail) => withText(detail, text));
    const info = row.dapr === undefined ? undefined : errorInfoOf(error, row.dapr, override);
    if (info !== undefined) details.push(info);
  }
  return {
    grpc: GrpcCode[override?.grpc ?? row.grpc],
    http: override?.http ?? row.http,
    code: override?.code ?? row.dapr?.code ?? 'ERROR',
    category: row.dapr?.category ?? 'common',
    text,
    details,
  };
}

/**
 * Any thrown value as an error of the table. What is none of it is a fault of ours: its text stays in the log, the caller
 * gets API_INTERNAL.
 */
export function asOutriggerError(error: unknown): OutriggerError {
  return error instanceof OutriggerError ? error : fail('API_INTERNAL', {}, { cause: error });
}
