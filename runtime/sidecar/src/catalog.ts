/**
 * THE list of components. A new technology is one row per type here: nothing registers itself, and nothing is loaded
 * before a document asks for it. Only this file imports component packages, by literal names, so that bundlers and the
 * tidy test see them.
 */
import type { ComponentDefinition, ComponentKind } from '@outrigger/components-core';
import { type CatalogRow, type ComponentCatalog, createCatalog } from './component/catalog-row.js';

type Load = () => Promise<{ readonly definitions: readonly ComponentDefinition[] }>;
type Status = CatalogRow['status'];

/** The rows of one package: type, status, description, other names. */
function rowsOf(
  name: string,
  load: Load,
  rows: readonly (readonly [type: string, status: Status, description: string, alias?: string])[],
): CatalogRow[] {
  return rows.map(([type, status, description, alias]) => ({
    type,
    kind: type.slice(0, type.indexOf('.')) as ComponentKind,
    aliases: alias === undefined ? [] : [alias],
    versions: ['v1'],
    package: name,
    status,
    description,
    load: async () => {
      const found = (await load()).definitions.find((definition) => definition.type === type);
      if (found === undefined) throw new Error(`${name} has no component ${type}`);
      return found;
    },
  }));
}

export const catalogRows: readonly CatalogRow[] = [
  ...rowsOf('@outrigger/components-local', () => import('@outrigger/components-local'), [
    ['state.local', 'beta', 'State on disk, shared by the sidecars of a namespace'],
    ['pubsub.local', 'beta', 'Topics on disk, shared by the sidecars of a namespace'],
    ['configuration.local', 'beta', 'Configuration on disk, shared by the sidecars of a namespace'],
    ['lock.local', 'beta', 'Locks between the sidecars of a namespace'],
    ['sequencer.local', 'beta', 'Ids from disk, shared by the sidecars of a namespace'],
    ['nameresolution.local', 'beta', 'Apps of the namespace on this machine'],
    ['secretstores.local.env', 'stable', 'Secrets from environment variables'],
    ['secretstores.local.file', 'stable', 'Secrets from a JSON file'],
  ]),
  ...rowsOf('@outrigger/components-memory', () => import('@outrigger/components-memory'), [
    ['state.in-memory', 'stable', 'State in the memory of this sidecar', 'state.memory'],
    ['pubsub.in-memory', 'stable', 'Topics in the memory of this sidecar', 'pubsub.memory'],
    ['configuration.in-memory', 'stable', 'Configuration in the memory of this sidecar', 'configuration.memory'],
    ['lock.in-memory', 'stable', 'Locks in the memory of this sidecar', 'lock.memory'],
    ['sequencer.in-memory', 'stable', 'Ids from the memory of this sidecar', 'sequencer.memory'],
  ]),
];

export const catalog: ComponentCatalog = createCatalog(catalogRows);
