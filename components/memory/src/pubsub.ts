/**
 * `pubsub.in-memory`: a bus inside this sidecar. As in Dapr's, nothing is kept for a topic without subscribers and a
 * topic that ends in `*` subscribes to every topic with that beginning. Beyond Dapr's, consumers with one id compete,
 * and a message that is not acknowledged is delivered again.
 */
import {
  type ComponentConfig,
  type ComponentDefinition,
  type ComponentDeps,
  ComponentError,
  type ComponentTimer,
  type Deliver,
  type Disposition,
  type IncomingMessage,
  type PublishRequest,
  type PubSub,
  type PubSubFeature,
  type SubscribeRequest,
  type Subscription,
} from '@outrigger/components-core';
import { abandonDelayMs, numberSetting, redeliveryDelayMs } from '@outrigger/components-core/support';

const backlogMessagesDefault = 10_000;
const backlogBytesDefault = 64 * 1024 * 1024;
const messageOverheadBytes = 200;
const groupsMax = 10_000;
/** A consumer id without a subscriber is forgotten after this, so that a subscription may be replaced without loss. */
const lingerMs = 60_000;

interface Message {
  readonly id: string;
  readonly topic: string;
  readonly data: Uint8Array;
  readonly contentType: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  attempt: number;
}

interface Member {
  readonly deliver: Deliver;
  readonly inFlightMax: number;
  inFlight: number;
  open: boolean;
  /** Called when a closing member has settled everything. */
  settled: (() => void) | undefined;
}

/** One consumer id on one topic (or pattern). */
interface Group {
  readonly topic: string;
  readonly prefix: string | undefined;
  readonly consumerId: string;
  readonly members: Member[];
  /** Waiting messages; `head` is the first one, so that taking is cheap. */
  queue: Message[];
  head: number;
  /** Messages waiting, waiting for a retry, or in hand; and their bytes. */
  messages: number;
  bytes: number;
  next: number;
  scheduled: boolean;
  linger: ComponentTimer | undefined;
  readonly delayed: Set<ComponentTimer>;
}

class InMemoryPubSub implements PubSub {
  readonly features: ReadonlySet<PubSubFeature> = new Set<PubSubFeature>(['SUBSCRIBE_WILDCARDS']);
  readonly #deps: ComponentDeps;
  readonly #name: string;
  readonly #messagesMax: number;
  readonly #bytesMax: number;
  readonly #exact = new Map<string, Map<string, Group>>();
  readonly #patterns = new Map<string, Map<string, Group>>();
  #groups = 0;
  #published = 0;
  #stage: 'open' | 'draining' | 'closed' = 'open';

  constructor(config: ComponentConfig, deps: ComponentDeps) {
    this.#deps = deps;
    this.#name = config.name;
    this.#messagesMax = numberSetting(config, 'backlogMessagesMax', backlogMessagesDefault, 1, 10_000_000);
    this.#bytesMax = numberSetting(config, 'backlogBytesMax', backlogBytesDefault, 1024, Number.MAX_SAFE_INTEGER);
  }

  open(): void {
    this.#stage = 'open';
  }

  drain(): void {
    this.#stage = 'draining';
  }

  close(): void {
    this.#stage = 'closed';
    for (const groups of [...this.#exact.values(), ...this.#patterns.values()]) {
      for (const group of [...groups.values()]) {
        // Members closed here get nothing more; what they hold is settled into nowhere.
        for (const member of group.members.splice(0)) member.open = false;
        this.#forget(group);
      }
    }
  }

  health(): { ok: boolean } {
    return { ok: this.#stage !== 'closed' };
  }

  publish(request: PublishRequest): void {
    if (this.#stage === 'closed')
      throw new ComponentError('closed', `component ${this.#name} (pubsub.in-memory) is closed`);
    const groups = this.#groupsOf(request.topic);
    const cost = request.data.length + messageOverheadBytes;
    // All groups or none: a publisher that is refused may try again without doubling the message for the others.
    for (const group of groups) {
      if (group.messages < this.#messagesMax && group.bytes + cost <= this.#bytesMax) continue;
      throw new ComponentError(
        'unavailable',
        `component ${this.#name} (pubsub.in-memory): consumer ${group.consumerId} of topic ${group.topic} is ${group.messages} messages (${group.bytes} bytes) behind, the limit; it must catch up first`,
      );
    }
    const id = String(++this.#published);
    for (const group of groups) {
      group.messages++;
      group.bytes += cost;
      group.queue.push({
        id,
        topic: request.topic,
        data: request.data,
        contentType: request.contentType,
        metadata: request.metadata,
        attempt: 0,
      });
      this.#schedule(group);
    }
  }

  async subscribe(request: SubscribeRequest, deliver: Deliver): Promise<Subscription> {
    if (this.#stage !== 'open') {
      throw new ComponentError('closed', `component ${this.#name} (pubsub.in-memory) takes no more subscriptions`);
    }
    const group = this.#groupFor(request.topic, request.consumerId);
    const member: Member = {
      deliver,
      inFlightMax: Math.max(1, request.inFlightMax),
      inFlight: 0,
      open: true,
      settled: undefined,
    };
    group.linger?.cancel();
    group.linger = undefined;
    group.members.push(member);
    this.#schedule(group);
    let closing: Promise<void> | undefined;
    return {
      close: () => {
        closing ??= this.#leave(group, member);
        return closing;
      },
    };
  }

  async #leave(group: Group, member: Member): Promise<void> {
    member.open = false;
    const index = group.members.indexOf(member);
    if (index >= 0) group.members.splice(index, 1);
    if (member.inFlight > 0) {
      await new Promise<void>((resolve) => {
        member.settled = resolve;
      });
    }
    if (group.members.length > 0 || this.#stage === 'closed') return;
    group.linger?.cancel();
    group.linger = this.#deps.clock.after(lingerMs, () => {
      if (group.messages > 0) {
        this.#deps.log.warn(
          { component: this.#name, topic: group.topic, consumerId: group.consumerId, messages: group.messages },
          'the in-memory bus drops the messages of a consumer that did not come back',
        );
      }
      this.#forget(group);
    });
  }

  #groupsOf(topic: string): Group[] {
    const found = [...(this.#exact.get(topic)?.values() ?? [])];
    for (const [pattern, groups] of this.#patterns) {
      const prefix = pattern.slice(0, -1);
      if (pattern === topic || (topic.startsWith(prefix) && topic !== prefix)) found.push(...groups.values());
    }
    return found;
  }

  #groupFor(topic: string, consumerId: string): Group {
    const table = topic.endsWith('*') ? this.#patterns : this.#exact;
    let groups = table.get(topic);
    if (groups === undefined) table.set(topic, (groups = new Map()));
    let group = groups.get(consumerId);
    if (group !== undefined) return group;
    if (this.#groups >= groupsMax) {
      throw new ComponentError(
        'too-large',
        `component ${this.#name} (pubsub.in-memory) has ${groupsMax} consumers already`,
      );
    }
    group = {
      topic,
      prefix: topic.endsWith('*') ? topic.slice(0, -1) : undefined,
      consumerId,
      members: [],
      queue: [],
      head: 0,
      messages: 0,
      bytes: 0,
      next: 0,
      scheduled: false,
      linger: undefined,
      delayed: new Set(),
    };
    groups.set(consumerId, group);
    this.#groups++;
    return group;
  }

  #forget(group: Group): void {
    group.linger?.cancel();
    for (const timer of group.delayed) timer.cancel();
    group.delayed.clear();
    group.queue = [];
    group.head = 0;
    const table = group.prefix === undefined ? this.#exact : this.#patterns;
    const groups = table.get(group.topic);
    if (groups?.get(group.consumerId) !== group) return;
    groups.delete(group.consumerId);
    if (groups.size === 0) table.delete(group.topic);
    this.#groups--;
  }

  #schedule(group: Group): void {
    if (group.scheduled) return;
    group.scheduled = true;
    // Not in the publisher's call: a handler must not run inside `publish`.
    setImmediate(() => {
      group.scheduled = false;
      this.#pump(group);
    });
  }

  #pump(group: Group): void {
    while (this.#stage === 'open' && group.head < group.queue.length) {
      const member = this.#freeMember(group);
      if (member === undefined) return;
      const message = group.queue[group.head]!;
      group.head++;
      if (group.head > 1024 && group.head * 2 > group.queue.length) {
        group.queue = group.queue.slice(group.head);
        group.head = 0;
      }
      this.#deliver(group, member, message);
    }
    if (group.head === group.queue.length) {
      group.queue = [];
      group.head = 0;
    }
  }

  #freeMember(group: Group): Member | undefined {
    for (let tried = 0; tried < group.members.length; tried++) {
      group.next = (group.next + 1) % group.members.length;
      const member = group.members[group.next]!;
      if (member.open && member.inFlight < member.inFlightMax) return member;
    }
    return undefined;
  }

  #deliver(group: Group, member: Member, message: Message): void {
    member.inFlight++;
    message.attempt++;
    const incoming: IncomingMessage = {
      id: message.id,
      topic: message.topic,
      // The receiver owns its bytes, and several consumers may get one message.
      data: new Uint8Array(message.data),
      contentType: message.contentType,
      metadata: message.metadata,
      attempt: message.attempt,
    };
    member.deliver(incoming).then(
      (disposition) => this.#settle(group, member, message, disposition),
      (error: unknown) => {
        this.#deps.log.error(
          { err: error, component: this.#name, topic: message.topic },
          'a message handler rejected, which it must not',
        );
        this.#settle(group, member, message, { outcome: 'retry' });
      },
    );
  }

  #settle(group: Group, member: Member, message: Message, disposition: Disposition): void {
    member.inFlight--;
    if (disposition.outcome === 'ack') {
      group.messages--;
      group.bytes -= message.data.length + messageOverheadBytes;
    } else if (disposition.outcome === 'retry') {
      this.#later(group, message, disposition.delayMs ?? redeliveryDelayMs(message.attempt));
    } else {
      message.attempt--;
      this.#later(group, message, member.open ? abandonDelayMs : 0);
    }
    if (!member.open && member.inFlight === 0) member.settled?.();
    this.#schedule(group);
  }

  #later(group: Group, message: Message, delayMs: number): void {
    const again = (): void => {
      // In front: it is older than what waits.
      if (group.head > 0) group.queue[--group.head] = message;
      else group.queue.unshift(message);
      this.#schedule(group);
    };
    if (this.#stage === 'closed') return;
    if (delayMs <= 0) {
      again();
      return;
    }
    const timer = this.#deps.clock.after(delayMs, () => {
      group.delayed.delete(timer);
      again();
    });
    group.delayed.add(timer);
  }
}

export const pubsubInMemory: ComponentDefinition<PubSub> = {
  type: 'pubsub.in-memory',
  kind: 'pubsub',
  versions: ['v1'],
  status: 'stable',
  description: 'Publish and subscribe inside this sidecar; messages are gone when it ends.',
  metadata: [
    {
      name: 'backlogMessagesMax',
      type: 'number',
      default: String(backlogMessagesDefault),
      description: 'Most messages one consumer may be behind before publishing fails.',
    },
    {
      name: 'backlogBytesMax',
      type: 'number',
      default: String(backlogBytesDefault),
      description: 'The same in bytes.',
    },
  ],
  create: (config, deps) => new InMemoryPubSub(config, deps),
};
