/** Dapr's kind Subscription, v1alpha1 (`route`) and v2alpha1 (`routes`), in one form. */
import { readBase } from './document-base.js';
import { MapReader } from './map-reader.js';
import type { SubscriptionDocument, SubscriptionSpec } from './model.js';
import type { ReadContext } from './read-context.js';
import type { MapNode } from './tree.js';

/** Dapr's defaults of bulkSubscribe (pkg/runtime/pubsub). */
const BULK_MESSAGES_DEFAULT = 100;
const BULK_AWAIT_DEFAULT_MS = 1000;
const INT32_MAX = 2 ** 31 - 1;

export function readSubscription(
  node: MapNode,
  apiVersion: 'v1alpha1' | 'v2alpha1',
  context: ReadContext,
): SubscriptionDocument | undefined {
  const reader = new MapReader(node, '', context);
  const base = readBase(reader, context.dialect, context.unknownKeys === 'error');
  const spec = reader.map('spec');
  if (spec === undefined && !reader.has('spec')) reader.fail(reader.origin, 'spec is missing');
  const subscription = spec === undefined ? undefined : readSpec(spec, apiVersion);
  spec?.finish();
  reader.finish();
  if (reader.failed || spec?.failed || subscription === undefined) return undefined;
  return { kind: 'Subscription', ...base, subscription };
}

function readSpec(spec: MapReader, apiVersion: 'v1alpha1' | 'v2alpha1'): SubscriptionSpec | undefined {
  const pubsubName = spec.requiredText('pubsubname');
  const topic = spec.requiredText('topic');
  const metadata = spec.textMap('metadata');
  const deadLetterTopic = spec.text('deadLetterTopic');
  const bulk = readBulk(spec);
  const routing = apiVersion === 'v1alpha1' ? { rules: [], defaultPath: spec.requiredText('route') } : readRoutes(spec);
  if (pubsubName === undefined || topic === undefined) return undefined;
  return { pubsubName, topic, metadata, ...routing, deadLetterTopic: deadLetterTopic || undefined, bulk };
}

function readBulk(spec: MapReader): SubscriptionSpec['bulk'] {
  const bulk = spec.map('bulkSubscribe');
  if (bulk === undefined) return undefined;
  const enabled = bulk.bool('enabled') ?? false;
  const messagesMax = bulk.integer('maxMessagesCount', 0, INT32_MAX) || BULK_MESSAGES_DEFAULT;
  const awaitMs = bulk.integer('maxAwaitDurationMs', 0, INT32_MAX) || BULK_AWAIT_DEFAULT_MS;
  bulk.finish();
  if (bulk.failed) spec.failed = true;
  return enabled ? { messagesMax, awaitMs } : undefined;
}

function readRoutes(spec: MapReader): Pick<SubscriptionSpec, 'rules' | 'defaultPath'> {
  const routes = spec.map('routes');
  if (routes === undefined) {
    if (!spec.has('routes')) spec.fail(spec.origin, `${spec.path('routes')} is missing`);
    return { rules: [], defaultPath: undefined };
  }
  const rules: { match: string; path: string }[] = [];
  let defaultPath = routes.text('default') || undefined;
  let closed = false;
  for (const rule of routes.maps('rules')) {
    const match = rule.text('match') ?? '';
    const path = rule.requiredText('path');
    rule.finish();
    if (rule.failed) spec.failed = true;
    if (path === undefined) continue;
    if (closed) {
      rule.warn(rule.origin, `${rule.where} is never reached: a rule without match comes before it`);
    } else if (match === '') {
      // Dapr: a rule without match takes every event that comes to it, so nothing after it is reached.
      closed = true;
      defaultPath = path;
    } else rules.push({ match, path });
  }
  routes.finish();
  if (routes.failed) spec.failed = true;
  return { rules, defaultPath };
}
