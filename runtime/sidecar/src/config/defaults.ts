/** The embedded components: there when no document declares that block (D13), so that nothing has to be installed. */

import type { ComponentDocument } from './model.js';
import { INIT_TIMEOUT_DEFAULT_MS } from './read-component.js';
import type { KnownTypes } from './read-context.js';

/** `origin.source` of what nobody wrote. */
export const DEFAULT_SOURCE = 'default';

const EMBEDDED: readonly { readonly name: string; readonly type: string }[] = [
  { name: 'statestore', type: 'state.local' },
  { name: 'pubsub', type: 'pubsub.local' },
  { name: 'configstore', type: 'configuration.local' },
  { name: 'lockstore', type: 'lock.local' },
  { name: 'sequencer', type: 'sequencer.local' },
  { name: 'secretstore', type: 'secretstores.local.env' },
];

/**
 * Apps find one another through it in every personality. No sidecar ends because it cannot be found (Dapr's runtime.go:
 * initNameResolution is logged and passed over).
 */
const NAME_RESOLVER = { name: 'local', type: 'nameresolution.local' };

export function kindOfType(type: string): string {
  return type.slice(0, type.indexOf('.')).toLowerCase();
}

/** Documents for the blocks that `declared` leaves open. */
export function embeddedDefaults(
  declared: readonly ComponentDocument[],
  types: KnownTypes,
  blocks: boolean,
): ComponentDocument[] {
  const kinds = new Set(declared.map((document) => kindOfType(document.type)));
  return [...(blocks ? EMBEDDED : []), NAME_RESOLVER]
    .filter(({ type }) => !kinds.has(kindOfType(type)) && types.versionsOf(type) !== undefined)
    .map(({ name, type }) => ({
      kind: 'Component',
      name,
      namespace: undefined,
      origin: { source: DEFAULT_SOURCE },
      dialect: 'dapr',
      scopes: [],
      type,
      version: 'v1',
      ignoreErrors: type === NAME_RESOLVER.type,
      initTimeoutMs: INIT_TIMEOUT_DEFAULT_MS,
      metadata: [],
      secretStore: undefined,
    }));
}

export function isEmbedded(document: ComponentDocument): boolean {
  return document.origin.source === DEFAULT_SOURCE;
}
