/**
 * Tells an app that restarts from an event that the app cannot survive, when a connection breaks before the answer.
 *
 * The app still listens: the connection may have been an idle one that was closed just then, so the event is sent once
 * more at once (deliveries are at-least-once; an attempt of the policy is not spent). The app is gone: its restart must not
 * dead-letter what it had in hand, so the event goes back to the broker; but only so often, or an event that kills the app
 * would do so for ever.
 */
import type { AppChannel } from '../../app/channel.js';
import type { AppCallback } from './app-callback.js';
import type { BatchReply, Reply } from './subscriber.js';
import type { TopicEvent } from './topic-event.js';

/** Times that an event may be in hand while the app goes down before it counts as the event's fault. */
export const CRASHES_MAX = 3;
/** Events remembered; the oldest are forgotten first. */
export const CRASHES_REMEMBERED_MAX = 10_000;

export function crashGuard(callback: AppCallback, app: Pick<AppChannel, 'listens'>): AppCallback {
  const crashes = new Map<string, number>();
  const blame = (event: TopicEvent, reply: Reply): Reply => {
    const key = `${event.pubsubName}\0${event.topic}\0${event.id}`;
    const count = (crashes.get(key) ?? 0) + 1;
    crashes.delete(key);
    if (count > CRASHES_MAX) return { ...reply, answer: 'fatal' };
    if (crashes.size >= CRASHES_REMEMBERED_MAX) crashes.delete(crashes.keys().next().value as string);
    crashes.set(key, count);
    return { ...reply, answer: 'away' };
  };
  const isLost = (reply: BatchReply): reply is Reply => 'answer' in reply && reply.lost === true;
  const { deliverBatch } = callback;
  return {
    listSubscriptions: (signal) => callback.listSubscriptions(signal),
    restarted: () => callback.restarted(),
    deliver: async (event, signal) => {
      const reply = await callback.deliver(event, signal);
      if (!reply.lost || signal.aborted) return reply;
      return (await app.listens()) ? callback.deliver(event, signal) : blame(event, reply);
    },
    ...(deliverBatch === undefined
      ? {}
      : {
          deliverBatch: async (batch, signal) => {
            const reply = await deliverBatch.call(callback, batch, signal);
            if (!isLost(reply) || signal.aborted) return reply;
            if (await app.listens()) return deliverBatch.call(callback, batch, signal);
            return new Map(batch.entries.map(({ entryId, event }) => [entryId, blame(event, reply)]));
          },
        }),
  };
}
