/** Dapr's kind Component. */
import type { MetadataValue } from '@outrigger/components-core';
import { readBase, readNameValues } from './document-base.js';
import { MapReader } from './map-reader.js';
import type { ComponentDocument } from './model.js';
import { didYouMean } from './nearest.js';
import type { ReadContext } from './read-context.js';
import { wrapSecret } from './secret-names.js';
import { type MapNode, valueText } from './tree.js';

/** Dapr's own default for a component that does not say. */
export const INIT_TIMEOUT_DEFAULT_MS = 5_000;

export function readComponent(node: MapNode, context: ReadContext): ComponentDocument | undefined {
  const reader = new MapReader(node, '', context);
  const base = readBase(reader, context.dialect, true);
  const spec = reader.map('spec');
  if (spec === undefined && !reader.has('spec')) reader.fail(reader.origin, 'spec is missing');
  const type = spec?.requiredText('type');
  const version = spec?.scalarText('version') ?? '';
  const ignoreErrors = spec?.bool('ignoreErrors') ?? false;
  const initTimeoutMs = spec?.durationMs('initTimeout');
  const metadata = spec === undefined ? [] : readNameValues(spec.maps('metadata'), spec, metadataValue);
  const auth = reader.map('auth');
  const secretStore = auth?.text('secretStore');
  auth?.finish();
  spec?.finish();
  reader.finish();
  if (type !== undefined && !/^[^.]+\../.test(type)) {
    const place = spec?.get('type')?.origin ?? reader.origin;
    reader.fail(place, `spec.type: "${type}" is not of the form <kind>.<name>, such as state.in-memory`);
  }
  if (spec !== undefined && type !== undefined && !reader.failed) checkType(spec, type, version, ignoreErrors, context);
  if (reader.failed || spec?.failed || auth?.failed || type === undefined) return undefined;
  return {
    kind: 'Component',
    ...base,
    type,
    version,
    ignoreErrors,
    initTimeoutMs: initTimeoutMs === undefined || initTimeoutMs <= 0 ? INIT_TIMEOUT_DEFAULT_MS : initTimeoutMs,
    metadata,
    secretStore: secretStore === '' ? undefined : secretStore,
  };
}

/** Kinds of Dapr components that no block serves yet: named and left out, so that a folder of Dapr's is usable. */
const KINDS_NOT_SERVED = ['bindings', 'middleware', 'crypto', 'conversation', 'workflow'];

/** Refuses types and versions that do not exist; kinds that are not served are named and left out (`spec.failed`). */
export function checkType(
  spec: MapReader,
  type: string,
  version: string,
  ignoreErrors: boolean,
  context: ReadContext,
): void {
  const origin = spec.get('type')?.origin ?? spec.origin;
  const kind = type.slice(0, type.indexOf('.'));
  const versions = context.types?.versionsOf(type);
  if (versions === undefined && KINDS_NOT_SERVED.includes(kind)) {
    spec.warn(origin, `components of the kind "${kind}" are not served yet; "${type}" is left out`);
    spec.failed = true;
    return;
  }
  if (context.types === undefined) return;
  let message: string | undefined;
  if (versions === undefined) {
    message = `there is no component type "${type}"${didYouMean(type, context.types.types) || '; see `outrigger components`'}`;
  } else if (!servesVersion(versions, version)) {
    message = `"${type}" has no version "${version}" (it has ${versions.join(', ')})`;
  }
  if (message === undefined) return;
  if (ignoreErrors) {
    spec.warn(origin, `${message}; ignored because of ignoreErrors`);
    spec.failed = true;
  } else spec.refuse(origin, message);
}

/** Dapr takes '', v0 and v1 for the first version of a component. */
export function servesVersion(versions: readonly string[], version: string): boolean {
  const wanted = version.toLowerCase();
  return versions.includes(wanted === '' || wanted === 'v0' ? 'v1' : wanted);
}

/** undefined when there is no value, so that envRef or secretKeyRef fill it. */
export function metadataValue(name: string, pair: MapReader): MetadataValue | undefined {
  const node = pair.get('value');
  return node === undefined ? undefined : wrapSecret(name, valueText(node));
}
