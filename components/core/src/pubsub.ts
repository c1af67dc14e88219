/** Publish and subscribe. Wrapping in CloudEvents, routing, retries and dead letters are the block's; this moves bytes. */
import type { Component, MaybePromise } from './component.js';

export type PubSubFeature = 'SUBSCRIBE_WILDCARDS' | 'MESSAGE_TTL' | 'BULK_PUBSUB';

export interface PublishRequest {
  readonly topic: string;
  readonly data: Uint8Array;
  readonly contentType?: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface IncomingMessage {
  /** Unique within the topic; the same for every delivery attempt. */
  readonly id: string;
  readonly topic: string;
  /** Owned by the receiver. */
  readonly data: Uint8Array;
  readonly contentType?: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  /** 1 for the first delivery, when the component knows. */
  readonly attempt: number;
}

/**
 * `ack`: done, never deliver again. `retry`: deliver again, after `delayMs` where the component can wait.
 * `abandon`: nothing was decided (shutdown): leave it unacknowledged, count no attempt, let any consumer have it.
 */
export type Disposition =
  | { readonly outcome: 'ack' }
  | { readonly outcome: 'retry'; readonly delayMs?: number }
  | { readonly outcome: 'abandon' };

export interface SubscribeRequest {
  readonly topic: string;
  /** Consumers with one id compete for messages; each id gets every message. */
  readonly consumerId: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Most messages delivered and not yet settled. */
  readonly inFlightMax: number;
}

export interface Subscription {
  /** Stops fetching; messages in hand are still settled by their `deliver`. Resolves when none is left. */
  close(): Promise<void>;
}

/** Never rejects. Called concurrently up to `inFlightMax`. */
export type Deliver = (message: IncomingMessage) => Promise<Disposition>;

export interface PubSub extends Component {
  readonly features: ReadonlySet<PubSubFeature>;
  /** Returns when the message is as durable as the broker makes it. */
  publish(request: PublishRequest): MaybePromise<void>;
  /** Per entry: undefined or the error. Where absent the block publishes one by one. */
  bulkPublish?(requests: readonly PublishRequest[]): MaybePromise<readonly (Error | undefined)[]>;
  /** Resolves when the subscription is in place: a message published afterwards is delivered. */
  subscribe(request: SubscribeRequest, deliver: Deliver): Promise<Subscription>;
}
