import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeSettings } from './h2c-upgrade.js';

const settings = (...pairs: [id: number, value: number][]): string => {
  const bytes = Buffer.alloc(pairs.length * 6);
  for (const [i, [id, value]] of pairs.entries()) {
    bytes.writeUInt16BE(id, i * 6);
    bytes.writeUInt32BE(value, i * 6 + 2);
  }
  return bytes.toString('base64url');
};

describe('HTTP2-Settings', () => {
  it('is a SETTINGS payload in base64url', () => {
    // What curl 7.88 sends.
    assert.equal(decodeSettings('AAMAAABkAAQCAAAAAAIAAAAA')?.length, 18);
    assert.equal(decodeSettings('')?.length, 0);
    assert.equal(decodeSettings(settings([4, 0x7fffffff], [5, 16_384], [2, 0], [99, 0xffffffff]))?.length, 24);
    assert.equal(decodeSettings(`${Buffer.alloc(6).toString('base64url')}`)?.length, 6);
  });

  it('is refused when it is anything else', () => {
    for (const field of [
      'AAMAAABkAA',
      'AAMAAAB+',
      'AAMAAAB/',
      'AAMA AABk',
      'AAMAAABk,AAQC',
      '===',
      settings([2, 2]),
      settings([4, 0x80000000]),
      settings([5, 16_383]),
      settings([5, 16_777_216]),
      Buffer.alloc(6 * 33).toString('base64url'),
    ]) {
      assert.equal(decodeSettings(field), null, field);
    }
  });
});
