import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Secret } from '@outrigger/components-core';
import { compileTexts } from './compile.test.support.js';

const STATE = `apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: statestore
  namespace: production
  labels: {team: shop}
  annotations:
    note: from the cluster
spec:
  type: state.in-memory
  version: v1
  initTimeout: 1m30s
  metadata:
    - name: keyPrefix
      value: none
    - name: redisPassword
      value: "12345"
    - name: dsn
      secretKeyRef: {name: db, key: dsn}
    - name: fromEnv
      envRef: STATE_DSN
auth:
  secretStore: vault
scopes: [shop, cart]
`;

const VAULT = `apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: vault}
spec: {type: secretstores.local.env, version: v1, metadata: []}
`;

describe('kind Component', () => {
  it('is read as Dapr writes it, Kubernetes metadata accepted', async () => {
    const { documents, problems } = await compileTexts({ 'state.yaml': STATE, 'vault.yaml': VAULT });
    assert.deepEqual(problems, []);
    const [state] = documents.components;
    assert.ok(state !== undefined);
    assert.equal(state.name, 'statestore');
    assert.equal(state.namespace, 'production');
    assert.equal(state.type, 'state.in-memory');
    assert.equal(state.version, 'v1');
    assert.equal(state.initTimeoutMs, 90_000);
    assert.equal(state.ignoreErrors, false);
    assert.equal(state.secretStore, 'vault');
    assert.deepEqual(state.scopes, ['shop', 'cart']);
    assert.deepEqual(state.origin, { source: 'state.yaml', line: 1, column: 1 });
    assert.deepEqual(
      state.metadata.map(({ name, secretKeyRef, envRef, origin }) => [name, secretKeyRef, envRef, origin.line]),
      [
        ['keyPrefix', undefined, undefined, 14],
        ['redisPassword', undefined, undefined, 16],
        ['dsn', { name: 'db', key: 'dsn' }, undefined, 18],
        ['fromEnv', undefined, 'STATE_DSN', 20],
      ],
    );
  });

  it('wraps what sounds like a secret before anything could print it', async () => {
    const { documents } = await compileTexts({ 'state.yaml': STATE, 'vault.yaml': VAULT });
    const password = documents.components[0]?.metadata[1]?.value;
    assert.ok(password instanceof Secret);
    assert.equal(password.reveal(), '12345');
    assert.doesNotMatch(JSON.stringify(documents), /12345/);
  });

  it('takes the name of a secret as its key when none is given', async () => {
    const text = STATE.replace('{name: db, key: dsn}', '{name: db}');
    const { documents } = await compileTexts({ 'state.yaml': text, 'vault.yaml': VAULT });
    assert.deepEqual(documents.components[0]?.metadata[2]?.secretKeyRef, { name: 'db', key: 'db' });
  });

  it("has Dapr's default timeout, also for an empty one", async () => {
    const { documents } = await compileTexts({ 'vault.yaml': VAULT });
    assert.equal(documents.components[0]?.initTimeoutMs, 5_000);
  });

  const golden: readonly [name: string, text: string, problem: string][] = [
    [
      'an unknown key with its nearest neighbour',
      STATE.replace('  version: v1', '  versoin: v1'),
      'state.yaml:11:3: error: unknown key "versoin" in spec; did you mean "version"?',
    ],
    [
      'an unknown key at the top',
      STATE.replace('scopes:', 'scope:'),
      'state.yaml:24:1: error: unknown key "scope" in the document; did you mean "scopes"?',
    ],
    [
      'an unknown key that is near to nothing, with the known ones',
      STATE.replace('auth:\n  secretStore', 'auth:\n  zzz: 1\n  secretStore'),
      'state.yaml:23:3: error: unknown key "zzz" in auth (known: secretStore)',
    ],
    [
      'a type that does not exist',
      STATE.replace('state.in-memory', 'state.in-memroy'),
      'state.yaml:10:9: error: there is no component type "state.in-memroy"; did you mean "state.in-memory"?',
    ],
    [
      'a type that is near to nothing',
      STATE.replace('state.in-memory', 'state.redis'),
      'state.yaml:10:9: error: there is no component type "state.redis"; see `outrigger components`',
    ],
    [
      'a version that does not exist',
      STATE.replace('version: v1', 'version: v7'),
      'state.yaml:10:9: error: "state.in-memory" has no version "v7" (it has v1)',
    ],
    [
      'a type without kind',
      STATE.replace('state.in-memory', 'redis'),
      'state.yaml:10:9: error: spec.type: "redis" is not of the form <kind>.<name>, such as state.in-memory',
    ],
    ['a missing name', STATE.replace('  name: statestore\n', ''), 'state.yaml:4:3: error: metadata.name is missing'],
    [
      'a missing spec',
      'apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: a}\n',
      'state.yaml:1:1: error: spec is missing',
    ],
    [
      'metadata written as a map',
      STATE.replace(/ {2}metadata:\n {4}- name: keyPrefix.*auth/s, '  metadata:\n    keyPrefix: none\nauth'),
      'state.yaml:14:5: error: spec.metadata must be a list, it is a map (begin each item with "- ")',
    ],
    [
      'a duration that is none',
      STATE.replace('1m30s', '5 parsecs'),
      'state.yaml:12:16: error: spec.initTimeout: "5 parsecs" is not a duration; write for example 5s or 500ms',
    ],
    [
      'a name that YAML reads as a number',
      STATE.replace('name: statestore', 'name: 42'),
      'state.yaml:4:9: error: metadata.name must be text, it is a number; put it in quotes: "42"',
    ],
    [
      'a key that differs in case',
      STATE.replace('ignoreErrors', 'x').replace('initTimeout', 'InitTimeout'),
      'state.yaml:12:3: warning: the key "InitTimeout" is written "initTimeout"; it is taken for that',
    ],
    [
      'metadata that is there twice',
      STATE.replace('redisPassword', 'keyPrefix'),
      'state.yaml:16:7: warning: "keyPrefix" is here twice, the last one holds; first in line 14',
    ],
    [
      'a secret store that is not declared',
      STATE.replace('secretStore: vault', 'secretStore: vualt'),
      'state.yaml:18:7: error: "dsn" refers to the secret store "vualt", which is not declared; did you mean "vault"?',
    ],
    [
      'a secret without a store',
      STATE.replace('auth:\n  secretStore: vault\n', ''),
      'state.yaml:18:7: error: "dsn" refers to a secret, but component "statestore" has no auth.secretStore',
    ],
    [
      'a wrong kind',
      STATE.replace('kind: Component', 'kind: Componnet'),
      'state.yaml:2:7: error: dapr.io/v1alpha1 has no kind "Componnet"; did you mean "Component"?',
    ],
    [
      'a wrong apiVersion',
      STATE.replace('dapr.io/v1alpha1', 'dapr.io/v1aplha1'),
      'state.yaml:1:13: error: there is no apiVersion "dapr.io/v1aplha1"; did you mean "dapr.io/v1alpha1"?',
    ],
    [
      'a component of a kind that is not served',
      STATE.replace('state.in-memory', 'bindings.cron'),
      'state.yaml:10:9: warning: components of the kind "bindings" are not served yet; "bindings.cron" is left out',
    ],
    [
      'a component beside another of its name',
      `${STATE}---\n${STATE}`,
      'state.yaml:26:1: error: Component "statestore" is declared twice; first at state.yaml:1:1',
    ],
  ];
  for (const [name, text, problem] of golden) {
    it(`reports ${name}`, async () => {
      const { problems, refused } = await compileTexts({ 'state.yaml': text, 'vault.yaml': VAULT });
      assert.deepEqual(problems, [problem]);
      assert.equal(refused, problem.includes(': error: '));
    });
  }

  it('is lenient under daprd: unknown keys and unusable documents are warnings, types are not looked at', async () => {
    const texts = {
      'a.yaml': STATE.replace('scopes:', 'scope:').replace('state.in-memory', 'state.redis'),
      'b.yaml': VAULT.replace('secretstores.local.env', '5'),
    };
    const { documents, problems, refused } = await compileTexts(texts, { personality: 'daprd' });
    assert.deepEqual(problems, [
      'a.yaml:24:1: warning: unknown key "scope" in the document; did you mean "scopes"?',
      'b.yaml:4:14: warning: spec.type must be text, it is a number; put it in quotes: "5"; the document is left out',
      'a.yaml:18:7: warning: "dsn" refers to the secret store "vault", which is not declared',
    ]);
    assert.equal(refused, false);
    assert.deepEqual(
      documents.components.map(({ type }) => type),
      ['state.redis', 'nameresolution.local'],
    );
  });

  it('is only seen by the apps of its scopes, and only in its namespace when one is named', async () => {
    const texts = { 'state.yaml': STATE, 'vault.yaml': VAULT };
    const names = async (options: object) =>
      (await compileTexts(texts, options)).documents.components.map(({ name }) => name);
    assert.deepEqual(await names({ appId: 'cart' }), ['statestore', 'vault', 'local']);
    assert.deepEqual(await names({ appId: 'other' }), ['vault', 'local']);
    assert.deepEqual(await names({ namespace: 'production' }), ['statestore', 'vault', 'local']);
    assert.deepEqual(await names({ namespace: 'test' }), ['vault', 'local']);
  });

  it('may have a namesake that another app sees', async () => {
    const mine = STATE.replace('[shop, cart]', '[shop]');
    const theirs = STATE.replace('[shop, cart]', '[cart]');
    const { problems } = await compileTexts({ 'a.yaml': mine, 'b.yaml': theirs, 'vault.yaml': VAULT });
    assert.deepEqual(problems, []);
  });

  it('refuses every alias of a prototype as kind', async () => {
    for (const kind of ['constructor', '__proto__', 'toString']) {
      const { problems } = await compileTexts({ 'x.yaml': `apiVersion: dapr.io/v1alpha1\nkind: ${kind}\n` });
      assert.match(problems[0] as string, /has no kind/);
    }
  });
});

describe('embedded defaults', () => {
  it('stand in for every block that no document declares', async () => {
    const { documents } = await compileTexts({}, { embeddedDefaults: true });
    assert.deepEqual(
      documents.components.map(({ name, type, origin }) => [name, type, origin.source]),
      [
        ['statestore', 'state.local', 'default'],
        ['pubsub', 'pubsub.local', 'default'],
        ['secretstore', 'secretstores.local.env', 'default'],
        ['local', 'nameresolution.local', 'default'],
      ],
    );
  });

  it('give way to declared components of the same kind, whatever their name', async () => {
    const { documents } = await compileTexts({ 'v.yaml': VAULT }, { embeddedDefaults: true });
    assert.deepEqual(
      documents.components.map(({ name }) => name),
      ['vault', 'statestore', 'pubsub', 'local'],
    );
  });

  it('serve secret references when no store is declared', async () => {
    const text = STATE.replace('secretStore: vault', 'secretStore: secretstore');
    const { problems } = await compileTexts({ 'state.yaml': text }, { embeddedDefaults: true });
    assert.deepEqual(problems, []);
  });
});
