import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fromJsonString } from '@bufbuild/protobuf';
import { TryLockRequestSchema } from '@outrigger/proto/dapr/runtime/v1';
import fc from 'fast-check';
import { protoFieldsOf, protoInt32, protoText } from './proto-json.js';

function read(text: string): object {
  const fields = protoFieldsOf(Buffer.from(text));
  return {
    resourceId: protoText(fields, 'resourceId'),
    lockOwner: protoText(fields, 'lockOwner'),
    expiryInSeconds: protoInt32(fields, 'expiryInSeconds'),
  };
}

function reference(text: string): object {
  const message = fromJsonString(TryLockRequestSchema, text, { ignoreUnknownFields: true });
  const { resourceId, lockOwner, expiryInSeconds } = message;
  return { resourceId, lockOwner, expiryInSeconds };
}

describe('the fields of a message in JSON', () => {
  it('are read by either of their names', () => {
    const expected = { resourceId: 'r', lockOwner: 'o', expiryInSeconds: 7 };
    assert.deepEqual(read('{"resourceId":"r","lockOwner":"o","expiryInSeconds":7}'), expected);
    assert.deepEqual(read('{"resource_id":"r","lock_owner":"o","expiry_in_seconds":"7"}'), expected);
  });

  it('are zero when absent or null, and in an empty body', () => {
    const zero = { resourceId: '', lockOwner: '', expiryInSeconds: 0 };
    for (const text of ['', '{}', '{"resourceId":null,"expiryInSeconds":null}', '{"other":[1]}'])
      assert.deepEqual(read(text), zero, text);
  });

  it('are refused with their name and what was given', () => {
    const refused: [string, RegExp][] = [
      ['{"resourceId":5}', /^invalid value for string field resourceId: 5$/],
      ['{"expiryInSeconds":1.5}', /^invalid value for int32 field expiryInSeconds: 1\.5$/],
      ['{"expiryInSeconds":"x"}', /^invalid value for int32 field expiryInSeconds: "x"$/],
      // As Go; protobuf-es is lenient.
      ['{"expiryInSeconds":"01"}', /^invalid value for int32 field expiryInSeconds: "01"$/],
      ['{"expiryInSeconds":"+1"}', /^invalid value for int32 field expiryInSeconds: "\+1"$/],
      ['[]', /^a message is a JSON object$/],
      ['{', /^unexpected end of JSON input$/],
    ];
    for (const [text, message] of refused) assert.throws(() => read(text), { message }, text);
  });

  it('are what protobuf-es reads, where it is strict', () => {
    const value = fc.oneof(
      fc.string({ unit: fc.constantFrom('a', 'É', '"', '\\', ' '), maxLength: 5 }),
      fc.integer({ min: -3e9, max: 3e9 }),
      fc.constantFrom(1.5, 1e9, 1e10, -0, true, null, '1', '-7', '1.0', '2e2', ' 1', '1 ', ''),
      fc.constantFrom([], {}, [1]),
    );
    const names = ['resourceId', 'lockOwner', 'expiryInSeconds', 'metadata2'];
    const document = fc.dictionary(fc.constantFrom(...names), value, { maxKeys: 3 });
    fc.assert(
      fc.property(document, (object) => {
        const text = JSON.stringify(object);
        let expected: object | undefined;
        try {
          expected = reference(text);
        } catch {}
        if (expected === undefined) assert.throws(() => read(text), text);
        else assert.deepEqual(read(text), expected, text);
      }),
      { numRuns: 1000 },
    );
  });
});
