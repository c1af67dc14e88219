/** Request heads (RFC 9112 §3, §5, §6.1): one strict pass, everything ambiguous is refused. */
import { isAuthority } from './authority.js';
import { CR, describeByte, LF, SLASH, SPACE, TARGET, TOKEN } from './characters.js';
import { FAILED, failure, type Http1Failure, INCOMPLETE, UNANSWERED } from './failure.js';
import { FieldScanner } from './field-scanner.js';
import { readFields } from './fields.js';
import { BodyKind, type ConnectionFields, dropNominated, emptyConnectionFields } from './head.js';
import type { HeadParser } from './head-reader.js';
import { latin1 } from './latin1.js';
import { type Http1Limits, METHOD_BYTES_MAX } from './limits.js';

/** A parsed request head. Shared by a memo, so its list is copied before a handler gets it. */
export interface ParsedRequest {
  readonly method: string;
  readonly path: string;
  /** Empty only for HTTP/1.0 without Host. */
  readonly authority: string;
  readonly flat: readonly string[];
  readonly minor: number;
  readonly body: BodyKind;
  /** Of BodyKind.length. */
  readonly contentLength: number;
  /** The client wants the connection to go on. */
  readonly keepAlive: boolean;
  readonly expectContinue: boolean;
  /** Value of Upgrade when Connection names it and the version is 1.1, else null. */
  readonly upgrade: string | null;
  /** Value of the one HTTP2-Settings when Connection names it, else null (RFC 7540 §3.2.1). */
  readonly http2Settings: string | null;
}

const VERSION = [0x48, 0x54, 0x54, 0x50, 0x2f]; // HTTP/
const VERSION_BYTES = 8;
const STAR = 0x2a;
const DOT = 0x2e;
const ONE = 0x31;

export class RequestParser implements HeadParser<ParsedRequest> {
  parsed: ParsedRequest | null = null;
  failure: Http1Failure | null = null;
  private readonly limits: Http1Limits;
  private readonly scheme: string;
  private readonly scanner: FieldScanner;

  constructor(limits: Http1Limits, scheme: 'http' | 'https') {
    this.limits = limits;
    this.scheme = scheme;
    this.scanner = new FieldScanner(limits.headerCountMax);
  }

  parse(buffer: Buffer, start: number, end: number): number {
    const { limits } = this;
    let pos = start;
    while (pos < end && TOKEN[buffer[pos] as number] !== 0) pos++;
    if (pos - start > METHOD_BYTES_MAX) return this.fail(501, 'the method is longer than any that is known here');
    if (pos === end) return INCOMPLETE;
    if (buffer[pos] !== SPACE || pos === start) {
      return this.fail(400, `the request line begins with ${describeByte(buffer[pos] as number)} in the method`);
    }
    const methodEnd = pos++;
    const targetStart = pos;
    while (pos < end && TARGET[buffer[pos] as number] === 1) pos++;
    if (pos - start > limits.requestLineBytesMax) return this.failRequestLine();
    if (pos === end) return INCOMPLETE;
    if (buffer[pos] !== SPACE || pos === targetStart) return this.failTarget(buffer[pos] as number, pos, targetStart);
    const targetEnd = pos++;
    const versionStart = pos;
    for (let i = 0; i < VERSION_BYTES; i++, pos++) {
      if (pos === end) return INCOMPLETE;
      if (isVersionByte(buffer[pos] as number, i)) continue;
      // Neither target nor version is one of HTTP, as in a broken HTTP/2 preface (RFC 9113 §3.4).
      if (i === 0 && !beginsTarget(buffer[targetStart] as number)) return this.fail(UNANSWERED, 'what came is no HTTP');
      return this.fail(400, 'the request line does not end in HTTP/1.1');
    }
    if (buffer[versionStart + 5] !== ONE) return this.fail(505, 'only HTTP/1.0 and HTTP/1.1 are spoken here');
    if (pos - start > limits.requestLineBytesMax) return this.failRequestLine();
    if (pos + 1 >= end) {
      if (pos < end && buffer[pos] !== CR) return this.failLineEnd(buffer[pos] as number);
      return INCOMPLETE;
    }
    if (buffer[pos] !== CR || buffer[pos + 1] !== LF) return this.failLineEnd(buffer[pos] as number);
    const minor = (buffer[versionStart + 7] as number) - 0x30;
    pos = this.scanner.scan(buffer, pos + 2, end);
    const length = (pos === INCOMPLETE ? end : pos) - start;
    if (length > limits.headerBytesMax) return this.fail(431, `the head is longer than ${limits.headerBytesMax} bytes`);
    if (pos === FAILED) this.failure = this.scanner.failure;
    if (pos < 0) return pos;
    const text = latin1(buffer, start, pos);
    const method = text.slice(0, methodEnd - start);
    const target = text.slice(targetStart - start, targetEnd - start);
    return this.interpret(method, target, minor, text, start) ? pos : FAILED;
  }

  private interpret(method: string, target: string, minor: number, text: string, base: number): boolean {
    const flat: string[] = [];
    const fields = emptyConnectionFields();
    this.failure = readFields(this.scanner, text, base, flat, fields) ?? refuseFraming(fields, minor);
    if (this.failure !== null) return false;
    this.failure = refuseHost(fields, minor);
    if (this.failure !== null) return false;
    const path = this.readTarget(method, target, fields);
    if (path === null) return false;
    const expect = fields.expect;
    if (expect !== null && expect.toLowerCase() !== '100-continue') {
      this.fail(417, 'the only expectation met here is 100-continue');
      return false;
    }
    if (fields.nominated !== null) dropNominated(flat, fields.nominated);
    const chunked = fields.transferEncodings !== 0;
    const body = chunked ? BodyKind.chunked : fields.contentLength > 0 ? BodyKind.length : BodyKind.none;
    const modern = minor >= 1;
    const upgrades = modern && fields.upgradeOption;
    this.parsed = {
      method,
      path,
      authority: fields.host,
      flat,
      minor,
      body,
      contentLength: fields.contentLength,
      keepAlive: !fields.close && (modern || fields.keepAlive),
      // HTTP/1.0 knows no 100 (RFC 9110 §10.1.1); without a body there is nothing to wait for.
      expectContinue: expect !== null && modern && body !== BodyKind.none,
      upgrade: upgrades ? fields.upgrade : null,
      http2Settings:
        upgrades && fields.http2SettingsOption && fields.http2SettingsCount === 1 ? fields.http2Settings : null,
    };
    return true;
  }

  /** The path of the target, in whichever form it came (RFC 9112 §3.2); checks that it names the host of Host. */
  private readTarget(method: string, target: string, fields: ConnectionFields): string | null {
    if (method === 'CONNECT') {
      this.fail(501, 'CONNECT is not served here');
      return null;
    }
    const first = target.charCodeAt(0);
    if (first === SLASH) return target;
    if (first === STAR && target.length === 1) {
      if (method === 'OPTIONS') return target;
      this.fail(400, 'the request target * belongs to OPTIONS alone');
      return null;
    }
    const prefix = `${this.scheme}://`;
    if (target.slice(0, prefix.length).toLowerCase() !== prefix) {
      this.fail(400, `the request target is neither a path nor an ${this.scheme} URI`);
      return null;
    }
    let end = prefix.length;
    while (end < target.length && target[end] !== '/' && target[end] !== '?') end++;
    const authority = target.slice(prefix.length, end);
    if (!isAuthority(authority)) {
      this.fail(400, 'the authority in the request target is not valid');
      return null;
    }
    if (fields.hosts !== 0 && authority.toLowerCase() !== fields.host.toLowerCase()) {
      this.fail(400, 'the request target and Host name different hosts');
      return null;
    }
    fields.host = authority;
    if (end === target.length) return method === 'OPTIONS' ? '*' : '/';
    return target[end] === '?' ? `/${target.slice(end)}` : target.slice(end);
  }

  private failTarget(byte: number, pos: number, targetStart: number): number {
    if (pos === targetStart)
      return this.fail(400, `${describeByte(byte)} stands where the request target should begin`);
    if (byte === CR || byte === LF) return this.fail(400, 'the request line has no HTTP version');
    return this.fail(400, `the request target holds ${describeByte(byte)}`);
  }

  private failLineEnd(byte: number): number {
    if (byte === CR) return this.fail(400, 'the request line ends in a bare CR');
    return this.fail(400, `the request line goes on with ${describeByte(byte)} after the version`);
  }

  private failRequestLine(): number {
    return this.fail(414, `the request line is longer than ${this.limits.requestLineBytesMax} bytes`);
  }

  private fail(status: number, sentence: string): number {
    this.failure = failure(status, sentence);
    return FAILED;
  }
}

const parsers: Record<'http' | 'https', WeakMap<Http1Limits, RequestParser>> = {
  http: new WeakMap(),
  https: new WeakMap(),
};

/** A parser holds nothing between two calls: all connections with the same limits share one. */
export function requestParserOf(limits: Http1Limits, scheme: 'http' | 'https'): RequestParser {
  let parser = parsers[scheme].get(limits);
  if (parser === undefined) {
    parser = new RequestParser(limits, scheme);
    parsers[scheme].set(limits, parser);
  }
  return parser;
}

function isVersionByte(byte: number, index: number): boolean {
  if (index < VERSION.length) return byte === VERSION[index];
  if (index === 6) return byte === DOT;
  return byte >= 0x30 && byte <= 0x39;
}

function beginsTarget(byte: number): boolean {
  return byte === SLASH || byte === STAR;
}

function refuseHost(fields: ConnectionFields, minor: number): Http1Failure | null {
  if (fields.hosts > 1) return failure(400, 'host is given more than once');
  if (fields.hosts === 0) return minor >= 1 ? failure(400, 'host is missing') : null;
  return isAuthority(fields.host) ? null : failure(400, 'host is not a valid host and port');
}

/** RFC 9112 §6.1, §6.3: whatever two hops could read differently is refused. */
function refuseFraming(fields: ConnectionFields, minor: number): Http1Failure | null {
  if (fields.transferEncodings === 0) return null;
  if (fields.transferEncodings > 1) return failure(400, 'transfer-encoding is given more than once');
  if (fields.contentLength !== -1) return failure(400, 'both transfer-encoding and content-length are given');
  if (minor === 0) return failure(400, 'transfer-encoding is not part of HTTP/1.0');
  const coding = fields.transferEncoding.toLowerCase();
  if (coding === 'chunked') return null;
  // A coding we do not know is 501; chunked that is not the one and last coding is an error of framing.
  if (coding.includes('chunked') || coding === '') return failure(400, 'transfer-encoding is not chunked alone');
  return failure(501, 'the only transfer-encoding known here is chunked');
}
