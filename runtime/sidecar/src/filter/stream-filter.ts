/**
 * The contract of stream filters: what may look at, change, answer or hold up one exchange between its route and its
 * upstream. Synchronous by default: a filter that has nothing to wait for returns `continue` and costs a call. A route
 * without filters has a null slot, and costs nothing.
 */
import type { RequestHead, ResponseHead } from '@outrigger/engine';

/** `stop`: the filter holds the request and calls `proceed` or `reply` later, or has called `reply` already. */
export type FilterStatus = 'continue' | 'stop';

/** What a filter may do with the exchange. Valid until the exchange ends; calls after that do nothing. */
export interface FilterHandle {
  /** Goes on behind the filter that stopped. */
  proceed(): void;
  /** Answers in place of the upstream, which is never called (or given up). */
  reply(head: ResponseHead, body?: Uint8Array): void;
}

export interface StreamFilter {
  readonly name: string;
  /** May change `head` in place. */
  onRequestHead(head: RequestHead, end: boolean, handle: FilterHandle): FilterStatus;
  /** May change `head` in place. Called in the reverse order. */
  onResponseHead?(head: ResponseHead, end: boolean): void;
}
