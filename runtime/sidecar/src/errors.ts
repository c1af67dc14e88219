/** The sidecar's extension of the error table (D2). Surfaces turn rows into their dialect's codes and texts; docs derive from it. */
import { errorsOf } from '@outrigger/engine';

export const SIDECAR_ERRORS = {
  STATE_STORES_NOT_CONFIGURED: {
    grpc: 'FAILED_PRECONDITION',
    http: 500,
    text: 'state store {name} is not configured',
    hint: 'add a Component document of a state.* type to the resources folder',
    dapr: { code: 'ERR_STATE_STORE_NOT_CONFIGURED', reason: 'DAPR_STATE_NOT_CONFIGURED' },
  },
  STATE_STORE_NOT_FOUND: {
    grpc: 'INVALID_ARGUMENT',
    http: 400,
    text: 'state store {name} is not found',
    hint: 'check the name against `outrigger components`',
    dapr: { code: 'ERR_STATE_STORE_NOT_FOUND', reason: 'DAPR_STATE_NOT_FOUND' },
  },
} as const;

export const fail: ReturnType<typeof errorsOf<typeof SIDECAR_ERRORS>> = errorsOf(SIDECAR_ERRORS);
