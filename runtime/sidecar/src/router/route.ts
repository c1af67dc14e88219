/** Where a request goes and under which policies. Compiled from configuration once; immutable. */
import type { RequestHead } from '@outrigger/engine';
import type { StreamFilter } from '../filter/stream-filter.js';
import type { RetryPolicy } from '../policy/retry.js';

export interface Route {
  readonly name: string;
  readonly cluster: string;
  /** From the first byte of the request to the last of the response; 0: no limit. */
  readonly timeoutMs: number;
  readonly retry: RetryPolicy;
  /** null: no filters, the slot costs nothing. */
  readonly filters: readonly StreamFilter[] | null;
}

export interface RouteRule {
  /** null matches everything. */
  readonly match: ((head: RequestHead) => boolean) | null;
  readonly route: Route;
}

/** One logical service. For invoke: one per app id, and one per external origin. */
export interface VirtualHost {
  readonly name: string;
  /** In order; the first that matches wins. */
  readonly rules: readonly RouteRule[];
}
