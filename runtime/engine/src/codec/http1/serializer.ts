/**
 * Writes heads, chunks and trailers straight into a transport's slab. Names and values are checked on the way: whatever
 * could end a line or a head early never reaches the wire (RFC 9110 §5.5), wherever it came from.
 */
import type { Slab } from '../../network/transport.js';
import type { HeaderList } from '../http/headers.js';
import { AUTHORITY, FIELD_VALUE, TARGET, TOKEN } from './characters.js';
import { FieldRole, NOT_IN_TRAILERS, roleOf } from './field-names.js';
import { writeLatin1 } from './latin1.js';

const CR = 0x0d;
const LF = 0x0a;
const COLON = 0x3a;
const SPACE = 0x20;
/** Above this many characters the native write is faster than a loop (measured: from about 64 on). */
const LOOP_MAX = 64;

const REASONS: Readonly<Record<number, string>> = {
  100: 'Continue',
  101: 'Switching Protocols',
  102: 'Processing',
  103: 'Early Hints',
  200: 'OK',
  201: 'Created',
  202: 'Accepted',
  203: 'Non-Authoritative Information',
  204: 'No Content',
  205: 'Reset Content',
  206: 'Partial Content',
  207: 'Multi-Status',
  300: 'Multiple Choices',
  301: 'Moved Permanently',
  302: 'Found',
  303: 'See Other',
  304: 'Not Modified',
  307: 'Temporary Redirect',
  308: 'Permanent Redirect',
  400: 'Bad Request',
  401: 'Unauthorized',
  402: 'Payment Required',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  407: 'Proxy Authentication Required',
  408: 'Request Timeout',
  409: 'Conflict',
  410: 'Gone',
  411: 'Length Required',
  412: 'Precondition Failed',
  413: 'Content Too Large',
  414: 'URI Too Long',
  415: 'Unsupported Media Type',
  416: 'Range Not Satisfiable',
  417: 'Expectation Failed',
  421: 'Misdirected Request',
  422: 'Unprocessable Content',
  425: 'Too Early',
  426: 'Upgrade Required',
  428: 'Precondition Required',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  451: 'Unavailable For Legal Reasons',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported',
  507: 'Insufficient Storage',
  511: 'Network Authentication Required',
};

const statusLines: (string | undefined)[] = new Array(1000).fill(undefined);

/** `status` is an integer from 100 to 999. */
export function writeStatusLine(slab: Slab, status: number): void {
  const line = (statusLines[status] ??= `HTTP/1.1 ${status} ${REASONS[status] ?? ''}\r\n`);
  writeAscii(slab, line);
}

/** False when method, path or authority hold what must not be in a request line; nothing is written then. */
export function writeRequestLine(slab: Slab, method: string, path: string, authority: string): boolean {
  if (!consistsOf(TOKEN, method) || !consistsOf(TARGET, path) || !isWritableAuthority(authority)) return false;
  slab.ensure(method.length + path.length + authority.length + 32);
  writeAscii(slab, method);
  writeByte(slab, SPACE);
  writeAscii(slab, path);
  writeAscii(slab, ' HTTP/1.1\r\nhost: ');
  writeAscii(slab, authority);
  writeAscii(slab, '\r\n');
  return true;
}

/**
 * Writes the fields of a message, without those that belong to the connection (the codec writes its own). Returns the
 * name of the first field that must not go on the wire, or null; the caller rewinds the slab then. `withLength`: write
 * content-length as well.
 */
export function writeFields(slab: Slab, headers: HeaderList, withLength: boolean): string | null {
  const { flat } = headers;
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i] as string;
    const role = roleOf(name);
    if (role !== FieldRole.plain && !(role === FieldRole.contentLength && withLength)) continue;
    if (!writeField(slab, name, flat[i + 1] as string)) return name;
  }
  return null;
}

/** Returns the first name that must not go on the wire, or null. Fields that have no place in trailers are left out. */
export function writeTrailers(slab: Slab, trailers: HeaderList): string | null {
  const { flat } = trailers;
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i] as string;
    if (NOT_IN_TRAILERS.has(name)) continue;
    if (!writeField(slab, name, flat[i + 1] as string)) return name;
  }
  return null;
}

export function writeField(slab: Slab, name: string, value: string): boolean {
  slab.ensure(name.length + value.length + 4);
  const { buffer } = slab;
  let pos = slab.end;
  if (name.length === 0) return false;
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    if (code > 0xff || TOKEN[code] !== code) return false;
    buffer[pos++] = code;
  }
  buffer[pos++] = COLON;
  buffer[pos++] = SPACE;
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (code > 0xff || FIELD_VALUE[code] === 0) return false;
    buffer[pos++] = code;
  }
  buffer[pos++] = CR;
  buffer[pos++] = LF;
  slab.end = pos;
  return true;
}

/** `text` is known to be plain ASCII. */
export function writeAscii(slab: Slab, text: string): void {
  slab.ensure(text.length);
  const { buffer } = slab;
  let pos = slab.end;
  if (text.length > LOOP_MAX) {
    slab.end = pos + writeLatin1(buffer, text, pos);
    return;
  }
  for (let i = 0; i < text.length; i++) buffer[pos++] = text.charCodeAt(i);
  slab.end = pos;
}

export function writeBytes(slab: Slab, bytes: Uint8Array, start: number, end: number): void {
  const length = end - start;
  slab.ensure(length);
  if (start === 0 && end === bytes.length) slab.buffer.set(bytes, slab.end);
  else slab.buffer.set(bytes.subarray(start, end), slab.end);
  slab.end += length;
}

const DIGITS = Buffer.from('0123456789abcdef', 'latin1');

/** One chunk; `end > start`, because an empty chunk would end the body. */
export function writeChunk(slab: Slab, bytes: Uint8Array, start: number, end: number): void {
  const length = end - start;
  slab.ensure(length + 20);
  const { buffer } = slab;
  let pos = slab.end;
  let digits = 1;
  for (let rest = length; rest >= 16; rest = Math.floor(rest / 16)) digits++;
  let rest = length;
  for (let i = digits - 1; i >= 0; i--) {
    buffer[pos + i] = DIGITS[rest % 16] as number;
    rest = Math.floor(rest / 16);
  }
  pos += digits;
  buffer[pos++] = CR;
  buffer[pos++] = LF;
  slab.end = pos;
  writeBytes(slab, bytes, start, end);
  writeByte(slab, CR);
  writeByte(slab, LF);
}

function writeByte(slab: Slab, byte: number): void {
  slab.ensure(1);
  slab.buffer[slab.end++] = byte;
}

function consistsOf(table: Uint8Array, text: string): boolean {
  if (text.length === 0) return false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0xff || table[code] === 0) return false;
  }
  return true;
}

function isWritableAuthority(authority: string): boolean {
  return authority === '' || consistsOf(AUTHORITY, authority);
}
