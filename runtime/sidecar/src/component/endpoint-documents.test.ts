import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { revealed } from '@outrigger/components-core';
import { silentLogger } from '@outrigger/engine';
import type { ComponentMetadataEntry, HttpEndpointDocument } from '../config/model.js';
import { createEndpointDocuments } from './endpoint-documents.js';
import type { ComponentRegistry, RegistryChange } from './registry.js';

const header = (name: string, more: Partial<ComponentMetadataEntry>): ComponentMetadataEntry => ({
  name,
  value: undefined,
  secretKeyRef: undefined,
  envRef: undefined,
  origin: { source: 'e.yaml' },
  ...more,
});

const endpoint = (name: string, headers: readonly ComponentMetadataEntry[]): HttpEndpointDocument => ({
  kind: 'HTTPEndpoint',
  name,
  namespace: undefined,
  origin: { source: 'e.yaml' },
  dialect: 'dapr',
  scopes: [],
  baseUrl: 'https://api.example.com',
  headers,
  secretStore: 'vault',
});

function setUp() {
  const listeners = new Set<(change: RegistryChange) => void>();
  let there = false;
  const registry = {
    find: () => (there ? { ready: () => ({ get: () => ({ token: 's3cret' }) }) } : undefined),
    onChange: (listener: (change: RegistryChange) => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  } as unknown as ComponentRegistry;
  const documents = createEndpointDocuments({
    registry,
    env: { LANGUAGE: 'en', DAPR_API_TOKEN: 'no' },
    log: silentLogger,
  });
  return {
    documents,
    listeners,
    vaultComes() {
      there = true;
      for (const listener of listeners) listener({ kind: 'secretstores', name: 'vault', what: 'ready' });
    },
  };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('HTTPEndpoint documents', () => {
  it('without secrets are usable at once', () => {
    const { documents } = setUp();
    documents.follow([endpoint('plain', [header('accept', { value: 'text/plain' })])]);
    assert.deepEqual(
      documents.usable.map(({ name }) => name),
      ['plain'],
    );
  });

  it('wait for their secret store, and have the secret then', async () => {
    const { documents, vaultComes } = setUp();
    const headers = [
      header('x-token', { secretKeyRef: { name: 'api', key: 'token' } }),
      header('lang', { envRef: 'LANGUAGE' }),
    ];
    documents.follow([endpoint('guarded', headers)]);
    await turn();
    assert.equal(documents.usable.length, 0);
    vaultComes();
    await turn();
    assert.deepEqual(
      documents.usable[0]?.headers.map(({ name, value }) => [name, revealed(value ?? '')]),
      [
        ['x-token', 's3cret'],
        ['lang', 'en'],
      ],
    );
    assert.doesNotMatch(JSON.stringify(documents.usable), /s3cret/);
  });

  it('are not usable without the key, and never get what is out of reach', async () => {
    const { documents, vaultComes } = setUp();
    const missing = endpoint('missing', [header('x', { secretKeyRef: { name: 'api', key: 'nope' } })]);
    const forbidden = endpoint('forbidden', [header('x', { envRef: 'DAPR_API_TOKEN' })]);
    documents.follow([missing, forbidden]);
    vaultComes();
    await turn();
    assert.deepEqual(
      documents.usable.map(({ name, headers }) => [name, headers[0]?.value]),
      [['forbidden', '']],
    );
  });

  it('go when they are no longer declared, and nothing is listened to in the end', () => {
    const { documents, listeners } = setUp();
    documents.follow([endpoint('plain', [])]);
    documents.follow([]);
    assert.deepEqual(documents.usable, []);
    documents.close();
    assert.equal(listeners.size, 0);
  });
});
