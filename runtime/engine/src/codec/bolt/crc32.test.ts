import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { crc32, crc32Table, patchCrc32 } from './crc32.js';

describe('CRC-32', () => {
  it('sums the check string of the catalogue of parametrised CRC algorithms to cbf43926', () => {
    const check = Buffer.from('123456789');
    assert.equal(crc32(check, 0, 9) >>> 0, 0xcbf43926);
    assert.equal(crc32Table(check, 0, 9) >>> 0, 0xcbf43926);
    assert.equal(crc32(check, 0, 0), 0);
  });

  it('gives the same from the native function and from the table', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), fc.nat(20), (bytes, skip) => {
        const buffer = Buffer.from(bytes);
        const start = Math.min(skip, buffer.length);
        assert.equal(crc32(buffer, start, buffer.length), crc32Table(buffer, start, buffer.length));
      }),
    );
  });

  it('follows a change of four bytes without a second pass', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 4, maxLength: 5000 }), fc.nat(), fc.integer(), (bytes, place, id) => {
        const buffer = Buffer.from(bytes);
        const at = place % (buffer.length - 3);
        const before = crc32(buffer, 0, buffer.length);
        const delta = buffer.readInt32BE(at) ^ id;
        buffer.writeInt32BE(id, at);
        assert.equal(patchCrc32(before, delta, buffer.length - at - 4), crc32(buffer, 0, buffer.length));
      }),
    );
  });

  it('follows a change far from the end', () => {
    const buffer = Buffer.alloc(3_000_000, 0x5a);
    const before = crc32(buffer, 0, buffer.length);
    buffer.writeUInt32BE(0xdeadbeef, 6);
    assert.equal(patchCrc32(before, 0x5a5a5a5a ^ 0xdeadbeef, buffer.length - 10), crc32(buffer, 0, buffer.length));
  });
});
