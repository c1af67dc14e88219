/** One decoded field line: its name, value, meaning for the codec, and whether RFC 9113 allows it. */
import { FIELD_VALUE, isFieldName } from '../http1/characters.js';

/** What the codec does with a field. Regular fields are only collected. */
export const FieldKind = {
  REGULAR: 0,
  METHOD: 1,
  PATH: 2,
  SCHEME: 3,
  AUTHORITY: 4,
  STATUS: 5,
  HOST: 6,
  CONTENT_LENGTH: 7,
  CONTENT_TYPE: 8,
  TE: 9,
  COOKIE: 10,
  GRPC_TIMEOUT: 11,
  GRPC_ENCODING: 12,
  GRPC_ACCEPT_ENCODING: 13,
  /** Pseudo-headers we do not know, and fields of HTTP/1.1 connections (RFC 9113 §8.2.2, §8.3): malformed. */
  FORBIDDEN: 14,
} as const;
export type FieldKind = (typeof FieldKind)[keyof typeof FieldKind];

const kinds: ReadonlyMap<string, FieldKind> = new Map<string, FieldKind>([
  [':method', FieldKind.METHOD],
  [':path', FieldKind.PATH],
  [':scheme', FieldKind.SCHEME],
  [':authority', FieldKind.AUTHORITY],
  [':status', FieldKind.STATUS],
  ['host', FieldKind.HOST],
  ['content-length', FieldKind.CONTENT_LENGTH],
  ['content-type', FieldKind.CONTENT_TYPE],
  ['te', FieldKind.TE],
  ['cookie', FieldKind.COOKIE],
  ['grpc-timeout', FieldKind.GRPC_TIMEOUT],
  ['grpc-encoding', FieldKind.GRPC_ENCODING],
  ['grpc-accept-encoding', FieldKind.GRPC_ACCEPT_ENCODING],
  ['connection', FieldKind.FORBIDDEN],
  ['keep-alive', FieldKind.FORBIDDEN],
  ['proxy-connection', FieldKind.FORBIDDEN],
  ['transfer-encoding', FieldKind.FORBIDDEN],
  ['upgrade', FieldKind.FORBIDDEN],
]);

/** Differ on (nearly) every request: remembering them would push out what repeats. */
const volatileNames: ReadonlySet<string> = new Set([
  'grpc-timeout',
  'traceparent',
  'tracestate',
  'grpc-trace-bin',
  'x-request-id',
  'x-b3-traceid',
  'x-b3-spanid',
  'x-b3-parentspanid',
  'content-length',
  'date',
  'etag',
  'if-none-match',
  'idempotency-key',
]);

/** RFC 7541 §4.1: what an entry counts beside its octets. */
const ENTRY_OVERHEAD_BYTES = 32;

export class Field {
  readonly name: string;
  readonly value: string;
  readonly kind: FieldKind;
  /** As counted by SETTINGS_MAX_HEADER_LIST_SIZE and the dynamic table. */
  readonly size: number;
  /** Why the field makes its message malformed, or null. */
  readonly problem: string | null;
  readonly volatile: boolean;

  constructor(name: string, value: string, kind?: FieldKind) {
    this.name = name;
    this.value = value;
    this.kind = kind ?? kindOf(name);
    this.size = name.length + value.length + ENTRY_OVERHEAD_BYTES;
    this.problem = problemOf(this.kind, name, value);
    this.volatile = volatileNames.has(name);
  }
}

function kindOf(name: string): FieldKind {
  const known = kinds.get(name);
  if (known !== undefined) return known;
  return isFieldName(name) ? FieldKind.REGULAR : FieldKind.FORBIDDEN;
}

function problemOf(kind: FieldKind, name: string, value: string): string | null {
  if (kind === FieldKind.FORBIDDEN) return `field ${JSON.stringify(name)} is not allowed in HTTP/2`;
  for (let i = 0; i < value.length; i++) {
    if (FIELD_VALUE[value.charCodeAt(i)] === 0) return `the value of ${name} holds a control character`;
  }
  if (value.length > 0 && (isBlank(value.charCodeAt(0)) || isBlank(value.charCodeAt(value.length - 1)))) {
    return `the value of ${name} begins or ends with white space`;
  }
  if (kind === FieldKind.TE && value !== 'trailers') return 'te may say nothing but trailers';
  return null;
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
