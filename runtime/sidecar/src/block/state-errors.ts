/** What a state component threw, as the rows of the table with Dapr's texts (components-contrib state/errors.go). */
import { ComponentError } from '@outrigger/components-core';
import type { OutriggerError } from '@outrigger/engine';
import { fail } from '../errors.js';
import { messageOf } from './component-call.js';

const ETAG_TEXTS = {
  'etag-mismatch': 'possible etag mismatch. error from state store',
  'etag-invalid': 'invalid etag value',
} as const;
type EtagKind = keyof typeof ETAG_TEXTS;

function etagKind(error: unknown): EtagKind | undefined {
  if (!(error instanceof ComponentError)) return undefined;
  return error.kind === 'etag-mismatch' || error.kind === 'etag-invalid' ? error.kind : undefined;
}

/** The text of a component's error; etag errors begin with Dapr's words. */
export function stateErrorText(error: unknown): string {
  const kind = etagKind(error);
  return kind === undefined ? messageOf(error) : `${ETAG_TEXTS[kind]}: ${messageOf(error)}`;
}

type WriteOperation = 'SAVE' | 'DELETE' | 'BULK_DELETE';
export interface WriteParams {
  readonly name: string;
  readonly key: string;
}

function writeError(
  operation: WriteOperation,
  kind: EtagKind | undefined,
  params: WriteParams,
  text: string,
  cause: unknown,
): OutriggerError {
  const outcome = kind === undefined ? 'FAILED' : kind === 'etag-mismatch' ? 'ETAG_MISMATCH' : 'ETAG_INVALID';
  return fail(`STATE_${operation}_${outcome}`, { ...params, error: text }, { cause });
}

/** One write failed. */
export function stateWriteError(operation: WriteOperation, params: WriteParams, error: unknown): OutriggerError {
  return writeError(operation, etagKind(error), params, stateErrorText(error), error);
}

/**
 * Some writes of a request failed. Only when all of them failed on etags does the request count as an etag error: then
 * nothing is gained by another try.
 */
export function stateWriteErrors(
  operation: WriteOperation,
  params: WriteParams,
  errors: readonly unknown[],
): OutriggerError {
  const text = errors.map(stateErrorText).join('\n');
  const kinds = errors.map(etagKind);
  if (kinds.includes(undefined)) return writeError(operation, undefined, params, text, errors[0]);
  const kind = kinds.includes('etag-invalid') ? 'etag-invalid' : 'etag-mismatch';
  return writeError(operation, kind, params, `${ETAG_TEXTS[kind]}: ${text}`, errors[0]);
}
