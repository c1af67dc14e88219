/**
 * Bolt's header block: pairs of strings, each behind its length (i32; −1 is null, which only a value is in practice).
 * SOFARPC's SimpleMapSerializer. It is walked in place; a block whose lengths leave it is taken to end there.
 */
import type { Slab } from '../../network/transport.js';
import { appendBytes, readI32, writeI32 } from '../xprotocol/bytes.js';
import { equalsKey, type HeaderKey } from '../xprotocol/header-key.js';
import { readText } from '../xprotocol/text.js';

/** The value under `key`; undefined when it is absent or null. The first one counts. */
export function findHeader(buffer: Buffer, start: number, end: number, key: HeaderKey): string | undefined {
  const at = findValue(buffer, start, end, key);
  return at < 0 ? undefined : readText(buffer, at, at + readI32(buffer, at - 4));
}

/** Where the value under `key` begins, its length in the four bytes before; -1 when it is absent or null. */
export function findValue(buffer: Buffer, start: number, end: number, key: HeaderKey): number {
  const wanted = key.bytes.length;
  let at = start;
  while (at + 8 <= end) {
    const keyBytes = readI32(buffer, at);
    const name = at + 4;
    if (keyBytes < -1) return -1;
    at = keyBytes < 0 ? name : name + keyBytes;
    if (at + 4 > end) return -1;
    const valueBytes = readI32(buffer, at);
    at += 4;
    if (valueBytes < -1 || at + valueBytes > end) return -1;
    if (keyBytes === wanted && equalsKey(key, buffer, name, name + keyBytes)) return valueBytes < 0 ? -1 : at;
    if (valueBytes > 0) at += valueBytes;
  }
  return -1;
}

/** Appends the pairs of `buffer[start, end)` but for those whose name `isDropped`. False when the block is malformed. */
export function copyPairs(
  slab: Slab,
  buffer: Buffer,
  start: number,
  end: number,
  isDropped: (buffer: Buffer, start: number, end: number) => boolean,
): boolean {
  let at = start;
  while (at < end) {
    const pair = at;
    if (at + 8 > end) return false;
    const keyBytes = Math.max(0, readI32(buffer, at));
    const name = at + 4;
    at = name + keyBytes;
    if (at + 4 > end) return false;
    at += 4 + Math.max(0, readI32(buffer, at));
    if (at > end) return false;
    if (!isDropped(buffer, name, name + keyBytes)) appendBytes(slab, buffer, pair, at);
  }
  return true;
}

export function appendPair(slab: Slab, name: string, value: string): void {
  appendString(slab, name);
  appendString(slab, value);
}

function appendString(slab: Slab, text: string): void {
  const bytes = Buffer.byteLength(text);
  slab.ensure(4 + bytes);
  writeI32(slab.buffer, slab.end, bytes);
  slab.buffer.write(text, slab.end + 4, 'utf8');
  slab.end += 4 + bytes;
}
