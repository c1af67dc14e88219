/**
 * CRC-32 (IEEE 802.3, reflected), and the change of it when four bytes change. CRC is linear: the checksum of a frame
 * with another id is the old one XOR the checksum of the difference, which is four bytes followed by zeros. So a frame
 * is not summed again when its id is patched, and damage that was in it stays visible to the receiver.
 */
import zlib from 'node:zlib';

const POLYNOMIAL = 0xedb88320;

function makeTable(): Int32Array {
  const table = new Int32Array(256);
  for (let i = 0; i < 256; i++) {
    let c = i;
    for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ POLYNOMIAL : c >>> 1;
    table[i] = c;
  }
  return table;
}

const table: Int32Array = makeTable();

/** As zlib's; for Node before 20.15, and in tests beside the native one. Signed, as all sums of this file. */
export function crc32Table(buffer: Buffer, start: number, end: number): number {
  let c = -1;
  for (let i = start; i < end; i++) c = (table[(c ^ (buffer[i] as number)) & 0xff] as number) ^ (c >>> 8);
  return c ^ -1;
}

function crc32Native(buffer: Buffer, start: number, end: number): number {
  return zlib.crc32(buffer.subarray(start, end)) | 0;
}

export const crc32: (buffer: Buffer, start: number, end: number) => number =
  typeof zlib.crc32 === 'function' ? crc32Native : crc32Table;

/** Product of two polynomials modulo the CRC's, bits reflected (x^0 is the highest bit). */
function multiply(a: number, b: number): number {
  let product = 0;
  let factor = b;
  for (let bit = 0x80000000 | 0; bit !== 0; bit >>>= 1) {
    if (a & bit) product ^= factor;
    factor = factor & 1 ? (factor >>> 1) ^ POLYNOMIAL : factor >>> 1;
  }
  return product;
}

/** `powers[k]` = x^(8·2^k): what 2^k zero bytes do to a sum. */
const powers: Int32Array = new Int32Array(32);
powers[0] = 0x00800000;
for (let k = 1; k < powers.length; k++) {
  const half = powers[k - 1] as number;
  powers[k] = multiply(half, half);
}

/** Frames of one method have the same few lengths: the last factor for each of these many remainders is kept. */
const MEMO = 1024;
const memoBytes: Int32Array = new Int32Array(MEMO).fill(-1);
const memoFactor: Int32Array = new Int32Array(MEMO);

/** x^(8·bytes). */
function zeros(bytes: number): number {
  const place = bytes & (MEMO - 1);
  if (memoBytes[place] === bytes) return memoFactor[place] as number;
  let factor = 0x80000000 | 0;
  let rest = bytes;
  for (let k = 0; rest !== 0; k++, rest >>>= 1) if (rest & 1) factor = multiply(powers[k] as number, factor);
  memoBytes[place] = bytes;
  memoFactor[place] = factor;
  return factor;
}

/**
 * The sum after four bytes were XORed with `delta` (big-endian) and `bytesAfter` bytes of the summed range follow them.
 * `bytesAfter` is below 2^31.
 */
export function patchCrc32(sum: number, delta: number, bytesAfter: number): number {
  let c = 0;
  c = (table[(delta >>> 24) & 0xff] as number) ^ (c >>> 8);
  c = (table[(c ^ (delta >>> 16)) & 0xff] as number) ^ (c >>> 8);
  c = (table[(c ^ (delta >>> 8)) & 0xff] as number) ^ (c >>> 8);
  c = (table[(c ^ delta) & 0xff] as number) ^ (c >>> 8);
  return sum ^ multiply(zeros(bytesAfter), c);
}
