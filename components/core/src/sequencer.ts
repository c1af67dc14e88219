/** Ids that only grow. `strong`: each id is larger than every id handed out before, by whomever; `weak`: unique, growing in the long run. */
import type { Component, MaybePromise } from './component.js';

export interface IdSegment {
  /** First and last id of the segment, both included. */
  readonly from: bigint;
  readonly to: bigint;
}

export interface Sequencer extends Component {
  nextId(key: string, increment: 'weak' | 'strong', metadata: Readonly<Record<string, string>>): MaybePromise<bigint>;
  /** Reserves `size` ids at once; undefined when the implementation cannot. */
  segment?(key: string, size: number, metadata: Readonly<Record<string, string>>): MaybePromise<IdSegment | undefined>;
}
