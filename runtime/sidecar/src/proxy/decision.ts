/**
 * What was decided about each request: where it matched, where it went, how often it was tried, why it ended. The last
 * ones are kept in a ring of slots that are written over, so that recording costs no allocation.
 */

/** Why a request did not go well, as bits; the names are Envoy's response flags. */
export const ResponseFlag = {
  /** NR: no route for the virtual host, or no such virtual host. */
  noRoute: 1,
  /** UH: the cluster has no host. */
  noHost: 2,
  /** UF: no connection to the host. */
  connectFailure: 4,
  /** UC: the connection ended while the stream was open. */
  connectionLost: 8,
  /** UR: the upstream reset the stream. */
  upstreamReset: 16,
  /** UT: the route's timeout passed. */
  timeout: 32,
  /** DC: the caller gave up. */
  downstreamCancel: 64,
  /** URX: the limit of retries was reached. */
  retriesExhausted: 128,
  /** UO: too many requests wait. */
  overflow: 256,
  /** LR: ended here: a limit, a shutdown. */
  local: 512,
} as const;

const FLAG_NAMES: readonly (readonly [number, string])[] = [
  [ResponseFlag.noRoute, 'NR'],
  [ResponseFlag.noHost, 'UH'],
  [ResponseFlag.connectFailure, 'UF'],
  [ResponseFlag.connectionLost, 'UC'],
  [ResponseFlag.upstreamReset, 'UR'],
  [ResponseFlag.timeout, 'UT'],
  [ResponseFlag.downstreamCancel, 'DC'],
  [ResponseFlag.retriesExhausted, 'URX'],
  [ResponseFlag.overflow, 'UO'],
  [ResponseFlag.local, 'LR'],
];

/** `UF,URX`, or `-` when all went well. */
export function flagText(flags: number): string {
  const names = FLAG_NAMES.filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name);
  return names.length === 0 ? '-' : names.join(',');
}

/** One request. '' where the path has no such step (yet): filter chain and subset are those of listeners and subset balancing. */
export interface Decision {
  /** Rises by one per request. */
  sequence: number;
  chain: string;
  virtualHost: string;
  route: string;
  cluster: string;
  subset: string;
  /** Address of the last attempt. */
  host: string;
  attempts: number;
  flags: number;
  /** HTTP status of the response; 0: none came. */
  status: number;
  /** Clock time. */
  startedAt: number;
  durationMs: number;
}

export const DECISIONS_KEPT = 1024;

export class DecisionLog {
  readonly #slots: Decision[] = [];
  readonly #kept: number;
  #sequence = 0;

  constructor(kept: number = DECISIONS_KEPT) {
    this.#kept = kept;
  }

  /** The slot to fill in; its fields still hold what was there before. */
  next(): Decision {
    const at = this.#sequence % this.#kept;
    let slot = this.#slots[at];
    if (slot === undefined) {
      slot = {
        sequence: 0,
        chain: '',
        virtualHost: '',
        route: '',
        cluster: '',
        subset: '',
        host: '',
        attempts: 0,
        flags: 0,
        status: 0,
        startedAt: 0,
        durationMs: 0,
      };
      this.#slots[at] = slot;
    }
    slot.sequence = ++this.#sequence;
    return slot;
  }

  /** Copies of the last decisions, newest first. */
  recent(count: number = this.#kept): Decision[] {
    return this.#slots
      .map((slot) => ({ ...slot }))
      .sort((a, b) => b.sequence - a.sequence)
      .slice(0, count);
  }
}
