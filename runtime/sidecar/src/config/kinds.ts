/** Which reader serves which apiVersion and kind; what is known but not served is named. */
import type { ResourceDocument } from './model.js';
import { didYouMean } from './nearest.js';
import { readComponent } from './read-component.js';
import { type ReadConfiguration, readConfiguration } from './read-configuration.js';
import { type ReadContext, reportUnusable } from './read-context.js';
import { readHttpEndpoint } from './read-http-endpoint.js';
import { readResiliency } from './read-resiliency.js';
import { readSubscription } from './read-subscription.js';
import { entryOf, type MapNode, type TreeNode } from './tree.js';

export type ReadDocument =
  | Exclude<ResourceDocument, { kind: 'Configuration' }>
  | ({ readonly kind: 'Configuration' } & ReadConfiguration);

type Reader = (node: MapNode, context: ReadContext) => ReadDocument | undefined;

/** Maps, not objects: the keys looked up come from documents. */
const SERVED: ReadonlyMap<string, ReadonlyMap<string, Reader>> = new Map([
  [
    'dapr.io/v1alpha1',
    new Map<string, Reader>([
      ['Component', readComponent],
      ['Configuration', asConfiguration],
      ['Subscription', (node, context) => readSubscription(node, 'v1alpha1', context)],
      ['Resiliency', readResiliency],
      ['HTTPEndpoint', readHttpEndpoint],
    ]),
  ],
  [
    'dapr.io/v2alpha1',
    new Map<string, Reader>([['Subscription', (node, context) => readSubscription(node, 'v2alpha1', context)]]),
  ],
  // Settings of the process, read before the documents: see sidecar-document.ts.
  ['outrigger/v1', new Map<string, Reader>([['Sidecar', () => undefined]])],
]);

const NOT_SERVED: ReadonlyMap<string, readonly string[]> = new Map([
  ['dapr.io/v1alpha1', ['MCPServer', 'WorkflowAccessPolicy']],
  ['outrigger/v1', ['Listener', 'Routes', 'Cluster', 'Policy', 'Access', 'Certificate']],
]);

function asConfiguration(node: MapNode, context: ReadContext): ReadDocument | undefined {
  const read = readConfiguration(node, context);
  return read === undefined ? undefined : { kind: 'Configuration', ...read };
}

export function isSidecarDocument(tree: TreeNode): tree is MapNode {
  return tree.kind === 'map' && textOf(tree, 'apiVersion') === 'outrigger/v1' && textOf(tree, 'kind') === 'Sidecar';
}

export function readDocument(tree: TreeNode, context: ReadContext): ReadDocument | undefined {
  const { problems } = context;
  if (tree.kind !== 'map') {
    reportUnusable(context, tree.origin, 'a document must be a map with apiVersion and kind');
    return undefined;
  }
  const apiVersion = textOf(tree, 'apiVersion');
  const kind = textOf(tree, 'kind');
  if (apiVersion === undefined || kind === undefined) {
    const missing = apiVersion === undefined ? 'apiVersion' : 'kind';
    reportUnusable(
      context,
      tree.origin,
      `${missing} is missing${didYouMean(
        missing,
        tree.entries.map((entry) => entry.key),
      )}`,
    );
    return undefined;
  }
  const reader = SERVED.get(apiVersion)?.get(kind);
  if (reader !== undefined) return reader(tree, context);
  const kindOrigin = entryOf(tree, 'kind')?.value.origin ?? tree.origin;
  if (NOT_SERVED.get(apiVersion)?.includes(kind)) {
    problems.note(kindOrigin, `documents of the kind ${kind} (${apiVersion}) are not served yet; it is left out`);
    return undefined;
  }
  const versions = [...SERVED.keys()];
  if (!versions.includes(apiVersion)) {
    const origin = entryOf(tree, 'apiVersion')?.value.origin ?? tree.origin;
    const hint = didYouMean(apiVersion, versions);
    // Folders are shared with Kubernetes; only what looks like ours is a slip.
    if (/^(dapr|outrigger)/.test(apiVersion) || hint !== '') {
      reportUnusable(
        context,
        origin,
        `there is no apiVersion "${apiVersion}"${hint || ` (known: ${versions.join(', ')})`}`,
      );
    } else problems.note(origin, `a ${kind} of ${apiVersion} is none of ours; it is left out`);
    return undefined;
  }
  const kinds = [...(SERVED.get(apiVersion)?.keys() ?? []), ...(NOT_SERVED.get(apiVersion) ?? [])];
  reportUnusable(
    context,
    kindOrigin,
    `${apiVersion} has no kind "${kind}"${didYouMean(kind, kinds) || ` (known: ${kinds.join(', ')})`}`,
  );
  return undefined;
}

function textOf(node: MapNode, key: string): string | undefined {
  const value = entryOf(node, key)?.value;
  return value?.kind === 'scalar' && typeof value.value === 'string' && value.value !== '' ? value.value : undefined;
}
