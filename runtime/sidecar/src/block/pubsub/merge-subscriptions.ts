/** Which subscriptions of an app are in force, from documents and from the app itself, as Dapr merges them. */
import type { SubscriptionDocument, SubscriptionSpec } from '../../config/model.js';

export interface AppSubscription {
  readonly spec: SubscriptionSpec;
  readonly type: 'declarative' | 'programmatic';
}

/** One for each topic: of two documents the first wins, and what the app says itself wins over documents. */
export function mergeSubscriptions(
  documents: readonly SubscriptionDocument[],
  programmatic: readonly SubscriptionSpec[],
  appId: string,
): readonly AppSubscription[] {
  const merged = new Map<string, AppSubscription>();
  for (const { scopes, subscription } of documents) {
    if (scopes.length > 0 && !scopes.includes(appId)) continue;
    const key = topicKey(subscription);
    if (!merged.has(key)) merged.set(key, { spec: subscription, type: 'declarative' });
  }
  for (const spec of programmatic) merged.set(topicKey(spec), { spec, type: 'programmatic' });
  return [...merged.values()];
}

export function topicKey({ pubsubName, topic }: Pick<SubscriptionSpec, 'pubsubName' | 'topic'>): string {
  return `${pubsubName}\0${topic}`;
}

/** Specs are plain data: equal text is an equal subscription. */
export function sameSpec(a: SubscriptionSpec, b: SubscriptionSpec): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
