/** Strings on the wire: UTF-8, and the CESU-8 that Java's hessian writes (a surrogate pair as two three-byte sequences). */
import { latin1Slice } from '../../base/bytes.js';

/** `buffer[start, end)` as a string. Both forms of characters beyond U+FFFF are read; what is neither becomes U+FFFD. */
export function readText(buffer: Buffer, start: number, end: number): string {
  for (let i = start; i < end; i++) {
    const byte = buffer[i] as number;
    if (byte < 0x80) continue;
    // Only CESU-8 has surrogates: 0xed followed by 0xa0 or more.
    for (let j = i; j < end - 1; j++) {
      if (buffer[j] === 0xed && (buffer[j + 1] as number) >= 0xa0) return readSurrogates(buffer, start, end);
    }
    return buffer.toString('utf8', start, end);
  }
  return latin1Slice(buffer, start, end);
}

function readSurrogates(buffer: Buffer, start: number, end: number): string {
  let text = '';
  /** Where what is plain UTF-8 began. */
  let plain = start;
  let at = start;
  while (at < end) {
    if (buffer[at] !== 0xed || at + 2 >= end || (buffer[at + 1] as number) < 0xa0) {
      at++;
      continue;
    }
    text += buffer.toString('utf8', plain, at);
    text += String.fromCharCode(
      0xd000 | (((buffer[at + 1] as number) & 0x3f) << 6) | ((buffer[at + 2] as number) & 0x3f),
    );
    at += 3;
    plain = at;
  }
  return text + buffer.toString('utf8', plain, end);
}
