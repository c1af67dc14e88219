/** What the ways to invoke have in common: identity, targets, errors, metrics. */
import type { Clock, OutriggerError, StreamReset } from '@outrigger/engine';
import { fail } from '../../errors.js';
import { ResponseFlag } from '../../proxy/decision.js';
import type { MeshProxy } from '../../proxy/proxy.js';
import type { InvokeMetrics } from './metrics.js';
import { rpcErrorText } from './status-map.js';
import { type InvokeTarget, resolveTarget, serviceNotFound, type TargetRules } from './target.js';
import { CALLEE_APP_ID, CALLER_APP_ID, CALLER_NAMESPACE, type WireError } from './wire.js';

export interface InvokeCore {
  readonly appId: string;
  readonly namespace: string;
  readonly proxy: MeshProxy;
  readonly clock: Clock;
  readonly metrics: InvokeMetrics;
  readonly rules: TargetRules;
  /** x-forwarded-for and the like, as this sidecar adds them: name, value, … */
  readonly forwarded: readonly string[];
  /** Largest message in either direction. */
  readonly messageBytesMax: number;
}

const PERMISSION_DENIED = 7;
const UNAVAILABLE = 14;

/** The target, or the error to answer. */
export function targetOf(core: InvokeCore, id: string): InvokeTarget | OutriggerError {
  const resolved = resolveTarget(id, core.rules);
  if (resolved.kind === 'app' || resolved.kind === 'external') return resolved;
  const code = resolved.kind === 'denied' ? 'INVOKE_PERMISSION_DENIED' : 'INVOKE_FAILED';
  return fail(code, { id, error: resolved.error });
}

/** Adds who calls whom, and on whose behalf we forward: fields of ours, which `fromCaller` has removed before. */
export function addIdentity(core: InvokeCore, flat: string[], calleeAppId: string): void {
  for (const part of core.forwarded) flat.push(part);
  flat.push(CALLER_NAMESPACE, core.namespace, CALLER_APP_ID, core.appId, CALLEE_APP_ID, calleeAppId);
}

/** The app id without its namespace: what the callee's sidecar is called. */
export function calleeOf(virtualHost: string): string {
  const dot = virtualHost.indexOf('.');
  return dot < 0 ? virtualHost : virtualHost.slice(0, dot);
}

const flagsOf = (reset: StreamReset): number => ('flags' in reset && typeof reset.flags === 'number' ? reset.flags : 0);
const retriesOf = (reset: StreamReset): number =>
  'retries' in reset && typeof reset.retries === 'number' ? reset.retries : 0;

/** True when the target is not known, rather than out of reach. */
export function isUnknownTarget(reset: StreamReset): boolean {
  return (flagsOf(reset) & (ResponseFlag.noRoute | ResponseFlag.noHost)) !== 0;
}

/** What went wrong, without Dapr's "failed to invoke" around it. */
export function failureText(target: InvokeTarget, reset: StreamReset): string {
  if (target.kind === 'external') return reset.message;
  if (isUnknownTarget(reset)) return serviceNotFound(target.id);
  const error = rpcErrorText(UNAVAILABLE, reset.message);
  return `failed to invoke target ${target.id} after ${retriesOf(reset)} retries. Error: ${error}`;
}

/** The error of a call that got no answer. */
export function failureOf(target: InvokeTarget, reset: StreamReset, timeoutMs: number): OutriggerError {
  if (reset.reason === 'timeout') return fail('INVOKE_TIMEOUT', { id: target.id, timeoutMs });
  return fail('INVOKE_FAILED', { id: target.id, error: failureText(target, reset) });
}

/** The error that the callee's sidecar answered. */
export function wireFailure(core: InvokeCore, target: InvokeTarget, error: WireError): OutriggerError {
  const code = error.code === PERMISSION_DENIED ? 'INVOKE_PERMISSION_DENIED' : 'INVOKE_FAILED';
  // A call to oneself crosses no hop: its errors read as they are.
  const text = isSelf(core, target) ? error.message : rpcErrorText(error.code, error.message);
  return fail(code, { id: target.id, error: text });
}

export function isSelf(core: InvokeCore, target: InvokeTarget): boolean {
  return target.kind === 'app' && target.virtualHost === core.appId;
}
