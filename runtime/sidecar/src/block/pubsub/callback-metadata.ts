/** Message metadata on its way to the app as header fields: what may not stand there is left out. */

/** Ours to set, or of one connection only: a publisher must not be able to speak in our name. */
const WITHHELD: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'content-type',
  'dapr-api-token',
  'dapr-app-id',
  'dapr-callee-app-id',
  'dapr-caller-app-id',
  'dapr-caller-namespace',
  'expect',
  'grpc-trace-bin',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trace-state',
  'traceid',
  'traceparent',
  'tracestate',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'user-agent',
  'x-forwarded-client-cert',
]);
const WITHHELD_PREFIX = /^(?:grpc-|x-envoy-|x-mosn-)/;
const NAME = /^[0-9a-z!#$%&'*+.^_`|~-]+$/;
const VALUE = /^[\x20-\x7e]*$/;
/** Longest value passed on: an app's header limit is a few times this. */
const VALUE_CHARS_MAX = 4096;
/** Fields passed on. */
const FIELDS_MAX = 64;

/** Lower-case names with values that any HTTP or gRPC peer takes. */
export function callbackFields(metadata: Readonly<Record<string, string>>): [string, string][] {
  const fields: [string, string][] = [];
  for (const key in metadata) {
    if (fields.length === FIELDS_MAX) break;
    const name = key.toLowerCase();
    const value = metadata[key] as string;
    if (WITHHELD.has(name) || WITHHELD_PREFIX.test(name) || name.endsWith('-bin')) continue;
    if (value.length > VALUE_CHARS_MAX || !NAME.test(name) || !VALUE.test(value) || value.trim() !== value) continue;
    fields.push([name, value]);
  }
  return fields;
}
