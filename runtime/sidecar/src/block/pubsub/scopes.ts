/** Which topics an app may publish and subscribe to: component metadata read as Dapr reads it (pkg/scopes). */

export interface TopicScopes {
  mayPublish(topic: string): boolean;
  maySubscribe(topic: string): boolean;
}

/** `metadata` looks a field up without regard to case. */
export function topicScopes(appId: string, metadata: (name: string) => string | undefined): TopicScopes {
  const allowed = topicsOf(metadata('allowedTopics'));
  const guarded = topicsOf(metadata('protectedTopics'));
  const publishing = scopedTopics(metadata('publishingScopes'), appId);
  const subscribing = scopedTopics(metadata('subscriptionScopes'), appId);
  const isAllowed = (topic: string, scoped: ReadonlySet<string>): boolean => {
    if (allowed.size > 0 && !allowed.has(topic)) return false;
    // A protected topic needs a scope that names it; without any scope for this app every other topic is free.
    if (!guarded.has(topic) && scoped.size === 0) return true;
    return scoped.has(topic);
  };
  return {
    mayPublish: (topic) => isAllowed(topic, publishing),
    maySubscribe: (topic) => isAllowed(topic, subscribing),
  };
}

/** `topic1, topic2` */
function topicsOf(text: string | undefined): ReadonlySet<string> {
  return new Set(text === undefined || text === '' ? [] : text.replaceAll(' ', '').split(','));
}

/** `app1=topic1;app2=topic2,topic3` */
function scopedTopics(text: string | undefined, appId: string): ReadonlySet<string> {
  const topics = new Set<string>();
  for (const part of (text ?? '').replaceAll(' ', '').split(';')) {
    const [app, list] = part.split('=');
    if (app !== appId || list === undefined) continue;
    for (const topic of list.split(',')) topics.add(topic);
  }
  return topics;
}
