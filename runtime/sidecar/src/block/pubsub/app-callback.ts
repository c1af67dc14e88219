/** What the block asks of the app, in whatever dialect the app speaks; made by the surfaces (api/). */
import type { SubscriptionSpec } from '../../config/model.js';
import type { Subscriber } from './subscriber.js';

export interface AppCallback extends Subscriber {
  /**
   * The subscriptions that the app names itself; none when it has no such endpoint. Rejects when the app could not be
   * asked, and is asked again.
   */
  listSubscriptions(signal: AbortSignal): Promise<readonly SubscriptionSpec[]>;
  /** The app was away: it may be another program now. */
  restarted(): void;
}
