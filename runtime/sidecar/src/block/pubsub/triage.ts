/** The first look at a message: can it be read, has it expired, which path does it go to. */
import type { IncomingMessage } from '@outrigger/components-core';
import type { Clock } from '@outrigger/engine';
import { messageOf } from '../component-call.js';
import type { Verdict } from './delivery.js';
import type { Router } from './routing.js';
import { hasExpired } from './time-to-live.js';
import { type ReadEvent, type ReadOptions, readEvent, type TopicEvent } from './topic-event.js';

export type Triage =
  | { readonly verdict: 'deliver'; readonly event: TopicEvent }
  | { readonly verdict: Exclude<Verdict, 'deliver'>; readonly reason: string };

export function triage(message: IncomingMessage, options: ReadOptions, router: Router, clock: Clock): Triage {
  let event: ReadEvent;
  let path: string | undefined;
  try {
    event = readEvent(message, options);
  } catch (error) {
    return { verdict: 'unreadable', reason: `it is not a CloudEvent: ${messageOf(error)}` };
  }
  const { expiration } = event.attributes;
  if (hasExpired(expiration, clock)) return { verdict: 'expired', reason: `it expired at ${expiration}` };
  try {
    path = router(event.attributes);
  } catch (error) {
    return { verdict: 'unreadable', reason: messageOf(error) };
  }
  if (path === undefined) return { verdict: 'unmatched', reason: 'no routing rule matches it' };
  return { verdict: 'deliver', event: event.routed(path) };
}
