/** One participant as the owner sees it: a connection, or the owner's own process. */
import type { ConfigurationPlace } from '@outrigger/components-core/support';
import type { Push, Pushes } from '../operation.js';
import type { Group, Member } from '../table/group.js';
import type { RegistryWatcher } from '../table/registry.js';

/** The way to the participant. */
export interface SessionPeer {
  /** Random, 16 hex characters. */
  readonly participant: string;
  push<P extends Push>(push: P, message: Pushes[P]): void;
}

export interface Watch {
  readonly store: string;
  matches(place: ConfigurationPlace): boolean;
}

export interface Session {
  readonly peer: SessionPeer;
  readonly subscriptions: Map<number, { readonly group: Group; readonly member: Member }>;
  readonly watches: Map<number, Watch>;
  names: RegistryWatcher | undefined;
  open: boolean;
}

export function createSession(peer: SessionPeer): Session {
  return { peer, subscriptions: new Map(), watches: new Map(), names: undefined, open: true };
}

/** Number of a request and the lowest that is not answered, where the participant may send it again. */
export interface RequestId {
  readonly request: number;
  readonly floor: number;
}
