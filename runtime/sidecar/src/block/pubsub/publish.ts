/** Publishing: validation, envelope, scopes, policy, metrics, then the component. Neutral of the surface that asks. */
import type { IncomingMessage, PublishRequest, PubSub } from '@outrigger/components-core';
import type { Clock, OutriggerError } from '@outrigger/engine';
import type { ComponentRegistry } from '../../component/registry.js';
import { messageOf, wrapError } from '../component-call.js';
import type { CallContext, MaybePromise } from '../context.js';
import type { PolicySource } from '../policy.js';
import { adoptEvent, DEFAULT_TYPE, type Envelope, wrapEvent } from './cloud-event.js';
import { CLOUD_EVENT_CONTENT_TYPE, isCloudEventType } from './content-type.js';
import { pubSubError } from './errors.js';
import { goBool } from './go-bool.js';
import type { PubSubMetrics } from './metrics.js';
import type { PubSubEntry, PubSubSettingsSource } from './settings.js';
import { timeToLiveMs } from './time-to-live.js';
import { validTraceparent, validTracestate } from './trace.js';

export interface PublishInput {
  readonly pubsubName: string;
  readonly topic: string;
  readonly data: Uint8Array;
  /** '' when the caller named none. */
  readonly contentType: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly context: CallContext;
  /** Attributes of the envelope where a dialect has its own; default: the app id and `com.dapr.event.sent`. */
  readonly attributes?: { readonly source: string; readonly type: string };
  /** `rawPayload` is Dapr's: dialects without it always wrap. Default true. */
  readonly mayBeRaw?: boolean;
}

export interface PublishDeps {
  readonly appId: string;
  readonly clock: Clock;
  readonly registry: ComponentRegistry;
  readonly policies: PolicySource;
  readonly metrics: PubSubMetrics;
  readonly settings: PubSubSettingsSource;
}

/** Resolves (or returns at once) when the component has the message; throws OutriggerError. */
export function publish(input: PublishInput, deps: PublishDeps): MaybePromise<void> {
  const entry = findTarget(input, deps);
  const component = entry.ready();
  return component instanceof Promise
    ? component.then((ready) => publishTo(ready, entry, input, deps))
    : publishTo(component, entry, input, deps);
}

type Target = Pick<PublishInput, 'pubsubName' | 'topic' | 'metadata' | 'context'>;

/** The component to publish to, or the error that says which part of the address is missing. */
export function findTarget(input: Target, deps: PublishDeps): PubSubEntry {
  const { pubsubName: name, metadata } = input;
  if (name === '') throw pubSubError('PUBSUB_NAME_EMPTY', { name }, metadata);
  const entry = deps.registry.find('pubsub', name);
  if (entry === undefined) {
    throw pubSubError('PUBSUB_NOT_FOUND', { name }, input.context.surface === 'dapr-http' ? metadata : {});
  }
  if (input.topic === '') throw pubSubError('PUBSUB_TOPIC_EMPTY', { name }, metadata);
  return entry;
}

/** Whether the message goes out as it is. */
export function isRaw(input: Pick<PublishInput, 'pubsubName' | 'metadata'>): boolean {
  const raw = goBool(input.metadata['rawPayload']);
  if (raw !== undefined) return raw;
  const error = `rawPayload value must be a valid boolean: actual is '${input.metadata['rawPayload']}'`;
  throw pubSubError('PUBSUB_METADATA_INVALID', { name: input.pubsubName, error }, input.metadata);
}

function publishTo(component: PubSub, entry: PubSubEntry, input: PublishInput, deps: PublishDeps): MaybePromise<void> {
  const raw = input.mayBeRaw !== false && isRaw(input);
  const request: PublishRequest = raw
    ? { topic: input.topic, data: input.data, metadata: withTrace(input) }
    : {
        topic: input.topic,
        data: envelopeOf(component, input, deps),
        contentType: CLOUD_EVENT_CONTENT_TYPE,
        metadata: input.metadata,
      };
  requireScope(entry, component, input, deps);
  return send(component, request, input, deps);
}

/** The envelope's bytes; throws PUBSUB_CLOUD_EVENT_INVALID when the data says it is an event and is not. */
export function envelopeOf(
  component: PubSub,
  input: Omit<PublishInput, 'mayBeRaw'>,
  deps: Pick<PublishDeps, 'appId' | 'clock'>,
): Buffer {
  const { pubsubName, topic, data, contentType, metadata } = input;
  const traceparent = validTraceparent(input.context.trace.traceparent) ?? '';
  const wallMs = deps.clock.wallMs();
  const ttlMs = component.features.has('MESSAGE_TTL') ? undefined : timeToLiveMs(metadata);
  const envelope: Envelope = {
    topic,
    pubsubName,
    source: input.attributes?.source ?? deps.appId,
    type: input.attributes?.type ?? DEFAULT_TYPE,
    traceparent,
    tracestate: traceparent === '' ? '' : (validTracestate(input.context.trace.tracestate) ?? ''),
    wallMs,
    expiresWallMs: ttlMs === undefined ? undefined : wallMs + ttlMs,
  };
  if (!isCloudEventType(contentType)) return wrapEvent(data, contentType, envelope, metadata);
  const event = adoptEvent(data, envelope);
  if (event !== undefined) return event;
  const error = 'the data is not a JSON object';
  throw pubSubError('PUBSUB_CLOUD_EVENT_INVALID', { name: pubsubName, error }, { appID: deps.appId, error });
}

/** The trace goes beside a raw message, in its metadata: the subscriber's sidecar looks for it there. */
export function withTrace(input: Pick<PublishInput, 'metadata' | 'context'>): Readonly<Record<string, string>> {
  const traceparent = validTraceparent(input.context.trace.traceparent);
  if (traceparent === undefined) return input.metadata;
  const tracestate = validTracestate(input.context.trace.tracestate);
  return {
    ...input.metadata,
    traceid: traceparent,
    traceparent,
    ...(tracestate === undefined ? {} : { tracestate }),
  };
}

export function requireScope(entry: PubSubEntry, component: PubSub, input: Target, deps: PublishDeps): void {
  const { topic, pubsubName: name } = input;
  if (deps.settings.of(entry, component).scopes.mayPublish(topic)) return;
  const { appId } = deps;
  const error = `topic ${topic} is not allowed for app id ${appId}`;
  throw pubSubError('PUBSUB_FORBIDDEN', { name, topic, appId }, { topic, error });
}

/** Through the outbound policy to the component; errors of the component become PUBSUB_PUBLISH_FAILED. */
function send(component: PubSub, request: PublishRequest, input: PublishInput, deps: PublishDeps): MaybePromise<void> {
  const { clock } = deps;
  const metrics = deps.metrics.egress(input.pubsubName, input.topic);
  const started = clock.now();
  const failed = (error: unknown): never => {
    metrics.event(false, clock.now() - started);
    throw publishFailed(input, error);
  };
  try {
    const sent = underPolicy(component, request, input, deps);
    if (sent instanceof Promise) return sent.then(() => metrics.event(true, clock.now() - started), failed);
    metrics.event(true, clock.now() - started);
  } catch (error) {
    return failed(error);
  }
}

function underPolicy(component: PubSub, request: PublishRequest, to: Target, deps: PublishDeps): MaybePromise<void> {
  const call = (): MaybePromise<void> => component.publish(request);
  const policy = deps.policies.outbound('pubsub', to.pubsubName);
  return policy === undefined ? call() : policy.run(to.context, call);
}

export function publishFailed(input: Pick<PublishInput, 'pubsubName' | 'topic'>, cause: unknown): OutriggerError {
  const { pubsubName: name, topic } = input;
  return wrapError(cause, () => {
    const error = messageOf(cause);
    return pubSubError('PUBSUB_PUBLISH_FAILED', { name, topic, error }, { topic, error }, cause);
  });
}

/**
 * Publishes a message as it came to the dead letter topic, under this app's scopes and the outbound policy. The app has
 * published nothing: it is not counted.
 */
export async function publishDeadLetter(
  pubsubName: string,
  topic: string,
  message: IncomingMessage,
  deps: PublishDeps,
): Promise<void> {
  const context = internalContext();
  const target = { pubsubName, topic, metadata: message.metadata, context };
  const entry = findTarget(target, deps);
  const component = await entry.ready();
  requireScope(entry, component, target, deps);
  const { data, contentType, metadata } = message;
  await underPolicy(component, { topic, data, contentType, metadata }, target, deps);
}

function internalContext(): CallContext {
  return {
    surface: 'internal',
    trace: { traceparent: undefined, tracestate: undefined, baggage: undefined },
    deadline: undefined,
    signal: new AbortController().signal,
  };
}
