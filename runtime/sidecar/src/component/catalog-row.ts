/** What the catalog says of a component before its code is loaded. The list itself is `catalog.ts`. */
import type { ComponentDefinition, ComponentKind } from '@outrigger/components-core';
import type { KnownTypes } from '../config/read-context.js';

export interface CatalogRow {
  /** As documents write it: `state.in-memory`. */
  readonly type: string;
  readonly kind: ComponentKind;
  /** Further names of the same component. */
  readonly aliases: readonly string[];
  readonly versions: readonly string[];
  /** npm package that holds the code. */
  readonly package: string;
  readonly status: 'stable' | 'beta' | 'alpha';
  readonly description: string;
  /** Loads the package. */
  load(): Promise<ComponentDefinition>;
}

export interface ComponentCatalog {
  readonly rows: readonly CatalogRow[];
  /** By type or alias, without regard to case, as Dapr looks its components up. */
  find(type: string): CatalogRow | undefined;
}

export function createCatalog(rows: readonly CatalogRow[]): ComponentCatalog {
  const byType = new Map<string, CatalogRow>();
  for (const row of rows) {
    for (const type of [row.type, ...row.aliases]) {
      const key = type.toLowerCase();
      if (byType.has(key)) throw new TypeError(`the catalog lists ${type} twice`);
      byType.set(key, row);
    }
  }
  return { rows, find: (type) => byType.get(type.toLowerCase()) };
}

/** The catalog as the document readers see it. */
export function knownTypes({ rows, find }: ComponentCatalog): KnownTypes {
  return {
    types: rows.flatMap(({ type, aliases }) => [type, ...aliases]),
    versionsOf: (type) => find(type)?.versions,
  };
}
