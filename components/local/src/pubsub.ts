/** `pubsub.local`: topics on this machine's disk, with durable subscriptions and competing consumers across sidecars. */
import {
  type ComponentConfig,
  type ComponentDefinition,
  type ComponentDeps,
  ComponentError,
  type ComponentHealth,
  type Deliver,
  type Disposition,
  type IncomingMessage,
  type PublishRequest,
  type PubSub,
  type PubSubFeature,
  type SubscribeRequest,
  type Subscription,
} from '@outrigger/components-core';
import { redeliveryDelayMs } from '@outrigger/components-core/support';
import { settleRetryMs } from './limits.js';
import { LinkLost } from './node/connection.js';
import type { LocalNode, Standing } from './node/node.js';
import { NodeHolder, storeField } from './open-node.js';
import { type MessageBody, messageBody, type Push, type Pushes, type SettleCall } from './operation.js';
import { Reader } from './wire/reader.js';

const messageOverheadBytes = 256;

class LocalPubSub implements PubSub {
  readonly features: ReadonlySet<PubSubFeature> = new Set<PubSubFeature>(['MESSAGE_TTL', 'BULK_PUBSUB']);
  readonly #deps: ComponentDeps;
  readonly #name: string;
  readonly #holder: NodeHolder;
  readonly #subscriptions = new Set<LocalSubscription>();
  #isDraining = false;

  constructor(config: ComponentConfig, deps: ComponentDeps) {
    this.#deps = deps;
    this.#name = config.name;
    this.#holder = new NodeHolder(config, deps);
  }

  open(signal: AbortSignal): Promise<void> {
    this.#isDraining = false;
    return this.#holder.open(signal);
  }

  drain(): void {
    this.#isDraining = true;
    for (const subscription of this.#subscriptions) subscription.stop();
  }

  async close(): Promise<void> {
    for (const subscription of this.#subscriptions) subscription.abort();
    this.#subscriptions.clear();
    await this.#holder.close();
  }

  health(): ComponentHealth {
    return this.#holder.health();
  }

  publish(request: PublishRequest): Promise<void> {
    return this.#publish(request.topic, [request]);
  }

  async bulkPublish(requests: readonly PublishRequest[]): Promise<readonly (Error | undefined)[]> {
    const topics = new Map<string, number[]>();
    for (const [index, { topic }] of requests.entries()) {
      const indexes = topics.get(topic);
      if (indexes === undefined) topics.set(topic, [index]);
      else indexes.push(index);
    }
    const results: (Error | undefined)[] = requests.map(() => undefined);
    await Promise.all(
      [...topics].map(async ([topic, indexes]) => {
        try {
          await this.#publish(
            topic,
            indexes.map((index) => requests[index]!),
          );
        } catch (error) {
          for (const index of indexes) results[index] = error as Error;
        }
      }),
    );
    return results;
  }

  /** The messages of one topic: all or none. */
  async #publish(topic: string, requests: readonly PublishRequest[]): Promise<void> {
    let bytes = 0;
    const messages = requests.map(({ data, contentType, metadata }) => {
      bytes += data.length + messageOverheadBytes;
      return { expiresAtMs: this.#expiry(metadata), body: { contentType, metadata, data } };
    });
    await this.#holder.node.call('pubsub.publish', { bus: this.#holder.store, topic, messages }, bytes);
  }

  #expiry(metadata: Readonly<Record<string, string>>): number | undefined {
    const seconds = metadata['ttlInSeconds'];
    if (seconds === undefined || seconds === '') return undefined;
    if (/^\d{1,10}$/.test(seconds) && Number(seconds) > 0) return this.#deps.clock.wallMs() + Number(seconds) * 1000;
    throw new ComponentError(
      'invalid',
      `ttlInSeconds value must be a whole number higher than zero: actual is ${seconds.slice(0, 40)}`,
    );
  }

  async subscribe(request: SubscribeRequest, deliver: Deliver): Promise<Subscription> {
    if (this.#isDraining)
      throw new ComponentError('closed', `component ${this.#name} (pubsub.local) takes no more subscriptions`);
    const subscription = new LocalSubscription(this.#deps, this.#holder.node, this.#holder.store, request, deliver);
    this.#subscriptions.add(subscription);
    try {
      await subscription.ready;
    } catch (error) {
      this.#subscriptions.delete(subscription);
      subscription.abort();
      throw error;
    }
    return {
      close: async () => {
        await subscription.close();
        this.#subscriptions.delete(subscription);
      },
    };
  }
}

class LocalSubscription implements Standing {
  /** Resolves when the subscription is on the disk. */
  readonly ready: Promise<void>;
  readonly #deps: ComponentDeps;
  readonly #node: LocalNode;
  readonly #number: number;
  readonly #bus: string;
  readonly #request: SubscribeRequest;
  readonly #deliver: Deliver;
  /** Offsets delivered and not settled, with the attempt: a new owner is told that they are here. */
  readonly #held = new Map<number, number>();
  #stage: 'open' | 'stopping' | 'over' = 'open';
  #settle!: { resolve: () => void; reject: (error: unknown) => void };
  #onEmpty: (() => void)[] = [];

  constructor(deps: ComponentDeps, node: LocalNode, bus: string, request: SubscribeRequest, deliver: Deliver) {
    this.#deps = deps;
    this.#node = node;
    this.#number = node.nextNumber();
    this.#bus = bus;
    this.#request = request;
    this.#deliver = deliver;
    this.ready = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    node.stand(this);
  }

  /** Fetches no more; what is in hand is still settled. */
  stop(): void {
    if (this.#stage !== 'open') return;
    this.#stage = 'stopping';
    this.#unsubscribe(false);
  }

  async close(): Promise<void> {
    this.stop();
    if (this.#held.size > 0) await new Promise<void>((resolve) => this.#onEmpty.push(resolve));
    this.#end();
  }

  /** Gives up what is in hand, undecided: others get it. */
  abort(): void {
    if (this.#stage === 'over') return;
    this.#held.clear();
    this.#end();
    this.#unsubscribe(true);
  }

  #end(): void {
    this.#stage = 'over';
    this.#node.unstand(this);
    for (const resolve of this.#onEmpty.splice(0)) resolve();
  }

  establish(send: Parameters<Standing['establish']>[0]): void {
    const { topic, consumerId, inFlightMax } = this.#request;
    const held = [...this.#held].map(([offset, attempt]) => ({ offset, attempt }));
    const subscription = this.#number;
    void (async () => {
      try {
        await send('pubsub.subscribe', { subscription, bus: this.#bus, topic, consumerId, inFlightMax, held });
        this.#settle.resolve();
        // A new owner has to be told again that nothing more is wanted.
        if (this.#stage !== 'open') this.#unsubscribe(this.#stage === 'over');
      } catch (error) {
        if (error instanceof LinkLost) return;
        this.#settle.reject(error);
        const { log } = this.#deps;
        log.error({ err: error, topic, consumerId }, 'a local subscription could not be set up');
      }
    })();
  }

  onPush<P extends Push>(push: P, message: Pushes[P]): void {
    if (push !== 'message') return;
    const { subscription, offset, attempt, publishedAtMs, body } = message as Pushes['message'];
    if (subscription !== this.#number || this.#stage === 'over') return;
    if (this.#stage === 'stopping') {
      // It was on its way when we stopped.
      void this.#send({ offset, outcome: 'abandon', notBeforeMs: 0 });
      return;
    }
    const decoded = messageBody.read(new Reader(Buffer.from(body.buffer, body.byteOffset, body.byteLength)));
    this.#held.set(offset, attempt);
    void this.#handle(offset, attempt, incoming(this.#request.topic, offset, attempt, publishedAtMs, decoded));
  }

  async #handle(offset: number, attempt: number, message: IncomingMessage): Promise<void> {
    let disposition: Disposition;
    try {
      disposition = await this.#deliver(message);
    } catch (error) {
      this.#deps.log.error({ err: error, topic: message.topic }, 'a message handler rejected, which it must not');
      disposition = { outcome: 'retry' };
    }
    const { outcome } = disposition;
    const delayMs = disposition.outcome === 'retry' ? (disposition.delayMs ?? redeliveryDelayMs(attempt)) : 0;
    const notBeforeMs = Math.round(this.#deps.clock.wallMs() + delayMs);
    if (!(await this.#send({ offset, outcome, notBeforeMs }))) return;
    this.#held.delete(offset);
    if (this.#held.size === 0) for (const resolve of this.#onEmpty.splice(0)) resolve();
  }

  /** Settles until the owner has it on the disk; false: the subscription is over. */
  async #send(settle: Pick<SettleCall, 'offset' | 'outcome' | 'notBeforeMs'>): Promise<boolean> {
    const { topic, consumerId } = this.#request;
    const call: SettleCall = { subscription: this.#number, bus: this.#bus, topic, consumerId, ...settle };
    while (this.#stage !== 'over') {
      try {
        await this.#node.call('pubsub.settle', call);
        return true;
      } catch (error) {
        if (error instanceof ComponentError && error.kind === 'closed') return false;
        // A full disk: the message stays in hand, so that no other gets it meanwhile.
        await new Promise<void>((resolve) => this.#deps.clock.after(settleRetryMs, resolve));
      }
    }
    return false;
  }

  #unsubscribe(isOver: boolean): void {
    void (async () => this.#node.call('pubsub.unsubscribe', { subscription: this.#number, isOver }))().catch(() => {});
  }
}

function incoming(
  topic: string,
  offset: number,
  attempt: number,
  publishedAtMs: number,
  body: MessageBody,
): IncomingMessage {
  const { contentType, metadata, data } = body;
  return { id: `${offset}-${publishedAtMs.toString(36)}`, topic, data, contentType, metadata, attempt };
}

export const pubsubLocal: ComponentDefinition<PubSub> = {
  type: 'pubsub.local',
  kind: 'pubsub',
  versions: ['v1'],
  status: 'beta',
  description: 'Publish and subscribe among the sidecars of a namespace, durable on the disk of this machine.',
  metadata: [storeField],
  create: (config, deps) => new LocalPubSub(config, deps),
};
