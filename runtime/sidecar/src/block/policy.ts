/**
 * The one place where timeouts, retries and breakers meet calls to components. A block asks once per component for the
 * policy of its calls and keeps it until `version` changes; without one it calls the component directly.
 */
import { ComponentError, type ComponentErrorKind, type ComponentKind } from '@outrigger/components-core';
import type { CallContext, MaybePromise } from './context.js';

export interface ComponentPolicy {
  /**
   * Runs `call`, again where the policy says so and `isPermanent` does not forbid it. Throws the last error of the call, or
   * the policy's own OutriggerError (timed out, breaker open), which blocks pass on as it is. An answer that comes
   * without a promise leaves without one.
   */
  run<T>(context: CallContext, call: () => MaybePromise<T>): MaybePromise<T>;
}

export interface PolicySource {
  /** Grows with every change of configuration: who keeps a policy asks again. */
  readonly version: number;
  /** undefined: no policy, call directly. */
  outbound(kind: ComponentKind, name: string): ComponentPolicy | undefined;
}

/** No policy anywhere: the default until the policy engine stands behind it. */
export const noPolicies: PolicySource = { version: 0, outbound: () => undefined };

const PERMANENT: ReadonlySet<ComponentErrorKind> = new Set([
  'etag-mismatch',
  'etag-invalid',
  'not-found',
  'too-large',
  'invalid',
  'unsupported',
]);

/** True for errors that the same call would meet again: they are never retried, and no breaker counts them. */
export function isPermanent(error: unknown): boolean {
  return error instanceof ComponentError && PERMANENT.has(error.kind);
}
