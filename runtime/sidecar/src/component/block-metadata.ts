/** Metadata fields that belong to the block in front of a component, not to the component; and what a component can do. */
import type {
  Component,
  ComponentKind,
  MetadataValue,
  PubSub,
  SecretStore,
  StateStore,
} from '@outrigger/components-core';
import type { Dialect } from '../block/context.js';

const BLOCK_FIELDS: Partial<Record<ComponentKind, readonly string[]>> = {
  state: [
    'keyPrefix',
    'actorStateStore',
    'primaryEncryptionKey',
    'secondaryEncryptionKey',
    'outboxPublishPubsub',
    'outboxPublishTopic',
    'outboxPubsub',
    'outboxDiscardWhenMissingState',
  ],
  pubsub: [
    'consumerID',
    'concurrencyMode',
    'allowedTopics',
    'publishingScopes',
    'subscriptionScopes',
    'protectedTopics',
  ],
  configuration: ['store_name', 'app_id'],
  lock: ['keyPrefix'],
  sequencer: ['keyPrefix', 'biggerThan', 'segmentCacheEnable', 'segmentStep'],
};

export function blockFields(kind: ComponentKind): readonly string[] {
  return BLOCK_FIELDS[kind] ?? [];
}

/**
 * The block's fields under their proper names. Dapr looks metadata up without regard to case, Layotto exactly (its
 * `keyprefix` is no `keyPrefix`).
 */
export function blockMetadata(
  kind: ComponentKind,
  dialect: Dialect,
  metadata: ReadonlyMap<string, MetadataValue>,
): ReadonlyMap<string, MetadataValue> {
  const found = new Map<string, MetadataValue>();
  for (const field of blockFields(kind)) {
    for (const [name, value] of metadata) {
      if (dialect === 'layotto' ? name === field : name.toLowerCase() === field.toLowerCase()) found.set(field, value);
    }
  }
  return found;
}

/** As Dapr's metadata API lists them: features, and ACTOR for stores that actors may live in. */
export function capabilitiesOf(kind: ComponentKind, component: Component): readonly string[] {
  switch (kind) {
    case 'state': {
      const features: string[] = [...(component as StateStore).features];
      return features.includes('ETAG') && features.includes('TRANSACTIONAL') ? [...features, 'ACTOR'] : features;
    }
    case 'pubsub':
      return [...(component as PubSub).features];
    case 'secretstores':
      return [...(component as SecretStore).features];
    default:
      return [];
  }
}
