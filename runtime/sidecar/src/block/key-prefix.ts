/**
 * How keys of different apps are kept apart in one store: `keyPrefix` of the component's metadata. Which default applies
 * is decided by the dialect that declared the store, never by the API that calls it; otherwise two callers of one store
 * would not see each other's items.
 *
 * | dialect | state | lock | sequencer |
 * | --- | --- | --- | --- |
 * | dapr | appid: `app||key` | appid: `lock||app||key` | as Layotto's |
 * | layotto | none: `key` | appid: `lock|||app||key` | appid: `sequencer|||app||key` |
 *
 * Sources: dapr/dapr pkg/components/{state,lock}; mosn/layotto pkg/runtime/{state,lock,sequencer}.
 */
import { Secret } from '@outrigger/components-core';
import type { Dialect } from './context.js';

export const KEY_SEPARATOR = '||';

export interface PrefixedEntry {
  readonly name: string;
  readonly dialect: Dialect;
  readonly metadata: ReadonlyMap<string, unknown>;
}

export interface PrefixIdentity {
  readonly appId: string;
  readonly namespace: string;
}

/** A text of a component's metadata; Dapr's names are compared without regard to case, Layotto's exactly. */
export function metadataText(entry: PrefixedEntry, name: string): string | undefined {
  const wanted = name.toLowerCase();
  for (const [key, value] of entry.metadata) {
    const same = entry.dialect === 'dapr' ? key.toLowerCase() === wanted : key === name;
    if (!same || value === undefined || value === null) continue;
    const text = value instanceof Secret ? value.reveal() : String(value);
    if (text !== '') return text;
  }
  return undefined;
}

/** True for keys and prefixes that would be taken apart wrongly. */
export function isIllegalKey(key: string): boolean {
  return key.includes(KEY_SEPARATOR);
}

/** `app||`, or '' where keys stay as they are; for a literal strategy the strategy itself. */
function ownerPrefix(strategy: string, entry: PrefixedEntry, identity: PrefixIdentity): string {
  const { appId, namespace } = identity;
  const app = appId === '' ? '' : appId + KEY_SEPARATOR;
  switch (strategy) {
    case 'none':
      return '';
    case 'name':
      return entry.name + KEY_SEPARATOR;
    case 'appid':
      return app;
    case 'namespace':
      // Layotto has no such strategy: there it is a literal.
      if (entry.dialect === 'layotto') break;
      return appId === '' || namespace === '' ? app : `${namespace}.${app}`;
  }
  return strategy + KEY_SEPARATOR;
}

/** The strategy of a store in lower case, as both originals compare it. */
export function prefixStrategy(entry: PrefixedEntry, fallback: string): string {
  return metadataText(entry, 'keyPrefix')?.toLowerCase() ?? fallback;
}

export function statePrefix(strategy: string, entry: PrefixedEntry, identity: PrefixIdentity): string {
  return ownerPrefix(strategy, entry, identity);
}

/** Dapr's lock API knows no `namespace` strategy either; it would be a literal. */
export function lockPrefix(strategy: string, entry: PrefixedEntry, identity: PrefixIdentity): string {
  const head = entry.dialect === 'layotto' ? 'lock|||' : 'lock||';
  return head + (strategy === 'namespace' ? `namespace${KEY_SEPARATOR}` : ownerPrefix(strategy, entry, identity));
}

export function sequencerPrefix(strategy: string, entry: PrefixedEntry, identity: PrefixIdentity): string {
  const owner = strategy === 'namespace' ? `namespace${KEY_SEPARATOR}` : ownerPrefix(strategy, entry, identity);
  return `sequencer|||${owner}`;
}

/** The key as the app knows it: what stands between the first and the second separator. */
export function originalKey(key: string): string {
  const start = key.indexOf(KEY_SEPARATOR);
  if (start < 0) return key;
  const end = key.indexOf(KEY_SEPARATOR, start + 2);
  return end < 0 ? key.slice(start + 2) : key.slice(start + 2, end);
}
