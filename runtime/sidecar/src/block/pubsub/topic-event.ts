/** One event on its way to a subscriber, neutral of how the subscriber is reached; dialects only translate it. */
import type { IncomingMessage } from '@outrigger/components-core';
import { DEFAULT_SOURCE, DEFAULT_TYPE } from './cloud-event.js';
import {
  BINARY_CONTENT_TYPE,
  CLOUD_EVENT_CONTENT_TYPE,
  isBinaryType,
  isCloudEventType,
  isJsonType,
  isTextType,
} from './content-type.js';
import { memberText } from './json-members.js';
import { type EventTrace, traceOf } from './trace.js';

export interface TopicEvent {
  /** Attributes as text; '' where the event has none. */
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly specVersion: string;
  readonly dataContentType: string;
  readonly topic: string;
  readonly pubsubName: string;
  /** Chosen by the routing rules. */
  readonly path: string;
  /** The whole event as JSON text in UTF-8. */
  readonly body: Uint8Array;
  /** Every member of the event, parsed. Numbers may have lost digits: bytes are in `body` and `data()`. */
  readonly attributes: Readonly<Record<string, unknown>>;
  /** Of the broker's message; with `pubsubName` and `content-type` where known. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly trace: EventTrace;
  /** The message as it came; only for subscriptions with raw payload. */
  readonly rawBytes: Uint8Array | undefined;
  /** Where the message says one; bulk entries name it. */
  readonly contentType: string | undefined;
  /** The data in bytes, as gRPC carries it. Throws EventDataError. */
  data(): Uint8Array;
  /** Members that no field of the gRPC messages carries. */
  extensions(): Record<string, unknown>;
}

/** The event cannot be put into the subscriber's message: the delivery failed and may be tried again, as in Dapr. */
export class EventDataError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'EventDataError';
  }
}

const OWN_FIELDS: ReadonlySet<string> = new Set([
  'id',
  'source',
  'datacontenttype',
  'type',
  'specversion',
  'data',
  'data_base64',
]);
const NO_BYTES = new Uint8Array(0);

/** An event that was read but not routed yet. */
export interface ReadEvent {
  readonly attributes: Readonly<Record<string, unknown>>;
  routed(path: string): TopicEvent;
}

export interface ReadOptions {
  readonly pubsubName: string;
  /** The subscription says `rawPayload`: whatever came is wrapped in an event. */
  readonly rawPayload: boolean;
}

/**
 * Reads a message as an event: wrapped when the subscription takes raw payload, rebuilt from `ce_` metadata when the
 * message is a binary-mode CloudEvent, else JSON. Throws SyntaxError when it is neither.
 */
export function readEvent(message: IncomingMessage, options: ReadOptions): ReadEvent {
  const metadata: Record<string, string> = { ...message.metadata, pubsubName: options.pubsubName };
  if (message.contentType !== undefined) metadata['content-type'] = message.contentType;
  const contentType = metadata['content-type'];
  if (options.rawPayload) {
    const attributes = wrapRaw(message, options.pubsubName, metadata);
    return readable(message, options, metadata, attributes, JSON.stringify(attributes));
  }
  if (contentType !== undefined && isBinaryType(contentType)) {
    const attributes = rebuild(message, contentType);
    return readable(message, options, metadata, attributes, JSON.stringify(attributes));
  }
  const text = bufferOf(message.data).toString();
  const attributes: unknown = JSON.parse(text);
  if (attributes === null || typeof attributes !== 'object' || Array.isArray(attributes)) {
    throw new SyntaxError('the message is JSON, but not an object');
  }
  return readable(message, options, metadata, attributes as Record<string, unknown>, text, message.data);
}

function readable(
  message: IncomingMessage,
  options: ReadOptions,
  metadata: Readonly<Record<string, string>>,
  attributes: Readonly<Record<string, unknown>>,
  text: string,
  body?: Uint8Array,
): ReadEvent {
  return { attributes, routed: (path) => new RoutedEvent(message, options, metadata, attributes, text, body, path) };
}

class RoutedEvent implements TopicEvent {
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly topic: string;
  readonly pubsubName: string;
  readonly path: string;
  readonly trace: EventTrace;
  readonly rawBytes: Uint8Array | undefined;
  readonly contentType: string | undefined;
  readonly #text: string;
  /** The message itself, where it is the event. */
  readonly #body: Uint8Array | undefined;

  constructor(
    message: IncomingMessage,
    options: ReadOptions,
    metadata: Readonly<Record<string, string>>,
    attributes: Readonly<Record<string, unknown>>,
    text: string,
    body: Uint8Array | undefined,
    path: string,
  ) {
    this.attributes = attributes;
    this.metadata = metadata;
    this.topic = message.topic;
    this.pubsubName = options.pubsubName;
    this.path = path;
    this.trace = traceOf(attributes, message.metadata);
    this.rawBytes = options.rawPayload ? message.data : undefined;
    this.contentType = message.contentType;
    this.#text = text;
    this.#body = body;
  }

  get id(): string {
    return this.#textOf('id');
  }

  get source(): string {
    return this.#textOf('source');
  }

  get type(): string {
    return this.#textOf('type');
  }

  get specVersion(): string {
    return this.#textOf('specversion');
  }

  get dataContentType(): string {
    return this.#textOf('datacontenttype');
  }

  get body(): Uint8Array {
    return this.#body ?? Buffer.from(this.#text);
  }

  data(): Uint8Array {
    const { attributes } = this;
    const base64 = attributes['data_base64'];
    if (base64 !== undefined && base64 !== null) {
      if (typeof base64 !== 'string') throw new EventDataError('data_base64 of the event is not a string');
      return decodeBase64(base64);
    }
    const data = attributes['data'];
    if (data === undefined || data === null) return NO_BYTES;
    const contentType = this.dataContentType;
    if (isTextType(contentType)) {
      if (typeof data !== 'string') throw new EventDataError(`data of the event is ${contentType}, but not a string`);
      return Buffer.from(data);
    }
    if (isJsonType(contentType) || isCloudEventType(contentType)) {
      return Buffer.from(memberText(this.#text, 'data') as string);
    }
    // Dapr's gRPC callback carries nothing for other types, and its tests say so.
    return NO_BYTES;
  }

  extensions(): Record<string, unknown> {
    const extensions: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(this.attributes)) if (!OWN_FIELDS.has(name)) extensions[name] = value;
    return extensions;
  }

  #textOf(name: string): string {
    const value = this.attributes[name];
    return typeof value === 'string' ? value : '';
  }
}

function wrapRaw(
  message: IncomingMessage,
  pubsubName: string,
  metadata: Readonly<Record<string, string>>,
): Record<string, unknown> {
  const { traceid, traceparent, tracestate } = metadata;
  const trace = traceparent ?? traceid;
  return {
    data_base64: bufferOf(message.data).toString('base64'),
    datacontenttype: BINARY_CONTENT_TYPE,
    // Dapr makes up an id for every attempt; the message's own lets the app see a redelivery.
    id: message.id,
    pubsubname: pubsubName,
    source: DEFAULT_SOURCE,
    specversion: '1.0',
    topic: message.topic,
    ...(trace === undefined ? {} : { traceid: trace, traceparent: trace }),
    ...(tracestate === undefined ? {} : { tracestate }),
    type: DEFAULT_TYPE,
  };
}

/** Binary mode (CloudEvents Kafka and HTTP bindings): attributes in metadata, data as it is. */
function rebuild(message: IncomingMessage, contentType: string): Record<string, unknown> {
  const attributes: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(message.metadata)) {
    if (name.slice(0, 3).toLowerCase() === 'ce_') attributes[name.slice(3).toLowerCase()] = value;
  }
  attributes['datacontenttype'] = contentType;
  attributes['data_base64'] = bufferOf(message.data).toString('base64');
  return attributes;
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Strict, as Go's: Buffer.from would skip what it does not know. */
function decodeBase64(text: string): Uint8Array {
  const plain = /[\r\n]/.test(text) ? text.replace(/[\r\n]/g, '') : text;
  if (plain.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(plain)) {
    throw new EventDataError('data_base64 of the event is not base64');
  }
  return Buffer.from(plain, 'base64');
}

/** The content type of a bulk entry, where the message names none. */
export function entryContentType(event: TopicEvent): string {
  return event.contentType ?? (event.rawBytes === undefined ? CLOUD_EVENT_CONTENT_TYPE : BINARY_CONTENT_TYPE);
}
