/**
 * What a participant asks of the owner, what it is answered, and what the owner pushes. Inside the owner's process these
 * objects are passed as they are; over the socket they are encoded by the shapes here.
 */
import type {
  AppEndpoint,
  Concurrency,
  ConfigurationSelector,
  LockStatus,
  StateFilter,
  StateQuery,
} from '@outrigger/components-core';
import type { ConfigurationEntry } from './record.js';
import type { Registration } from './table/registry.js';
import {
  bytes,
  constant,
  fields,
  flag,
  int64,
  list,
  nothing,
  number,
  oneOf,
  optional,
  pairs,
  type Shape,
  text,
  variants,
} from './wire/shape.js';

export interface ItemReply {
  readonly value: Uint8Array;
  readonly etag: string;
  readonly expiresAtMs: number | undefined;
  readonly contentType: string | undefined;
}

export interface SetChange {
  readonly operation: 'upsert';
  readonly key: string;
  readonly value: Uint8Array;
  readonly etag: string | undefined;
  readonly concurrency: Concurrency;
  readonly expiresAtMs: number | undefined;
  readonly contentType: string | undefined;
}

export interface DeleteChange {
  readonly operation: 'delete';
  readonly key: string;
  readonly etag: string | undefined;
  readonly concurrency: Concurrency;
}

export type StateChange = SetChange | DeleteChange;

/** A message as it is kept: one blob of the log. */
export interface MessageBody {
  readonly contentType: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  readonly data: Uint8Array;
}

export interface SubscribeCall {
  /** Chosen by the participant, unique in its connection. */
  readonly subscription: number;
  readonly bus: string;
  readonly topic: string;
  readonly consumerId: string;
  readonly inFlightMax: number;
  /** What this subscription holds from the owner before. */
  readonly held: readonly { readonly offset: number; readonly attempt: number }[];
}

export interface SettleCall {
  readonly subscription: number;
  readonly bus: string;
  readonly topic: string;
  readonly consumerId: string;
  readonly offset: number;
  readonly outcome: 'ack' | 'retry' | 'abandon';
  readonly notBeforeMs: number;
}

export interface ConfigurationWatchCall {
  readonly watch: number;
  readonly store: string;
  readonly selector: ConfigurationSelector;
  /** Changes after this revision are reported at once; undefined: none. */
  readonly since: number | undefined;
}

/** Request and reply of every operation. */
export interface Operations {
  'state.get': [{ store: string; keys: readonly string[] }, readonly (ItemReply | undefined)[]];
  'state.change': [{ store: string; changes: readonly StateChange[] }, undefined];
  'state.delete-prefix': [{ store: string; prefix: string }, number];
  'state.keys-like': [
    { store: string; pattern: string; pageSize: number; from: number },
    { keys: readonly string[]; next: number | undefined },
  ];
  'state.query': [
    { store: string; query: StateQuery },
    { items: readonly (ItemReply & { key: string })[]; token: string },
  ];
  'pubsub.publish': [
    { bus: string; topic: string; messages: readonly { expiresAtMs: number | undefined; body: MessageBody }[] },
    undefined,
  ];
  'pubsub.subscribe': [SubscribeCall, undefined];
  /** Nothing new is delivered; `isOver`: nor will what is in hand be settled. */
  'pubsub.unsubscribe': [{ subscription: number; isOver: boolean }, undefined];
  'pubsub.settle': [SettleCall, undefined];
  'configuration.get': [{ store: string; selector: ConfigurationSelector }, readonly ConfigurationEntry[]];
  'configuration.save': [{ store: string; items: readonly ConfigurationEntry[] }, undefined];
  'configuration.remove': [{ store: string; selector: ConfigurationSelector }, undefined];
  'configuration.watch': [ConfigurationWatchCall, number];
  'configuration.unwatch': [{ watch: number }, undefined];
  'lock.try': [{ store: string; resource: string; owner: string; expiresAtMs: number }, boolean];
  'lock.unlock': [{ store: string; resource: string; owner: string }, LockStatus];
  'lock.keep': [{ store: string; resource: string; owner: string; expiresAtMs: number }, LockStatus];
  'sequence.take': [{ store: string; key: string; count: bigint }, bigint];
  'names.register': [AppEndpoint, undefined];
  'names.unregister': [{ instanceId: string }, undefined];
  'names.watch': [undefined, undefined];
}

export type Operation = keyof Operations;
export type Request<O extends Operation> = Operations[O][0];
export type Reply<O extends Operation> = Operations[O][1];

/** What the owner sends unasked. */
export interface Pushes {
  message: {
    readonly subscription: number;
    readonly offset: number;
    readonly attempt: number;
    readonly publishedAtMs: number;
    /** MessageBody, encoded. */
    readonly body: Uint8Array;
  };
  configuration: { readonly watch: number; readonly items: readonly ConfigurationEntry[]; readonly revision: number };
  names: { readonly registrations: readonly Registration[] };
}

export type Push = keyof Pushes;

const concurrency = oneOf<Concurrency>('unspecified', 'first-write', 'last-write');
const item = { value: bytes, etag: text, expiresAtMs: optional(number), contentType: optional(text) };
const change: Shape<StateChange> = variants<StateChange, 'operation'>('operation', {
  upsert: fields<SetChange>({
    operation: constant('upsert'),
    key: text,
    value: bytes,
    etag: optional(text),
    concurrency,
    expiresAtMs: optional(number),
    contentType: optional(text),
  }),
  delete: fields<DeleteChange>({ operation: constant('delete'), key: text, etag: optional(text), concurrency }),
});
const selector: Shape<ConfigurationSelector> = fields<ConfigurationSelector>({
  keys: list(text),
  appId: optional(text),
  group: optional(text),
  label: optional(text),
  metadata: pairs,
});
const configurationEntry: Shape<ConfigurationEntry> = fields<ConfigurationEntry>({
  appId: text,
  group: text,
  label: text,
  key: text,
  value: text,
  revision: number,
  deleted: flag,
  metadata: pairs,
  tags: pairs,
});
const status: Shape<LockStatus> = oneOf<LockStatus>('success', 'does-not-exist', 'belongs-to-others', 'internal-error');
const endpoint: Shape<AppEndpoint> = fields<AppEndpoint>({
  appId: text,
  instanceId: text,
  address: text,
  metadata: pairs,
});
const place = { bus: text, topic: text, consumerId: text };

/** Filters hold any JSON value, so the query travels as JSON. */
const json: Shape<StateQuery> = {
  write: (writer, value) => writer.text(JSON.stringify(value)),
  read: (reader) => {
    const query = JSON.parse(reader.text()) as Omit<StateQuery, 'filter'> & { filter?: StateFilter };
    return query;
  },
};

export const messageBody: Shape<MessageBody> = fields<MessageBody>({
  contentType: optional(text),
  metadata: pairs,
  data: bytes,
});

/** The order of the entries is the protocol: new ones are added at the end, a change needs a new protocol version. */
export const operations: {
  readonly [O in Operation]: { readonly request: Shape<Request<O>>; readonly reply: Shape<Reply<O>> };
} = {
  'state.get': {
    request: fields<Request<'state.get'>>({ store: text, keys: list(text) }),
    reply: list(optional(fields<ItemReply>(item))),
  },
  'state.change': { request: fields<Request<'state.change'>>({ store: text, changes: list(change) }), reply: nothing },
  'state.delete-prefix': {
    request: fields<Request<'state.delete-prefix'>>({ store: text, prefix: text }),
    reply: number,
  },
  'state.keys-like': {
    request: fields<Request<'state.keys-like'>>({ store: text, pattern: text, pageSize: number, from: number }),
    reply: fields<Reply<'state.keys-like'>>({ keys: list(text), next: optional(number) }),
  },
  'state.query': {
    request: fields<Request<'state.query'>>({ store: text, query: json }),
    reply: fields<Reply<'state.query'>>({
      items: list(fields<ItemReply & { key: string }>({ ...item, key: text })),
      token: text,
    }),
  },
  'pubsub.publish': {
    request: fields<Request<'pubsub.publish'>>({
      bus: text,
      topic: text,
      messages: list(
        fields<Request<'pubsub.publish'>['messages'][number]>({ expiresAtMs: optional(number), body: messageBody }),
      ),
    }),
    reply: nothing,
  },
  'pubsub.subscribe': {
    request: fields<SubscribeCall>({
      subscription: number,
      ...place,
      inFlightMax: number,
      held: list(fields<SubscribeCall['held'][number]>({ offset: number, attempt: number })),
    }),
    reply: nothing,
  },
  'pubsub.unsubscribe': {
    request: fields<{ subscription: number; isOver: boolean }>({ subscription: number, isOver: flag }),
    reply: nothing,
  },
  'pubsub.settle': {
    request: fields<SettleCall>({
      subscription: number,
      ...place,
      offset: number,
      outcome: oneOf('ack', 'retry', 'abandon'),
      notBeforeMs: number,
    }),
    reply: nothing,
  },
  'configuration.get': {
    request: fields<Request<'configuration.get'>>({ store: text, selector }),
    reply: list(configurationEntry),
  },
  'configuration.save': {
    request: fields<Request<'configuration.save'>>({ store: text, items: list(configurationEntry) }),
    reply: nothing,
  },
  'configuration.remove': {
    request: fields<Request<'configuration.remove'>>({ store: text, selector }),
    reply: nothing,
  },
  'configuration.watch': {
    request: fields<ConfigurationWatchCall>({ watch: number, store: text, selector, since: optional(number) }),
    reply: number,
  },
  'configuration.unwatch': { request: fields<{ watch: number }>({ watch: number }), reply: nothing },
  'lock.try': {
    request: fields<Request<'lock.try'>>({ store: text, resource: text, owner: text, expiresAtMs: number }),
    reply: flag,
  },
  'lock.unlock': {
    request: fields<Request<'lock.unlock'>>({ store: text, resource: text, owner: text }),
    reply: status,
  },
  'lock.keep': {
    request: fields<Request<'lock.keep'>>({ store: text, resource: text, owner: text, expiresAtMs: number }),
    reply: status,
  },
  'sequence.take': {
    request: fields<Request<'sequence.take'>>({ store: text, key: text, count: int64 }),
    reply: int64,
  },
  'names.register': { request: endpoint, reply: nothing },
  'names.unregister': { request: fields<{ instanceId: string }>({ instanceId: text }), reply: nothing },
  'names.watch': { request: nothing, reply: nothing },
};

export const operationNames: readonly Operation[] = Object.keys(operations) as Operation[];

export const pushes: { readonly [P in Push]: Shape<Pushes[P]> } = {
  message: fields<Pushes['message']>({
    subscription: number,
    offset: number,
    attempt: number,
    publishedAtMs: number,
    body: bytes,
  }),
  configuration: fields<Pushes['configuration']>({ watch: number, items: list(configurationEntry), revision: number }),
  names: fields<Pushes['names']>({ registrations: list(fields<Registration>({ endpoint, participant: text })) }),
};

export const pushNames: readonly Push[] = Object.keys(pushes) as Push[];
