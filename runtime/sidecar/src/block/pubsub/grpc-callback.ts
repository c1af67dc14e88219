/** The app's gRPC callback in whichever dialect it serves (D13): the first that is implemented is kept. */
import { type GrpcClient, GrpcStatusError, Metadata } from '@outrigger/engine';
import { DialectProbe, isUnimplemented, UNIMPLEMENTED } from '../../app/dialect.js';
import type { SubscriptionSpec } from '../../config/model.js';
import { messageOf } from '../component-call.js';
import type { AppCallback } from './app-callback.js';
import { callbackFields } from './callback-metadata.js';
import type { BatchReply, EventBatch, Reply } from './subscriber.js';
import type { TopicEvent } from './topic-event.js';
import { type EventTrace, traceBinary } from './trace.js';

/** The messages and methods of one callback service. Every method rejects with the GrpcStatusError of its call. */
export interface GrpcCallbackDialect {
  readonly name: string;
  listSubscriptions(client: GrpcClient, signal: AbortSignal): Promise<readonly SubscriptionSpec[]>;
  deliver(client: GrpcClient, event: TopicEvent, signal: AbortSignal): Promise<Reply>;
  /** Absent: entries go one by one. */
  deliverBatch?(client: GrpcClient, batch: EventBatch, signal: AbortSignal): Promise<BatchReply>;
}

export function createGrpcCallback(client: GrpcClient, dialects: readonly GrpcCallbackDialect[]): AppCallback {
  const probe = new DialectProbe(dialects);
  const unimplemented: Reply = { answer: 'drop', reason: 'the app does not implement the callback' };
  const oneByOne = async (
    dialect: GrpcCallbackDialect,
    batch: EventBatch,
    signal: AbortSignal,
  ): Promise<BatchReply> => {
    const replies = await Promise.all(
      batch.entries.map(async ({ entryId, event }): Promise<[string, Reply]> => {
        try {
          return [entryId, await dialect.deliver(client, event, signal)];
        } catch (error) {
          if (isUnimplemented(error)) throw error;
          return [entryId, grpcFailure(error)];
        }
      }),
    );
    return new Map(replies);
  };
  return {
    restarted: () => probe.forget(),
    listSubscriptions: async (signal) => {
      const listed = await probe.run((dialect) => dialect.listSubscriptions(client, signal));
      return listed === UNIMPLEMENTED ? [] : listed;
    },
    deliver: async (event, signal) => {
      try {
        const reply = await probe.run((dialect) => dialect.deliver(client, event, signal));
        return reply === UNIMPLEMENTED ? unimplemented : reply;
      } catch (error) {
        return grpcFailure(error);
      }
    },
    deliverBatch: async (batch, signal) => {
      try {
        const reply = await probe.run(
          (dialect) => dialect.deliverBatch?.(client, batch, signal) ?? oneByOne(dialect, batch, signal),
        );
        return reply === UNIMPLEMENTED ? unimplemented : reply;
      } catch (error) {
        return grpcFailure(error);
      }
    },
  };
}

/** A call that failed: away when the app was not there, else to be tried again, as in Dapr. */
function grpcFailure(error: unknown): Reply {
  if (!(error instanceof GrpcStatusError)) return { answer: 'retry', reason: messageOf(error) };
  const reason = `error returned from app: ${error.message}`;
  if (error.reset === 'connect') return { answer: 'away', reason };
  if (error.reset === 'connection-lost' || error.reset === 'refused') return { answer: 'retry', reason, lost: true };
  return { answer: 'retry', reason, code: { grpc: error.code } };
}

/** What goes beside an event: the message's metadata and the trace. */
export function callbackMetadata(metadata: Readonly<Record<string, string>>, trace?: EventTrace): Metadata {
  const fields = new Metadata();
  for (const [name, value] of callbackFields(metadata)) fields.append(name, value);
  if (trace?.traceparent !== undefined) {
    fields.append('traceparent', trace.traceparent);
    if (trace.tracestate !== undefined) fields.append('tracestate', trace.tracestate);
    fields.setBinary('grpc-trace-bin', traceBinary(trace.traceparent));
  }
  return fields;
}
