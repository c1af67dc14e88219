/**
 * A decoded header block. Blocks are shared between messages whose bytes are equal (see HeaderMemo), so they are never
 * changed once decoded; who wants to change fields asks for a list of its own.
 */

import { HeaderList } from '../http/headers.js';
import type { RequestHead } from '../http/stream.js';
import { isAuthority } from '../http1/authority.js';
import { TARGET } from '../http1/characters.js';
import { type Field, FieldKind } from './field.js';

export class HeaderBlock {
  method = '';
  path = '';
  scheme = '';
  /** `:authority`, or Host where that is missing. */
  authority = '';
  status = 0;
  host = '';
  contentType = '';
  /** -1 when absent. */
  contentLength = -1;
  grpcTimeout = '';
  grpcEncoding = '';
  grpcAcceptEncoding = '';
  /** Regular fields: name, value, name, value, …. Without host; cookie crumbs are still apart. */
  readonly fields: string[] = [];
  /** Sum as SETTINGS_MAX_HEADER_LIST_SIZE counts it. */
  listBytes = 0;
  /** Fields passed the list limit; those beyond it were dropped. */
  tooLarge = false;
  /** Why the fields themselves are malformed (RFC 9113 §8.2), or null. */
  fieldProblem: string | null = null;
  /** Why the message is malformed as a request (RFC 9113 §8.3.1), or null. */
  problem: string | null = null;
  /** The same bytes mean the same on any connection, and are likely to come again. */
  repeatable = true;
  /** What a gRPC service found for `path`: it is looked up once per distinct block, not once per call. */
  routeOwner: unknown = null;
  route: unknown = null;
  hasPseudo = false;
  #cookies = 0;
  #seen = 0;

  add(field: Field, listBytesMax: number): void {
    this.listBytes += field.size;
    if (this.listBytes > listBytesMax) {
      this.tooLarge = true;
      return;
    }
    if (field.problem !== null) this.fieldProblem ??= field.problem;
    if (field.volatile) this.repeatable = false;
    const { kind, value } = field;
    if (kind >= FieldKind.METHOD && kind <= FieldKind.STATUS) {
      if (this.fields.length > 0 || this.host !== '') this.fieldProblem ??= `${field.name} follows a regular field`;
      if ((this.#seen & (1 << kind)) !== 0) this.fieldProblem ??= `${field.name} appears twice`;
      this.#seen |= 1 << kind;
      this.hasPseudo = true;
    }
    switch (kind) {
      case FieldKind.METHOD:
        this.method = value;
        return;
      case FieldKind.PATH:
        this.path = value;
        return;
      case FieldKind.SCHEME:
        this.scheme = value;
        return;
      case FieldKind.AUTHORITY:
        this.authority = value;
        return;
      case FieldKind.STATUS:
        this.#setStatus(value);
        return;
      case FieldKind.HOST:
        if (this.host !== '' && this.host !== value) this.fieldProblem ??= 'two different host fields';
        this.host = value;
        return;
      case FieldKind.CONTENT_LENGTH:
        this.#setContentLength(value);
        break;
      case FieldKind.CONTENT_TYPE:
        this.contentType = value;
        break;
      case FieldKind.GRPC_TIMEOUT:
        this.grpcTimeout = value;
        break;
      case FieldKind.GRPC_ENCODING:
        this.grpcEncoding = value;
        break;
      case FieldKind.GRPC_ACCEPT_ENCODING:
        this.grpcAcceptEncoding = value;
        break;
      case FieldKind.COOKIE:
        this.#cookies++;
        break;
    }
    this.fields.push(field.name, value);
  }

  /** To be called once after the last field of a request. */
  finishRequest(): void {
    this.problem = this.fieldProblem ?? (this.tooLarge ? null : this.#requestProblem());
  }

  #requestProblem(): string | null {
    if ((this.#seen & (1 << FieldKind.STATUS)) !== 0) return 'a request carries :status';
    if (this.method === '') return ':method is missing';
    if (!isMethod(this.method)) return ':method is not a token';
    const hasAuthority = (this.#seen & (1 << FieldKind.AUTHORITY)) !== 0;
    if (this.host !== '') {
      // RFC 9113 §8.3.1. Two names for one request is how requests are smuggled past a proxy.
      if (hasAuthority && this.authority !== this.host) return 'host differs from :authority';
      this.authority = this.host;
    }
    if (this.authority !== '' && !isAuthority(this.authority)) return ':authority is not a host with a port';
    if (this.method === 'CONNECT') {
      if (this.path !== '' || this.scheme !== '') return 'CONNECT carries :path or :scheme';
      return hasAuthority ? null : 'CONNECT without :authority';
    }
    if (this.scheme === '') return ':scheme is missing';
    if (this.path === '') return ':path is missing or empty';
    if (!isTarget(this.path)) return ':path holds a character that may not stand in it';
    if (this.path.charCodeAt(0) !== 0x2f && !(this.path === '*' && this.method === 'OPTIONS')) {
      return ':path does not begin with /';
    }
    return null;
  }

  /** Why the block may not be a response head (RFC 9113 §8.3.2), or null. */
  responseProblem(endStream: boolean): string | null {
    if (this.fieldProblem !== null || this.tooLarge) return this.fieldProblem;
    if (this.status === 0) return ':status is missing';
    if ((this.#seen & ~(1 << FieldKind.STATUS)) !== 0) return 'a response carries request pseudo-headers';
    // 101 does not exist in HTTP/2 (RFC 9113 §8.6).
    if (this.status === 101) return 'status 101 in HTTP/2';
    if (this.status < 200 && endStream) return 'an informational response ends the stream';
    return null;
  }

  /** The head as handlers see it: a copy, theirs to change. */
  toRequestHead(): RequestHead {
    return {
      method: this.method,
      scheme: this.scheme,
      authority: this.authority,
      path: this.path,
      headers: this.toHeaderList(),
    };
  }

  toHeaderList(): HeaderList {
    if (this.#cookies < 2) return new HeaderList(this.fields.slice());
    return new HeaderList(joinCookies(this.fields));
  }

  #setStatus(value: string): void {
    const status = value.length === 3 ? Number(value) : 0;
    if (status >= 100 && status <= 999) this.status = status;
    else this.fieldProblem ??= ':status is not three digits';
  }

  #setContentLength(value: string): void {
    let length = 0;
    for (let i = 0; i < value.length; i++) {
      const digit = value.charCodeAt(i) - 0x30;
      length = digit >= 0 && digit <= 9 ? length * 10 + digit : Number.POSITIVE_INFINITY;
    }
    if (value === '' || length > Number.MAX_SAFE_INTEGER) this.fieldProblem ??= 'content-length is not a number';
    else if (this.contentLength >= 0 && this.contentLength !== length)
      this.fieldProblem ??= 'two different content-length fields';
    else this.contentLength = length;
  }
}

function isMethod(method: string): boolean {
  return method === 'POST' || method === 'GET' || /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(method);
}

function isTarget(path: string): boolean {
  for (let i = 0; i < path.length; i++) if (TARGET[path.charCodeAt(i)] === 0) return false;
  return true;
}

/** RFC 9113 §8.2.3: crumbs are joined before they leave HTTP/2; joined in place of the first they stay in order. */
function joinCookies(fields: readonly string[]): string[] {
  const joined: string[] = [];
  let at = -1;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    const value = fields[i + 1] as string;
    if (name !== 'cookie' || at < 0) {
      if (name === 'cookie') at = joined.length + 1;
      joined.push(name, value);
    } else {
      joined[at] += `; ${value}`;
    }
  }
  return joined;
}
