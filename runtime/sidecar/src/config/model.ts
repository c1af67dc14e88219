/** Resource documents after loading: validated, defaults applied, each knowing where it was written. */
import type { MetadataValue } from '@outrigger/components-core';
import type { Dialect } from '../block/context.js';

/** Where a value came from: `resources/state.yaml:12:5`, `flag --app-id`, `default`. */
export interface Origin {
  readonly source: string;
  readonly line?: number;
  readonly column?: number;
}

interface DocumentBase {
  readonly name: string;
  readonly namespace: string | undefined;
  readonly origin: Origin;
  readonly dialect: Dialect;
  /** App ids that see the document; empty: all. */
  readonly scopes: readonly string[];
}

export interface ComponentDocument extends DocumentBase {
  readonly kind: 'Component';
  readonly type: string;
  readonly version: string;
  readonly ignoreErrors: boolean;
  readonly initTimeoutMs: number;
  /** Secret references resolved to `Secret` by the loader just before the component is created. */
  readonly metadata: readonly ComponentMetadataEntry[];
  readonly secretStore: string | undefined;
}

export interface ComponentMetadataEntry {
  readonly name: string;
  readonly value: MetadataValue | undefined;
  /** `store`: a store of its own, where the entry names one (Layotto's secret_ref); else the document's `secretStore`. */
  readonly secretKeyRef: { readonly name: string; readonly key: string; readonly store?: string } | undefined;
  readonly envRef: string | undefined;
  readonly origin: Origin;
}

/** Dapr Subscription v1alpha1 (`route`) and v2alpha1 (`routes`), in one form. */
export interface SubscriptionDocument extends DocumentBase {
  readonly kind: 'Subscription';
  readonly subscription: SubscriptionSpec;
}

export interface SubscriptionSpec {
  readonly pubsubName: string;
  readonly topic: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** CEL rules in order; the first that matches wins. */
  readonly rules: readonly { readonly match: string; readonly path: string }[];
  /** Path when no rule matches; undefined: unmatched messages are dropped (to the dead letter topic if set). */
  readonly defaultPath: string | undefined;
  readonly deadLetterTopic: string | undefined;
  readonly bulk: { readonly messagesMax: number; readonly awaitMs: number } | undefined;
}

export interface HttpEndpointDocument extends DocumentBase {
  readonly kind: 'HTTPEndpoint';
  readonly baseUrl: string;
  readonly headers: readonly ComponentMetadataEntry[];
  /** Where the headers' secret references are looked up. */
  readonly secretStore: string | undefined;
}

/** The parts of Dapr's Configuration kind that are honoured; what is not is named at start. */
export interface ConfigurationDocument extends DocumentBase {
  readonly kind: 'Configuration';
  readonly secretScopes: readonly {
    readonly storeName: string;
    readonly defaultAccess: 'allow' | 'deny';
    readonly allowedSecrets: readonly string[];
    readonly deniedSecrets: readonly string[];
  }[];
  readonly apiAllowed: readonly ApiRule[];
  readonly apiDenied: readonly ApiRule[];
  readonly componentsDenied: readonly string[];
  readonly metricsEnabled: boolean;
  readonly apiLogging:
    | { readonly enabled: boolean; readonly obfuscateUrls: boolean; readonly omitHealthChecks: boolean }
    | undefined;
  readonly tracingSamplingRate: number | undefined;
  /** Dapr's feature flags as written: HotReload, … */
  readonly features: Readonly<Record<string, boolean>>;
}

export interface ApiRule {
  readonly name: string;
  readonly version: string;
  readonly protocol: 'http' | 'grpc';
}

/** Kept as parsed until the policy engine reads it. */
export interface ResiliencyDocument extends DocumentBase {
  readonly kind: 'Resiliency';
  readonly spec: Readonly<Record<string, unknown>>;
}

export type ResourceDocument =
  | ComponentDocument
  | SubscriptionDocument
  | HttpEndpointDocument
  | ConfigurationDocument
  | ResiliencyDocument;

/** One immutable view of everything the folders hold; a change makes a new one. */
export interface ResourceSnapshot {
  readonly version: number;
  readonly components: readonly ComponentDocument[];
  readonly subscriptions: readonly SubscriptionDocument[];
  readonly httpEndpoints: readonly HttpEndpointDocument[];
  readonly configuration: ConfigurationDocument | undefined;
  readonly resiliencies: readonly ResiliencyDocument[];
}
