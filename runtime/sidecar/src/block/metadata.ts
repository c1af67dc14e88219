/** What the sidecar tells of itself: components, subscriptions, the app's connection, and entries that callers set. */

import type { ComponentRegistry } from '../component/registry.js';
import type { AppOptions } from '../config/options.js';
import { fail } from '../errors.js';

/** Entries of extended metadata, overwritten ones not counted twice. */
export const METADATA_ENTRIES_MAX = 1_024;

export interface SubscriptionInfo {
  readonly pubsubName: string;
  readonly topic: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly rules: readonly { readonly match: string; readonly path: string }[];
  readonly deadLetterTopic: string;
  readonly type: 'declarative' | 'programmatic' | 'streaming';
}

export interface ComponentInfo {
  readonly name: string;
  readonly type: string;
  readonly version: string;
  readonly capabilities: readonly string[];
}

/** How the sidecar reaches the app. */
export type AppConnection = Pick<AppOptions, 'port' | 'host' | 'protocol' | 'concurrencyMax' | 'healthCheck'>;

export interface SidecarMetadata {
  readonly id: string;
  readonly runtimeVersion: string;
  readonly enabledFeatures: readonly string[];
  readonly components: readonly ComponentInfo[];
  readonly extended: Readonly<Record<string, string>>;
  readonly subscriptions: readonly SubscriptionInfo[];
  readonly httpEndpoints: readonly string[];
  readonly resiliencies: readonly string[];
  readonly app: AppConnection;
}

export interface MetadataDeps {
  readonly appId: string;
  /** The Dapr version whose API this is. */
  readonly runtimeVersion: string;
  readonly app: AppConnection;
  readonly registry: ComponentRegistry;
  enabledFeatures(): readonly string[];
  /** Those of the pub/sub block. */
  subscriptions(): readonly SubscriptionInfo[];
  httpEndpoints(): readonly string[];
  resiliencies(): readonly string[];
}

export interface MetadataBlock {
  get(): SidecarMetadata;
  /** An empty key is ignored, as by Dapr. Throws METADATA_TOO_MANY_ENTRIES. */
  set(key: string, value: string): void;
}

export function createMetadataBlock(deps: MetadataDeps): MetadataBlock {
  const extended = new Map<string, string>();
  return {
    get: () => ({
      id: deps.appId,
      runtimeVersion: deps.runtimeVersion,
      enabledFeatures: deps.enabledFeatures(),
      components: deps.registry
        .list()
        .map(({ name, type, version, capabilities }) => ({ name, type, version, capabilities })),
      extended: Object.fromEntries([...extended, ['daprRuntimeVersion', deps.runtimeVersion]]),
      subscriptions: deps.subscriptions(),
      httpEndpoints: deps.httpEndpoints(),
      resiliencies: deps.resiliencies(),
      app: deps.app,
    }),
    set(key, value) {
      if (key === '') return;
      if (!extended.has(key) && extended.size >= METADATA_ENTRIES_MAX) {
        throw fail('METADATA_TOO_MANY_ENTRIES', { limit: METADATA_ENTRIES_MAX });
      }
      extended.set(key, value);
    },
  };
}
