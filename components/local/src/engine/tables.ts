/** All data of one namespace in memory, as the log leads to it. */
import { type ComponentClock, ComponentError, type ComponentLogger } from '@outrigger/components-core';
import { storesMax, topicsMax } from '../limits.js';
import type { Payload, PayloadCache } from '../log/payload.js';
import type { Entry, LogRecord } from '../record.js';
import { ConfigurationTable } from '../table/configuration-table.js';
import type { TableContext } from '../table/context.js';
import type { Group } from '../table/group.js';
import { LockTable } from '../table/lock-table.js';
import { RequestTable } from '../table/request-table.js';
import { SequenceTable } from '../table/sequence-table.js';
import { StateTable } from '../table/state-table.js';
import { Topic } from '../table/topic.js';

export interface TablesConfig {
  readonly clock: ComponentClock;
  readonly log: ComponentLogger;
  readonly cache: PayloadCache;
  load(payload: Payload): Uint8Array | Promise<Uint8Array>;
  onIdle(group: Group): void;
}

function named<T>(tables: Map<string, T>, name: string, make: () => T): T {
  let table = tables.get(name);
  if (table !== undefined) return table;
  if (tables.size >= storesMax)
    throw new ComponentError('too-large', `this namespace has ${storesMax} stores of one kind already`);
  table = make();
  tables.set(name, table);
  return table;
}

export class Tables {
  readonly context: TableContext;
  readonly requests: RequestTable;
  readonly #states: Map<string, StateTable> = new Map();
  readonly #buses: Map<string, Map<string, Topic>> = new Map();
  readonly #configurations: Map<string, ConfigurationTable> = new Map();
  readonly #locks: Map<string, LockTable> = new Map();
  readonly #sequences: Map<string, SequenceTable> = new Map();
  #topics = 0;

  constructor(config: TablesConfig) {
    this.context = { ...config, live: 0, revision: 0, replaying: true };
    this.requests = new RequestTable(config.clock);
  }

  state(name: string): StateTable {
    return named(this.#states, name, () => new StateTable(name, this.context));
  }

  configuration(name: string): ConfigurationTable {
    return named(this.#configurations, name, () => new ConfigurationTable(name, this.context));
  }

  locks(name: string): LockTable {
    return named(this.#locks, name, () => new LockTable(name, this.context));
  }

  sequences(name: string): SequenceTable {
    return named(this.#sequences, name, () => new SequenceTable(name, this.context));
  }

  topic(bus: string, name: string): Topic {
    const topics = named(this.#buses, bus, () => new Map<string, Topic>());
    let topic = topics.get(name);
    if (topic !== undefined) return topic;
    if (this.#topics >= topicsMax)
      throw new ComponentError('too-large', `this namespace has ${topicsMax} topics already`);
    topic = new Topic(bus, name, this.context);
    topics.set(name, topic);
    this.#topics++;
    return topic;
  }

  findTopic(bus: string, name: string): Topic | undefined {
    return this.#buses.get(bus)?.get(name);
  }

  *topics(): Generator<Topic> {
    for (const topics of this.#buses.values()) yield* topics.values();
  }

  /** A record of the log, after a start. */
  replay({ origin, record }: Entry): void {
    if (origin !== undefined) this.requests.apply(origin);
    this.#replay(record);
  }

  #replay(record: LogRecord): void {
    switch (record.kind) {
      case 'state-set':
        this.context.revision = Math.max(this.context.revision, record.revision);
        this.state(record.store).replay(record);
        return;
      case 'state-delete':
        this.state(record.store).replay(record);
        return;
      case 'state-many':
        for (const change of record.changes) this.#replay(change);
        return;
      case 'publish':
        this.topic(record.bus, record.topic).append(record);
        return;
      case 'topic':
        this.topic(record.bus, record.topic).restore(record);
        return;
      case 'group':
        this.topic(record.bus, record.topic).restoreGroup(record);
        return;
      case 'group-drop':
        this.topic(record.bus, record.topic).dropGroup(record.consumerId);
        return;
      case 'ack': {
        const topic = this.topic(record.bus, record.topic);
        const group = topic.groups.get(record.consumerId);
        if (group !== undefined) topic.acked(group, record.offset);
        return;
      }
      case 'retry':
        this.topic(record.bus, record.topic)
          .groups.get(record.consumerId)
          ?.retry(record.offset, record.attempt, record.notBeforeMs);
        return;
      case 'configuration':
        for (const { revision } of record.items) this.context.revision = Math.max(this.context.revision, revision);
        this.configuration(record.store).apply(record.items);
        return;
      case 'lock':
        this.locks(record.store).apply(record);
        return;
      case 'sequence':
        this.sequences(record.store).apply(record);
        return;
      case 'participant':
        this.requests.restore(record);
        return;
      case 'revision':
        this.context.revision = Math.max(this.context.revision, record.revision);
        return;
      case 'end':
        return;
    }
  }

  /** The log has been read. */
  replayed(): void {
    this.context.replaying = false;
    for (const topic of this.topics()) {
      topic.restored();
      for (const group of topic.groups.values()) this.context.onIdle(group);
    }
  }

  /** Everything that is alive and on the disk, as records. */
  *snapshot(): Generator<LogRecord> {
    yield { kind: 'revision', revision: this.context.revision };
    yield* this.requests.snapshot();
    for (const table of this.#states.values()) yield* table.snapshot();
    for (const topic of this.topics()) yield* topic.snapshot();
    for (const table of this.#configurations.values()) yield* table.snapshot();
    for (const table of this.#locks.values()) yield* table.snapshot();
    for (const table of this.#sequences.values()) yield* table.snapshot();
  }

  close(): void {
    for (const table of this.#states.values()) table.close();
    for (const table of this.#locks.values()) table.close();
    for (const topic of this.topics()) topic.close();
  }
}
