/** Dapr's HTTP callbacks: GET /dapr/subscribe, and events posted to the path that the subscription names. */
import { posix } from 'node:path';
import { HeaderList, type Logger } from '@outrigger/engine';
import type { AppChannel } from '../../app/channel.js';
import { AppCallError, type AppResponse, callApp } from '../../app/http-call.js';
import { messageOf } from '../../block/component-call.js';
import type { AppCallback } from '../../block/pubsub/app-callback.js';
import { callbackFields } from '../../block/pubsub/callback-metadata.js';
import { CLOUD_EVENT_CONTENT_TYPE } from '../../block/pubsub/content-type.js';
import { type BatchReply, type EventBatch, type Reply, SUCCESS } from '../../block/pubsub/subscriber.js';
import { entryContentType, type TopicEvent } from '../../block/pubsub/topic-event.js';
import type { EventTrace } from '../../block/pubsub/trace.js';
import type { SubscriptionSpec } from '../../config/model.js';

export interface HttpCallbackDeps {
  readonly app: AppChannel;
  readonly appId: string;
  readonly log: Logger;
  /** Largest answer of the app. */
  readonly messageBytesMax: number;
}

export function createHttpCallback(deps: HttpCallbackDeps): AppCallback {
  const { app, appId, log, messageBytesMax: bytesMax } = deps;
  const post = (path: string, body: Uint8Array, headers: HeaderList, signal: AbortSignal): Promise<AppResponse> =>
    callApp(app, { method: 'POST', path: targetOf(path), body, headers, signal, bytesMax });
  return {
    restarted: () => {},
    listSubscriptions: async (signal) => {
      const headers = HeaderList.of({ 'content-type': 'application/json', 'dapr-app-id': appId });
      const { status, body } = await callApp(app, {
        method: 'GET',
        path: '/dapr/subscribe',
        headers,
        signal,
        bytesMax,
      });
      if (status === 200) return readSubscriptions(body, log);
      if (status !== 404) log.error({ status }, `app returned http status code ${status} from subscription endpoint`);
      return [];
    },
    deliver: async (event, signal) => {
      const headers = headersOf(CLOUD_EVENT_CONTENT_TYPE, event.metadata, event.trace);
      try {
        return replyOf(await post(event.path, event.body, headers, signal));
      } catch (error) {
        return failure(error);
      }
    },
    deliverBatch: async (batch, signal) => {
      const headers = headersOf('application/json', batch.metadata, batch.entries[0]?.event.trace);
      try {
        return batchReplyOf(await post(batch.path, Buffer.from(batchText(batch)), headers, signal));
      } catch (error) {
        return failure(error);
      }
    },
  };
}

/** The path cleaned as Go's path.Clean does, and fit for a request line. */
function targetOf(path: string): string {
  const query = path.indexOf('?');
  const name = query < 0 ? path : path.slice(0, query);
  const clean = posix.normalize(`/${name}`).replace(/(?<=.)\/$/, '');
  const target = clean + (query < 0 ? '' : path.slice(query));
  return target.replace(/[^\x21\x23-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7a\x7e]/gu, percentEncoded);
}

function percentEncoded(char: string): string {
  return Buffer.from(char).toString('hex').replace(/../g, '%$&');
}

function headersOf(contentType: string, metadata: Readonly<Record<string, string>>, trace?: EventTrace): HeaderList {
  const headers = HeaderList.of({ 'content-type': contentType });
  for (const [name, value] of callbackFields(metadata)) headers.append(name, value);
  if (trace?.traceparent !== undefined) {
    headers.append('traceparent', trace.traceparent);
    if (trace.tracestate !== undefined) headers.append('tracestate', trace.tracestate);
  }
  return headers;
}

function failure(error: unknown): Reply {
  const reason = `error returned from app channel while sending pub/sub event to app: ${messageOf(error)}`;
  const cause = error instanceof AppCallError ? error.reason : undefined;
  if (cause === 'connect') return { answer: 'away', reason };
  return { answer: 'retry', reason, lost: cause === 'connection-lost' || cause === 'refused' };
}

function replyOf({ status, body }: AppResponse): Reply {
  if (status >= 200 && status <= 299) return statusReply(statusOf(parse(body)));
  const reason = `status code returned from app: ${status}; body: ${body.toString('utf8', 0, 256)}`;
  return { answer: status === 404 ? 'drop' : 'retry', reason, code: { http: status } };
}

/** What the app says in its answer; a body that is no such answer is a success, as in Dapr. */
function statusOf(answer: unknown): unknown {
  if (answer === null || typeof answer !== 'object' || Array.isArray(answer)) return '';
  const status = member(answer, 'status') ?? '';
  return typeof status === 'string' ? status : '';
}

function statusReply(status: unknown): Reply {
  switch (status) {
    case '':
    case 'SUCCESS':
      return SUCCESS;
    case 'RETRY':
      return { answer: 'retry', asked: true, reason: 'RETRY status returned from app' };
    case 'DROP':
      return { answer: 'drop', asked: true, reason: 'DROP status returned from app' };
    default:
      return { answer: 'retry', reason: `unknown status returned from app: ${String(status).slice(0, 64)}` };
  }
}

function batchReplyOf({ status, body }: AppResponse): BatchReply {
  if (status < 200 || status > 299) {
    const reason = `status code returned from app: ${status}`;
    return { answer: status === 404 ? 'drop' : 'retry', reason, code: { http: status } };
  }
  const answer = parse(body);
  const statuses = answer !== null && typeof answer === 'object' ? member(answer, 'statuses') : undefined;
  if (!Array.isArray(statuses)) {
    return { answer: 'retry', reason: 'failed unmarshalling app response for bulk subscribe: it has no statuses' };
  }
  const replies = new Map<string, Reply>();
  for (const entry of statuses) {
    if (entry === null || typeof entry !== 'object') continue;
    const entryId = member(entry, 'entryid');
    if (typeof entryId !== 'string') continue;
    // Unlike an event on its own, an entry without a status is delivered again.
    const said = statusOf(entry);
    replies.set(
      entryId,
      said === '' ? { answer: 'retry', reason: 'the app gave an entry no status' } : statusReply(said),
    );
  }
  return replies;
}

/** `{"entries":[{entryId, event, metadata, contentType}], id, metadata, pubsubname, topic, type}`; events as they came. */
function batchText(batch: EventBatch): string {
  const entries = batch.entries.map(({ entryId, event }) => {
    const head = `{"entryId":${JSON.stringify(entryId)},"event":${eventText(event)}`;
    const contentType = JSON.stringify(entryContentType(event));
    return `${head},"metadata":${JSON.stringify(event.metadata)},"contentType":${contentType}}`;
  });
  const { id, metadata, pubsubName: pubsubname, topic } = batch;
  const rest = JSON.stringify({ id, metadata, pubsubname, topic, type: 'com.dapr.event.sent.bulk' });
  return `{"entries":[${entries.join(',')}],${rest.slice(1)}`;
}

function eventText({ rawBytes, body }: TopicEvent): string {
  if (rawBytes === undefined) return Buffer.from(body).toString();
  return JSON.stringify(Buffer.from(rawBytes).toString('base64'));
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}

/** Members by their name in lower case: Go compares names without case, and SDKs rely on it. */
function member(object: object, lowerName: string): unknown {
  for (const [name, value] of Object.entries(object)) if (name.toLowerCase() === lowerName) return value;
  return undefined;
}

/** Throws when the body is no list of subscriptions. */
function readSubscriptions(body: Buffer, log: Logger): SubscriptionSpec[] {
  if (body.length === 0) return [];
  const listed: unknown = JSON.parse(body.toString());
  if (listed === null) return [];
  if (!Array.isArray(listed)) throw new TypeError('error getting topics from app: the answer is not a JSON array');
  return listed.flatMap((item: unknown, index) => {
    if (item === null || typeof item !== 'object') {
      throw new TypeError(`error getting topics from app: item ${index} is not an object`);
    }
    const spec = readSubscription(item);
    if (spec.rules.length > 0 || spec.defaultPath !== undefined) return [spec];
    log.warn({ topic: spec.topic }, `topic ${spec.topic} has an empty routes. removing from subscriptions list`);
    return [];
  });
}

function readSubscription(item: object): SubscriptionSpec {
  const text = (of: object, name: string): string => {
    const value = member(of, name);
    return typeof value === 'string' ? value : '';
  };
  const routes = (member(item, 'routes') ?? {}) as object;
  const rules = (member(routes, 'rules') ?? []) as object[];
  const bulk = (member(item, 'bulksubscribe') ?? {}) as object;
  const metadata = Object.entries((member(item, 'metadata') ?? {}) as object);
  return {
    pubsubName: text(item, 'pubsubname'),
    topic: text(item, 'topic'),
    metadata: Object.fromEntries(metadata.map(([name, value]) => [name, String(value)])),
    rules: rules.map((rule) => ({ match: text(rule, 'match'), path: text(rule, 'path') })),
    defaultPath: text(routes, 'default') || text(item, 'route') || undefined,
    deadLetterTopic: text(item, 'deadlettertopic') || undefined,
    bulk:
      member(bulk, 'enabled') === true
        ? {
            messagesMax: Number(member(bulk, 'maxmessagescount') ?? 0),
            awaitMs: Number(member(bulk, 'maxawaitdurationms') ?? 0),
          }
        : undefined,
  };
}
