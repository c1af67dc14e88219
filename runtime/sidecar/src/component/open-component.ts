/** One attempt to bring a component up: load its code, resolve its metadata, create it, open it. */
import {
  type Component,
  type ComponentDefinition,
  type ComponentDeps,
  ComponentError,
  type ComponentKind,
  type MetadataValue,
} from '@outrigger/components-core';
import type { ComponentDocument, Origin } from '../config/model.js';
import { didYouMean } from '../config/nearest.js';
import { servesVersion } from '../config/read-component.js';
import { blockFields } from './block-metadata.js';
import type { ComponentCatalog } from './catalog-row.js';
import { ComponentInitError, unknownTypeText } from './component-errors.js';
import { type MetadataContext, resolveMetadata } from './resolve-metadata.js';

export interface OpenDeps {
  readonly catalog: ComponentCatalog;
  readonly component: ComponentDeps;
  readonly metadata: MetadataContext;
  /** Called as soon as the definition is known, before the component is created. */
  onDefinition(definition: ComponentDefinition): void;
}

export interface OpenedComponent {
  readonly component: Component;
  readonly metadata: ReadonlyMap<string, MetadataValue>;
}

/** Rejects with ComponentInitError. What was created and could not be opened is closed. */
export async function openComponent(
  document: ComponentDocument,
  kind: ComponentKind,
  signal: AbortSignal,
  deps: OpenDeps,
): Promise<OpenedComponent> {
  const definition = await loadDefinition(document, kind, deps.catalog);
  deps.onDefinition(definition);
  const metadata = await resolveMetadata(document, definition.metadata, deps.metadata);
  // Dapr gives every broker component the app's id to consume with unless the document names another.
  if (kind === 'pubsub' && isBlank(metadata.get('consumerID'))) metadata.set('consumerID', deps.component.appId);
  signal.throwIfAborted();
  const component = create(document, definition, metadata, deps);
  try {
    await component.open(signal);
  } catch (error) {
    await quietly(() => component.close());
    throw initError(error);
  }
  if (signal.aborted) {
    // It came up after its time; whoever waited has gone.
    await quietly(() => component.close());
    signal.throwIfAborted();
  }
  return { component, metadata };
}

async function loadDefinition(
  document: ComponentDocument,
  kind: ComponentKind,
  catalog: ComponentCatalog,
): Promise<ComponentDefinition> {
  const row = catalog.find(document.type);
  if (row === undefined || !servesVersion(row.versions, document.version)) {
    const text = unknownTypeText(kind, document.type, document.version);
    throw new ComponentInitError('CREATE_COMPONENT_FAILURE', text, { permanent: true });
  }
  try {
    return await row.load();
  } catch (error) {
    const message = `${row.package} cannot be loaded: ${(error as Error).message}`;
    throw new ComponentInitError('CREATE_COMPONENT_FAILURE', message, { permanent: true, cause: error });
  }
}

function create(
  document: ComponentDocument,
  definition: ComponentDefinition,
  metadata: ReadonlyMap<string, MetadataValue>,
  deps: OpenDeps,
): Component {
  const { name, type, version } = document;
  try {
    return definition.create({ name, type, version, metadata }, deps.component);
  } catch (error) {
    throw initError(error);
  }
}

/** What a component says is invalid stays invalid however often it is tried. */
function initError(error: unknown): ComponentInitError {
  if (error instanceof ComponentInitError) return error;
  const permanent = error instanceof ComponentError && (error.kind === 'invalid' || error.kind === 'unsupported');
  const message = error instanceof Error ? error.message : String(error);
  return new ComponentInitError('INIT_COMPONENT_FAILURE', message, { permanent, cause: error });
}

/** Metadata that neither the component nor its block knows; a warning, because Dapr takes anything. */
export function unknownMetadata(
  document: ComponentDocument,
  kind: ComponentKind,
  definition: ComponentDefinition,
): { readonly origin: Origin; readonly message: string }[] {
  const known = [...definition.metadata.map((field) => field.name), ...blockFields(kind)];
  const lower = new Set(known.map((name) => name.toLowerCase()));
  return document.metadata
    .filter((entry) => !lower.has(entry.name.toLowerCase()))
    .map(({ name, origin }) => ({
      origin,
      message: `${document.type} has no metadata "${name}"${didYouMean(name, known)}`,
    }));
}

export async function quietly(work: () => unknown): Promise<void> {
  try {
    await work();
  } catch {
    // It was on its way out anyhow.
  }
}

const isBlank = (value: MetadataValue | undefined): boolean =>
  value === undefined || (typeof value === 'string' && value.trim() === '');
