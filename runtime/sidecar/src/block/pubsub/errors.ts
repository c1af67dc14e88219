/** Errors of publishing with the details that Dapr attaches (pkg/api/errors/pubsub.go). */
import type { ErrorDetail, ErrorParams, OutriggerError } from '@outrigger/engine';
import { fail } from '../../errors.js';

type PubSubCode = Extract<Parameters<typeof fail>[0], `PUBSUB_${string}`>;

const DOMAIN = 'dapr.io';

/** Dapr's details: the component as ResourceInfo (not when it is not found), then ErrorInfo with `info`. */
export function pubSubError(
  code: PubSubCode,
  params: ErrorParams & { readonly name: string },
  info: Readonly<Record<string, string>>,
  cause?: unknown,
): OutriggerError {
  const bare = fail(code, params);
  const details: ErrorDetail[] = [];
  if (code !== 'PUBSUB_NOT_FOUND') {
    details.push({
      type: 'ResourceInfo',
      resourceType: 'pubsub',
      resourceName: params.name,
      owner: '',
      description: bare.message,
    });
  }
  details.push({ type: 'ErrorInfo', reason: bare.row.dapr?.reason ?? '', domain: DOMAIN, metadata: { ...info } });
  return fail(code, params, { details, cause });
}
