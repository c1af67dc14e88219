/** Response heads (RFC 9112 §4, §5, §6.3), as strict as requests: a response that two readers could split differently is refused. */
import { CR, describeByte, FIELD_VALUE, LF, SPACE } from './characters.js';
import { FAILED, failure, type Http1Failure, INCOMPLETE } from './failure.js';
import { FieldScanner } from './field-scanner.js';
import { readFields } from './fields.js';
import { BodyKind, type ConnectionFields, dropNominated, emptyConnectionFields } from './head.js';
import type { HeadParser } from './head-reader.js';
import { latin1 } from './latin1.js';
import type { Http1Limits } from './limits.js';

export interface ParsedResponse {
  readonly status: number;
  readonly flat: readonly string[];
  readonly chunked: boolean;
  /** -1 when not given. */
  readonly contentLength: number;
  /** As far as version and Connection say. */
  readonly keepAlive: boolean;
  /** Value of Upgrade; matters with 101. */
  readonly upgrade: string | null;
}

const PREFIX = [0x48, 0x54, 0x54, 0x50, 0x2f, 0x31, 0x2e]; // HTTP/1.
const STATUS_DIGITS = 3;

/** How the body of this response to a request with `method` is delimited (RFC 9112 §6.3). */
export function responseBodyKind(parsed: ParsedResponse, method: string): BodyKind {
  const { status, contentLength } = parsed;
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return BodyKind.none;
  if (parsed.chunked) return BodyKind.chunked;
  if (contentLength === 0) return BodyKind.none;
  return contentLength > 0 ? BodyKind.length : BodyKind.untilClose;
}

/** Whether the connection can be used again after this response. */
export function responsePersists(parsed: ParsedResponse, kind: BodyKind): boolean {
  if (!parsed.keepAlive || kind === BodyKind.untilClose) return false;
  // Who announces a body with a status that has none may send it.
  return parsed.status !== 204 || (!parsed.chunked && parsed.contentLength <= 0);
}

export class ResponseParser implements HeadParser<ParsedResponse> {
  parsed: ParsedResponse | null = null;
  failure: Http1Failure | null = null;
  private readonly limits: Http1Limits;
  private readonly scanner: FieldScanner;

  constructor(limits: Http1Limits) {
    this.limits = limits;
    this.scanner = new FieldScanner(limits.headerCountMax);
  }

  parse(buffer: Buffer, start: number, end: number): number {
    const { limits } = this;
    let pos = start;
    for (let i = 0; i < PREFIX.length; i++, pos++) {
      if (pos === end) return INCOMPLETE;
      if (buffer[pos] !== PREFIX[i]) return this.fail('the response does not begin with HTTP/1.');
    }
    if (end - pos < STATUS_DIGITS + 3) return INCOMPLETE;
    const minor = (buffer[pos++] as number) - 0x30;
    if (minor < 0 || minor > 9) return this.fail('the response has no HTTP version');
    if (buffer[pos++] !== SPACE) return this.fail('the status line has no space before the status');
    let status = 0;
    for (let i = 0; i < STATUS_DIGITS; i++, pos++) {
      const digit = (buffer[pos] as number) - 0x30;
      if (digit < 0 || digit > 9) return this.fail('the status is not three digits');
      status = status * 10 + digit;
    }
    if (status < 100) return this.fail('the status is below 100');
    // The space is due even without a reason (RFC 9112 §4), but servers exist that leave both out.
    if (buffer[pos] !== SPACE && buffer[pos] !== CR) return this.fail('the status is not three digits');
    while (pos < end && FIELD_VALUE[buffer[pos] as number] === 1) pos++;
    if (pos - start > limits.requestLineBytesMax) {
      return this.fail(`the status line is longer than ${limits.requestLineBytesMax} bytes`);
    }
    if (pos + 1 >= end) {
      if (pos < end && buffer[pos] !== CR)
        return this.fail(`the status line holds ${describeByte(buffer[pos] as number)}`);
      return INCOMPLETE;
    }
    if (buffer[pos] !== CR || buffer[pos + 1] !== LF) {
      return this.fail(`the status line holds ${describeByte(buffer[pos] as number)}`);
    }
    pos = this.scanner.scan(buffer, pos + 2, end);
    const length = (pos === INCOMPLETE ? end : pos) - start;
    if (length > limits.headerBytesMax)
      return this.fail(`the response head is longer than ${limits.headerBytesMax} bytes`);
    if (pos === FAILED) this.failure = this.scanner.failure;
    if (pos < 0) return pos;
    return this.interpret(status, minor, latin1(buffer, start, pos), start) ? pos : FAILED;
  }

  private interpret(status: number, minor: number, text: string, base: number): boolean {
    const flat: string[] = [];
    const fields = emptyConnectionFields();
    this.failure = readFields(this.scanner, text, base, flat, fields) ?? refuseFraming(fields, minor);
    if (this.failure !== null) return false;
    if (fields.nominated !== null) dropNominated(flat, fields.nominated);
    this.parsed = {
      status,
      flat,
      chunked: fields.transferEncodings !== 0,
      contentLength: fields.contentLength,
      keepAlive: !fields.close && (minor >= 1 || fields.keepAlive),
      upgrade: fields.upgradeOption ? fields.upgrade : null,
    };
    return true;
  }

  private fail(sentence: string): number {
    this.failure = failure(502, sentence);
    return FAILED;
  }
}

const parsers = new WeakMap<Http1Limits, ResponseParser>();

/** A parser holds nothing between two calls: all connections with the same limits share one. */
export function responseParserOf(limits: Http1Limits): ResponseParser {
  let parser = parsers.get(limits);
  if (parser === undefined) {
    parser = new ResponseParser(limits);
    parsers.set(limits, parser);
  }
  return parser;
}

function refuseFraming(fields: ConnectionFields, minor: number): Http1Failure | null {
  if (fields.transferEncodings === 0) return null;
  if (fields.transferEncodings > 1) return failure(502, 'transfer-encoding is given more than once');
  if (fields.contentLength !== -1) return failure(502, 'both transfer-encoding and content-length are given');
  if (minor === 0) return failure(502, 'transfer-encoding is not part of HTTP/1.0');
  if (fields.transferEncoding.toLowerCase() === 'chunked') return null;
  return failure(502, 'transfer-encoding is not chunked alone');
}
