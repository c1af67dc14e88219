/** One topic of one bus: its messages in order, and the consumers that owe them. */
import { ComponentError } from '@outrigger/components-core';
import { createExpiryQueue, type ExpiryQueue } from '@outrigger/components-core/support';
import {
  groupsMax,
  topicBytesMax,
  topicMessagesMax,
  unclaimedAgeMs,
  unclaimedBytesMax,
  unclaimedMessagesMax,
} from '../limits.js';
import type { Payload } from '../log/payload.js';
import type { GroupRecord, LogRecord, Publish, TopicRecord } from '../record.js';
import { recordOverheadBytes, type TableContext } from './context.js';
import { Group } from './group.js';
import { IntervalSet } from './interval-set.js';

export interface Message {
  readonly offset: number;
  readonly publishedAtMs: number;
  readonly expiresAtMs: number | undefined;
  readonly body: Payload;
  /** How many consumers have not settled it. */
  owing: number;
}

export class Topic {
  readonly bus: string;
  readonly name: string;
  readonly messages: Map<number, Message> = new Map();
  readonly groups: Map<string, Group> = new Map();
  /** No message below it is kept. */
  firstOffset = 1;
  /** Offset of the next message to be committed. */
  nextOffset = 1;
  /** The same with the messages of the batch in hand. */
  stagedOffset = 1;
  readonly #context: TableContext;
  readonly #expiry: ExpiryQueue<number>;
  #bytes = 0;
  #stagedBytes = 0;

  constructor(bus: string, name: string, context: TableContext) {
    this.bus = bus;
    this.name = name;
    this.#context = context;
    this.#expiry = createExpiryQueue<number>({
      clock: context.clock,
      expiresAtMs: (offset) => this.#endOf(offset),
      expire: (offset) => {
        const message = this.messages.get(offset);
        if (message !== undefined) this.drop(message);
      },
    });
  }

  close(): void {
    this.#expiry.close();
    for (const group of this.groups.values()) group.close();
  }

  /** Throws `unavailable` when the consumers are too far behind. */
  mustFit(count: number, bytes: number): void {
    const messages = this.messages.size + (this.stagedOffset - this.nextOffset) + count;
    if (this.groups.size === 0) return;
    if (messages <= topicMessagesMax && this.#bytes + this.#stagedBytes + bytes <= topicBytesMax) return;
    let slowest: Group | undefined;
    for (const group of this.groups.values()) {
      if (slowest === undefined || group.settled.gap(this.firstOffset) < slowest.settled.gap(this.firstOffset))
        slowest = group;
    }
    throw new ComponentError(
      'unavailable',
      `topic ${this.name} keeps ${this.messages.size} messages (${this.#bytes} bytes), the limit; consumer ${slowest?.consumerId} is furthest behind and must catch up first`,
    );
  }

  /** Takes offsets for the batch in hand; `undo` gives them back. */
  stage(count: number, bytes: number): { readonly firstOffset: number; undo(): void } {
    const firstOffset = this.stagedOffset;
    this.stagedOffset += count;
    this.#stagedBytes += bytes;
    return {
      firstOffset,
      undo: () => {
        this.stagedOffset = firstOffset;
        this.#stagedBytes -= bytes;
      },
    };
  }

  /** The messages of a record, committed or found in the log. */
  append(record: Publish): void {
    let offset = record.firstOffset;
    for (const { body, expiresAtMs } of record.messages) {
      this.#add({ offset, publishedAtMs: record.publishedAtMs, expiresAtMs, body, owing: 0 });
      offset++;
    }
    this.#reach(offset);
    this.#trim();
  }

  /** Offsets below `nextOffset` have been used. */
  #reach(nextOffset: number): void {
    this.nextOffset = Math.max(this.nextOffset, nextOffset);
    if (this.stagedOffset > this.nextOffset) return;
    this.stagedOffset = this.nextOffset;
    this.#stagedBytes = 0;
  }

  restore(record: TopicRecord): void {
    this.#reach(record.nextOffset);
  }

  /** The log has been read. Around a snapshot a message may have come out of order. */
  restored(): void {
    const offsets = [...this.messages.keys()];
    if (offsets.some((offset, index) => index > 0 && offset < offsets[index - 1]!)) {
      const messages = [...this.messages.values()].sort((left, right) => left.offset - right.offset);
      this.messages.clear();
      for (const message of messages) this.messages.set(message.offset, message);
    }
    const [oldest] = this.messages.keys();
    this.firstOffset = oldest ?? this.nextOffset;
    this.#trim();
  }

  #add(message: Message): void {
    const { offset } = message;
    if (this.messages.has(offset)) return;
    for (const group of this.groups.values()) if (group.owes(offset)) message.owing++;
    // Everybody has settled it: a snapshot knew that already.
    if (this.groups.size > 0 && message.owing === 0) return;
    if (this.messages.size === 0 || offset < this.firstOffset) this.firstOffset = offset;
    this.messages.set(offset, message);
    this.#bytes += message.body.length;
    this.#context.live += message.body.length + recordOverheadBytes;
    this.#context.cache.add(message.body);
    this.#noteEnd(message);
  }

  #noteEnd(message: Message): void {
    const endMs = this.#endOf(message.offset);
    if (endMs !== undefined) this.#expiry.note(message.offset, endMs);
  }

  /** Gives every kept message to the new consumer as well. */
  addGroup(consumerId: string): Group {
    const known = this.groups.get(consumerId);
    if (known !== undefined) return known;
    if (this.groups.size >= groupsMax) {
      throw new ComponentError('too-large', `topic ${this.name} has ${groupsMax} consumer ids already`);
    }
    const group = new Group(this, consumerId, this.#context);
    group.settled.addRange(0, this.firstOffset);
    this.groups.set(consumerId, group);
    for (const message of this.messages.values()) message.owing++;
    return group;
  }

  restoreGroup(record: GroupRecord): void {
    const group = this.addGroup(record.consumerId);
    const settled = IntervalSet.of(record.settled);
    for (const offset of [...this.messages.keys()]) if (settled.has(offset)) this.acked(group, offset);
    for (let index = 0; index + 1 < record.settled.length; index += 2) {
      group.settled.addRange(record.settled[index]!, record.settled[index + 1]!);
    }
    for (const { offset, attempt, notBeforeMs } of record.attempts) group.retry(offset, attempt, notBeforeMs);
  }

  dropGroup(consumerId: string): void {
    const group = this.groups.get(consumerId);
    if (group === undefined) return;
    group.close();
    this.groups.delete(consumerId);
    for (const message of [...this.messages.values()]) if (group.owes(message.offset)) this.#oneLess(message);
    if (this.groups.size > 0) return;
    for (const message of this.messages.values()) this.#noteEnd(message);
    this.#trim();
  }

  /** `group` is done with `offset`. */
  acked(group: Group, offset: number): void {
    const owed = group.owes(offset);
    group.settle(offset);
    const message = this.messages.get(offset);
    if (owed && message !== undefined) this.#oneLess(message);
  }

  isExpired(message: Message): boolean {
    return message.expiresAtMs !== undefined && message.expiresAtMs <= this.#context.clock.wallMs();
  }

  /** Nobody gets the message any more. */
  drop(message: Message): void {
    for (const group of this.groups.values()) group.forget(message.offset);
    this.#remove(message);
  }

  pump(): void {
    for (const group of this.groups.values()) group.pump();
  }

  /** The consumers come before the messages, so that reading it never takes a message for one that nobody owes. */
  *snapshot(): Generator<LogRecord> {
    const { bus, name: topic } = this;
    for (const group of this.groups.values()) yield group.record();
    for (const { offset, publishedAtMs, expiresAtMs, body } of this.messages.values()) {
      yield { kind: 'publish', bus, topic, firstOffset: offset, publishedAtMs, messages: [{ expiresAtMs, body }] };
    }
    yield { kind: 'topic', bus, topic, nextOffset: this.nextOffset };
  }

  #oneLess(message: Message): void {
    message.owing--;
    if (message.owing <= 0 && this.groups.size > 0) this.#remove(message);
  }

  #remove(message: Message): void {
    if (!this.messages.delete(message.offset)) return;
    this.#bytes -= message.body.length;
    this.#context.live -= message.body.length + recordOverheadBytes;
    this.#context.cache.drop(message.body);
    // Not the first key of the map: finding that steps over all the deleted ones.
    while (this.firstOffset < this.nextOffset && !this.messages.has(this.firstOffset)) this.firstOffset++;
  }

  /**
   * Without a consumer the newest messages are kept, within bounds. Not while the log is read: a consumer of these
   * messages may come later in it.
   */
  #trim(): void {
    if (this.groups.size > 0 || this.#context.replaying) return;
    while (this.messages.size > unclaimedMessagesMax || this.#bytes > unclaimedBytesMax) {
      const oldest = this.messages.get(this.firstOffset);
      if (oldest === undefined) return;
      this.drop(oldest);
    }
  }

  /** When the message goes by itself: its own expiry, or the age that nobody's messages reach. */
  #endOf(offset: number): number | undefined {
    const message = this.messages.get(offset);
    if (message === undefined) return undefined;
    const ageMs = this.groups.size === 0 ? message.publishedAtMs + unclaimedAgeMs : undefined;
    if (message.expiresAtMs === undefined || ageMs === undefined) return message.expiresAtMs ?? ageMs;
    return Math.min(message.expiresAtMs, ageMs);
  }
}
