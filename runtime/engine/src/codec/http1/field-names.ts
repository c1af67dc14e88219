/**
 * Known field names, found by the hash that the scanner makes on the way, so that common names cost no string. The bytes
 * are always compared: a forged hash collision must not turn one field into another.
 */
import { TOKEN } from './characters.js';

/** Fields that the codec itself acts upon. */
export const FieldRole = {
  plain: 0,
  host: 1,
  contentLength: 2,
  transferEncoding: 3,
  connection: 4,
  upgrade: 5,
  expect: 6,
  http2Settings: 7,
  /** Of one connection only and of no use here: dropped. */
  dropped: 8,
} as const;
export type FieldRole = (typeof FieldRole)[keyof typeof FieldRole];

export interface KnownName {
  readonly name: string;
  readonly role: FieldRole;
  readonly hash: number;
}

const ROLES: Readonly<Record<string, FieldRole>> = {
  host: FieldRole.host,
  'content-length': FieldRole.contentLength,
  'transfer-encoding': FieldRole.transferEncoding,
  connection: FieldRole.connection,
  upgrade: FieldRole.upgrade,
  expect: FieldRole.expect,
  'http2-settings': FieldRole.http2Settings,
  'keep-alive': FieldRole.dropped,
  'proxy-connection': FieldRole.dropped,
  te: FieldRole.dropped,
};

const PLAIN = `accept accept-charset accept-encoding accept-language accept-ranges access-control-allow-credentials
  access-control-allow-headers access-control-allow-methods access-control-allow-origin access-control-expose-headers
  access-control-max-age access-control-request-headers access-control-request-method age allow alt-svc authorization
  baggage cache-control ce-id ce-source ce-specversion ce-time ce-type content-disposition content-encoding
  content-language content-location content-range content-type cookie dapr-api-token dapr-app-id dapr-caller-app-id
  dapr-callee-app-id dnt date etag expires forwarded from grpc-encoding grpc-message grpc-status grpc-timeout
  if-match if-modified-since if-none-match if-range if-unmodified-since last-modified link location max-forwards origin
  pragma priority proxy-authenticate proxy-authorization range referer retry-after sec-ch-ua sec-ch-ua-mobile
  sec-ch-ua-platform sec-fetch-dest sec-fetch-mode sec-fetch-site sec-fetch-user sec-websocket-accept
  sec-websocket-extensions sec-websocket-key sec-websocket-protocol sec-websocket-version server set-cookie
  strict-transport-security traceparent tracestate trailer upgrade-insecure-requests user-agent vary via
  www-authenticate x-b3-sampled x-b3-spanid x-b3-traceid x-content-type-options x-envoy-attempt-count
  x-envoy-upstream-service-time x-forwarded-client-cert x-forwarded-for x-forwarded-host x-forwarded-port
  x-forwarded-proto x-frame-options x-powered-by x-real-ip x-request-id x-requested-with`.split(/\s+/);

/** FNV-1a over the lower-case bytes of a name; the scanner computes the same byte by byte. */
export const HASH_START: number = 0x811c9dc5 | 0;
export const HASH_PRIME = 0x01000193;

function hashOf(name: string): number {
  let hash = HASH_START;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), HASH_PRIME);
  return hash;
}

const BUCKETS = 1024;
const table: (KnownName[] | undefined)[] = new Array(BUCKETS).fill(undefined);
const byName = new Map<string, KnownName>();

for (const name of [...Object.keys(ROLES), ...PLAIN]) {
  const known: KnownName = { name, role: ROLES[name] ?? FieldRole.plain, hash: hashOf(name) };
  byName.set(name, known);
  const bucket = known.hash & (BUCKETS - 1);
  const entries = table[bucket];
  if (entries === undefined) table[bucket] = [known];
  else entries.push(known);
}

/** The known name whose lower-case bytes stand in `buffer[start, end)`, or null. */
export function findName(buffer: Uint8Array, start: number, end: number, hash: number): KnownName | null {
  const entries = table[hash & (BUCKETS - 1)];
  if (entries === undefined) return null;
  for (const known of entries) {
    if (known.hash !== hash || known.name.length !== end - start) continue;
    let i = 0;
    while (i < known.name.length && TOKEN[buffer[start + i] as number] === known.name.charCodeAt(i)) i++;
    if (i === known.name.length) return known;
  }
  return null;
}

/** What the codec does with a field of this (lower-case) name. */
export function roleOf(name: string): FieldRole {
  return byName.get(name)?.role ?? FieldRole.plain;
}

/** Names that must not be sent or accepted in a trailer section: they frame, route or authenticate (RFC 9110 §6.5.1). */
export const NOT_IN_TRAILERS: ReadonlySet<string> = new Set([
  ...Object.keys(ROLES),
  'authorization',
  'cache-control',
  'content-encoding',
  'content-range',
  'content-type',
  'cookie',
  'dapr-api-token',
  'max-forwards',
  'proxy-authorization',
  'set-cookie',
  'trailer',
]);
