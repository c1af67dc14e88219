/**
 * What the log holds: one record per request that changed something, absolute (a key's new value, a message's offset), so
 * that reading a record twice, or after a snapshot that has its effect already, changes nothing. That lets a snapshot be
 * written while the log goes on.
 */
import type { Payload } from './log/payload.js';
import {
  constant,
  fields,
  flag,
  int64,
  list,
  number,
  optional,
  pairs,
  payload,
  type Shape,
  text,
  variants,
} from './wire/shape.js';

/** Which request made a record, so that one which is sent again after a takeover is not applied twice. */
export interface Origin {
  readonly participant: string;
  readonly request: number;
  /** Every request below it has been answered; they need not be remembered. */
  readonly floor: number;
  /** What the request was answered with, where that is more than "done". */
  readonly result: number;
}

export interface StateSet {
  readonly kind: 'state-set';
  readonly store: string;
  readonly key: string;
  readonly revision: number;
  readonly expiresAtMs: number | undefined;
  readonly contentType: string | undefined;
  readonly value: Payload;
}

export interface StateDelete {
  readonly kind: 'state-delete';
  readonly store: string;
  readonly key: string;
}

/** The operations of a transaction, or the keys of a delete by prefix. */
export interface StateMany {
  readonly kind: 'state-many';
  readonly changes: readonly (StateSet | StateDelete)[];
}

export interface Publish {
  readonly kind: 'publish';
  readonly bus: string;
  readonly topic: string;
  readonly firstOffset: number;
  readonly publishedAtMs: number;
  /** `body` is a MessageBody (operation.ts), encoded. */
  readonly messages: readonly { readonly expiresAtMs: number | undefined; readonly body: Payload }[];
}

/** Snapshots only. */
export interface TopicRecord {
  readonly kind: 'topic';
  readonly bus: string;
  readonly topic: string;
  readonly nextOffset: number;
}

export interface GroupRecord {
  readonly kind: 'group';
  readonly bus: string;
  readonly topic: string;
  readonly consumerId: string;
  /** Settled offsets: pairs of first and one behind the last, flat. */
  readonly settled: readonly number[];
  readonly attempts: readonly { readonly offset: number; readonly attempt: number; readonly notBeforeMs: number }[];
}

export interface GroupDrop {
  readonly kind: 'group-drop';
  readonly bus: string;
  readonly topic: string;
  readonly consumerId: string;
}

export interface Ack {
  readonly kind: 'ack';
  readonly bus: string;
  readonly topic: string;
  readonly consumerId: string;
  readonly offset: number;
}

export interface Retry {
  readonly kind: 'retry';
  readonly bus: string;
  readonly topic: string;
  readonly consumerId: string;
  readonly offset: number;
  readonly attempt: number;
  readonly notBeforeMs: number;
}

export interface ConfigurationEntry {
  readonly appId: string;
  readonly group: string;
  readonly label: string;
  readonly key: string;
  readonly value: string;
  readonly revision: number;
  readonly deleted: boolean;
  readonly metadata: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
}

export interface ConfigurationRecord {
  readonly kind: 'configuration';
  readonly store: string;
  readonly items: readonly ConfigurationEntry[];
}

/** `owner` undefined: unlocked. */
export interface LockRecord {
  readonly kind: 'lock';
  readonly store: string;
  readonly resource: string;
  readonly owner: string | undefined;
  readonly expiresAtMs: number;
}

/** No id above `limit` has been handed out. */
export interface SequenceRecord {
  readonly kind: 'sequence';
  readonly store: string;
  readonly key: string;
  readonly limit: bigint;
}

/** Snapshots only. */
export interface ParticipantRecord {
  readonly kind: 'participant';
  readonly participant: string;
  readonly floor: number;
  readonly applied: readonly { readonly request: number; readonly result: number }[];
}

/** Snapshots only: no revision above it has been used. */
export interface RevisionRecord {
  readonly kind: 'revision';
  readonly revision: number;
}

/** The last record of a snapshot; without it the snapshot is not complete. */
export interface EndRecord {
  readonly kind: 'end';
  readonly records: number;
}

export type LogRecord =
  | StateSet
  | StateDelete
  | StateMany
  | Publish
  | TopicRecord
  | GroupRecord
  | GroupDrop
  | Ack
  | Retry
  | ConfigurationRecord
  | LockRecord
  | SequenceRecord
  | ParticipantRecord
  | RevisionRecord
  | EndRecord;

const stateSet: Shape<StateSet> = fields<StateSet>({
  kind: constant('state-set'),
  store: text,
  key: text,
  revision: number,
  expiresAtMs: optional(number),
  contentType: optional(text),
  value: payload,
});

const stateDelete: Shape<StateDelete> = fields<StateDelete>({ kind: constant('state-delete'), store: text, key: text });

const place = { bus: text, topic: text, consumerId: text };

/** The order of the members is the format: new ones are added at the end. */
const body: Shape<LogRecord> = variants<LogRecord, 'kind'>('kind', {
  'state-set': stateSet,
  'state-delete': stateDelete,
  'state-many': fields<StateMany>({
    kind: constant('state-many'),
    changes: list(
      variants<StateSet | StateDelete, 'kind'>('kind', { 'state-set': stateSet, 'state-delete': stateDelete }),
    ),
  }),
  publish: fields<Publish>({
    kind: constant('publish'),
    bus: text,
    topic: text,
    firstOffset: number,
    publishedAtMs: number,
    messages: list(fields<Publish['messages'][number]>({ expiresAtMs: optional(number), body: payload })),
  }),
  topic: fields<TopicRecord>({ kind: constant('topic'), bus: text, topic: text, nextOffset: number }),
  group: fields<GroupRecord>({
    kind: constant('group'),
    ...place,
    settled: list(number),
    attempts: list(fields<GroupRecord['attempts'][number]>({ offset: number, attempt: number, notBeforeMs: number })),
  }),
  'group-drop': fields<GroupDrop>({ kind: constant('group-drop'), ...place }),
  ack: fields<Ack>({ kind: constant('ack'), ...place, offset: number }),
  retry: fields<Retry>({ kind: constant('retry'), ...place, offset: number, attempt: number, notBeforeMs: number }),
  configuration: fields<ConfigurationRecord>({
    kind: constant('configuration'),
    store: text,
    items: list(
      fields<ConfigurationEntry>({
        appId: text,
        group: text,
        label: text,
        key: text,
        value: text,
        revision: number,
        deleted: flag,
        metadata: pairs,
        tags: pairs,
      }),
    ),
  }),
  lock: fields<LockRecord>({
    kind: constant('lock'),
    store: text,
    resource: text,
    owner: optional(text),
    expiresAtMs: number,
  }),
  sequence: fields<SequenceRecord>({ kind: constant('sequence'), store: text, key: text, limit: int64 }),
  participant: fields<ParticipantRecord>({
    kind: constant('participant'),
    participant: text,
    floor: number,
    applied: list(fields<ParticipantRecord['applied'][number]>({ request: number, result: number })),
  }),
  revision: fields<RevisionRecord>({ kind: constant('revision'), revision: number }),
  end: fields<EndRecord>({ kind: constant('end'), records: number }),
});

export interface Entry {
  readonly origin: Origin | undefined;
  readonly record: LogRecord;
}

export const entry: Shape<Entry> = fields<Entry>({
  origin: optional(fields<Origin>({ participant: text, request: number, floor: number, result: number })),
  record: body,
});
