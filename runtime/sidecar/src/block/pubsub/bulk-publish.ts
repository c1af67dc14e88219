/** Many messages for one topic in one call. Some may fail: the outcome names them. */
import type { PublishRequest, PubSub } from '@outrigger/components-core';
import { messageOf } from '../component-call.js';
import type { CallContext } from '../context.js';
import { CLOUD_EVENT_CONTENT_TYPE } from './content-type.js';
import { pubSubError } from './errors.js';
import { envelopeOf, findTarget, isRaw, type PublishDeps, publishFailed, requireScope, withTrace } from './publish.js';

/** Messages on their way at once where the component takes them one by one (Dapr: 100). */
export const BULK_PUBLISH_CONCURRENCY = 100;

export interface BulkEntry {
  readonly entryId: string;
  readonly event: Uint8Array;
  /** '' when the caller named none. */
  readonly contentType: string;
  /** Wins over the metadata of the request. */
  readonly metadata: Readonly<Record<string, string>>;
}

export interface BulkPublishInput {
  readonly pubsubName: string;
  readonly topic: string;
  readonly entries: readonly BulkEntry[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly context: CallContext;
}

export interface BulkOutcome {
  readonly failed: readonly { readonly entryId: string; readonly error: string }[];
  /** PUBSUB_PUBLISH_FAILED of the whole call when an entry failed. */
  readonly error: Error | undefined;
}

interface Outgoing {
  readonly entryId: string;
  readonly request: PublishRequest;
}

class EntriesFailed extends Error {
  readonly failures: ReadonlyMap<string, Error>;

  constructor(failures: ReadonlyMap<string, Error>) {
    const first = failures.values().next().value as Error;
    super(first.message, { cause: first });
    this.failures = failures;
  }
}

/** Rejects with OutriggerError when nothing was published because the request is not right. */
export async function bulkPublish(input: BulkPublishInput, deps: PublishDeps): Promise<BulkOutcome> {
  const entry = findTarget(input, deps);
  const component = await entry.ready();
  const outgoing = prepare(component, input, deps);
  requireScope(entry, component, input, deps);

  const { clock } = deps;
  const metrics = deps.metrics.egress(input.pubsubName, input.topic);
  const started = clock.now();
  let remaining = outgoing;
  // Each attempt of the policy sends what has not been taken yet.
  const call = async (): Promise<void> => {
    const failures = await sendAll(component, remaining);
    if (failures.size === 0) return;
    remaining = remaining.filter(({ entryId }) => failures.has(entryId));
    throw new EntriesFailed(failures);
  };
  const policy = deps.policies.outbound('pubsub', input.pubsubName);
  try {
    await (policy === undefined ? call() : policy.run(input.context, call));
    metrics.bulk(true, outgoing.length, clock.now() - started);
    return { failed: [], error: undefined };
  } catch (error) {
    metrics.bulk(false, outgoing.length - remaining.length, clock.now() - started);
    const failures = error instanceof EntriesFailed ? error.failures : undefined;
    return {
      failed: remaining.map(({ entryId }) => ({ entryId, error: messageOf(failures?.get(entryId) ?? error) })),
      error: publishFailed(input, error),
    };
  }
}

function prepare(component: PubSub, input: BulkPublishInput, deps: PublishDeps): Outgoing[] {
  const { pubsubName: name, topic, context } = input;
  const { appId } = deps;
  const raw = isRaw(input);
  const seen = new Set<string>();
  return input.entries.map(({ entryId, event, contentType, metadata: own }) => {
    if (entryId === '' || seen.has(entryId)) {
      const error = 'entryId is duplicated or not present for entry';
      throw pubSubError('PUBSUB_ENTRY_INVALID', { name, topic, error }, { appID: appId, error });
    }
    seen.add(entryId);
    const metadata = { ...input.metadata, ...own };
    const request: PublishRequest = raw
      ? { topic, data: event, metadata: withTrace({ metadata, context }), contentType: contentType || undefined }
      : {
          topic,
          data: envelopeOf(component, { pubsubName: name, topic, data: event, contentType, metadata, context }, deps),
          metadata,
          contentType: CLOUD_EVENT_CONTENT_TYPE,
        };
    return { entryId, request };
  });
}

/** Entry id → why it failed. Rejects when the component fails as a whole. */
async function sendAll(component: PubSub, outgoing: readonly Outgoing[]): Promise<Map<string, Error>> {
  const failures = new Map<string, Error>();
  if (component.bulkPublish !== undefined) {
    const results = await component.bulkPublish(outgoing.map(({ request }) => request));
    outgoing.forEach(({ entryId }, index) => {
      const error = results[index];
      if (error !== undefined) failures.set(entryId, error);
    });
    return failures;
  }
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let one = outgoing[next++]; one !== undefined; one = outgoing[next++]) {
      try {
        await component.publish(one.request);
      } catch (error) {
        failures.set(one.entryId, error instanceof Error ? error : new Error(String(error)));
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(BULK_PUBLISH_CONCURRENCY, outgoing.length) }, worker));
  return failures;
}
