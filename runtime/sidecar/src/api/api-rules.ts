/** `api.allowed` and `api.denied` of Dapr's Configuration kind: which APIs exist at all. */
import type { ApiRule } from '../config/model.js';

export interface ApiRules {
  readonly allowed: readonly ApiRule[];
  readonly denied: readonly ApiRule[];
}

export const allApis: ApiRules = { allowed: [], denied: [] };

/** Rules of one protocol as a predicate: a denied API is refused first; with allowed ones, all others are refused. */
export function apiFilter(
  rules: ApiRules,
  protocol: ApiRule['protocol'],
): (matches: (rule: ApiRule) => boolean) => boolean {
  const ofProtocol = (list: readonly ApiRule[]): readonly ApiRule[] =>
    list.filter((rule) => rule.protocol === protocol);
  const allowed = ofProtocol(rules.allowed);
  const denied = ofProtocol(rules.denied);
  return (matches) => !denied.some(matches) && (allowed.length === 0 || allowed.some(matches));
}
