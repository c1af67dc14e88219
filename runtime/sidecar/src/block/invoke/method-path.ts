/**
 * From a method as the caller wrote it to the path that the app sees: percent-decoded once, cleaned, encoded again, so
 * that `..` and doubled slashes are gone before anything is decided or sent (dapr/dapr pkg/messaging/method). Strings here
 * hold one byte per character (latin1), as header values do: no decoding can fail or lose bytes.
 */

/** Characters that stand for themselves in a path (RFC 3986 pchar, and `/`). */
const PLAIN: Uint8Array = new Uint8Array(256);
for (const char of "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=:@/[]") {
  PLAIN[char.charCodeAt(0)] = 1;
}

const SLASH = 0x2f;
const DOT = 0x2e;
const PERCENT = 0x25;

const hexValue = (code: number): number => {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
};

/** `text` with every `%XX` replaced by its byte; null when a `%` is not followed by two hexadecimal digits. */
export function percentDecode(text: string): string | null {
  let at = text.indexOf('%');
  if (at < 0) return text;
  let decoded = '';
  let from = 0;
  while (at >= 0) {
    const high = hexValue(text.charCodeAt(at + 1));
    const low = hexValue(text.charCodeAt(at + 2));
    if (high < 0 || low < 0) return null;
    decoded += text.slice(from, at) + String.fromCharCode(high * 16 + low);
    from = at + 3;
    at = text.indexOf('%', from);
  }
  return decoded + text.slice(from);
}

/** Go's path.Clean: one slash between elements, no `.`, `..` resolved. `''` stays empty. */
export function cleanPath(path: string): string {
  if (path === '') return '';
  const rooted = path.charCodeAt(0) === SLASH;
  const kept: string[] = [];
  for (const element of path.split('/')) {
    if (element === '' || element === '.') continue;
    if (element !== '..') kept.push(element);
    else if (kept.length > 0 && kept.at(-1) !== '..') kept.pop();
    else if (!rooted) kept.push('..');
  }
  return (rooted ? '/' : '') + kept.join('/');
}

/** True when the path needs no work: plain characters, and no element that is empty or begins with a dot. */
function isPlainAndClean(method: string): boolean {
  let previous = SLASH;
  for (let i = 0; i < method.length; i++) {
    const code = method.charCodeAt(i);
    if (PLAIN[code] !== 1) return false;
    if (previous === SLASH && (code === SLASH || code === DOT)) return false;
    previous = code;
  }
  return previous !== SLASH;
}

/** A path as it may stand in a request to an app, or why it may not. */
export type MethodPath =
  | { readonly path: string; readonly error?: undefined }
  | { readonly path?: undefined; readonly error: string };

const forbidden = (method: string, what: string): MethodPath => ({
  error: `invalid method: method contains ${what}: ${quote(method)}`,
});

/** `method`: decoded, with or without a leading slash. The texts are Dapr's. */
export function methodPath(method: string): MethodPath {
  if (isPlainAndClean(method)) return { path: `/${method}` };
  for (let i = 0; i < method.length; i++) {
    const code = method.charCodeAt(i);
    if (code === 0 || code === 0x23 || code === 0x3f) return forbidden(method, 'forbidden character');
  }
  for (let i = 0; i < method.length; i++) {
    const code = method.charCodeAt(i);
    if (code < 0x20 || code === 0x7f) return forbidden(method, `control character at position ${i}`);
  }
  const rooted = cleanPath(`/${method}`);
  return { path: encodePath(rooted) };
}

function encodePath(path: string): string {
  let encoded = '';
  let from = 0;
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i);
    if (PLAIN[code] === 1) continue;
    encoded += path.slice(from, i) + percent(code);
    from = i + 1;
  }
  return from === 0 ? path : encoded + path.slice(from);
}

const percent = (code: number): string => `%${code < 16 ? '0' : ''}${code.toString(16).toUpperCase()}`;

/** A query as it may stand in a request line: what is no visible ASCII character, and `#`, is percent-encoded. */
export function safeQuery(query: string): string {
  return query.replace(/[^\x21-\x22\x24-\x7e]/g, (char) => percent(char.charCodeAt(0)));
}

/**
 * What a sidecar checks of a path that another one sent: absolute, clean, nothing unencoded. Never trusts the sender.
 */
export function isSafePath(path: string): boolean {
  const query = path.indexOf('?');
  const end = query < 0 ? path.length : query;
  if (path.charCodeAt(0) !== SLASH) return false;
  let previous = 0;
  for (let i = 0; i < end; i++) {
    const code = path.charCodeAt(i);
    if (code === PERCENT) {
      if (hexValue(path.charCodeAt(i + 1)) < 0 || hexValue(path.charCodeAt(i + 2)) < 0) return false;
    } else if (PLAIN[code] !== 1) return false;
    if (previous === SLASH && code === SLASH) return false;
    if (previous === SLASH && code === DOT && isDots(path, i, end)) return false;
    previous = code;
  }
  for (let i = end; i < path.length; i++) {
    const code = path.charCodeAt(i);
    if (code < 0x21 || code > 0x7e || code === 0x23) return false;
  }
  return true;
}

function isDots(path: string, at: number, end: number): boolean {
  let i = at;
  while (i < end && path.charCodeAt(i) === DOT) i++;
  return i - at <= 2 && (i === end || path.charCodeAt(i) === SLASH);
}

/**
 * Go's HTTP client, and with it Dapr, cannot send a path whose decoded form has a `%` that begins no escape. Returns the
 * part it complains of, or null.
 */
export function unsendableEscape(path: string): string | null {
  let at = path.indexOf('%25');
  while (at >= 0) {
    if (hexValue(path.charCodeAt(at + 3)) < 0 || hexValue(path.charCodeAt(at + 4)) < 0)
      return `%${path.slice(at + 3, at + 5)}`;
    at = path.indexOf('%25', at + 3);
  }
  return null;
}

/** Go's %q, for what stands in names. */
function quote(text: string): string {
  return JSON.stringify(utf8(text));
}

/** One byte per character → text. */
export function utf8(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString('utf8');
}

/** Text → one byte per character. */
export function latin1(text: string): string {
  for (let i = 0; i < text.length; i++)
    if (text.charCodeAt(i) > 0x7f) return Buffer.from(text, 'utf8').toString('latin1');
  return text;
}
