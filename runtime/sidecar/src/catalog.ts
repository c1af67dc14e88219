/**
 * THE list of components. A new technology is one row per type here: nothing registers itself, and nothing is loaded
 * before a document asks for it. Only this file imports component packages, by literal names, so that bundlers and the
 * tidy test see them.
 */
import type { ComponentDefinition, ComponentKind } from '@outrigger/components-core';
import { type CatalogRow, type ComponentCatalog, createCatalog } from './component/catalog-row.js';

type Load = () => Promise<{ readonly definitions: readonly ComponentDefinition[] }>;

interface Package {
  readonly name: string;
  readonly load: Load;
}

const memory: Package = { name: '@outrigger/components-memory', load: () => import('@outrigger/components-memory') };
const local: Package = { name: '@outrigger/components-local', load: () => import('@outrigger/components-local') };

function row(from: Package, type: string, description: string, aliases: readonly string[] = []): CatalogRow {
  const kind = type.slice(0, type.indexOf('.')) as ComponentKind;
  return {
    type,
    kind,
    aliases,
    versions: ['v1'],
    package: from.name,
    status: 'stable',
    description,
    load: async () => {
      const { definitions } = await from.load();
      const found = definitions.find((definition) => definition.type === type);
      if (found === undefined) throw new Error(`${from.name} has no component ${type}`);
      return found;
    },
  };
}

export const catalogRows: readonly CatalogRow[] = [
  row(local, 'state.local', 'State on disk, shared by the sidecars of a namespace'),
  row(local, 'pubsub.local', 'Topics on disk, shared by the sidecars of a namespace'),
  row(local, 'configuration.local', 'Configuration on disk, shared by the sidecars of a namespace'),
  row(local, 'lock.local', 'Locks between the sidecars of a namespace'),
  row(local, 'sequencer.local', 'Ids from disk, shared by the sidecars of a namespace'),
  row(local, 'secretstores.local.env', 'Secrets from environment variables'),
  row(local, 'secretstores.local.file', 'Secrets from a JSON file'),
  row(local, 'nameresolution.local', 'Apps of the namespace on this machine'),
  row(memory, 'state.in-memory', 'State in the memory of this sidecar', ['state.memory']),
  row(memory, 'pubsub.in-memory', 'Topics in the memory of this sidecar', ['pubsub.memory']),
  row(memory, 'configuration.in-memory', 'Configuration in the memory of this sidecar', ['configuration.memory']),
  row(memory, 'lock.in-memory', 'Locks in the memory of this sidecar', ['lock.memory']),
  row(memory, 'sequencer.in-memory', 'Ids from the memory of this sidecar', ['sequencer.memory']),
];

export const catalog: ComponentCatalog = createCatalog(catalogRows);
