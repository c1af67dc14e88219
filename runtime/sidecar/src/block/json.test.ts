import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { encodeJson, JSON_DEPTH_MAX, JsonSyntaxError, parseJson, plainJson } from './json.js';

const again = (text: string): string => encodeJson(parseJson(text));

describe('JSON as Go reads and writes it', () => {
  it('drops white space and sorts keys', () => {
    assert.equal(again(' { "b" : [ 1 , 2 ] , "a" : { "d":null , "c":true } } '), '{"a":{"c":true,"d":null},"b":[1,2]}');
  });

  it('keeps numbers as they were written', () => {
    for (const number of ['9007199254740993', '12345678901234567890123', '1.50', '-0', '1E400', '0.1e-7']) {
      assert.equal(again(number), number);
    }
  });

  it('keeps strings quoted, escaping what Go escapes', () => {
    assert.equal(again('"plain"'), '"plain"');
    assert.equal(again('"<a & b>\\/\\u2028\\u0001\\t"'), '"\\u003ca \\u0026 b\\u003e/\\u2028\\u0001\\t"');
    assert.equal(again('"\\ud83d\\ude00 \\ud800 \\ud800\\u0041 \\udc00"'), '"😀 \ufffd \ufffdA \ufffd"');
  });

  it('takes the last of repeated keys, and no key has a meaning', () => {
    assert.equal(again('{"a":1,"a":2,"__proto__":{"x":1}}'), '{"__proto__":{"x":1},"a":2}');
    assert.equal(({} as Record<string, unknown>)['x'], undefined);
  });

  it('sorts keys by their UTF-8 bytes', () => {
    assert.equal(again('{"😀":1,"\uffee":2,"z":3}'), '{"z":3,"\uffee":2,"😀":1}');
  });

  it('says what is wrong in the words of Go', () => {
    const cases: readonly (readonly [string, string])[] = [
      ['', 'unexpected end of JSON input'],
      ['{"a"', 'unexpected end of JSON input'],
      ['nope', "invalid character 'o' in literal null (expecting 'u')"],
      ['x', "invalid character 'x' looking for beginning of value"],
      ["'x'", "invalid character '\\'' looking for beginning of value"],
      ['{a:1}', "invalid character 'a' looking for beginning of object key string"],
      ['{"a" 1}', "invalid character '1' after object key"],
      ['{"a":1 "b":2}', `invalid character '"' after object key:value pair`],
      ['[1 2]', "invalid character '2' after array element"],
      ['[1,]', "invalid character ']' looking for beginning of value"],
      ['"a\nb"', "invalid character '\\n' in string literal"],
      ['"\\x"', "invalid character 'x' in string escape code"],
      ['"\\u12g4"', "invalid character 'g' in \\u hexadecimal character escape"],
      ['-x', "invalid character 'x' in numeric literal"],
      ['01', "invalid character '1' after top-level value"],
      ['{} {}', "invalid character '{' after top-level value"],
    ];
    for (const [text, message] of cases) {
      assert.throws(
        () => parseJson(text),
        (error) => error instanceof JsonSyntaxError && error.message === message,
        text,
      );
    }
  });

  it('refuses nesting above the limit, and reads nesting at it', () => {
    const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
    assert.equal(again(nested(JSON_DEPTH_MAX)), nested(JSON_DEPTH_MAX));
    assert.throws(() => parseJson(nested(JSON_DEPTH_MAX + 1)), /exceeded max depth/);
    assert.throws(() => parseJson('{"a":'.repeat(100_000)), /exceeded max depth/);
  });

  it('agrees with JSON.parse on every document', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), (text) => {
        const expected = JSON.parse(text) as unknown;
        assert.deepEqual(JSON.parse(JSON.stringify(plainJson(parseJson(text)))), JSON.parse(JSON.stringify(expected)));
        assert.deepEqual(JSON.parse(again(text)), expected);
      }),
    );
  });

  it('accepts and refuses what JSON.parse accepts and refuses', () => {
    const near = fc.string({ unit: fc.constantFrom(...'{}[]",:01-.eE truefalsn\\u"') });
    fc.assert(
      fc.property(near, (text) => {
        const accepts = (parse: (text: string) => unknown): boolean => {
          try {
            parse(text);
            return true;
          } catch {
            return false;
          }
        };
        assert.equal(accepts(parseJson), accepts(JSON.parse), JSON.stringify(text));
      }),
      { numRuns: 2_000 },
    );
  });
});
