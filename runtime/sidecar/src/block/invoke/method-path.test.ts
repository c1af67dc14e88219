import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  cleanPath,
  isSafePath,
  latin1,
  methodPath,
  percentDecode,
  safeQuery,
  unsendableEscape,
  utf8,
} from './method-path.js';

describe('path of a method', () => {
  const paths: readonly (readonly [string, string])[] = [
    ['orders', '/orders'],
    ['orders/1', '/orders/1'],
    ['/orders', '/orders'],
    ['', '/'],
    ['/', '/'],
    ['orders/', '/orders'],
    ['a//b', '/a/b'],
    ['a/./b', '/a/b'],
    ['admin/../public', '/public'],
    ['../../etc', '/etc'],
    ['..', '/'],
    ['.well-known/x', '/.well-known/x'],
    ['a..b', '/a..b'],
    ['...', '/...'],
    ['test"stream', '/test%22stream'],
    ['test*stream', '/test*stream'],
    ['test\\stream', '/test%5Cstream'],
    ['a b', '/a%20b'],
    ['100%', '/100%25'],
    [latin1('café'), '/caf%C3%A9'],
    ["!$&'()*+,;=:@-._~[]", "/!$&'()*+,;=:@-._~[]"],
  ];
  for (const [method, path] of paths) {
    it(`'${utf8(method)}' is ${path}`, () => assert.deepEqual(methodPath(method), { path }));
  }

  it('refuses what no method may hold, in Dapr’s words', () => {
    assert.deepEqual(methodPath('test#stream'), {
      error: 'invalid method: method contains forbidden character: "test#stream"',
    });
    assert.match(methodPath('a?b').error ?? '', /forbidden character/);
    assert.match(methodPath('a\0b').error ?? '', /forbidden character/);
    assert.match(methodPath('ab\rc').error ?? '', /control character at position 2/);
    assert.match(methodPath('a\x7f').error ?? '', /control character at position 1/);
  });

  it('is always one that the callee’s sidecar takes, and decodes to what was meant', () => {
    const byte = fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code));
    const element = fc.oneof(fc.constantFrom('.', '..', '', '/', '%', 'a'), byte);
    fc.assert(
      fc.property(fc.array(element, { maxLength: 30 }), (elements) => {
        const method = elements.join('');
        const { path, error } = methodPath(method);
        if (error !== undefined) return [...method].some((char) => '#?\x7f'.includes(char) || char < ' ');
        return isSafePath(path) && percentDecode(path) === cleanPath(`/${method}`);
      }),
      { numRuns: 500 },
    );
  });
});

describe('cleanPath', () => {
  // Go's path.Clean tests, those that matter to methods.
  const cases: readonly (readonly [string, string])[] = [
    ['', ''],
    ['abc', 'abc'],
    ['abc/def', 'abc/def'],
    ['.', ''],
    ['..', '..'],
    ['../..', '../..'],
    ['/abc/', '/abc'],
    ['abc//def//ghi', 'abc/def/ghi'],
    ['//abc', '/abc'],
    ['abc/./def', 'abc/def'],
    ['abc/def/ghi/../jkl', 'abc/def/jkl'],
    ['abc/def/../../../ghi/jkl/../../../mno', '../../mno'],
    ['/abc/def/../../..', '/'],
  ];
  for (const [path, clean] of cases) it(`'${path}' → '${clean}'`, () => assert.equal(cleanPath(path), clean));
});

describe('percent-decoding', () => {
  it('decodes bytes, whatever they are', () => {
    assert.equal(percentDecode('a%2Fb%00%ff%FF'), 'a/b\0\xff\xff');
    assert.equal(percentDecode('plain+plus'), 'plain+plus');
  });
  it('refuses a percent sign without two digits', () => {
    for (const text of ['%', 'a%2', '%zz', '%2', 'a%%41']) assert.equal(percentDecode(text), null);
  });
});

describe('what one sidecar takes from another', () => {
  for (const path of ['/', '/a', '/a/b.c', '/a%20b', '/.a', '/a?x=y&z', '/a?', '/...']) {
    it(`takes ${path}`, () => assert.ok(isSafePath(path)));
  }
  for (const path of [
    '',
    'a',
    '*',
    '/a//b',
    '/..',
    '/a/../b',
    '/./a',
    '/a/.',
    '/a b',
    '/a%2',
    '/a%zz',
    '/a#b',
    '/a?b c',
    '/a?\x7f',
    '/ä',
    'http://x/',
  ]) {
    it(`refuses '${path}'`, () => assert.ok(!isSafePath(path)));
  }
});

describe('queries and escapes', () => {
  it('encodes what cannot stand in a request line', () => {
    assert.equal(safeQuery('a=1&b=%20+x'), 'a=1&b=%20+x');
    assert.equal(safeQuery('a=b c#d\r\n'), 'a=b%20c%23d%0D%0A');
  });
  it('finds the escape that Dapr’s HTTP client cannot send', () => {
    assert.equal(unsendableEscape('/test%25stream'), '%st');
    assert.equal(unsendableEscape('/test%2541'), null);
    assert.equal(unsendableEscape('/100%25'), '%');
    assert.equal(unsendableEscape('/plain'), null);
  });
});
