/** What every kind has in common: apiVersion, kind, metadata, scopes. */
import type { Dialect } from '../block/context.js';
import type { MapReader } from './map-reader.js';
import type { ComponentMetadataEntry, Origin } from './model.js';

export interface DocumentBaseFields {
  readonly name: string;
  readonly namespace: string | undefined;
  readonly origin: Origin;
  readonly dialect: Dialect;
  readonly scopes: readonly string[];
}

/** Kubernetes' object metadata: `name` and `namespace` are ours, everything else is accepted (labels, annotations, uid, …). */
export function readBase(reader: MapReader, dialect: Dialect, nameRequired: boolean): DocumentBaseFields {
  reader.get('apiVersion');
  reader.get('kind');
  const metadata = reader.map('metadata');
  const name = nameRequired && metadata !== undefined ? metadata.requiredText('name') : metadata?.text('name');
  if (metadata === undefined && nameRequired && !reader.has('metadata')) {
    reader.fail(reader.origin, 'metadata.name is missing');
  }
  if (name !== undefined && (/[/%]/.test(name) || name === '.' || name === '..')) {
    reader.fail(metadata?.get('name')?.origin ?? reader.origin, `metadata.name: "${name}" may not hold / or %`);
  }
  const namespace = metadata?.text('namespace');
  if (metadata?.failed) reader.failed = true;
  return {
    name: name ?? '',
    namespace: namespace === '' ? undefined : namespace,
    origin: reader.origin,
    dialect,
    scopes: reader.texts('scopes'),
  };
}

/** Dapr's name/value pairs: `{name, value}`, `{name, secretKeyRef: {name, key}}`, `{name, envRef}`. */
export function readNameValues(
  pairs: readonly MapReader[],
  owner: MapReader,
  toValue: (name: string, pair: MapReader) => ComponentMetadataEntry['value'],
): ComponentMetadataEntry[] {
  const entries: ComponentMetadataEntry[] = [];
  const seen = new Map<string, Origin>();
  for (const pair of pairs) {
    const name = pair.requiredText('name');
    const secret = pair.map('secretKeyRef');
    const secretName = secret?.requiredText('name');
    const secretKey = secret?.text('key');
    secret?.finish();
    const envRef = pair.text('envRef');
    const value = name === undefined ? undefined : toValue(name, pair);
    pair.finish();
    if (pair.failed || secret?.failed) owner.failed = true;
    if (name === undefined) continue;
    const first = seen.get(name);
    if (first !== undefined)
      pair.warn(pair.origin, `"${name}" is here twice, the last one holds; first in line ${first.line}`);
    seen.set(name, pair.origin);
    entries.push({
      name,
      value,
      // Without a key Dapr looks for the key of the secret's own name.
      secretKeyRef: secretName === undefined ? undefined : { name: secretName, key: secretKey || secretName },
      envRef: envRef === '' ? undefined : envRef,
      origin: pair.origin,
    });
  }
  return entries;
}
