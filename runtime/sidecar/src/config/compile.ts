/** Files to one set of documents: parsed, read, scoped, checked against one another, defaults added. Pure but for time. */
import type { Clock } from '@outrigger/engine';
import { embeddedDefaults, kindOfType } from './defaults.js';
import type { SourceFile } from './files.js';
import { type ReadDocument, readDocument } from './kinds.js';
import { layottoComponents } from './layotto.js';
import type { ComponentDocument, Origin, ResourceSnapshot } from './model.js';
import { didYouMean } from './nearest.js';
import { parseYaml } from './parse-yaml.js';
import { originText, type Problems } from './problem.js';
import { mergeConfigurations, type ReadConfiguration } from './read-configuration.js';
import type { KnownTypes, ReadContext } from './read-context.js';
import { createTimeSlice, type TimeSlice } from './time-slice.js';
import type { TreeNode } from './tree.js';

/** What a sidecar is, as far as its documents are concerned. */
export interface CompileOptions {
  readonly personality: 'outrigger' | 'daprd' | 'layotto';
  readonly appId: string;
  /** Documents of another namespace are not for us; undefined: namespaces are not looked at, as by Dapr without NAMESPACE. */
  readonly namespace: string | undefined;
  readonly types: KnownTypes;
  /** Adds the embedded components for blocks that nobody declares. */
  readonly embeddedDefaults: boolean;
  /** Every document counts, whatever its scopes: for checking. */
  readonly anyApp?: boolean;
}

export interface SourceFiles {
  readonly resources: readonly SourceFile[];
  /** --config files, in order. */
  readonly configs: readonly SourceFile[];
  readonly layotto: SourceFile | undefined;
}

export type Documents = Omit<ResourceSnapshot, 'version'>;

/** Problems of the two kinds of places weigh differently under `daprd`. */
export interface ParseProblems {
  readonly resources: Problems;
  readonly configs: Problems;
}

export interface ParsedSources {
  readonly resources: readonly TreeNode[];
  readonly configs: readonly TreeNode[];
  readonly layotto: readonly TreeNode[];
}

/** Parsed once at start, for the settings as well as for the documents. */
export async function parseSources(files: SourceFiles, problems: ParseProblems, clock: Clock): Promise<ParsedSources> {
  const slice = createTimeSlice(clock);
  return {
    resources: await parseFiles(files.resources, problems.resources, slice),
    configs: await parseFiles(files.configs, problems.configs, slice),
    layotto: await parseFiles(files.layotto === undefined ? [] : [files.layotto], problems.configs, slice),
  };
}

async function parseFiles(files: readonly SourceFile[], problems: Problems, slice: TimeSlice): Promise<TreeNode[]> {
  const trees: TreeNode[] = [];
  for (const file of files) trees.push(...(await parseYaml(file.text, file.shown, problems, slice)));
  return trees;
}

export function compileDocuments(parsed: ParsedSources, options: CompileOptions, problems: Problems): Documents {
  const context = contextOf(options, problems);
  const read: ReadDocument[] = [];
  for (const tree of parsed.resources) {
    const document = readDocument(tree, context);
    if (document !== undefined && isForUs(baseOf(document), options)) read.push(document);
  }
  refuseTwice(read, problems);
  const declared = read.filter((document) => document.kind === 'Component');
  for (const tree of parsed.layotto) declared.push(...layottoComponents(tree, { ...context, dialect: 'layotto' }));
  refuseSameComponent(declared, problems);
  const configuration = configurationOf(read, parsed, options, context);
  const components = withoutDenied(declared, configuration?.componentsDenied ?? [], problems);
  checkSecretStores(components, options, problems);
  return {
    components: [...components, ...embeddedDefaults(components, options.types, options.embeddedDefaults)],
    subscriptions: read.filter((document) => document.kind === 'Subscription'),
    httpEndpoints: read.filter((document) => document.kind === 'HTTPEndpoint'),
    resiliencies: read.filter((document) => document.kind === 'Resiliency'),
    configuration,
  };
}

function contextOf(options: CompileOptions, problems: Problems): ReadContext {
  if (options.personality === 'daprd') {
    return { unknownKeys: 'warning', unusable: 'leave-out', dialect: 'dapr', types: undefined, problems };
  }
  return { unknownKeys: 'error', unusable: 'refuse', dialect: 'dapr', types: options.types, problems };
}

interface Base {
  readonly name: string;
  readonly namespace: string | undefined;
  readonly origin: Origin;
  readonly scopes: readonly string[];
}

function baseOf(document: ReadDocument): Base {
  return document.kind === 'Configuration' ? document.base : document;
}

function isForUs({ namespace, scopes }: Base, options: CompileOptions): boolean {
  if (options.namespace !== undefined && namespace !== undefined && namespace !== options.namespace) return false;
  return scopes.length === 0 || options.anyApp === true || scopes.includes(options.appId);
}

/** Only documents that this app sees are compared: two apps may each have a `statestore` of their own by scopes. */
function refuseTwice(read: readonly ReadDocument[], problems: Problems): void {
  const first = new Map<string, Origin>();
  for (const document of read) {
    const { name, origin } = baseOf(document);
    if (document.kind === 'Configuration' || name === '') continue;
    const key = `${document.kind} "${name}"`;
    const known = first.get(key);
    if (known === undefined) first.set(key, origin);
    else problems.error(origin, `${key} is declared twice; first at ${originText(known)}`);
  }
}

/** Blocks find components by kind and name; Layotto's file may use one name in several blocks, and beside the folders. */
function refuseSameComponent(components: readonly ComponentDocument[], problems: Problems): void {
  const first = new Map<string, ComponentDocument>();
  for (const document of components) {
    const key = `${kindOfType(document.type)} ${document.name}`;
    const known = first.get(key);
    if (known === undefined) first.set(key, document);
    // Two of the dialect dapr were reported as documents of one kind and name.
    else if (known.dialect !== document.dialect) {
      const places = `first at ${originText(known.origin)}`;
      problems.error(document.origin, `component "${document.name}" (${document.type}) is declared twice; ${places}`);
    }
  }
}

/** --config files lie over the folder's document. `daprd` reads only --config files, as Dapr does. */
function configurationOf(
  read: readonly ReadDocument[],
  parsed: ParsedSources,
  options: CompileOptions,
  context: ReadContext,
): Documents['configuration'] {
  const { problems } = context;
  const found = read.filter((document) => document.kind === 'Configuration');
  const given: ReadConfiguration[] = [];
  for (const tree of parsed.configs) {
    // Dapr refuses to start on a --config that it cannot read.
    const document = readDocument(tree, { ...context, unusable: 'refuse' });
    if (document?.kind === 'Configuration') given.push(document);
    else if (document !== undefined) {
      problems.error(document.origin, `--config takes documents of the kind Configuration, this is a ${document.kind}`);
    }
  }
  if (options.personality === 'daprd') {
    for (const { base } of found)
      problems.note(base.origin, 'a Configuration in a resources folder has no effect; give it by --config');
    return mergeConfigurations(given);
  }
  const [first, second] = found;
  if (first !== undefined && second !== undefined) {
    const places = `first at ${originText(first.base.origin)}`;
    problems.error(second.base.origin, `there are two Configuration documents, only one can hold; ${places}`);
  }
  return mergeConfigurations(first === undefined ? given : [first, ...given]);
}

/** Configuration's spec.components.deny: `state.redis` or `state.redis/v1`. */
function withoutDenied(
  declared: readonly ComponentDocument[],
  denied: readonly string[],
  problems: Problems,
): ComponentDocument[] {
  return declared.filter(({ name, type, version, origin }) => {
    if (!denied.includes(type) && !denied.includes(`${type}/${version}`)) return true;
    const shown = `${name} (${type}${version === '' ? '' : `/${version}`})`;
    problems.warning(
      origin,
      `component '${name}' cannot be loaded because components of type '${shown}' are not allowed`,
    );
    return false;
  });
}

function checkSecretStores(
  components: readonly ComponentDocument[],
  options: CompileOptions,
  problems: Problems,
): void {
  const stores = components.filter(({ type }) => kindOfType(type) === 'secretstores').map(({ name }) => name);
  // The embedded store answers where none is declared.
  if (stores.length === 0 && options.embeddedDefaults) stores.push('secretstore');
  const report = options.personality === 'daprd' ? 'warning' : 'error';
  for (const { name, metadata, secretStore } of components) {
    for (const { name: key, secretKeyRef, origin } of metadata) {
      if (secretKeyRef === undefined) continue;
      const store = secretKeyRef.store ?? secretStore;
      if (store === undefined) {
        problems.add(report, origin, `"${key}" refers to a secret, but component "${name}" has no auth.secretStore`);
      } else if (!stores.includes(store)) {
        const hint = didYouMean(store, stores);
        problems.add(report, origin, `"${key}" refers to the secret store "${store}", which is not declared${hint}`);
      } else if (store === name) {
        problems.add('error', origin, `the secret store "${name}" cannot hold its own secret "${key}"`);
      }
    }
  }
}
