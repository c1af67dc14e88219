/** Dapr's kind HTTPEndpoint: an address outside that invoke may call by name. */
import { readBase, readNameValues } from './document-base.js';
import { MapReader } from './map-reader.js';
import type { HttpEndpointDocument } from './model.js';
import { metadataValue } from './read-component.js';
import type { ReadContext } from './read-context.js';
import type { MapNode } from './tree.js';

export function readHttpEndpoint(node: MapNode, context: ReadContext): HttpEndpointDocument | undefined {
  const reader = new MapReader(node, '', context);
  const base = readBase(reader, context.dialect, true);
  const spec = reader.map('spec');
  if (spec === undefined && !reader.has('spec')) reader.fail(reader.origin, 'spec is missing');
  const baseUrl = spec?.requiredText('baseUrl');
  if (spec !== undefined && baseUrl !== undefined && !isHttpUrl(baseUrl)) {
    const place = spec.get('baseUrl')?.origin ?? spec.origin;
    spec.fail(place, `spec.baseUrl: "${baseUrl}" is not an http:// or https:// address`);
  }
  const headers = spec === undefined ? [] : readNameValues(spec.maps('headers'), spec, metadataValue);
  spec?.notHonoured('clientTLS', 'is not served yet: the system certificates are used');
  const auth = reader.map('auth');
  const secretStore = auth?.text('secretStore');
  auth?.finish();
  spec?.finish();
  reader.finish();
  if (reader.failed || spec?.failed || auth?.failed || baseUrl === undefined) return undefined;
  return { kind: 'HTTPEndpoint', ...base, baseUrl, headers, secretStore: secretStore || undefined };
}

function isHttpUrl(text: string): boolean {
  try {
    const { protocol } = new URL(text);
    return protocol === 'http:' || protocol === 'https:';
  } catch {
    return false;
  }
}
