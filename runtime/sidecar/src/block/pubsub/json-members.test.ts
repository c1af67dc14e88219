import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { arrayElements, membersOf, memberText } from './json-members.js';

/** JSON with white space wherever it may stand. */
const spaced = (value: fc.JsonValue, space: string): string => JSON.stringify(value, null, space);

describe('members of a JSON object', () => {
  it('are slices of its text', () => {
    const { raw } = membersOf(' {"a" : 1.0 ,"b":"}\\"," , "c" : [ {"d":"]"} ], "\\u0065": {} } ') ?? { raw: new Map() };
    assert.deepEqual(
      [...raw],
      [
        ['a', '1.0'],
        ['b', '"}\\","'],
        ['c', '[ {"d":"]"} ]'],
        ['e', '{}'],
      ],
    );
  });

  it('take the last of equal keys', () => {
    assert.equal(memberText('{"a":1,"a":2}', 'a'), '2');
  });

  it('do not exist in other documents', () => {
    for (const text of ['', '[]', '"a"', 'null', '{', '{"a":1}}']) assert.equal(membersOf(text), undefined);
  });

  it('parse to what the object parses to, however it is written', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.constantFrom('', ' ', '\t\n'), (object, space) => {
        const text = spaced(object, space);
        const { raw } = membersOf(text) ?? assert.fail(text);
        const back = Object.fromEntries([...raw].map(([key, slice]) => [key, JSON.parse(slice)]));
        assert.deepEqual(back, JSON.parse(text));
      }),
    );
  });

  it('of an array are found the same way', () => {
    assert.deepEqual(arrayElements(' [ ] '), []);
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), fc.constantFrom('', '  '), (array, space) => {
        const text = spaced(array, space);
        assert.deepEqual(
          arrayElements(text).map((slice) => JSON.parse(slice)),
          JSON.parse(text),
        );
      }),
    );
  });
});
