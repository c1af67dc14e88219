import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { HttpEndpointDocument } from '../../config/model.js';
import { allowedHosts, parseOrigin } from './external.js';
import { resolveTarget, type TargetRules } from './target.js';

const documents: Record<string, string> = { mywebsite: 'https://example.com/base/' };
const rules = (patterns?: string[]): TargetRules => ({
  namespace: 'prod',
  endpoint: (name) =>
    documents[name] === undefined ? undefined : ({ name, baseUrl: documents[name] } as unknown as HttpEndpointDocument),
  endpointHeaders: () => ['authorization', 'Bearer x'],
  allowed: allowedHosts(patterns),
});

describe('target of an id', () => {
  it('is an app, its namespace left out when it is ours', () => {
    assert.deepEqual(resolveTarget('b', rules()), { kind: 'app', id: 'b', virtualHost: 'b' });
    assert.deepEqual(resolveTarget('b.prod', rules()), { kind: 'app', id: 'b.prod', virtualHost: 'b' });
    assert.deepEqual(resolveTarget('b.test', rules()), { kind: 'app', id: 'b.test', virtualHost: 'b.test' });
  });

  it('is nobody when the id cannot be one', () => {
    assert.deepEqual(resolveTarget('', rules()), { kind: 'none', error: 'app id is empty' });
    assert.deepEqual(resolveTarget('a.b.c', rules()), { kind: 'none', error: 'invalid app id a.b.c' });
    for (const id of ['a\r\nx-evil: 1', 'a b', 'ä', '.', 'a.', 'x'.repeat(300)]) {
      assert.deepEqual(resolveTarget(id, rules()), { kind: 'none', error: `couldn't find service: ${id}` });
    }
  });

  it('is an HTTPEndpoint document, with its path and headers, whatever callers may name', () => {
    assert.deepEqual(resolveTarget('mywebsite', rules(['other.example'])), {
      kind: 'external',
      id: 'mywebsite',
      virtualHost: 'https://example.com:443',
      scheme: 'https',
      authority: 'example.com',
      basePath: '/base',
      headers: ['authorization', 'Bearer x'],
    });
  });

  it('is an absolute URL, where callers may name it', () => {
    const found = resolveTarget('http://API.example.com:8080', rules());
    assert.ok(found.kind === 'external' && found.authority === 'api.example.com:8080' && found.basePath === '');
    assert.deepEqual(resolveTarget('http://api.example.com', rules(['other.example'])), {
      kind: 'denied',
      error: 'host api.example.com is not in invoke.externalHosts',
    });
    assert.deepEqual(resolveTarget('http://', rules()), { kind: 'none', error: 'invalid URL http://' });
  });
});

describe('origin of a URL', () => {
  it('normalizes host and port', () => {
    assert.equal(parseOrigin('HTTP://Example.COM')?.name, 'http://example.com:80');
    assert.equal(parseOrigin('https://[2001:DB8::1]/x')?.name, 'https://[2001:db8::1]:443');
    assert.equal(parseOrigin('http://0x7f.1:80')?.name, 'http://127.0.0.1:80');
  });
  for (const url of [
    'ftp://x',
    'http://user:pass@x',
    'http://x?a',
    'http://x#a',
    'http://x:0',
    'x',
    'http://a b',
    'http://x:99999',
  ]) {
    it(`refuses ${url}`, () => assert.equal(parseOrigin(url), null));
  }
});

describe('invoke.externalHosts', () => {
  it('allows exact names, subdomains, ports, everything', () => {
    const allowed = allowedHosts(['api.example.com', '*.internal.example', 'db.example:5432']);
    assert.ok(allowed('api.example.com', 443));
    assert.ok(!allowed('evil-api.example.com', 443));
    assert.ok(allowed('a.internal.example', 80));
    assert.ok(!allowed('internal.example', 80));
    assert.ok(!allowed('evilinternal.example', 80));
    assert.ok(allowed('db.example', 5432));
    assert.ok(!allowed('db.example', 80));
    assert.ok(allowedHosts(['*'])('anything', 1));
    assert.ok(!allowedHosts([])('anything', 1));
    assert.ok(allowedHosts(undefined)('anything', 1));
  });
});
