/** HTTP header fields and gRPC metadata in each other's terms, as Dapr converts them (dapr/dapr pkg/messaging/v1/util.go). */

/** The permanent fields that Dapr knows; to a gRPC peer they are called `dapr-<name>`, so that they do not frame its call. */
const PERMANENT: ReadonlySet<string> = new Set([
  'accept',
  'accept-charset',
  'accept-language',
  'accept-ranges',
  'cache-control',
  'connection',
  'content-length',
  'content-type',
  'cookie',
  'date',
  'expect',
  'from',
  'host',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-schedule-tag-match',
  'if-unmodified-since',
  'keep-alive',
  'max-forwards',
  'origin',
  'pragma',
  'proxy-connection',
  'referer',
  'transfer-encoding',
  'upgrade',
  'via',
  'warning',
]);

/** Fields that frame a gRPC call; a caller's values must not reach another call. */
const GRPC_FRAMING: ReadonlySet<string> = new Set([
  'content-length',
  'content-type',
  'grpc-accept-encoding',
  'grpc-encoding',
  'grpc-message',
  'grpc-message-type',
  'grpc-status',
  'grpc-status-details-bin',
  'grpc-timeout',
  'te',
  'user-agent',
]);

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
const PRINTABLE = /^[\x20-\x7e]*$/;

/** Header fields of an HTTP message → gRPC metadata (flat list). What metadata cannot carry is left out. */
export function httpToMetadata(flat: readonly string[]): string[] {
  const metadata: string[] = [];
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i] as string;
    const value = flat[i + 1] as string;
    if (name === 'traceparent') addBinaryTrace(metadata, value);
    if (PERMANENT.has(name)) {
      if (PRINTABLE.test(value)) metadata.push(`dapr-${name}`, value);
    } else if (!GRPC_FRAMING.has(name) && (name.endsWith('-bin') ? BASE64 : PRINTABLE).test(value)) {
      metadata.push(name, value);
    }
  }
  return metadata;
}

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

/** The same trace as `grpc-trace-bin`, for gRPC apps on OpenCensus, which know no `traceparent`. */
function addBinaryTrace(metadata: string[], traceparent: string): void {
  const parts = TRACEPARENT.exec(traceparent);
  if (parts === null) return;
  const bytes = Buffer.from(`0000${parts[1]}01${parts[2]}02${parts[3]}`, 'hex');
  metadata.push('grpc-trace-bin', bytes.toString('base64'));
}

/** gRPC metadata → header fields of an HTTP message. Binary entries have no HTTP form; reserved names get `dapr-`. */
export function metadataToHttp(flat: readonly string[]): string[] {
  const fields: string[] = [];
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i] as string;
    if (name.endsWith('-bin') || name === 'content-type' || name === 'content-length') continue;
    fields.push(name.startsWith('grpc-') ? `dapr-${name}` : name, flat[i + 1] as string);
  }
  return fields;
}

/** gRPC metadata that goes on to another gRPC call: all of it but what frames the call it came with. */
export function passMetadata(flat: readonly string[]): string[] {
  const passed: string[] = [];
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i] as string;
    if (!GRPC_FRAMING.has(name)) passed.push(name, flat[i + 1] as string);
  }
  return passed;
}

/** A value that an app chose and that becomes a header field: without CR, LF and NUL, in latin1. Else undefined. */
export function fieldValue(value: string): string | undefined {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (code > 0xff || code === 0 || code === 10 || code === 13) return undefined;
  }
  return value;
}
