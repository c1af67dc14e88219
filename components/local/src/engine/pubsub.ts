/** Operations on topics. */
import { ComponentError } from '@outrigger/components-core';
import { inFlightMessagesMax, operationsMax } from '../limits.js';
import { messageBody, type SettleCall } from '../operation.js';
import type { Publish } from '../record.js';
import type { Member } from '../table/group.js';
import { payloadOf } from '../wire/shape.js';
import { Writer } from '../wire/writer.js';
import type { Engine } from './engine.js';
import { type Handler, mustBeValue, mustName } from './handlers.js';

type PubSubOperation = 'pubsub.publish' | 'pubsub.subscribe' | 'pubsub.unsubscribe' | 'pubsub.settle';

const messageOverheadBytes = 256;
/** Subscriptions of one participant. */
const subscriptionsMax = 10_000;

export function pubsubHandlers(engine: Engine): { readonly [O in PubSubOperation]: Handler<O> } {
  const { requests } = engine.tables;

  const publish: Handler<'pubsub.publish'> = ({ bus, topic: name, messages }, session, id) => {
    mustName('topic', name);
    if (messages.length === 0) return undefined;
    if (messages.length > operationsMax) {
      throw new ComponentError(
        'too-large',
        `a bulk of ${messages.length} messages has more than the ${operationsMax} that one may have`,
      );
    }
    const writer = new Writer(256);
    let bytes = 0;
    const bodies = messages.map(({ body, expiresAtMs }) => {
      mustBeValue(`a message to ${name}`, body.data.length);
      writer.reset();
      messageBody.write(writer, body);
      const encoded = new Uint8Array(writer.position);
      encoded.set(writer.buffer.subarray(0, writer.position));
      bytes += encoded.length;
      return { expiresAtMs, body: payloadOf(encoded) };
    });
    const topic = engine.tables.topic(bus, name);
    return engine.committer.submit(bytes + messageOverheadBytes * messages.length, (transaction) => {
      const origin = engine.originOf(session, id);
      if (origin !== undefined && requests.result(origin) !== undefined) return () => undefined;
      topic.mustFit(bodies.length, bytes);
      const staged = topic.stage(bodies.length, bytes);
      const record: Publish = {
        kind: 'publish',
        bus,
        topic: name,
        firstOffset: staged.firstOffset,
        publishedAtMs: engine.clock.wallMs(),
        messages: bodies,
      };
      try {
        transaction.add(record, origin);
      } catch (error) {
        staged.undo();
        throw error;
      }
      transaction.onFailure(() => staged.undo());
      engine.remember(transaction, origin);
      return () => {
        topic.append(record);
        engine.touched.add(topic);
        return undefined;
      };
    });
  };

  const subscribe: Handler<'pubsub.subscribe'> = (call, session) => {
    const { bus, topic: name, consumerId, subscription, held } = call;
    mustName('topic', name);
    mustName('consumer id', consumerId);
    const topic = engine.tables.topic(bus, name);
    return engine.committer.submit(messageOverheadBytes, (transaction) => {
      let added: { settled: readonly number[] } | undefined;
      if (!topic.groups.has(consumerId)) {
        added = { settled: [0, topic.firstOffset] };
        transaction.add(
          { kind: 'group', bus, topic: name, consumerId, settled: added.settled, attempts: [] },
          undefined,
        );
      }
      return () => {
        if (!session.open) throw new ComponentError('closed', 'the subscriber is gone');
        if (session.subscriptions.size >= subscriptionsMax) {
          throw new ComponentError('too-large', `this sidecar has ${subscriptionsMax} subscriptions already`);
        }
        const group = topic.addGroup(consumerId);
        const member: Member = {
          inFlightMax: Math.min(Math.max(1, call.inFlightMax), inFlightMessagesMax),
          inFlight: 0,
          bytes: 0,
          open: true,
          deliver: ({ offset, publishedAtMs }, body, attempt) => {
            session.peer.push('message', { subscription, offset, attempt, publishedAtMs, body });
          },
        };
        session.subscriptions.set(subscription, { group, member });
        group.join(member);
        for (const { offset, attempt } of held) group.claim(member, offset, attempt);
        engine.touched.add(topic);
        return undefined;
      };
    });
  };

  const settle: Handler<'pubsub.settle'> = (call: SettleCall, session) => {
    const { bus, topic: name, consumerId, offset, outcome, notBeforeMs } = call;
    const topic = engine.tables.findTopic(bus, name);
    const group = topic?.groups.get(consumerId);
    if (topic === undefined || group === undefined) return undefined;
    const isHolder = (): boolean => {
      const member = session.subscriptions.get(call.subscription)?.member;
      return member !== undefined && group.holder(offset) === member;
    };
    const settled = (): undefined => {
      engine.touched.add(topic);
      const member = session.subscriptions.get(call.subscription)?.member;
      if (member?.open === false && member.inFlight === 0) session.subscriptions.delete(call.subscription);
      return undefined;
    };
    return engine.committer.submit(messageOverheadBytes, (transaction) => {
      if (outcome === 'ack') {
        // By whomever: the work is done.
        if (!group.settled.has(offset))
          transaction.add({ kind: 'ack', bus, topic: name, consumerId, offset }, undefined);
        return () => {
          topic.acked(group, offset);
          return settled();
        };
      }
      // Somebody else has it by now, or did it.
      if (!isHolder()) return () => undefined;
      const attempt = group.attemptOf(offset);
      if (outcome === 'retry') {
        transaction.add({ kind: 'retry', bus, topic: name, consumerId, offset, attempt, notBeforeMs }, undefined);
      }
      return () => {
        if (!isHolder()) return undefined;
        if (outcome === 'retry') group.retry(offset, attempt, notBeforeMs);
        else group.abandon(offset);
        return settled();
      };
    });
  };

  return {
    'pubsub.publish': publish,
    'pubsub.subscribe': subscribe,
    'pubsub.unsubscribe': ({ subscription, isOver }, session) => {
      const found = session.subscriptions.get(subscription);
      if (found === undefined) return undefined;
      if (isOver) found.group.leave(found.member);
      else found.group.stop(found.member);
      if (found.member.inFlight === 0) session.subscriptions.delete(subscription);
      return undefined;
    },
    'pubsub.settle': settle,
  };
}
