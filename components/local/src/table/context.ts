/** What the tables share: time, the cache, and how much of the log is alive. */
import type { ComponentClock, ComponentLogger } from '@outrigger/components-core';
import type { Payload, PayloadCache } from '../log/payload.js';
import type { Group } from './group.js';

export interface TableContext {
  readonly clock: ComponentClock;
  readonly log: ComponentLogger;
  readonly cache: PayloadCache;
  /** Bytes of the log that a snapshot would write again, roughly. */
  live: number;
  /** The revision used last: one counter for etags and configuration versions. */
  revision: number;
  /** The log is being read. */
  replaying: boolean;
  /** The last subscriber of the consumer id left. */
  onIdle(group: Group): void;
  /** The bytes of a committed payload: at once when the cache has them. */
  load(payload: Payload): Uint8Array | Promise<Uint8Array>;
}

/** What a record takes beyond its strings and bytes, roughly. */
export const recordOverheadBytes = 48;
