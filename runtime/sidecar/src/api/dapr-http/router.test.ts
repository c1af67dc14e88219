import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cleanPath, decodePlace, splitPath } from './path.js';
import type { HttpRoute } from './route.js';
import { RouteTable } from './route-table.js';

function route(methods: string, pattern: string): HttpRoute {
  return {
    methods: methods.split(' '),
    pattern,
    api: 'x',
    version: 'v1.0',
    body: 'none',
    handle: () => ({ status: 204 }),
  };
}

describe('paths', () => {
  it('are cleaned as Go cleans them', () => {
    const cases: readonly (readonly [string, string])[] = [
      ['/', '/'],
      ['/a/b', '/a/b'],
      ['/a//b/', '/a/b'],
      ['//a///b//', '/a/b'],
      ['/a/./b/../c', '/a/c'],
      ['/../../a', '/a'],
      ['/a/..', '/'],
      ['/a/.../b', '/a/.../b'],
      ['/a/%2e%2e/b', '/a/%2e%2e/b'],
      ['/a/.b', '/a/.b'],
    ];
    for (const [given, cleaned] of cases) assert.equal(cleanPath(given), cleaned, given);
  });

  it('are split from their query', () => {
    assert.deepEqual(splitPath('/a?b=c?d'), { path: '/a', query: 'b=c?d' });
    assert.deepEqual(splitPath('/a'), { path: '/a', query: '' });
  });

  it('have places that are decoded once, with + as a space', () => {
    assert.equal(decodePlace('a+b%2Fc%2B%252F'), 'a b/c+%2F');
    assert.equal(decodePlace('%zz'), undefined);
    assert.equal(decodePlace('%ff'), undefined);
  });
});

describe('route table', () => {
  const table = new RouteTable([
    route('GET DELETE', '/v1.0/state/{store}/{key}'),
    route('POST', '/v1.0/state/{store}'),
    route('POST', '/v1.0/state/{store}/bulk'),
    route('POST', '/v1.0/publish/{pubsub}/{topic…}'),
    route('POST', '/v1.0/publish/bulk/{pubsub}/{topic…}'),
    route('GET', '/v1.0/secrets/{store}/bulk'),
    route('GET', '/v1.0/secrets/{store}/{key}'),
    route('*', '/v1.0/invoke/{target…}'),
  ]);
  const find = (method: string, path: string): string | undefined => {
    const match = table.find(method, path);
    return match && `${match.route.pattern} ${match.names.map((name, i) => `${name}=${match.values[i]}`).join(' ')}`;
  };

  it('finds routes by method and path', () => {
    assert.equal(find('GET', '/v1.0/state/s/k'), '/v1.0/state/{store}/{key} store=s key=k');
    assert.equal(find('POST', '/v1.0/state/s/bulk'), '/v1.0/state/{store}/bulk store=s');
    assert.equal(find('POST', '/v1.0/state/s'), '/v1.0/state/{store} store=s');
    assert.equal(find('PUT', '/v1.0/invoke/app/method/a/b'), '/v1.0/invoke/{target…} target=app/method/a/b');
  });

  it('prefers literals, and falls back where they lead nowhere', () => {
    assert.equal(find('GET', '/v1.0/secrets/s/bulk'), '/v1.0/secrets/{store}/bulk store=s');
    assert.equal(find('GET', '/v1.0/state/s/bulk'), '/v1.0/state/{store}/{key} store=s key=bulk');
    assert.equal(find('POST', '/v1.0/publish/bulk/p/t/u'), '/v1.0/publish/bulk/{pubsub}/{topic…} pubsub=p topic=t/u');
    assert.equal(find('POST', '/v1.0/publish/bulk/t'), '/v1.0/publish/{pubsub}/{topic…} pubsub=bulk topic=t');
  });

  it('knows no other method, no empty place, nothing longer or shorter', () => {
    for (const [method, path] of [
      ['PUT', '/v1.0/state/s/k'],
      ['GET', '/v1.0/state/s'],
      ['GET', '/v1.0/state//k'],
      ['GET', '/v1.0/state/s/k/x'],
      ['POST', '/v1.0/publish/p'],
      ['GET', '/'],
      ['GET', '/v1.0'],
      ['GET', '/v1.0/invoke'],
    ] as const) {
      assert.equal(find(method, path), undefined, `${method} ${path}`);
    }
  });

  it('refuses a route declared twice', () => {
    assert.throws(() => new RouteTable([route('GET', '/a/{x}'), route('GET', '/a/{y}')]), /declared twice/);
  });
});
