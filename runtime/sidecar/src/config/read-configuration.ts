/**
 * Dapr's kind Configuration. Parts that are not served are named; those whose absence would open a door (access control,
 * middleware pipelines) refuse the document instead, because a guard that is silently off is worse than none.
 */
import { readBase } from './document-base.js';
import { MapReader } from './map-reader.js';
import type { ApiRule, ConfigurationDocument } from './model.js';
import type { ReadContext } from './read-context.js';
import type { MapNode } from './tree.js';

/** What one document says; undefined where it says nothing, so that several --config documents lay over one another. */
type Parts = {
  -readonly [K in Exclude<keyof ConfigurationDocument, keyof Base>]?: ConfigurationDocument[K] | undefined;
};
type Base = Pick<ConfigurationDocument, 'kind' | 'name' | 'namespace' | 'origin' | 'dialect' | 'scopes'>;

export interface ReadConfiguration {
  readonly base: Base;
  readonly parts: Parts;
}

/** Name resolvers that are the local registry, or that it stands in for without loss on one machine. */
const LOCAL_RESOLVERS = new Set(['local', 'mdns', 'sqlite']);

export function readConfiguration(node: MapNode, context: ReadContext): ReadConfiguration | undefined {
  const reader = new MapReader(node, '', context);
  const base: Base = { kind: 'Configuration', ...readBase(reader, context.dialect, false) };
  const spec = reader.map('spec');
  const parts: Parts = {};
  if (spec !== undefined) {
    parts.secretScopes = readSecretScopes(spec);
    readApi(spec, parts);
    parts.componentsDenied = readComponents(spec);
    parts.metricsEnabled = readMetrics(spec);
    parts.apiLogging = readLogging(spec);
    parts.tracingSamplingRate = readTracing(spec);
    parts.features = readFeatures(spec);
    readNameResolution(spec);
    refuse(spec, 'accessControl', readsAsOff);
    refuse(spec, 'httpPipeline', hasNoHandlers);
    refuse(spec, 'appHttpPipeline', hasNoHandlers);
    spec.notHonoured('mtls', 'is not served yet: traffic between sidecars is not encrypted by it');
    spec.notHonoured('wasm', 'has no effect: no WebAssembly component is served');
    spec.notHonoured('workflow', 'has no effect: workflows are not served yet');
    spec.finish();
    if (spec.failed) reader.failed = true;
  }
  reader.finish();
  return reader.failed ? undefined : { base, parts };
}

/** Later documents win, part by part, as Dapr loads several --config files over one another. */
export function mergeConfigurations(read: readonly ReadConfiguration[]): ConfigurationDocument | undefined {
  const [first] = read;
  if (first === undefined) return undefined;
  const merged: Parts = {};
  for (const { parts } of read) {
    for (const key of Object.keys(parts) as (keyof Parts)[]) {
      if (parts[key] !== undefined) Object.assign(merged, { [key]: parts[key] });
    }
  }
  return {
    ...first.base,
    secretScopes: merged.secretScopes ?? [],
    apiAllowed: merged.apiAllowed ?? [],
    apiDenied: merged.apiDenied ?? [],
    componentsDenied: merged.componentsDenied ?? [],
    metricsEnabled: merged.metricsEnabled ?? true,
    apiLogging: merged.apiLogging,
    tracingSamplingRate: merged.tracingSamplingRate,
    features: merged.features ?? {},
  };
}

function done(reader: MapReader | undefined, owner: MapReader): void {
  reader?.finish();
  if (reader?.failed) owner.failed = true;
}

function readSecretScopes(spec: MapReader): Parts['secretScopes'] {
  const secrets = spec.map('secrets');
  if (secrets === undefined) return undefined;
  const seen = new Set<string>();
  const scopes = secrets.maps('scopes').map((scope) => {
    const storeName = scope.requiredText('storeName') ?? '';
    if (storeName !== '' && seen.has(storeName)) {
      scope.fail(scope.originOf('storeName'), `${storeName} storeName is repeated in secrets configuration`);
    }
    seen.add(storeName);
    const defaultAccess = scope.oneOf('defaultAccess', ['allow', 'deny'] as const) ?? 'allow';
    const allowedSecrets = scope.texts('allowedSecrets');
    const deniedSecrets = scope.texts('deniedSecrets');
    done(scope, secrets);
    return { storeName, defaultAccess, allowedSecrets, deniedSecrets };
  });
  done(secrets, spec);
  return scopes;
}

function readApi(spec: MapReader, parts: Parts): void {
  const api = spec.map('api');
  if (api === undefined) return;
  const rules = (key: string): ApiRule[] =>
    api.maps(key).flatMap((rule) => {
      const name = rule.requiredText('name');
      const version = rule.scalarText('version') ?? '';
      const protocol = rule.oneOf('protocol', ['http', 'grpc'] as const);
      done(rule, api);
      if (name === undefined) return [];
      // Dapr compares the protocol literally, so its rule without one is never applied; that cannot be what was meant.
      if (protocol === undefined && !rule.failed) {
        rule.warn(rule.origin, `${rule.where} names no protocol; it is applied to both http and grpc`);
        return [
          { name, version, protocol: 'http' },
          { name, version, protocol: 'grpc' },
        ];
      }
      return [{ name, version, protocol: protocol ?? 'http' }];
    });
  parts.apiAllowed = rules('allowed');
  parts.apiDenied = rules('denied');
  done(api, spec);
}

function readComponents(spec: MapReader): Parts['componentsDenied'] {
  const components = spec.map('components');
  if (components === undefined) return undefined;
  const denied = components.texts('deny');
  done(components, spec);
  return denied;
}

/** `metric` is the older spelling of `metrics`; either switches off. */
function readMetrics(spec: MapReader): boolean | undefined {
  let enabled: boolean | undefined;
  for (const key of ['metric', 'metrics']) {
    const metrics = spec.map(key);
    if (metrics === undefined) continue;
    const said = metrics.bool('enabled');
    if (said !== undefined) enabled = (enabled ?? true) && said;
    metrics.bool('recordErrorCodes');
    const http = metrics.map('http');
    http?.bool('increasedCardinality');
    http?.texts('pathMatching');
    http?.bool('excludeVerbs');
    done(http, metrics);
    for (const part of ['http', 'rules', 'latencyDistributionBuckets', 'workflow']) {
      metrics.notHonoured(part, 'has no effect yet: metrics keep their default labels and buckets');
    }
    done(metrics, spec);
  }
  return enabled;
}

function readLogging(spec: MapReader): Parts['apiLogging'] {
  const logging = spec.map('logging');
  const api = logging?.map('apiLogging');
  const result =
    api === undefined
      ? undefined
      : {
          enabled: api.bool('enabled') ?? false,
          obfuscateUrls: api.bool('obfuscateURLs') ?? false,
          omitHealthChecks: api.bool('omitHealthChecks') ?? false,
        };
  if (logging !== undefined) {
    done(api, logging);
    done(logging, spec);
  }
  return result;
}

function readTracing(spec: MapReader): number | undefined {
  const tracing = spec.map('tracing');
  if (tracing === undefined) return undefined;
  const text = tracing.scalarText('samplingRate') ?? '';
  const rate = Number(text);
  if (text !== '' && !(rate >= 0 && rate <= 1)) {
    tracing.fail(
      tracing.originOf('samplingRate'),
      `${tracing.path('samplingRate')} must be from 0 to 1, it is "${text}"`,
    );
  }
  for (const exporter of ['stdout', 'zipkin', 'otel']) {
    tracing.notHonoured(exporter, 'is not served yet: trace context is passed on, spans are not exported');
  }
  done(tracing, spec);
  return text === '' ? undefined : rate;
}

function readFeatures(spec: MapReader): Parts['features'] {
  const list = spec.maps('features');
  if (list.length === 0) return undefined;
  const features: [string, boolean][] = [];
  for (const feature of list) {
    const name = feature.requiredText('name');
    const enabled = feature.bool('enabled') ?? false;
    done(feature, spec);
    if (name === undefined) continue;
    features.push([name, enabled]);
    if (name !== 'HotReload') feature.notHonoured('name', `"${name}" is not a feature that can be switched here`);
  }
  return Object.fromEntries(features);
}

function readNameResolution(spec: MapReader): void {
  const resolution = spec.map('nameResolution');
  if (resolution === undefined) return;
  const component = resolution.text('component') ?? '';
  resolution.scalarText('version');
  if (component !== '' && !LOCAL_RESOLVERS.has(component)) {
    resolution.notHonoured('component', `"${component}" is not served yet: apps are found through the local registry`);
  }
  resolution.notHonoured('configuration', 'has no effect: apps are found through the local registry');
  done(resolution, spec);
}

function hasNoHandlers(part: MapReader): boolean {
  return (part.list('handlers')?.items.length ?? 0) === 0;
}

/** `defaultAction: allow` (or none) without policies allows everything. */
function readsAsOff(part: MapReader): boolean {
  const action = part.text('defaultAction') ?? '';
  part.text('trustDomain');
  return (part.list('policies')?.items.length ?? 0) === 0 && action.toLowerCase() !== 'deny';
}

function refuse(spec: MapReader, key: string, off: (part: MapReader) => boolean): void {
  const part = spec.map(key);
  if (part === undefined) return;
  if (!off(part)) {
    spec.refuse(
      spec.originOf(key),
      `${spec.path(key)} is not served yet, and what it guards would stand open; take it out`,
    );
  }
  done(part, spec);
}
