import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HeaderList } from '@outrigger/engine';
import fc from 'fast-check';
import { httpTarget } from './http-target.js';

const of = (path: string, headers: Record<string, string> = {}) => httpTarget(path, HeaderList.of(headers));
const basic = (user: string, password: string): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
});

describe('whom an HTTP request calls', () => {
  const byPath: readonly (readonly [string, string, string, string])[] = [
    ['/v1.0/invoke/b/method/foo', 'b', 'foo', ''],
    ['/v1.0/invoke/b/method/multiple/segments?x=1&y=%20', 'b', 'multiple/segments', '?x=1&y=%20'],
    ['/v1.0////invoke/b/method/foo', 'b', 'foo', ''],
    ['/v1.0//invoke//b/method//foo', 'b', 'foo', ''],
    ['//v1.0/invoke/b/method/foo', 'b', 'foo', ''],
    ['/v1.0/invoke/b/method/', 'b', '', ''],
    ['/v1.0/invoke/b/method/a%2Fb', 'b', 'a/b', ''],
    ['/v1.0/invoke/b/method/admin%2F..%2Fpublic', 'b', 'public', ''],
    ['/v1.0/invoke/b.ns/method/foo', 'b.ns', 'foo', ''],
    ['/v1.0/invoke/http://example.com/method/x', 'http://example.com', 'x', ''],
    ['/v1.0/invoke/https%3A%2F%2Fexample.com%3A8443/method/x', 'https://example.com:8443', 'x', ''],
    ['/v1.0/invoke/http%253A%252F%252Fexample.com/method/x', 'http://example.com', 'x', ''],
    ['/v1.0/invoke/b/method/method/method', 'b', 'method/method', ''],
  ];
  for (const [path, id, method, query] of byPath) {
    it(`${path} → ${id}, ${method}`, () => assert.deepEqual(of(path), { id, method, query, basic: false }));
  }

  for (const path of [
    '/',
    '/v1.0/invoke/b',
    '/v1.0/invoke/b/method',
    '/v1.0/invoke//method/x',
    '/v1.0/invoke',
    '/v1.0/state/x',
    '/v1.0/invokex/b/method/y',
    '/x/v1.0/invoke/b/method/y',
  ]) {
    it(`${path} → nobody`, () => assert.equal(of(path), null));
  }

  it('takes the header dapr-app-id on any path, before everything else', () => {
    assert.deepEqual(of('///orders/../items/1?q', { 'dapr-app-id': 'b' }), {
      id: 'b',
      method: 'items/1',
      query: '?q',
      basic: false,
    });
    assert.deepEqual(of('/v1.0/invoke/c/method/x', { 'dapr-app-id': 'b', ...basic('dapr-app-id', 'd') }), {
      id: 'b',
      method: 'v1.0/invoke/c/method/x',
      query: '',
      basic: false,
    });
  });

  it('takes the app id from Basic authentication, and no other credentials', () => {
    assert.deepEqual(of('/orders', basic('dapr-app-id', 'b')), { id: 'b', method: 'orders', query: '', basic: true });
    assert.deepEqual(of('/orders', basic('Dapr-App-Id', 'b')), { id: 'b', method: 'orders', query: '', basic: true });
    for (const headers of [
      basic('alice', 'b'),
      basic('dapr-app-id', ''),
      basic('dapr-app-id', 'a:b'),
      { authorization: 'Bearer x' },
      { authorization: 'Basic !!!' },
    ]) {
      assert.equal(of('/orders', headers as Record<string, string>), null);
    }
  });

  it('says when a path cannot be decoded', () => {
    assert.equal(of('/v1.0/invoke/b/method/%zz'), 'malformed');
  });

  it('never fails on any path', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (rest) => {
        of(`/v1.0/invoke/${rest}`);
        of(rest, { 'dapr-app-id': 'b' });
      }),
    );
  });
});
