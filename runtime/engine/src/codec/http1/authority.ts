/** `uri-host [":" port]` as in Host and in an absolute request target (RFC 9112 §3.2, RFC 3986 §3.2). */
import { AUTHORITY, COLON, HEX } from './characters.js';

const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const PERCENT = 0x25;
const DOT = 0x2e;
const PORT_DIGITS_MAX = 5;
/** A name of the DNS has at most 253 characters; a bracketed address with a zone fits as well. */
const AUTHORITY_LENGTH_MAX = 300;

/** Most requests of a connection name the same host: remembering the last good one saves the check. */
let lastValid = '';

export function isAuthority(authority: string): boolean {
  if (authority === lastValid && authority !== '') return true;
  if (!check(authority)) return false;
  lastValid = authority;
  return true;
}

function check(authority: string): boolean {
  const { length } = authority;
  if (length === 0 || length > AUTHORITY_LENGTH_MAX) return false;
  let hostEnd = 0;
  if (authority.charCodeAt(0) === OPEN_BRACKET) {
    hostEnd = authority.indexOf(']') + 1;
    if (hostEnd < 4) return false;
    for (let i = 1; i < hostEnd - 1; i++) {
      const code = authority.charCodeAt(i);
      if (code !== COLON && code !== DOT && (code > 0xff || HEX[code] === 255)) return false;
    }
  } else {
    while (hostEnd < length && authority.charCodeAt(hostEnd) !== COLON) {
      const code = authority.charCodeAt(hostEnd);
      if (code > 0xff || AUTHORITY[code] === 0 || code === OPEN_BRACKET || code === CLOSE_BRACKET) return false;
      if (code === PERCENT && !isEscape(authority, hostEnd)) return false;
      hostEnd++;
    }
    if (hostEnd === 0) return false;
  }
  if (hostEnd === length) return true;
  if (authority.charCodeAt(hostEnd) !== COLON || length - hostEnd - 1 > PORT_DIGITS_MAX) return false;
  let port = 0;
  for (let i = hostEnd + 1; i < length; i++) {
    const digit = authority.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return false;
    port = port * 10 + digit;
  }
  return port <= 0xffff;
}

function isEscape(authority: string, at: number): boolean {
  if (at + 2 >= authority.length) return false;
  const high = authority.charCodeAt(at + 1);
  const low = authority.charCodeAt(at + 2);
  return high <= 0xff && low <= 0xff && HEX[high] !== 255 && HEX[low] !== 255;
}
