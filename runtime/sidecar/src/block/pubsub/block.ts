/**
 * The pub/sub block: publishing, and the subscriptions of this app from every source. Neutral of surfaces; they translate
 * to and from it (api/dapr-grpc, api/dapr-http, api/layotto-grpc).
 */
import type { IncomingMessage } from '@outrigger/components-core';
import type { Timer } from '@outrigger/engine';
import type { AppChannel } from '../../app/channel.js';
import type { SubscriptionDocument, SubscriptionSpec } from '../../config/model.js';
import { fail } from '../../errors.js';
import { messageOf } from '../component-call.js';
import type { MaybePromise } from '../context.js';
import type { BlockDeps } from '../deps.js';
import type { SubscriptionInfo } from '../metadata.js';
import type { AppCallback } from './app-callback.js';
import { type BulkOutcome, type BulkPublishInput, bulkPublish } from './bulk-publish.js';
import { crashGuard } from './crash-guard.js';
import { pubSubError } from './errors.js';
import { type AppSubscription, mergeSubscriptions, topicKey } from './merge-subscriptions.js';
import { createPubSubMetrics } from './metrics.js';
import { type PublishDeps, type PublishInput, publish, publishDeadLetter } from './publish.js';
import { createSettingsSource } from './settings.js';
import {
  type EventStream,
  STREAMS_MAX,
  type StreamEnd,
  type StreamRequest,
  StreamSubscriber,
  streamSpec,
} from './streams.js';
import { type DeliveryPolicySource, noDeliveryPolicies } from './subscriber.js';
import {
  CLOSE_GRACE_MS,
  RESUBSCRIBE_FIRST_MS,
  RESUBSCRIBE_MAX_MS,
  type SlotDeps,
  SubscriptionSlot,
} from './subscription-slot.js';

/** Most subscriptions one app may name. */
export const SUBSCRIPTIONS_MAX = 10_000;

export interface PubSubBlockDeps extends BlockDeps {
  /** undefined: an app without a port; it may publish and open streams. */
  readonly app: AppChannel | undefined;
  /** The app's callbacks in its dialect; undefined with `app`. */
  readonly callback: AppCallback | undefined;
  readonly deliveryPolicies?: DeliveryPolicySource;
  /** Ask the app for its subscriptions (not with `--disable-init-endpoints subscribe`). Default true. */
  readonly programmatic?: boolean;
}

export interface PubSubBlock {
  /** Whether a component of this name is declared for this app. */
  has(pubsubName: string): boolean;
  publish(input: PublishInput): MaybePromise<void>;
  bulkPublish(input: BulkPublishInput): Promise<BulkOutcome>;
  /** Resolves when the subscription is in place; call `begin` when the app knows. Rejects with OutriggerError. */
  openStream(request: StreamRequest, end: StreamEnd): Promise<EventStream>;
  /** The subscriptions that documents declare, at start and after every change. */
  setDocuments(documents: readonly SubscriptionDocument[]): void;
  /**
   * Waits for the app, asks it for its subscriptions, and subscribes. Resolves when each subscription has been tried once;
   * what failed goes on being tried. Rejects only when drained before the app was ready.
   */
  startSubscriptions(): Promise<void>;
  /** In force now, for metadata. */
  subscriptions(): readonly SubscriptionInfo[];
  /**
   * Takes no further messages and streams; what is with the app may be answered until the deadline (clock time), the rest
   * goes back to the broker, not rejected. Publishing goes on. Resolves when all messages are settled.
   */
  drain(deadline: number): Promise<void>;
}

export function createPubSubBlock(deps: PubSubBlockDeps): PubSubBlock {
  return new PubSub(deps);
}

interface OpenStream {
  readonly slot: SubscriptionSlot;
  readonly subscriber: StreamSubscriber;
  readonly end: StreamEnd;
  readonly spec: SubscriptionSpec;
}

class PubSub implements PubSubBlock {
  readonly #deps: PubSubBlockDeps;
  readonly #publishDeps: PublishDeps;
  readonly #slotDeps: SlotDeps;
  readonly #stop = new AbortController();
  readonly #slots = new Map<string, SubscriptionSlot>();
  /** Of topics that nobody wants any more, until their messages are settled. */
  readonly #leaving = new Set<SubscriptionSlot>();
  readonly #streams = new Map<number, OpenStream>();
  #documents: readonly SubscriptionDocument[] = [];
  #programmatic: readonly SubscriptionSpec[] = [];
  #app: readonly AppSubscription[] = [];
  #streamCount = 0;
  #started = false;
  #asked = false;
  #asking: Timer | undefined;

  constructor(deps: PubSubBlockDeps) {
    const { app, callback } = deps;
    // Every delivery to the app goes through the guard.
    this.#deps = app === undefined || callback === undefined ? deps : { ...deps, callback: crashGuard(callback, app) };
    const settings = createSettingsSource(deps);
    const metrics = createPubSubMetrics(deps.metrics, deps.appId, deps.namespace);
    this.#publishDeps = { ...deps, settings, metrics };
    this.#slotDeps = {
      clock: deps.clock,
      log: deps.log.child({ scope: 'pubsub' }),
      metrics,
      registry: deps.registry,
      settings,
      deliveryPolicies: deps.deliveryPolicies ?? noDeliveryPolicies,
      publishDeadLetter: (pubsubName: string, topic: string, message: IncomingMessage) =>
        publishDeadLetter(pubsubName, topic, message, this.#publishDeps),
      away: () => deps.app?.unreachable(),
    };
    deps.registry.onChange(({ kind, name }) => {
      if (kind === 'pubsub') this.#refresh(name);
    });
  }

  has(pubsubName: string): boolean {
    return this.#deps.registry.find('pubsub', pubsubName) !== undefined;
  }

  publish(input: PublishInput): MaybePromise<void> {
    return publish(input, this.#publishDeps);
  }

  bulkPublish(input: BulkPublishInput): Promise<BulkOutcome> {
    return bulkPublish(input, this.#publishDeps);
  }

  setDocuments(documents: readonly SubscriptionDocument[]): void {
    this.#documents = documents;
    void this.#reconcile();
  }

  async startSubscriptions(): Promise<void> {
    const { app } = this.#deps;
    if (this.#started || app === undefined) return;
    this.#started = true;
    await app.ready(this.#stop.signal);
    this.#stop.signal.throwIfAborted();
    const end = app.onReceptive((receptive) => void (receptive ? this.#appArrived() : this.#reconcile()));
    this.#stop.signal.addEventListener('abort', end, { once: true });
    await this.#appArrived();
  }

  subscriptions(): readonly SubscriptionInfo[] {
    const streams = [...this.#streams.values()].map(({ spec }) => infoOf(spec, 'streaming'));
    return [...this.#app.map(({ spec, type }) => infoOf(spec, type)), ...streams];
  }

  async openStream(request: StreamRequest, end: StreamEnd): Promise<EventStream> {
    const { pubsubName: name, topic } = request;
    if (!this.has(name)) throw pubSubError('PUBSUB_NOT_FOUND', { name }, {});
    const refuse = (error: string): never => {
      throw fail('PUBSUB_STREAM_REFUSED', { name, error });
    };
    if (this.#stop.signal.aborted) refuse('subscriptions end: the sidecar shuts down');
    if (this.#streams.size >= STREAMS_MAX) refuse(`${STREAMS_MAX} streams are open already`);
    if (
      request.exclusive &&
      [...this.#streams.values()].some(({ spec }) => spec.pubsubName === name && spec.topic === topic)
    ) {
      throw fail('PUBSUB_STREAM_DUPLICATE', { name, topic });
    }
    const id = ++this.#streamCount;
    const subscriber = new StreamSubscriber(end);
    const slot = new SubscriptionSlot(
      { subscriber, fanOutSuffix: `/stream-${id}` },
      { ...this.#slotDeps, away: () => {} },
    );
    const spec = streamSpec(request);
    const stream: OpenStream = { slot, subscriber, end, spec };
    // Known before it is open, so that a second exclusive stream and a drain see it.
    this.#streams.set(id, stream);
    const leave = async (deadline: number): Promise<void> => {
      this.#streams.delete(id);
      subscriber.gone();
      await slot.end(deadline);
    };
    try {
      await slot.openNow(spec);
    } catch (error) {
      await leave(this.#deps.clock.now());
      return refuse(messageOf(error));
    }
    return {
      begin: () => subscriber.begin(),
      answer: (eventId, reply) => subscriber.answer(eventId, reply),
      close: () => leave(this.#deps.clock.now()),
    };
  }

  async drain(deadline: number): Promise<void> {
    this.#stop.abort(new Error('subscriptions end: the sidecar shuts down'));
    this.#asking?.cancel();
    const streams = [...this.#streams.values()];
    await Promise.all([
      ...[...this.#slots.values(), ...this.#leaving].map((slot) => slot.end(deadline)),
      ...streams.map(async ({ slot, subscriber, end }) => {
        await slot.end(deadline);
        subscriber.gone();
        end.ended('the sidecar shuts down');
      }),
    ]);
    this.#slots.clear();
    this.#streams.clear();
  }

  #refresh(pubsubName: string): void {
    if (!this.#asked && this.#deps.app?.receptive === true && this.#started) void this.#appArrived();
    const slots = [...this.#slots.values(), ...[...this.#streams.values()].map(({ slot }) => slot)];
    for (const slot of slots) if (slot.spec?.pubsubName === pubsubName) void slot.refresh();
  }

  /** The app accepts input (again): what it subscribes to may have changed. */
  async #appArrived(): Promise<void> {
    const { callback } = this.#deps;
    callback?.restarted();
    await this.#ask(1);
    await this.#reconcile();
  }

  async #ask(attempt: number): Promise<void> {
    const { callback, clock, log, registry, app } = this.#deps;
    if (callback === undefined || this.#deps.programmatic === false) return;
    // As Dapr: an app without pub/sub is not asked.
    if (registry.listKind('pubsub').length === 0) return;
    this.#asked = true;
    this.#asking?.cancel();
    try {
      const listed = await callback.listSubscriptions(this.#stop.signal);
      if (listed.length > SUBSCRIPTIONS_MAX) {
        throw new RangeError(`the app names ${listed.length} subscriptions, more than ${SUBSCRIPTIONS_MAX}`);
      }
      this.#programmatic = listed;
      if (listed.length > 0) log.info({ topics: listed.map(describe) }, 'the app subscribes to topics');
    } catch (error) {
      if (this.#stop.signal.aborted || app?.receptive === false) return;
      const delay = Math.min(RESUBSCRIBE_MAX_MS, RESUBSCRIBE_FIRST_MS * 2 ** Math.min(attempt - 1, 20));
      log.error(
        { error: messageOf(error), retryInMs: delay },
        `error getting topic list from app: ${messageOf(error)}`,
      );
      this.#asking = clock.after(delay, () => {
        if (this.#stop.signal.aborted || app?.receptive === false) return;
        void this.#ask(attempt + 1).then(() => this.#reconcile());
      });
    }
  }

  /** Brings every slot to what is wanted now. Resolves when each has been tried. */
  async #reconcile(): Promise<void> {
    const { app, callback, appId } = this.#deps;
    if (this.#stop.signal.aborted) return;
    this.#app = mergeSubscriptions(this.#documents, this.#programmatic, appId);
    if (callback === undefined) return;
    const active = this.#started && app?.receptive === true;
    const wanted = new Map(this.#app.map(({ spec }) => [topicKey(spec), spec]));
    for (const key of wanted.keys()) {
      if (!this.#slots.has(key)) {
        this.#slots.set(key, new SubscriptionSlot({ subscriber: callback, fanOutSuffix: '' }, this.#slotDeps));
      }
    }
    for (const [key, slot] of this.#slots) if (!wanted.has(key)) this.#dismiss(key, slot);
    await Promise.all([...this.#slots].map(([key, slot]) => slot.want(active ? wanted.get(key) : undefined)));
  }

  #dismiss(key: string, slot: SubscriptionSlot): void {
    this.#slots.delete(key);
    this.#leaving.add(slot);
    void slot.end(this.#deps.clock.now() + CLOSE_GRACE_MS).finally(() => this.#leaving.delete(slot));
  }
}

function describe({ pubsubName, topic }: SubscriptionSpec): string {
  return `${pubsubName}/${topic}`;
}

function infoOf(spec: SubscriptionSpec, type: SubscriptionInfo['type']): SubscriptionInfo {
  const { pubsubName, topic, metadata, defaultPath } = spec;
  const rules = defaultPath === undefined ? spec.rules : [...spec.rules, { match: '', path: defaultPath }];
  return { pubsubName, topic, metadata, rules, deadLetterTopic: spec.deadLetterTopic ?? '', type };
}
