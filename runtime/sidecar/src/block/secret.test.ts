import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ComponentError, type SecretStore } from '@outrigger/components-core';
import { OutriggerError } from '@outrigger/engine';
import { createSecretBlock, isSecretAllowed, type SecretScope } from './secret.js';
import { TestRegistry, testBlockDeps, testContext } from './testing/registry.js';

const context = testContext();
const secrets: Record<string, Record<string, string>> = { db: { user: 'u', password: 'p' }, api: { api: 'k' } };
const store = {
  features: new Set(),
  get: (name: string) => {
    const found = secrets[name];
    if (found === undefined) throw new ComponentError('not-found', `secret ${name} not found`);
    return found;
  },
  bulkGet: () => secrets,
} as unknown as SecretStore;

function setup(scopes: readonly SecretScope[] = []) {
  const registry = new TestRegistry([{ kind: 'secretstores', name: 'vault', component: store }]);
  return createSecretBlock({ ...testBlockDeps({ registry }), secretScopes: () => scopes });
}
const scope = (more: Partial<SecretScope>): SecretScope => ({
  storeName: 'vault',
  defaultAccess: 'allow',
  allowedSecrets: [],
  deniedSecrets: [],
  ...more,
});
const code =
  (expected: string, message: string) =>
  (error: unknown): boolean =>
    error instanceof OutriggerError && error.code === expected && error.message === message;

describe('secret block', () => {
  it('reads one secret and all of them', async () => {
    const block = setup();
    assert.deepEqual(await block.get('vault', 'db', {}, context), secrets['db']);
    assert.deepEqual(Object.fromEntries(await block.bulkGet('vault', {}, context)), secrets);
  });

  it('names what is missing', () => {
    const block = setup();
    assert.throws(
      () => block.get('x', 'db', {}, context),
      code('SECRET_STORE_NOT_FOUND', 'failed finding secret store with key x'),
    );
    assert.throws(
      () => block.get('vault', 'x', {}, context),
      code('SECRET_GET_FAILED', 'failed getting secret with key x from secret store vault: secret x not found'),
    );
    const none = createSecretBlock({ ...testBlockDeps(), secretScopes: () => [] });
    assert.throws(
      () => none.bulkGet('vault', {}, context),
      code('SECRET_STORES_NOT_CONFIGURED', 'secret store is not configured'),
    );
  });

  it('refuses what the scopes deny, and leaves it out of bulk reads', async () => {
    const block = setup([scope({ deniedSecrets: ['db'] })]);
    assert.throws(
      () => block.get('vault', 'db', {}, context),
      code('SECRET_PERMISSION_DENIED', 'access denied by policy to get "db" from "vault"'),
    );
    assert.deepEqual([...(await block.bulkGet('vault', {}, context)).keys()], ['api']);
  });

  it('applies scopes as Dapr does: a list of allowed secrets decides alone', () => {
    const cases: readonly (readonly [Partial<SecretScope>, boolean])[] = [
      [{}, true],
      [{ defaultAccess: 'deny' }, false],
      [{ defaultAccess: 'deny', allowedSecrets: ['db'] }, true],
      [{ allowedSecrets: ['api'] }, false],
      [{ allowedSecrets: ['db'], deniedSecrets: ['db'] }, true],
      [{ deniedSecrets: ['db'] }, false],
      [{ defaultAccess: 'deny', deniedSecrets: ['api'] }, false],
    ];
    for (const [more, allowed] of cases)
      assert.equal(isSecretAllowed(scope(more), 'db'), allowed, JSON.stringify(more));
    assert.equal(isSecretAllowed(undefined, 'db'), true);
  });
});
