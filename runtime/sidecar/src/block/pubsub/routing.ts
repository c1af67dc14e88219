/** Routing rules of a subscription: the first rule that matches says the path, else the default path. */
import type { SubscriptionSpec } from '../../config/model.js';
import { type Condition, compileCondition } from './cel.js';

/** Most rules of one subscription. */
export const RULES_MAX = 256;

/** The path for an event, or undefined: no rule matches. Throws OutriggerError when a rule cannot be evaluated. */
export type Router = (attributes: Readonly<Record<string, unknown>>) => string | undefined;

/** Rejects with an error that names the rule. A rule without a condition matches everything. */
export async function compileRouter(spec: Pick<SubscriptionSpec, 'rules' | 'defaultPath'>): Promise<Router> {
  if (spec.rules.length > RULES_MAX) throw new RangeError(`${spec.rules.length} routing rules, more than ${RULES_MAX}`);
  const rules: { readonly matches: Condition | undefined; readonly path: string }[] = [];
  for (const { match, path } of spec.rules) {
    const expression = match.trim();
    rules.push({ matches: expression === '' ? undefined : await compileCondition(expression), path });
  }
  const { defaultPath } = spec;
  if (rules.length === 0) return () => defaultPath;
  return (attributes) => {
    for (const { matches, path } of rules) if (matches === undefined || matches(attributes)) return path;
    return defaultPath;
  };
}
