/** The components of a process that name one directory share one node. */
import type { ComponentDeps } from '@outrigger/components-core';
import type { LocalFs } from '../log/files.js';
import { LocalNode } from './node.js';

/** Nodes of this process by directory and instance. */
const nodes = new Map<string, { node: LocalNode; users: number }>();

export interface HeldNode {
  readonly node: LocalNode;
  release(): Promise<void>;
}

/** The node of these deps; each `acquire` is undone by a `release`. */
export function acquireNode(deps: ComponentDeps, fs?: LocalFs): HeldNode {
  const key = `${deps.sharedDir}\u0000${deps.instanceId}`;
  let shared = nodes.get(key);
  if (shared === undefined) {
    const { sharedDir: directory, clock, log } = deps;
    shared = { node: new LocalNode({ directory, clock, log, ...(fs && { fs }) }), users: 0 };
    nodes.set(key, shared);
  }
  const held = shared;
  held.users++;
  let isReleased = false;
  return {
    node: held.node,
    release: async () => {
      if (isReleased) return;
      isReleased = true;
      if (--held.users > 0) return;
      nodes.delete(key);
      await held.node.close();
    },
  };
}
