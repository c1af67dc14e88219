/** Dapr's kind Resiliency: checked key by key, kept as parsed for the policy engine. */
import { readBase } from './document-base.js';
import { MapReader } from './map-reader.js';
import type { ResiliencyDocument } from './model.js';
import type { ReadContext } from './read-context.js';
import { type MapNode, toPlain } from './tree.js';

const NUMBER_MAX = 2 ** 31 - 1;

type Check = (reader: MapReader) => void;

const timed =
  (...keys: string[]): Check =>
  (reader) => {
    for (const key of keys) if (reader.text(key) !== '') reader.durationMs(key);
  };

const policyNames: Check = (reader) => {
  for (const key of ['timeout', 'retry', 'circuitBreaker']) reader.text(key);
};

const retry: Check = (reader) => {
  reader.oneOf('policy', ['constant', 'exponential']);
  timed('duration', 'maxInterval')(reader);
  reader.integer('maxRetries', -1, NUMBER_MAX);
  const matching = reader.map('matching');
  // Lists such as `500-599,429`, or one number, which YAML does not read as text.
  matching?.scalarText('httpStatusCodes');
  matching?.scalarText('gRPCStatusCodes');
  finish(matching, reader);
};

const breaker: Check = (reader) => {
  reader.integer('maxRequests', 0, NUMBER_MAX);
  timed('interval', 'timeout')(reader);
  reader.text('trip');
};

const appTarget: Check = (reader) => {
  policyNames(reader);
  reader.integer('circuitBreakerCacheSize', 0, NUMBER_MAX);
};

const actorTarget: Check = (reader) => {
  appTarget(reader);
  reader.oneOf('circuitBreakerScope', ['type', 'id', 'both']);
};

const componentTarget: Check = (reader) => {
  for (const key of ['inbound', 'outbound']) {
    const names = reader.map(key);
    if (names !== undefined) policyNames(names);
    finish(names, reader);
  }
};

function finish(reader: MapReader | undefined, owner: MapReader): void {
  reader?.finish();
  if (reader?.failed) owner.failed = true;
}

/** Every value of the map under `key` is a map that `check` reads. */
function each(owner: MapReader, key: string, check: Check): void {
  const map = owner.map(key);
  if (map === undefined) return;
  for (const entry of map.entries()) {
    const reader = map.map(entry.key);
    if (reader === undefined) continue;
    check(reader);
    finish(reader, map);
  }
  finish(map, owner);
}

export function readResiliency(node: MapNode, context: ReadContext): ResiliencyDocument | undefined {
  const reader = new MapReader(node, '', context);
  const base = readBase(reader, context.dialect, context.unknownKeys === 'error');
  const spec = reader.map('spec');
  if (spec === undefined && !reader.has('spec')) reader.fail(reader.origin, 'spec is missing');
  const policies = spec?.map('policies');
  if (policies !== undefined && spec !== undefined) {
    const timeouts = policies.map('timeouts');
    for (const entry of timeouts?.entries() ?? []) timeouts?.durationMs(entry.key);
    finish(timeouts, policies);
    each(policies, 'retries', retry);
    each(policies, 'circuitBreakers', breaker);
    finish(policies, spec);
  }
  const targets = spec?.map('targets');
  if (targets !== undefined && spec !== undefined) {
    each(targets, 'apps', appTarget);
    each(targets, 'actors', actorTarget);
    each(targets, 'components', componentTarget);
    finish(targets, spec);
  }
  finish(spec, reader);
  reader.finish();
  const specNode = reader.mapNode('spec');
  if (reader.failed || specNode === undefined) return undefined;
  return { kind: 'Resiliency', ...base, spec: toPlain(specNode) as Record<string, unknown> };
}
