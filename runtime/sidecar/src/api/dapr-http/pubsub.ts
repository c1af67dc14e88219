/** Publishing on Dapr's HTTP API. */

import { OutriggerError } from '@outrigger/engine';
import type { MaybePromise } from '../../block/context.js';
import type { PubSubBlock } from '../../block/pubsub/block.js';
import type { BulkEntry } from '../../block/pubsub/bulk-publish.js';
import { isBinaryType, isCloudEventType, isJsonType, isTextType } from '../../block/pubsub/content-type.js';
import { pubSubError } from '../../block/pubsub/errors.js';
import { arrayElements, memberText } from '../../block/pubsub/json-members.js';
import { errorView } from '../error-view.js';
import type { HttpCall, HttpReply, HttpRoute } from './route.js';

/** Response headers that repeat the outcome of a failed batch are left out when they would be longer than this. */
const OUTCOME_HEADER_CHARS_MAX = 4096;
const NO_CONTENT: HttpReply = { status: 204 };

export function createPubSubRoutes(pubsub: PubSubBlock, appId: string): readonly HttpRoute[] {
  const publish = (call: HttpCall): MaybePromise<HttpReply> => {
    const { params, body, metadata, context } = call;
    const done = pubsub.publish({
      pubsubName: params['pubsub'] ?? '',
      topic: params['topic'] ?? '',
      data: body,
      contentType: call.stream.head.headers.get('content-type') ?? '',
      metadata,
      context,
    });
    return done instanceof Promise ? done.then(() => NO_CONTENT) : NO_CONTENT;
  };
  const bulkPublish = async (call: HttpCall): Promise<HttpReply> => {
    const { params, body, metadata, context } = call;
    const pubsubName = params['pubsub'] ?? '';
    const topic = params['topic'] ?? '';
    // Dapr looks at the address before the body.
    const entries = pubsub.has(pubsubName) && topic !== '' ? readEntries(body, pubsubName, topic, appId) : [];
    const { failed, error } = await pubsub.bulkPublish({ pubsubName, topic, entries, metadata, context });
    return error === undefined ? NO_CONTENT : failure(failed, error);
  };
  const methods = ['POST', 'PUT'];
  const bulk = '/publish/bulk/{pubsub}/{topic…}';
  return [
    {
      methods,
      pattern: `/v1.0${bulk}`,
      api: 'publish',
      version: 'v1.0',
      name: 'BulkPublishEvent',
      body: 'buffer',
      handle: bulkPublish,
    },
    {
      methods,
      pattern: `/v1.0-alpha1${bulk}`,
      api: 'publish',
      version: 'v1.0-alpha1',
      name: 'BulkPublishEvent',
      body: 'buffer',
      handle: bulkPublish,
    },
    {
      methods,
      pattern: '/v1.0/publish/{pubsub}/{topic…}',
      api: 'publish',
      version: 'v1.0',
      name: 'PublishEvent',
      body: 'buffer',
      handle: publish,
    },
  ];
}

/** Dapr answers with the list of failed entries in place of its usual error body, and repeats both in headers. */
function failure(
  failedEntries: readonly { readonly entryId: string; readonly error: string }[],
  error: Error,
): HttpReply {
  if (!(error instanceof OutriggerError)) throw error;
  const { http, code, grpc, text } = errorView(error, 'dapr-http');
  const body = JSON.stringify({ failedEntries, errorCode: code });
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  const repeat = (name: string, value: string): void => {
    if (value.length <= OUTCOME_HEADER_CHARS_MAX && /^[\x20-\x7e]*$/.test(value)) headers[name] = value;
  };
  repeat('metadata.responsedata', body);
  repeat('metadata.error', `api error: code = ${GRPC_CODE_TEXT[grpc] ?? grpc} desc = ${text}`);
  return { status: http, headers, body };
}

/** Go's names of the codes that publishing fails with. */
const GRPC_CODE_TEXT: Readonly<Record<number, string>> = {
  4: 'DeadlineExceeded',
  8: 'ResourceExhausted',
  13: 'Internal',
  14: 'Unavailable',
};

/** `[{entryId, event, contentType, metadata}]`; the event's JSON stays as it was written. */
function readEntries(body: Buffer, name: string, topic: string, appId: string): BulkEntry[] {
  const malformed = (error: string): Error =>
    pubSubError('PUBSUB_ENTRIES_MALFORMED', { name, topic, error }, { appID: appId });
  const text = body.toString();
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    // Go's decoder says so; Dapr's tests look for it.
    throw malformed(text.trim() === '' ? 'EOF' : isCutOff(text) ? 'unexpected EOF' : (error as Error).message);
  }
  if (parsed === null) return [];
  if (!Array.isArray(parsed)) {
    const kind = typeof parsed === 'object' ? 'object' : typeof parsed === 'boolean' ? 'bool' : typeof parsed;
    throw malformed(`json: cannot unmarshal ${kind} into Go value of type []http.bulkPublishMessageEntry`);
  }
  const texts = arrayElements(text);
  return parsed.map((value: unknown, index) => {
    if (value === null || typeof value !== 'object' || Array.isArray(value)) {
      throw malformed(`entry ${index} is not an object`);
    }
    return readEntry(value as Record<string, unknown>, texts[index] as string, { name, topic, appId, malformed });
  });
}

interface EntryPlace {
  readonly name: string;
  readonly topic: string;
  readonly appId: string;
  malformed(error: string): Error;
}

/** Names of members are compared without case, as Go does: SDKs write entryId and entryID. */
function readEntry(entry: Readonly<Record<string, unknown>>, text: string, place: EntryPlace): BulkEntry {
  const names = new Map(Object.keys(entry).map((name) => [name.toLowerCase(), name]));
  const fieldOf = (field: string): unknown => entry[names.get(field) ?? field];
  const textOf = (field: string): string => {
    const value = fieldOf(field) ?? '';
    if (typeof value !== 'string') throw place.malformed(`${field} is not a string`);
    return value;
  };
  const metadata = (fieldOf('metadata') ?? {}) as Record<string, string>;
  if (typeof metadata !== 'object' || Object.values(metadata).some((value) => typeof value !== 'string')) {
    throw place.malformed('metadata is not an object of strings');
  }
  const entryId = textOf('entryid');
  const contentType = textOf('contenttype');
  const eventText = memberText(text, names.get('event') ?? 'event') ?? 'null';
  const event = bytesOf(fieldOf('event'), eventText, contentType);
  if (typeof event === 'string') {
    const { name, topic, appId } = place;
    throw pubSubError('PUBSUB_ENTRY_TYPE_MISMATCH', { name, topic, error: event }, { appID: appId, error: event });
  }
  return { entryId, event, contentType, metadata };
}

const TYPE_MISMATCH = 'error: mismatch between contentType and event';

/** The event's bytes by its content type, or what is wrong with it. */
function bytesOf(value: unknown, text: string, contentType: string): Uint8Array | string {
  if (isBinaryType(contentType)) {
    if (typeof value !== 'string') return TYPE_MISMATCH;
    if (value.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(value)) {
      return 'error: unable to decode base64 application/octect-stream data';
    }
    return Buffer.from(value, 'base64');
  }
  if (isTextType(contentType)) return typeof value === 'string' ? Buffer.from(value) : TYPE_MISMATCH;
  if (isJsonType(contentType) || isCloudEventType(contentType)) return Buffer.from(text);
  return TYPE_MISMATCH;
}

/** Whether JSON text ends before it is complete. */
function isCutOff(text: string): boolean {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (quoted) {
      if (char === '\\') at++;
      else if (char === '"') quoted = false;
    } else if (char === '"') quoted = true;
    else if (char === '{' || char === '[') depth++;
    else if (char === '}' || char === ']') depth--;
  }
  return quoted || depth > 0;
}
