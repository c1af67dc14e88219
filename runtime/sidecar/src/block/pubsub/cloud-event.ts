/**
 * The CloudEvents 1.0 envelope that a publish puts around data, field by field as Dapr makes it (components-contrib
 * pubsub/envelope.go, dapr pkg/runtime/pubsub/cloudevents.go). Members are in the order of their names, as Go writes maps.
 */
import { randomUUID } from 'node:crypto';
import { isBinaryType, isJsonType, isProtobufEvent } from './content-type.js';
import { membersOf } from './json-members.js';
import { rfc3339 } from './time-to-live.js';

export interface Envelope {
  readonly topic: string;
  readonly pubsubName: string;
  /** Attributes that metadata `cloudevent.*` did not set: `source` is the app id. */
  readonly source: string;
  readonly type: string;
  readonly traceparent: string;
  readonly tracestate: string;
  readonly wallMs: number;
  /** Point in wall-clock time, where the component has no time to live of its own. */
  readonly expiresWallMs: number | undefined;
}

export const DEFAULT_SOURCE = 'Dapr';
export const DEFAULT_TYPE = 'com.dapr.event.sent';
const SPEC_VERSION = '1.0';
const DEFAULT_DATA_CONTENT_TYPE = 'text/plain';

const quote = (text: string): string => JSON.stringify(text);

/** An envelope around `data`. `overrides` is the publish request's metadata. */
export function wrapEvent(
  data: Uint8Array,
  contentType: string,
  envelope: Envelope,
  overrides: Readonly<Record<string, string>>,
): Buffer {
  const set = overridesOf(overrides);
  const dataContentType = contentType === '' ? DEFAULT_DATA_CONTENT_TYPE : contentType;
  const trace = set.traceparent || (set.traceid ?? envelope.traceparent);
  const members = [
    dataMember(data, dataContentType),
    `"datacontenttype":${quote(dataContentType)}`,
    envelope.expiresWallMs === undefined ? '' : `"expiration":"${rfc3339(envelope.expiresWallMs)}"`,
    `"id":${quote(set.id || randomUUID())}`,
    `"pubsubname":${quote(envelope.pubsubName)}`,
    `"source":${quote((set.source ?? envelope.source) || DEFAULT_SOURCE)}`,
    `"specversion":"${SPEC_VERSION}"`,
    set.subject ? `"subject":${quote(set.subject)}` : '',
    `"time":"${rfc3339(envelope.wallMs)}"`,
    `"topic":${quote(envelope.topic)}`,
    // traceid is the older name of traceparent, kept because subscribers read it.
    `"traceid":${quote(trace)}`,
    `"traceparent":${quote(trace)}`,
    `"tracestate":${quote(set.tracestate ?? envelope.tracestate)}`,
    `"type":${quote((set.type ?? envelope.type) || DEFAULT_TYPE)}`,
  ];
  return Buffer.from(`{${members.filter((member) => member !== '').join(',')}}`);
}

/** The given event made ours: topic and pubsubname overwritten, what is missing filled in. undefined: not an event. */
export function adoptEvent(data: Uint8Array, envelope: Envelope): Buffer | undefined {
  const given = membersOf(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString());
  if (given === undefined) return undefined;
  const members = new Map(given.raw);
  const fill = (key: string, value: string, isMissing: (raw: string | undefined) => boolean): void => {
    if (isMissing(members.get(key))) members.set(key, quote(value));
  };
  const absent = (raw: string | undefined): boolean => raw === undefined;
  const absentOrNull = (raw: string | undefined): boolean => raw === undefined || raw === 'null';
  if (!members.has('traceid')) {
    // A traceparent of the event's own stays when the request brought no trace; Dapr would blank it.
    const own = envelope.traceparent === '' ? members.get('traceparent') : undefined;
    const trace = own ?? quote(envelope.traceparent);
    members.set('traceid', trace);
    members.set('traceparent', trace);
  }
  fill('tracestate', envelope.tracestate, absent);
  fill('time', rfc3339(envelope.wallMs), absent);
  members.set('topic', quote(envelope.topic));
  members.set('pubsubname', quote(envelope.pubsubName));
  fill('source', DEFAULT_SOURCE, absentOrNull);
  fill('type', DEFAULT_TYPE, absentOrNull);
  fill('specversion', SPEC_VERSION, absentOrNull);
  if (envelope.expiresWallMs !== undefined) members.set('expiration', quote(rfc3339(envelope.expiresWallMs)));
  const sorted = [...members].sort(([a], [b]) => (a < b ? -1 : 1));
  return Buffer.from(`{${sorted.map(([key, raw]) => `${quote(key)}:${raw}`).join(',')}}`);
}

function dataMember(data: Uint8Array, contentType: string): string {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  if (isJsonType(contentType)) {
    const text = bytes.toString();
    // Data that says it is JSON and is not travels as a string, as in Dapr.
    return `"data":${isJson(text) ? text.trim() : quote(text)}`;
  }
  if (isBinaryType(contentType) || isProtobufEvent(contentType, data)) {
    return `"data_base64":"${bytes.toString('base64')}"`;
  }
  return `"data":${quote(bytes.toString())}`;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

interface Overrides {
  id?: string;
  source?: string;
  type?: string;
  subject?: string;
  traceid?: string;
  traceparent?: string;
  tracestate?: string;
}

const OVERRIDABLE: ReadonlySet<string> = new Set([
  'id',
  'source',
  'type',
  'subject',
  'traceid',
  'traceparent',
  'tracestate',
]);

/** `cloudevent.id`, `cloudevent.source`, … in any case; an exact name wins over another spelling. */
function overridesOf(metadata: Readonly<Record<string, string>>): Overrides {
  const set: Record<string, string> = {};
  for (const name in metadata) {
    if (name.length < 12 || name.slice(0, 11).toLowerCase() !== 'cloudevent.') continue;
    const key = name.slice(11).toLowerCase();
    if (!OVERRIDABLE.has(key)) continue;
    if (name === `cloudevent.${key}` || !(key in set)) set[key] = metadata[name] as string;
  }
  return set as Overrides;
}
