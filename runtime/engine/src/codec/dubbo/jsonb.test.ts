import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ScratchSlab } from '../../network/slab.js';
import { JsonbReader, writeJsonbString } from './jsonb.js';

const reader = new JsonbReader();

function open(hex: string | Buffer): JsonbReader {
  const bytes = typeof hex === 'string' ? Buffer.from(hex, 'hex') : hex;
  reader.open(bytes, 0, bytes.length);
  return reader;
}

describe('JSONB', () => {
  it('reads scalars of every form', () => {
    const forms: [string, string | undefined][] = [
      ['49', ''],
      ['4e322e302e32', '2.0.2'],
      ['79056162636465', 'abcde'],
      ['7a03e4b8ad', '中'],
      ['7c086e002d4e3dd800de', 'n中😀'],
      ['7d08006e4e2dd83dde00', 'n中😀'],
      ['2f', '47'],
      ['f0', '-16'],
      ['3007', '-2041'],
      ['38ff', '255'],
      ['3fff', '2047'],
      ['400000', '-262144'],
      ['47ffff', '262143'],
      ['4880000000', '-2147483648'],
      ['bdff', '-1'],
      ['bcff00', '-256'],
      ['be7fffffffffffffff', '9223372036854775807'],
      ['bfffffffff', '-1'],
      ['e0', '0'],
      ['d8', '-8'],
      ['ef', '15'],
      ['cfff', '-1'],
      ['c00000', '-262144'],
      ['b0', 'false'],
      ['b1', 'true'],
      ['af', undefined],
    ];
    for (const [hex, text] of forms) {
      assert.equal(open(hex).scalar(), text, hex);
      assert.equal(reader.at, hex.length / 2, hex);
      for (let end = 0; end < hex.length / 2; end++) {
        assert.equal(open(Buffer.from(hex, 'hex').subarray(0, end)).scalar(), false, `${hex} cut at ${end}`);
      }
    }
  });

  it('does not follow what is no scalar, nor lengths that lead outside', () => {
    for (const hex of [
      'a6a5',
      '94',
      '92',
      '93',
      '7f',
      '7b0261',
      '7e0261',
      '7948ffffffff',
      '79487fffffff',
      '7d03616263',
      '',
    ]) {
      assert.equal(open(hex).scalar(), false, hex);
    }
  });

  it('reads back the strings it writes', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'grapheme' }),
          fc.nat(70).map((n) => 'a'.repeat(n)),
        ),
        (text) => {
          const slab = new ScratchSlab(16);
          writeJsonbString(slab, text);
          assert.equal(open(Buffer.from(slab.buffer.subarray(0, slab.end))).string(), text);
          assert.equal(reader.at, slab.end);
        },
      ),
    );
    const slab = new ScratchSlab(16);
    writeJsonbString(slab, '1.0.0');
    assert.equal(slab.buffer.toString('hex', 0, slab.end), '4e312e302e30');
  });

  it('never leaves the bytes it was given', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 30 }), (any) => {
        open(Buffer.from(any)).scalar();
        assert.ok(reader.at <= any.length);
      }),
      { numRuns: 3000 },
    );
  });
});
