/** Metadata of a document to the values a component is created with: environment, secrets, templates. */
import { randomUUID } from 'node:crypto';
import { type MetadataField, type MetadataValue, revealed, Secret } from '@outrigger/components-core';
import type { Logger } from '@outrigger/engine';
import type { ComponentDocument, ComponentMetadataEntry } from '../config/model.js';
import { wrapSecret } from '../config/secret-names.js';
import { ComponentInitError } from './component-errors.js';

export interface MetadataContext {
  readonly appId: string;
  readonly namespace: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Dapr goes on without a secret that it cannot get, and says so; elsewhere the component fails. */
  readonly lenient: boolean;
  readonly log: Logger;
  /** One secret of a store that is ready, or a rejection. */
  secret(store: string, name: string): Promise<Readonly<Record<string, string>>>;
}

/** `fields` say which values are secrets whatever their name. */
export async function resolveMetadata(
  document: ComponentDocument,
  fields: readonly MetadataField[],
  context: MetadataContext,
): Promise<Map<string, MetadataValue>> {
  const secretFields = new Set(
    fields.filter((field) => field.secret === true).map((field) => field.name.toLowerCase()),
  );
  const metadata = new Map<string, MetadataValue>();
  for (const entry of document.metadata) {
    const resolved = await rawValue(document, entry, context);
    const filled = fillTemplates(entry.name, resolved, context);
    const wrap = secretFields.has(entry.name.toLowerCase()) && !(filled instanceof Secret);
    metadata.set(entry.name, wrap ? new Secret(revealed(filled)) : filled);
  }
  return metadata;
}

async function rawValue(
  document: ComponentDocument,
  entry: ComponentMetadataEntry,
  context: MetadataContext,
): Promise<MetadataValue> {
  const { value, envRef, secretKeyRef } = entry;
  if (value === undefined && envRef !== undefined) {
    if (isEnvAllowed(envRef, context.env['DAPR_ENV_KEYS'])) return wrapSecret(entry.name, context.env[envRef] ?? '');
    context.log.warn(`Component ${document.name} references an env variable that isn't allowed: ${envRef}`);
    return '';
  }
  if (secretKeyRef === undefined) return value ?? '';
  const store = secretKeyRef.store ?? document.secretStore ?? '';
  try {
    const found = (await context.secret(store, secretKeyRef.name))[secretKeyRef.key];
    if (found !== undefined && found !== '') return new Secret(found);
    if (context.lenient) return value ?? '';
  } catch (error) {
    if (error instanceof ComponentInitError || !context.lenient) throw error;
    context.log.error(`Error getting secret: ${(error as Error).message}`);
    return value ?? '';
  }
  const what = `the secret "${secretKeyRef.name}" of ${store} has no key "${secretKeyRef.key}"`;
  throw new ComponentInitError('INIT_COMPONENT_FAILURE', `${what} for "${entry.name}"`);
}

/** Dapr's rule (pkg/runtime/processor/secret): tokens and Dapr's own variables are out of reach, the rest by allowlist. */
export function isEnvAllowed(name: string, allowlist: string | undefined): boolean {
  const upper = name.toUpperCase();
  if (upper === '' || upper === 'APP_API_TOKEN' || upper.startsWith('DAPR_') || upper.includes(' ')) return false;
  return allowlist === undefined || allowlist === '' || allowlist.split(' ').includes(upper);
}

/** `{uuid}` (a new one each time), `{podName}`, `{namespace}` (with the app id, as Dapr's), `{appID}`. */
function fillTemplates(name: string, value: MetadataValue, context: MetadataContext): MetadataValue {
  const text = revealed(value);
  if (!text.includes('{')) return value;
  const podName = context.env['POD_NAME'] ?? '';
  if (text.includes('{podName}') && podName === '') {
    throw new ComponentInitError(
      'INIT_COMPONENT_FAILURE',
      `failed to parse metadata: property ${name} refers to {podName} but podName is not set`,
      { permanent: true },
    );
  }
  const filled = text
    .replace(/\{uuid\}/g, () => randomUUID())
    .replaceAll('{podName}', () => podName)
    .replaceAll('{namespace}', () => `${context.namespace}.${context.appId}`)
    .replaceAll('{appID}', () => context.appId);
  return value instanceof Secret ? new Secret(filled) : filled;
}
