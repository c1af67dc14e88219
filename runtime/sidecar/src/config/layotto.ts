/**
 * Layotto's JSON, which is MOSN's: the runtime part (`grpc_config` of the filter whose server_name is "runtime") becomes
 * component documents of the dialect layotto and a few settings. Everything else in the file is named as not read yet.
 */
import type { MetadataValue } from '@outrigger/components-core';
import { MapReader } from './map-reader.js';
import type { ComponentDocument, ComponentMetadataEntry, Origin } from './model.js';
import { didYouMean } from './nearest.js';
import { checkType, INIT_TIMEOUT_DEFAULT_MS } from './read-component.js';
import type { ReadContext } from './read-context.js';
import { wrapSecret } from './secret-names.js';
import { entryOf, type MapNode, type TreeNode, toPlain, valueText } from './tree.js';

/** Sections of grpc_config that are components of a served kind. */
const SECTIONS: ReadonlyMap<string, string> = new Map([
  ['state', 'state'],
  ['pub_subs', 'pubsub'],
  ['config_store', 'configuration'],
  ['lock', 'lock'],
  ['sequencer', 'sequencer'],
  ['secret_store', 'secretstores'],
]);

export interface LayottoSettings {
  readonly appId: string | undefined;
  readonly callbackPort: number | undefined;
  readonly callbackHost: string | undefined;
  /** `127.0.0.1:34904`, or a path when the listener is a Unix socket. */
  readonly listen: { readonly host: string; readonly port: number } | { readonly path: string } | undefined;
  readonly metricsPort: number | undefined;
  readonly logLevel: string | undefined;
  readonly origin: Origin;
}

/** Where the runtime's configuration stands in the file. */
interface RuntimePart {
  readonly listener: MapNode;
  readonly grpcConfig: MapNode;
}

/** The settings of the process; components are read by `layottoComponents` once the app id is known. */
export function layottoSettings(tree: TreeNode, context: ReadContext): LayottoSettings {
  const part = runtimePart(tree);
  const app = part === undefined ? undefined : readerOf(part.grpcConfig, 'grpc_config', context).map('app');
  const listener = part === undefined ? undefined : readerOf(part.listener, 'listener', context);
  const server = firstServer(tree);
  return {
    appId: app?.text('app_id') || undefined,
    callbackPort: app?.integer('grpc_callback_port', 0, 65_535) || undefined,
    callbackHost: app?.text('grpc_callback_host') || undefined,
    listen: listener === undefined ? undefined : listenAddress(listener),
    metricsPort: prometheusPort(tree),
    logLevel:
      server === undefined
        ? undefined
        : readerOf(server, 'servers[0]', context).text('default_log_level')?.toLowerCase(),
    origin: tree.origin,
  };
}

export function layottoComponents(tree: TreeNode, context: ReadContext): ComponentDocument[] {
  const { problems } = context;
  const part = runtimePart(tree);
  if (part === undefined) {
    problems.error(tree.origin, 'no listener has a filter of type "grpc" with server_name "runtime" and a grpc_config');
    return [];
  }
  nameUnread(tree, part, context);
  const documents: ComponentDocument[] = [];
  for (const { key, keyOrigin, value } of part.grpcConfig.entries) {
    const kind = SECTIONS.get(key);
    if (key === 'app') continue;
    if (kind === undefined) nameUnreadSection(key, keyOrigin, context);
    else if (value.kind !== 'map') problems.error(value.origin, `grpc_config.${key} must be a map of components`);
    else {
      for (const entry of value.entries) {
        const where = `grpc_config.${key}.${entry.key}`;
        if (entry.value.kind !== 'map') problems.error(entry.value.origin, `${where} must be a map`);
        else {
          const document = readLayottoComponent(entry.key, kind, readerOf(entry.value, where, context), context);
          if (document !== undefined) documents.push(document);
        }
      }
    }
  }
  return documents;
}

function readLayottoComponent(
  name: string,
  kind: string,
  reader: MapReader,
  context: ReadContext,
): ComponentDocument | undefined {
  const type = reader.requiredText('type');
  const version = reader.text('Version') ?? '';
  const metadata: ComponentMetadataEntry[] = [];
  const add = (key: string, value: MetadataValue, origin: Origin): void => {
    metadata.push({ name: key, value, secretKeyRef: undefined, envRef: undefined, origin });
  };
  for (const { key, keyOrigin, value } of reader.mapNode('metadata')?.entries ?? []) {
    add(key, wrapSecret(key, valueText(value)), keyOrigin);
  }
  // Fields that Layotto keeps beside the metadata, by block.
  if (kind === 'configuration') {
    const addresses = reader.texts('address');
    if (addresses.length > 0) add('address', addresses.join(','), reader.originOf('address'));
    for (const key of ['timeout', 'store_name', 'app_id']) {
      const value = reader.scalarText(key);
      if (value !== undefined) add(key, value, reader.originOf(key));
    }
  }
  if (kind === 'sequencer') {
    const biggerThan = reader.mapNode('biggerThan');
    if (biggerThan !== undefined) add('biggerThan', JSON.stringify(toPlain(biggerThan)), biggerThan.origin);
  }
  metadata.push(...readSecretRefs(reader));
  reader.notHonoured('component_ref', 'is not read yet');
  reader.finish();
  if (type === undefined) return undefined;
  const full = `${kind}.${type}`;
  checkType(reader, full, version, false, context);
  if (reader.failed) return undefined;
  return {
    kind: 'Component',
    name,
    namespace: undefined,
    origin: reader.origin,
    dialect: 'layotto',
    scopes: [],
    type: full,
    version,
    ignoreErrors: false,
    initTimeoutMs: INIT_TIMEOUT_DEFAULT_MS,
    metadata,
    secretStore: undefined,
  };
}

/** `secret_ref`: [{store_name, key, sub_key, inject_as}]; injected under `inject_as`, else under the sub key. */
function readSecretRefs(reader: MapReader): ComponentMetadataEntry[] {
  return reader.maps('secret_ref').flatMap((ref) => {
    const store = ref.requiredText('store_name');
    const name = ref.requiredText('key');
    const key = ref.text('sub_key') || name;
    const injectAs = ref.text('inject_as') || key;
    ref.finish();
    if (ref.failed) reader.failed = true;
    if (store === undefined || name === undefined || key === undefined || injectAs === undefined) return [];
    return [
      { name: injectAs, value: undefined, secretKeyRef: { name, key, store }, envRef: undefined, origin: ref.origin },
    ];
  });
}

const readerOf = (node: MapNode, where: string, context: ReadContext): MapReader => new MapReader(node, where, context);

const itemsOf = (node: TreeNode | undefined): readonly TreeNode[] => (node?.kind === 'list' ? node.items : []);

const at = (node: TreeNode | undefined, key: string): TreeNode | undefined => entryOf(node, key)?.value;

const scalarAt = (node: TreeNode | undefined, key: string): unknown => {
  const value = at(node, key);
  return value?.kind === 'scalar' ? value.value : undefined;
};

function firstServer(tree: TreeNode): MapNode | undefined {
  const [server] = itemsOf(at(tree, 'servers'));
  return server?.kind === 'map' ? server : undefined;
}

function runtimePart(tree: TreeNode): RuntimePart | undefined {
  for (const listener of itemsOf(at(firstServer(tree), 'listeners'))) {
    if (listener.kind !== 'map') continue;
    for (const chain of itemsOf(at(listener, 'filter_chains'))) {
      for (const filter of itemsOf(at(chain, 'filters'))) {
        const config = at(filter, 'config');
        const grpcConfig = at(config, 'grpc_config');
        if (scalarAt(filter, 'type') !== 'grpc' || scalarAt(config, 'server_name') !== 'runtime') continue;
        if (grpcConfig?.kind === 'map') return { listener, grpcConfig };
      }
    }
  }
  return undefined;
}

function nameUnreadSection(key: string, origin: Origin, { problems }: ReadContext): void {
  const hint = didYouMean(key, [...SECTIONS.keys(), 'app']);
  if (hint === '') problems.note(origin, `grpc_config.${key} is not read yet`);
  else problems.warning(origin, `grpc_config.${key} is not read${hint}`);
}

/** Parts of the file beside the runtime's listener, so that nobody wonders why a proxy listener does not answer. */
function nameUnread(tree: TreeNode, part: RuntimePart, context: ReadContext): void {
  const note = (origin: Origin, what: string): void => context.problems.note(origin, `${what} is not read yet`);
  for (const { key, keyOrigin } of tree.kind === 'map' ? tree.entries : []) {
    if (key !== 'servers' && key !== 'metrics') note(keyOrigin, key);
  }
  const server = firstServer(tree);
  for (const { key, keyOrigin } of server?.entries ?? []) {
    if (!['listeners', 'default_log_path', 'default_log_level'].includes(key)) note(keyOrigin, `servers[0].${key}`);
  }
  for (const listener of itemsOf(at(server, 'listeners'))) {
    if (listener !== part.listener) note(listener.origin, `the listener "${String(scalarAt(listener, 'name'))}"`);
  }
  const streamFilters = entryOf(part.listener, 'stream_filters');
  if (streamFilters !== undefined) note(streamFilters.keyOrigin, 'stream_filters of the runtime listener');
}

function listenAddress(listener: MapReader): LayottoSettings['listen'] {
  const address = listener.text('address');
  if (address === undefined) return undefined;
  if (listener.text('network') === 'unix') return { path: address };
  const match = /^(.*):(\d{1,5})$/.exec(address);
  if (match === null || Number(match[2]) > 65_535) {
    listener.refuse(
      listener.get('address')?.origin ?? listener.origin,
      `listener.address: "${address}" is not host:port`,
    );
    return undefined;
  }
  return { host: (match[1] as string).replace(/^\[(.*)\]$/, '$1'), port: Number(match[2]) };
}

function prometheusPort(tree: TreeNode): number | undefined {
  for (const sink of itemsOf(at(at(tree, 'metrics'), 'sinks'))) {
    const port = scalarAt(at(sink, 'config'), 'port');
    if (scalarAt(sink, 'type') === 'prometheus' && typeof port === 'number') return port;
  }
  return undefined;
}
