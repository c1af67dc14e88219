/**
 * One consumer id of one topic: which offsets are settled, which are in hand, and who gets the next one. Offsets below the
 * topic's next one that are in none of settled, in flight, returned or delayed lie at or behind the cursor.
 */
import { abandonDelayMs, createExpiryQueue, type ExpiryQueue } from '@outrigger/components-core/support';
import { inFlightBytesMax } from '../limits.js';
import type { GroupRecord } from '../record.js';
import type { TableContext } from './context.js';
import { IntervalSet } from './interval-set.js';
import { OffsetQueue } from './offset-queue.js';
import type { Message, Topic } from './topic.js';

/** One subscription of one participant. */
export interface Member {
  readonly inFlightMax: number;
  inFlight: number;
  bytes: number;
  open: boolean;
  /** Hands a message over; its body is loaded already. */
  deliver(message: Message, body: Uint8Array, attempt: number): void;
}

interface InFlight {
  readonly member: Member;
  readonly attempt: number;
  readonly bytes: number;
}

interface Outgoing {
  readonly message: Message;
  readonly held: InFlight;
  body: Uint8Array | 'unreadable' | undefined;
}

export class Group {
  readonly topic: Topic;
  readonly consumerId: string;
  settled: IntervalSet = IntervalSet.of([]);
  readonly members: Member[] = [];
  /** When the last member left (wall-clock ms). */
  idleSinceMs: number;
  readonly #context: TableContext;
  readonly #inFlight = new Map<number, InFlight>();
  /** Offsets to deliver before new ones. */
  readonly #returned = new OffsetQueue();
  readonly #delayed = new Map<number, number>();
  readonly #delays: ExpiryQueue<number>;
  /** Attempts made, of offsets delivered before. */
  readonly #attempts = new Map<number, number>();
  /** Handed out and not delivered yet, in order. */
  readonly #outgoing: Outgoing[] = [];
  #cursor = 0;
  #turn = 0;
  /** Deliveries wait: participants of the former owner may come back with what they hold. */
  paused = false;

  constructor(topic: Topic, consumerId: string, context: TableContext) {
    this.topic = topic;
    this.consumerId = consumerId;
    this.#context = context;
    this.idleSinceMs = context.clock.wallMs();
    this.#delays = createExpiryQueue<number>({
      clock: context.clock,
      slackMs: 0,
      expiresAtMs: (offset) => this.#delayed.get(offset),
      expire: (offset) => {
        this.#delayed.delete(offset);
        this.#giveBack(offset);
        this.pump();
      },
    });
  }

  close(): void {
    this.#delays.close();
  }

  owes(offset: number): boolean {
    return !this.settled.has(offset);
  }

  join(member: Member): void {
    this.members.push(member);
  }

  /** The member takes no more; what it holds it will still settle. */
  stop(member: Member): void {
    member.open = false;
    if (member.inFlight === 0) this.#remove(member);
  }

  /** The member is gone: what it held is delivered to others. Its attempts count, since it may have done the work. */
  leave(member: Member): void {
    member.open = false;
    for (const [offset, held] of this.#inFlight) {
      if (held.member !== member) continue;
      this.#inFlight.delete(offset);
      this.#attempts.set(offset, held.attempt);
      this.#giveBack(offset);
    }
    this.#remove(member);
    this.pump();
  }

  #remove(member: Member): void {
    const index = this.members.indexOf(member);
    if (index < 0) return;
    this.members.splice(index, 1);
    if (this.members.length > 0) return;
    this.idleSinceMs = this.#context.clock.wallMs();
    this.#context.onIdle(this);
  }

  /** A member that comes back after a takeover holds this message already. False: it is settled, or another has it. */
  claim(member: Member, offset: number, attempt: number): boolean {
    const message = this.topic.messages.get(offset);
    if (message === undefined || this.settled.has(offset) || this.#inFlight.has(offset)) return false;
    this.#returned.delete(offset);
    this.#delayed.delete(offset);
    this.#hold(member, message, attempt);
    return true;
  }

  holder(offset: number): Member | undefined {
    return this.#inFlight.get(offset)?.member;
  }

  attemptOf(offset: number): number {
    return this.#inFlight.get(offset)?.attempt ?? this.#attempts.get(offset) ?? 0;
  }

  /** Done for this consumer, by whomever. */
  settle(offset: number): void {
    this.#release(offset);
    this.settled.add(offset);
    this.#attempts.delete(offset);
    this.#delayed.delete(offset);
  }

  /** Deliver again, not before `notBeforeMs` (wall clock). */
  retry(offset: number, attempt: number, notBeforeMs: number): void {
    if (this.settled.has(offset) || !this.topic.messages.has(offset)) return;
    this.#release(offset);
    this.#attempts.set(offset, attempt);
    this.#delay(offset, notBeforeMs);
  }

  #delay(offset: number, notBeforeMs: number): void {
    if (notBeforeMs <= this.#context.clock.wallMs()) {
      this.#giveBack(offset);
      return;
    }
    this.#returned.delete(offset);
    this.#delayed.set(offset, notBeforeMs);
    this.#delays.note(offset, notBeforeMs);
  }

  /** Nothing was decided: any member may have it again, without an attempt counted. */
  abandon(offset: number): void {
    const held = this.#inFlight.get(offset);
    if (held === undefined) return;
    this.#release(offset);
    if (held.attempt > 1) this.#attempts.set(offset, held.attempt - 1);
    if (!held.member.open) {
      this.#giveBack(offset);
      this.pump();
      return;
    }
    this.#delay(offset, this.#context.clock.wallMs() + abandonDelayMs);
  }

  /** The message was dropped for all (expired, or too many without a consumer). */
  forget(offset: number): void {
    this.settle(offset);
  }

  /** Hands out what there is while members have room. */
  pump(): void {
    if (this.paused) return;
    while (this.members.length > 0) {
      const message = this.#next();
      if (message === undefined) return;
      const member = this.#freeMember(message);
      if (member === undefined) return;
      this.#take(message.offset);
      this.#hand(member, message);
    }
  }

  record(): GroupRecord {
    const attempts: GroupRecord['attempts'][number][] = [];
    for (const [offset, attempt] of this.#attempts) {
      attempts.push({ offset, attempt, notBeforeMs: this.#delayed.get(offset) ?? 0 });
    }
    return {
      kind: 'group',
      bus: this.topic.bus,
      topic: this.topic.name,
      consumerId: this.consumerId,
      settled: this.settled.bounds.slice(),
      attempts,
    };
  }

  /** The next message to hand out; it stays where it is until taken. Expired ones on the way are dropped. */
  #next(): Message | undefined {
    for (;;) {
      const returned = this.#returned.first();
      let offset = returned;
      if (offset === undefined) {
        this.#cursor = this.settled.gap(Math.max(this.#cursor, this.topic.firstOffset));
        while (
          this.#cursor < this.topic.nextOffset &&
          (this.#inFlight.has(this.#cursor) || this.#delayed.has(this.#cursor))
        ) {
          this.#cursor = this.settled.gap(this.#cursor + 1);
        }
        if (this.#cursor >= this.topic.nextOffset) return undefined;
        offset = this.#cursor;
      }
      const message = this.settled.has(offset) ? undefined : this.topic.messages.get(offset);
      if (message !== undefined && !this.topic.isExpired(message)) return message;
      this.#take(offset);
      if (message !== undefined) this.topic.drop(message);
      else this.settled.add(offset);
    }
  }

  #take(offset: number): void {
    if (this.#returned.first() === offset) this.#returned.delete(offset);
    else this.#cursor = offset + 1;
  }

  #freeMember(message: Message): Member | undefined {
    for (let tried = 0; tried < this.members.length; tried++) {
      this.#turn = (this.#turn + 1) % this.members.length;
      const member = this.members[this.#turn]!;
      if (!member.open || member.inFlight >= member.inFlightMax) continue;
      if (member.inFlight > 0 && member.bytes + message.body.length > inFlightBytesMax) continue;
      return member;
    }
    return undefined;
  }

  #hold(member: Member, message: Message, attempt: number): InFlight {
    member.inFlight++;
    member.bytes += message.body.length;
    const held = { member, attempt, bytes: message.body.length };
    this.#inFlight.set(message.offset, held);
    return held;
  }

  #hand(member: Member, message: Message): void {
    const attempt = (this.#attempts.get(message.offset) ?? 0) + 1;
    const held = this.#hold(member, message, attempt);
    const body = this.#context.load(message.body);
    const outgoing: Outgoing = { message, held, body: body instanceof Promise ? undefined : body };
    this.#outgoing.push(outgoing);
    if (!(body instanceof Promise)) {
      this.#flush();
      return;
    }
    body.then(
      (loaded) => {
        outgoing.body = loaded;
        this.#flush();
      },
      (error: unknown) => {
        const { bus, name } = this.topic;
        const { offset } = message;
        this.#context.log.error(
          { err: error, bus, topic: name, offset, consumerId: this.consumerId },
          'a message cannot be read from the disk; it is set aside until the next start',
        );
        outgoing.body = 'unreadable';
        this.#flush();
        this.pump();
      },
    );
  }

  /** Delivers in order: what is in memory waits for what the disk still has to yield. */
  #flush(): void {
    while (this.#outgoing.length > 0 && this.#outgoing[0]!.body !== undefined) {
      const { message, held, body } = this.#outgoing.shift()!;
      // The member may have gone, or the message, while the disk was read.
      if (this.#inFlight.get(message.offset) !== held) continue;
      // Unreadable is not settled: nothing says that it was delivered. It only leaves this member's window.
      if (body === 'unreadable') this.#release(message.offset);
      else held.member.deliver(message, body!, held.attempt);
    }
  }

  #release(offset: number): void {
    const held = this.#inFlight.get(offset);
    if (held === undefined) return;
    this.#inFlight.delete(offset);
    held.member.inFlight--;
    held.member.bytes -= held.bytes;
    if (!held.member.open && held.member.inFlight === 0) this.#remove(held.member);
  }

  #giveBack(offset: number): void {
    if (!this.settled.has(offset)) this.#returned.add(offset);
  }
}
