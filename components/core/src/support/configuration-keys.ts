/**
 * How a selector reaches items. Layotto's rules, as in its etcd store: an item lives under app id, group, label and key;
 * with keys an absent group or label means `default`, without keys it means every one; `*` always means every one.
 * Dapr calls have no app id: their items are shared by all apps.
 */
import type { ConfigurationSelector } from '../configuration.js';

export const defaultGroup = 'default';
export const defaultLabel = 'default';

export interface ConfigurationPlace {
  readonly appId: string;
  readonly group: string;
  readonly label: string;
  readonly key: string;
}

const separator = '\u0000';

export function configurationPath(place: ConfigurationPlace): string {
  return [place.appId, place.group, place.label, place.key].join(separator);
}

/** Where an item that is saved under `selector` lives. */
export function configurationPlace(
  selector: Pick<ConfigurationSelector, 'appId' | 'group' | 'label'>,
  item: { readonly key: string; readonly group?: string | undefined; readonly label?: string | undefined },
): ConfigurationPlace {
  return {
    appId: selector.appId ?? '',
    group: item.group || selector.group || defaultGroup,
    label: item.label || selector.label || defaultLabel,
    key: item.key,
  };
}

function part(wanted: string | undefined, fallback: string, hasKeys: boolean): string | undefined {
  if (wanted === '*') return undefined;
  if (wanted !== undefined && wanted !== '') return wanted;
  return hasKeys ? fallback : undefined;
}

/** Compiles a selector into a predicate, and into exact paths where it names single items. */
export function configurationMatcher(selector: ConfigurationSelector): {
  readonly exact: readonly string[] | undefined;
  matches(place: ConfigurationPlace): boolean;
} {
  const appId = selector.appId ?? '';
  const hasKeys = selector.keys.length > 0;
  const group = part(selector.group, defaultGroup, hasKeys);
  const label = part(selector.label, defaultLabel, hasKeys);
  const keys = hasKeys ? new Set(selector.keys) : undefined;
  return {
    exact:
      keys === undefined || group === undefined || label === undefined
        ? undefined
        : [...keys].map((key) => configurationPath({ appId, group, label, key })),
    matches: (place) =>
      place.appId === appId &&
      (group === undefined || place.group === group) &&
      (label === undefined || place.label === label) &&
      (keys === undefined || keys.has(place.key)),
  };
}
