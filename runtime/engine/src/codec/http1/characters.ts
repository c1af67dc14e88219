/** Character classes of RFC 9110 §5.5, §5.6.2 and RFC 9112 §3.2 as tables: one load per byte, no regular expressions. */

/** The lower-case byte for every `tchar`, 0 for anything else. */
export const TOKEN: Uint8Array = new Uint8Array(256);
/** 1 for bytes of a field value: HTAB, SP, VCHAR, obs-text. CR, LF, NUL and the other controls are 0. */
export const FIELD_VALUE: Uint8Array = new Uint8Array(256);
/**
 * 1 for bytes of a request target. Bytes above 0x7f are let through, because clients do send raw UTF-8 paths and no
 * framing depends on them; controls, space, DEL and `#` (a fragment never goes on the wire) are not.
 */
export const TARGET: Uint8Array = new Uint8Array(256);
/** 1 for bytes of `uri-host [":" port]`: unreserved, sub-delims, percent, brackets, colon. No `@`: userinfo is refused. */
export const AUTHORITY: Uint8Array = new Uint8Array(256);
/** The value of a hexadecimal digit, 255 for anything else. */
export const HEX: Uint8Array = new Uint8Array(256).fill(255);

const ALPHANUMERIC = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';

for (const char of `${ALPHANUMERIC}!#$%&'*+-.^_\`|~`) TOKEN[char.charCodeAt(0)] = char.toLowerCase().charCodeAt(0);
for (const char of `${ALPHANUMERIC}-._~!$&'()*+,;=%[]:`) AUTHORITY[char.charCodeAt(0)] = 1;
for (let byte = 0x21; byte <= 0xff; byte++) {
  if (byte === 0x7f) continue;
  FIELD_VALUE[byte] = 1;
  if (byte !== 0x23) TARGET[byte] = 1;
}
FIELD_VALUE[0x09] = 1;
FIELD_VALUE[0x20] = 1;
for (let digit = 0; digit < 16; digit++) {
  HEX[digit.toString(16).charCodeAt(0)] = digit;
  HEX[digit.toString(16).toUpperCase().charCodeAt(0)] = digit;
}

export const TAB = 0x09;
export const LF = 0x0a;
export const CR = 0x0d;
export const SPACE = 0x20;
export const COMMA = 0x2c;
export const SLASH = 0x2f;
export const COLON = 0x3a;
export const SEMICOLON = 0x3b;

/** True for a non-empty token in lower case: the form every field name has in a HeaderList. */
export function isFieldName(name: string): boolean {
  if (name.length === 0) return false;
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    if (code > 0xff || TOKEN[code] !== code) return false;
  }
  return true;
}

/** True when every character may stand in a field value on the wire. */
export function isFieldValue(value: string): boolean {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (code > 0xff || FIELD_VALUE[code] === 0) return false;
  }
  return true;
}

/** How a message names an unexpected byte: the character when it is visible, else its number. */
export function describeByte(byte: number): string {
  if (byte === LF) return 'a bare LF';
  if (byte === CR) return 'a bare CR';
  if (byte === 0) return 'NUL';
  if (byte === SPACE) return 'a space';
  if (byte === TAB) return 'a tab';
  if (byte > SPACE && byte < 0x7f) return `'${String.fromCharCode(byte)}'`;
  return `byte 0x${byte.toString(16).padStart(2, '0')}`;
}
