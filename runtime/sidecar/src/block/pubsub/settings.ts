/** What the block itself reads from the metadata of a pub/sub component. */
import { type MetadataValue, type PubSub, revealed } from '@outrigger/components-core';
import type { ComponentEntry } from '../../component/registry.js';
import { type TopicScopes, topicScopes } from './scopes.js';

export type PubSubEntry = ComponentEntry<PubSub>;

export interface PubSubSettings {
  readonly scopes: TopicScopes;
  /** Sidecars with one consumer id compete for messages; each id gets every message. */
  readonly consumerId: string;
  /** `concurrencyMode: single`: one message at a time. */
  readonly serial: boolean;
  /** Dapr's in-memory bus gives every subscription of the process every message, streams of one topic included. */
  readonly fanOut: boolean;
}

export interface PubSubSettingsSource {
  /** `component` is the instance that `entry.ready()` gave: an entry knows its metadata only then, and outlives it. */
  of(entry: PubSubEntry, component: PubSub): PubSubSettings;
}

/** Read once for each instance. */
export function createSettingsSource(app: {
  readonly appId: string;
  readonly namespace: string;
}): PubSubSettingsSource {
  const known = new WeakMap<PubSub, PubSubSettings>();
  return {
    of: (entry, component) => {
      let settings = known.get(component);
      if (settings === undefined) {
        settings = read(entry, app);
        known.set(component, settings);
      }
      return settings;
    },
  };
}

function read(entry: PubSubEntry, app: { readonly appId: string; readonly namespace: string }): PubSubSettings {
  const lookup = (name: string): string | undefined => {
    const wanted = name.toLowerCase();
    for (const [key, value] of entry.metadata) {
      if (key.toLowerCase() === wanted && value !== undefined) return revealed(value as MetadataValue).trim();
    }
    return undefined;
  };
  const consumerId = (lookup('consumerID') ?? '')
    .replaceAll('{namespace}', app.namespace)
    .replaceAll('{appID}', app.appId);
  return {
    scopes: topicScopes(app.appId, lookup),
    consumerId: consumerId === '' ? app.appId : consumerId,
    serial: lookup('concurrencyMode') === 'single',
    fanOut: entry.type === 'pubsub.in-memory',
  };
}
