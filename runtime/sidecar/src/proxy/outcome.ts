/** How a request that got no answer ended, in the terms of the decision record. */
import type { StreamReset } from '@outrigger/engine';
import type { ClusterFailure } from '../cluster/cluster.js';
import { ResponseFlag } from './decision.js';

/** A reset that knows what the proxy decided. */
export interface ProxyReset extends StreamReset {
  /** `ResponseFlag` bits. */
  readonly flags: number;
  readonly retries: number;
}

/** Only who was told that there is nobody may say so: a source that does not answer is a failure to connect. */
export const NO_HOST_FLAGS: Readonly<Record<ClusterFailure, number>> = {
  'no-hosts': ResponseFlag.noHost,
  timeout: ResponseFlag.connectFailure,
  overflow: ResponseFlag.overflow,
  closed: ResponseFlag.local,
};

export function flagOf(reset: StreamReset): number {
  switch (reset.reason) {
    case 'connect':
      return ResponseFlag.connectFailure;
    case 'connection-lost':
      return ResponseFlag.connectionLost;
    case 'timeout':
      return ResponseFlag.timeout;
    default:
      return ResponseFlag.upstreamReset;
  }
}
