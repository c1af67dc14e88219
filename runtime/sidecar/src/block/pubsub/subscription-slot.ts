/**
 * The place of one subscription: what is wanted, what is open, and the way from one to the other. A replacement is in
 * place before what it replaces is closed; what fails is tried again, later and later.
 */
import type { PubSub } from '@outrigger/components-core';
import type { Clock, Logger, Timer } from '@outrigger/engine';
import type { ComponentRegistry } from '../../component/registry.js';
import type { SubscriptionSpec } from '../../config/model.js';
import { messageOf } from '../component-call.js';
import { sameSpec } from './merge-subscriptions.js';
import { type OpenSubscription, openSubscription, type SubscriptionDeps } from './open-subscription.js';
import { compileRouter } from './routing.js';
import type { PubSubEntry, PubSubSettingsSource } from './settings.js';
import type { DeliveryPolicySource, Subscriber } from './subscriber.js';

/** Wait before the second attempt to subscribe; doubles up to the maximum, spread by half to either side. */
export const RESUBSCRIBE_FIRST_MS = 500;
export const RESUBSCRIBE_MAX_MS = 60_000;
/** A subscription that is closed without a deadline of its own lets attempts under way end within this (Dapr: 30 s). */
export const CLOSE_GRACE_MS = 30_000;

export interface SlotDeps extends Omit<SubscriptionDeps, 'policy'> {
  readonly registry: ComponentRegistry;
  readonly settings: PubSubSettingsSource;
  readonly deliveryPolicies: DeliveryPolicySource;
}

export interface SlotOptions {
  readonly subscriber: Subscriber;
  /** Appended to the consumer id where the component gives every subscription every message. */
  readonly fanOutSuffix: string;
}

/** It will not work by trying again: scopes, rules that cannot be compiled, metadata. */
class SubscriptionRefused extends Error {}

export class SubscriptionSlot {
  readonly #deps: SlotDeps;
  readonly #options: SlotOptions;
  readonly #clock: Clock;
  readonly #log: Logger;
  #wanted: SubscriptionSpec | undefined;
  #open: OpenSubscription | undefined;
  /** The wanted spec that was refused: tried again only when it or the component changes. */
  #refused: { readonly spec: SubscriptionSpec; readonly component: PubSub } | undefined;
  #running: Promise<void> | undefined;
  #again = false;
  #failures = 0;
  #timer: Timer | undefined;
  #ended = false;
  /** Subscriptions that still have messages in hand. */
  readonly #closing = new Map<OpenSubscription, Promise<void>>();

  constructor(options: SlotOptions, deps: SlotDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#clock = deps.clock;
    this.#log = deps.log;
  }

  get spec(): SubscriptionSpec | undefined {
    return this.#wanted;
  }

  get isOpen(): boolean {
    return this.#open !== undefined;
  }

  /** undefined: closed as soon as what is under way has ended. Resolves after the first attempt to get there. */
  want(spec: SubscriptionSpec | undefined): Promise<void> {
    if (this.#ended) return Promise.resolve();
    this.#wanted = spec;
    if (spec === undefined) this.#retire(this.#clock.now() + CLOSE_GRACE_MS, false);
    return this.refresh();
  }

  /** The component may have changed. */
  refresh(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#again = true;
    this.#running ??= this.#run();
    return this.#running;
  }

  /** Opens now, or rejects with the reason: for subscriptions that somebody waits for. */
  async openNow(spec: SubscriptionSpec): Promise<void> {
    this.#wanted = spec;
    const attempt = this.#settle();
    this.#running = attempt.catch(() => {}).then(() => this.#run());
    await attempt;
    if (this.#open === undefined) throw new Error('the component is gone, or the sidecar shuts down');
  }

  /** Takes nothing more; attempts under way may end until the deadline. Resolves when all messages are settled. */
  async end(deadline: number): Promise<void> {
    this.#ended = true;
    this.#wanted = undefined;
    this.#timer?.cancel();
    this.#retire(deadline, true);
    for (const open of this.#closing.keys()) void this.#close(open, deadline, true);
    // A component that is still opening may take longer than there is time: what it opens later is closed then.
    await this.#settledBy(deadline);
    this.#retire(deadline, true);
    await Promise.all(this.#closing.values());
  }

  async #settledBy(deadline: number): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    await new Promise<void>((resolve) => {
      const timer = this.#clock.after(Math.max(0, deadline - this.#clock.now()), resolve);
      void running.finally(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  async #run(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      try {
        await this.#settle();
        this.#failures = 0;
      } catch (error) {
        this.#failed(error);
      }
    }
    this.#running = undefined;
  }

  async #settle(): Promise<void> {
    const spec = this.#wanted;
    if (spec === undefined) return;
    const entry = this.#deps.registry.find('pubsub', spec.pubsubName);
    if (entry === undefined) {
      // The component went away, or never was: its arrival is announced.
      this.#retire(this.#clock.now() + CLOSE_GRACE_MS, false);
      return;
    }
    const component = await entry.ready();
    if (this.#ended) return;
    if (this.#refused?.component === component && sameSpec(this.#refused.spec, spec)) return;
    const open = this.#open;
    if (open?.component === component && sameSpec(open.spec, spec)) return;
    let opened: OpenSubscription;
    try {
      opened = await this.#subscribe(spec, entry, component);
    } catch (error) {
      if (error instanceof SubscriptionRefused) this.#refused = { spec, component };
      throw error;
    }
    if (this.#ended || this.#wanted === undefined) {
      void this.#close(opened, this.#clock.now() + CLOSE_GRACE_MS, false);
      return;
    }
    this.#retire(this.#clock.now() + CLOSE_GRACE_MS, false);
    this.#open = opened;
    this.#log.info(
      { pubsub: spec.pubsubName, topic: spec.topic },
      `subscribed to topic ${spec.topic} of ${spec.pubsubName}`,
    );
  }

  async #subscribe(spec: SubscriptionSpec, entry: PubSubEntry, component: PubSub): Promise<OpenSubscription> {
    const { deliveryPolicies } = this.#deps;
    const settings = this.#deps.settings.of(entry, component);
    if (!settings.scopes.maySubscribe(spec.topic)) {
      throw new SubscriptionRefused(
        `subscription to topic '${spec.topic}' on pubsub '${spec.pubsubName}' is not allowed`,
      );
    }
    const router = await compileRouter(spec).catch((error: unknown) => {
      throw new SubscriptionRefused(messageOf(error));
    });
    const consumerId = settings.fanOut ? settings.consumerId + this.#options.fanOutSuffix : settings.consumerId;
    const { subscriber } = this.#options;
    return openSubscription(
      { spec, router, component, consumerId, serial: settings.serial, subscriber },
      { ...this.#deps, policy: deliveryPolicies.inbound(spec.pubsubName) },
    );
  }

  #failed(error: unknown): void {
    const spec = this.#wanted;
    if (spec === undefined || this.#ended) return;
    const fields = { pubsub: spec.pubsubName, topic: spec.topic, error: messageOf(error) };
    const sentence = `cannot subscribe to topic ${spec.topic} of ${spec.pubsubName}: ${messageOf(error)}`;
    if (error instanceof SubscriptionRefused || error instanceof TypeError) {
      this.#log.error(fields, sentence);
      return;
    }
    const delay = Math.min(RESUBSCRIBE_MAX_MS, RESUBSCRIBE_FIRST_MS * 2 ** Math.min(this.#failures++, 20));
    const retryInMs = Math.round(delay * (0.5 + this.#clock.random()));
    this.#log.error({ ...fields, retryInMs }, sentence);
    this.#timer = this.#clock.after(retryInMs, () => void this.refresh());
  }

  #retire(deadline: number, flush: boolean): void {
    const open = this.#open;
    this.#open = undefined;
    if (open !== undefined) void this.#close(open, deadline, flush);
  }

  #close(open: OpenSubscription, deadline: number, flush: boolean): Promise<void> {
    const closed = open
      .close(deadline, flush)
      .catch((error: unknown) => {
        const { pubsubName: pubsub, topic } = open.spec;
        this.#log.warn({ pubsub, topic, error: messageOf(error) }, 'a subscription did not close cleanly');
      })
      .finally(() => this.#closing.delete(open));
    this.#closing.set(open, closed);
    return closed;
  }
}
