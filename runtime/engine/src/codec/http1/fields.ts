/** Turns scanned field lines into a header list and the fields that belong to the connection. */
import { COMMA, SPACE, TAB, TOKEN } from './characters.js';
import { failure, type Http1Failure } from './failure.js';
import { FieldRole, NOT_IN_TRAILERS } from './field-names.js';
import type { FieldScanner } from './field-scanner.js';
import { type ConnectionFields, parseContentLength } from './head.js';

/**
 * Appends what stays in the message to `flat` and puts the rest into `into`. `text` is the latin1 string of the bytes
 * from `base` on. Returns why the head is refused, or null.
 */
export function readFields(
  scanner: FieldScanner,
  text: string,
  base: number,
  flat: string[],
  into: ConnectionFields,
): Http1Failure | null {
  for (let field = 0; field < scanner.count; field++) {
    const name = scanner.name(field, text, base);
    const value = scanner.value(field, text, base);
    const role = scanner.knownName(field)?.role ?? FieldRole.plain;
    if (role === FieldRole.plain) {
      flat.push(name, value);
      continue;
    }
    const refused = readConnectionField(role, value, into);
    if (refused !== null) return refused;
    if (role === FieldRole.contentLength) flat.push(name, value);
  }
  return null;
}

function readConnectionField(role: FieldRole, value: string, into: ConnectionFields): Http1Failure | null {
  switch (role) {
    case FieldRole.host:
      into.hosts++;
      into.host = value;
      return null;
    case FieldRole.contentLength:
      return readContentLength(value, into);
    case FieldRole.transferEncoding:
      into.transferEncodings++;
      into.transferEncoding = value;
      return null;
    case FieldRole.connection:
      return readConnectionOptions(value, into);
    case FieldRole.upgrade:
      into.upgrade = into.upgrade === null ? value : `${into.upgrade}, ${value}`;
      return null;
    case FieldRole.expect:
      into.expect = into.expect === null ? value : `${into.expect}, ${value}`;
      return null;
    case FieldRole.http2Settings:
      into.http2SettingsCount++;
      into.http2Settings = value;
      return null;
    default:
      return null;
  }
}

/** RFC 9112 §6.3 lets a recipient take equal repetitions; nothing honest sends them, so any second one is refused. */
function readContentLength(value: string, into: ConnectionFields): Http1Failure | null {
  if (into.contentLength !== -1) return failure(400, 'content-length is given more than once');
  const length = parseContentLength(value);
  if (length === -1) return failure(400, 'content-length is not a plain decimal number');
  if (length === -2) return failure(413, 'content-length is larger than any body accepted here');
  into.contentLength = length;
  return null;
}

function readConnectionOptions(value: string, into: ConnectionFields): Http1Failure | null {
  let pos = 0;
  while (pos < value.length) {
    const code = value.charCodeAt(pos);
    if (code === COMMA || code === SPACE || code === TAB) {
      pos++;
      continue;
    }
    const start = pos;
    while (pos < value.length && TOKEN[value.charCodeAt(pos)] !== 0) pos++;
    const option = value.slice(start, pos).toLowerCase();
    while (pos < value.length && (value.charCodeAt(pos) === SPACE || value.charCodeAt(pos) === TAB)) pos++;
    if (option === '' || (pos < value.length && value.charCodeAt(pos) !== COMMA)) {
      return failure(400, 'connection is not a list of tokens');
    }
    const refused = readConnectionOption(option, into);
    if (refused !== null) return refused;
  }
  return null;
}

function readConnectionOption(option: string, into: ConnectionFields): Http1Failure | null {
  switch (option) {
    case 'close':
      into.close = true;
      return null;
    case 'keep-alive':
      into.keepAlive = true;
      return null;
    case 'upgrade':
      into.upgradeOption = true;
      return null;
    case 'http2-settings':
      into.http2SettingsOption = true;
      return null;
    case 'te':
    case 'proxy-connection':
      return null;
    case 'host':
    case 'content-length':
    case 'transfer-encoding':
      // Who nominates these wants the next hop to see another message than we do.
      return failure(400, `connection names ${option}, which every hop needs`);
    default:
      if (into.nominated === null) into.nominated = [option];
      else into.nominated.push(option);
      return null;
  }
}

/** The fields of a trailer section, or why it is refused. */
export function readTrailers(scanner: FieldScanner, text: string, base: number): string[] | Http1Failure {
  const flat: string[] = [];
  for (let field = 0; field < scanner.count; field++) {
    const name = scanner.name(field, text, base);
    if (NOT_IN_TRAILERS.has(name)) return failure(400, `${name} must not stand in the trailer section`);
    flat.push(name, scanner.value(field, text, base));
  }
  return flat;
}
