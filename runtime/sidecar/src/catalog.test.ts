import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { catalog, catalogRows } from './catalog.js';
import { createCatalog, knownTypes } from './component/catalog-row.js';

describe('the catalog', () => {
  for (const row of catalogRows) {
    it(`says of ${row.type} what its package says`, async () => {
      const definition = await row.load();
      assert.equal(definition.type, row.type);
      assert.equal(definition.kind, row.kind);
      assert.deepEqual(definition.versions, row.versions);
      assert.equal(definition.status, row.status);
      assert.equal(typeof definition.create, 'function');
    });
  }

  it('lists every component of the packages it names', async () => {
    const packages = [await import('@outrigger/components-memory'), await import('@outrigger/components-local')];
    const types = packages.flatMap(({ definitions }) => definitions.map(({ type }) => type));
    assert.deepEqual([...types].sort(), catalogRows.map(({ type }) => type).sort());
  });

  it('finds types without regard to case, and by their other names', () => {
    assert.equal(catalog.find('State.In-Memory')?.type, 'state.in-memory');
    assert.equal(catalog.find('state.memory')?.type, 'state.in-memory');
    assert.equal(catalog.find('state.redis'), undefined);
    assert.deepEqual(knownTypes(catalog).versionsOf('state.in-memory'), ['v1']);
    assert.equal(knownTypes(catalog).versionsOf('constructor'), undefined);
  });

  it('may not list a name twice', () => {
    const [first] = catalogRows;
    assert.ok(first !== undefined);
    assert.throws(
      () => createCatalog([first, { ...first, type: 'x.y', aliases: [first.type.toUpperCase()] }]),
      /twice/,
    );
  });
});
