/**
 * The life of one request, readable top to bottom: filters → choose a host → open → forward → retry → reply → record.
 * Towards the caller it is the ClientStream, towards the upstream the receiver; one object per request, no promise.
 */
import type {
  ClientReceiver,
  ClientStream,
  Clock,
  HeaderList,
  PauseReason,
  RequestHead,
  ResetReason,
  ResponseHead,
  StreamReset,
  Timer,
} from '@outrigger/engine';
import type { Cluster, ClusterFailure, ClusterWaiter } from '../cluster/cluster.js';
import type { Host } from '../cluster/host.js';
import { deliverReply } from '../filter/local-reply.js';
import type { FilterHandle } from '../filter/stream-filter.js';
import { backoffMs, conditionsOf, mayRetry } from '../policy/retry.js';
import type { Route } from '../router/route.js';
import type { PooledConnection } from '../stream/connection-pool.js';
import { type DecisionLog, ResponseFlag } from './decision.js';
import { flagOf, NO_HOST_FLAGS, type ProxyReset } from './outcome.js';
import { PARK_HIGH_BYTES, RequestBody } from './request-body.js';

/** What all requests of a proxy share. */
export interface ProxyCore {
  readonly clock: Clock;
  readonly decisions: DecisionLog;
  /** Requests whose end has not been recorded. */
  inFlight: number;
  onIdle: (() => void) | null;
}

export class ProxyStream implements ClientStream, ClientReceiver, ClusterWaiter, FilterHandle {
  readonly protocol = 'h2' as const;
  private readonly core: ProxyCore;
  private readonly virtualHost: string;
  private readonly route: Route;
  private readonly cluster: Cluster;
  private readonly head: RequestHead;
  private readonly receiver: ClientReceiver;
  private readonly startedAt: number;
  private readonly body: RequestBody = new RequestBody();
  private host: Host | null = null;
  private place: PooledConnection | null = null;
  private upstream: ClientStream | null = null;
  /** Rises with every attempt and its end, so that a synchronous failure inside `open` is noticed. */
  private epoch = 0;
  private attempts = 0;
  private tried: Host[] | null = null;
  private flags = 0;
  private status = 0;
  private requestEnded: boolean;
  private requestTrailers: HeaderList | undefined;
  private responseEnded = false;
  private done = false;
  /** The caller was told to stop and waits for `onDrain`, whichever upstream comes to give it. */
  private callerWaits = false;
  /** Pauses in force, kept for the upstream of the next attempt. */
  private pauses: PauseReason[] | null = null;
  private filterAt = 0;
  private timeout: Timer | null = null;
  private retryTimer: Timer | null = null;

  constructor(
    core: ProxyCore,
    virtualHost: string,
    route: Route,
    cluster: Cluster,
    head: RequestHead,
    end: boolean,
    receiver: ClientReceiver,
    timeoutMs: number,
  ) {
    this.core = core;
    this.virtualHost = virtualHost;
    this.route = route;
    this.cluster = cluster;
    this.head = head;
    this.requestEnded = end;
    this.receiver = receiver;
    this.startedAt = core.clock.now();
    core.inFlight++;
    if (timeoutMs > 0) this.timeout = core.clock.after(timeoutMs, () => this.onTimeout(timeoutMs));
  }

  /** Called once, right after construction. */
  begin(): void {
    if (this.route.filters === null) this.attempt();
    else this.filter();
  }

  // --- filters ---------------------------------------------------------------------------------------------------

  private filter(): void {
    const filters = this.route.filters;
    if (filters !== null) {
      while (this.filterAt < filters.length) {
        const filter = filters[this.filterAt++];
        if (filter?.onRequestHead(this.head, this.requestEnded, this) === 'stop' || this.done) return;
      }
    }
    this.attempt();
  }

  proceed(): void {
    if (!this.done && this.attempts === 0) this.filter();
  }

  reply(head: ResponseHead, body?: Uint8Array): void {
    if (this.done) return;
    const { receiver } = this;
    this.status = head.status;
    this.giveUpUpstream('cancel');
    this.finish(ResponseFlag.local);
    deliverReply(receiver, head, body);
  }

  // --- choose, open ----------------------------------------------------------------------------------------------

  private attempt(): void {
    const host = this.cluster.choose(this.tried);
    if (host === null) {
      this.cluster.wait(this);
      return;
    }
    const place = host.pool.acquire();
    const epoch = ++this.epoch;
    this.host = host;
    this.place = place;
    this.attempts++;
    const bodyless = this.requestEnded && this.body.bytes === 0 && this.requestTrailers === undefined;
    let stream: ClientStream;
    try {
      stream = place.channel.open(this.head, bodyless, this);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (epoch === this.epoch) this.onReset({ reason: 'protocol', message, unprocessed: false });
      return;
    }
    if (epoch !== this.epoch || this.done) return;
    this.upstream = stream;
    if (this.pauses !== null) for (const reason of this.pauses) stream.pause(reason);
    if (bodyless) {
      this.settle();
      return;
    }
    const kept = this.body.take();
    if (kept !== null) for (const chunk of kept) stream.write(chunk);
    if (this.upstream !== stream) return; // the write failed it
    if (this.requestEnded) {
      stream.end(this.requestTrailers);
      this.settle();
      return;
    }
    if (this.callerWaits && stream.writable) {
      this.callerWaits = false;
      this.receiver.onDrain();
    }
  }

  onHosts(): void {
    if (!this.done) this.attempt();
  }

  onNoHosts(failure: ClusterFailure, message: string): void {
    this.fail({ reason: 'connect', message, unprocessed: true }, NO_HOST_FLAGS[failure]);
  }

  // --- forward: the request --------------------------------------------------------------------------------------

  get writable(): boolean {
    return this.upstream === null ? this.body.bytes < PARK_HIGH_BYTES : this.upstream.writable;
  }

  write(chunk: Uint8Array, start: number = 0, end: number = chunk.length): boolean {
    if (this.done || this.requestEnded) return true;
    const { upstream } = this;
    if (upstream !== null) {
      this.body.pass(chunk, start, end);
      if (upstream.write(chunk, start, end)) return true;
      this.callerWaits = true;
      return false;
    }
    if (!this.body.park(chunk, start, end)) {
      this.fail(
        {
          reason: 'too-large',
          message: 'too much of the body arrived before an upstream was found',
          unprocessed: true,
        },
        ResponseFlag.local,
      );
      return true;
    }
    if (this.body.bytes < PARK_HIGH_BYTES) return true;
    this.callerWaits = true;
    return false;
  }

  end(trailers?: HeaderList): void {
    if (this.done || this.requestEnded) return;
    this.requestEnded = true;
    this.requestTrailers = trailers;
    if (this.upstream === null) return;
    this.upstream.end(trailers);
    this.settle();
  }

  reset(reason: ResetReason): void {
    if (this.done) return;
    this.giveUpUpstream(reason);
    this.finish(this.responseEnded ? 0 : ResponseFlag.downstreamCancel);
  }

  pause(reason: PauseReason): void {
    this.pauses ??= [];
    this.pauses.push(reason);
    this.upstream?.pause(reason);
  }

  resume(reason: PauseReason): void {
    const at = this.pauses?.indexOf(reason) ?? -1;
    if (at < 0) return;
    this.pauses?.splice(at, 1);
    this.upstream?.resume(reason);
  }

  onDrain(): void {
    if (this.done || this.requestEnded) return;
    this.callerWaits = false;
    this.receiver.onDrain();
  }

  // --- forward: the response -------------------------------------------------------------------------------------

  onHead(head: ResponseHead, end: boolean): void {
    if (this.done) return;
    this.status = head.status;
    if (this.upstream === null) this.body.forgoReplay();
    else this.body.forgo();
    const { filters } = this.route;
    if (filters !== null) for (let i = filters.length - 1; i >= 0; i--) filters[i]?.onResponseHead?.(head, end);
    if (end) this.responseEnded = true;
    this.receiver.onHead(head, end);
    if (end) this.settle();
  }

  onData(chunk: Buffer, start: number, end: number): void {
    if (!this.done) this.receiver.onData(chunk, start, end);
  }

  onEnd(trailers: HeaderList | null): void {
    if (this.done) return;
    this.responseEnded = true;
    this.receiver.onEnd(trailers);
    this.settle();
  }

  // --- retry, fail -----------------------------------------------------------------------------------------------

  onReset(reset: StreamReset): void {
    if (this.done) return;
    this.epoch++;
    this.upstream = null;
    this.release();
    if (this.responseEnded) {
      // Answered before the request was read to its end: what is left of it has nowhere to go.
      this.finish(0);
      if (!this.requestEnded) this.receiver.onReset(reset);
      return;
    }
    if (this.status === 0 && this.body.replayable && this.mayRetry(reset)) return;
    this.fail(reset, flagOf(reset));
  }

  private mayRetry(reset: StreamReset): boolean {
    const retries = this.attempts - 1;
    const { retry } = this.route;
    if (!mayRetry(retry, conditionsOf(reset), retries)) {
      if (retry.retriesMax > 0 && retries >= retry.retriesMax) this.flags |= ResponseFlag.retriesExhausted;
      return false;
    }
    this.tried ??= [];
    if (this.host !== null && !this.tried.includes(this.host)) this.tried.push(this.host);
    const { clock } = this.core;
    // Another host is not to blame for this one's failure: it is asked at once.
    if (this.cluster.hasUntried(this.tried)) {
      queueMicrotask(() => {
        if (!this.done) this.attempt();
      });
      return true;
    }
    this.retryTimer = clock.after(backoffMs(retry.backoff, retries, clock.random()), () => {
      this.retryTimer = null;
      if (!this.done) this.attempt();
    });
    return true;
  }

  private onTimeout(timeoutMs: number): void {
    this.timeout = null;
    if (this.done) return;
    this.giveUpUpstream('timeout');
    const message = `no complete answer within ${timeoutMs} ms`;
    this.fail({ reason: 'timeout', message, unprocessed: false }, ResponseFlag.timeout);
  }

  private fail(reset: StreamReset, flag: number): void {
    if (this.done) return;
    const { receiver } = this;
    const retries = Math.max(0, this.attempts - 1);
    this.giveUpUpstream('cancel');
    const flags = this.flags | flag;
    this.finish(flag);
    const { reason, message, unprocessed } = reset;
    const told: ProxyReset = { reason, message, unprocessed, flags, retries };
    receiver.onReset(told);
  }

  // --- end, record -----------------------------------------------------------------------------------------------

  private giveUpUpstream(reason: ResetReason): void {
    this.epoch++;
    const { upstream } = this;
    this.upstream = null;
    this.cluster.cancelWait(this);
    if (upstream !== null) upstream.reset(reason);
    this.release();
  }

  private release(): void {
    if (this.place === null) return;
    this.host?.pool.release(this.place);
    this.place = null;
  }

  /** Both directions are through: the exchange is over. */
  private settle(): void {
    if (this.done || !this.requestEnded || !this.responseEnded) return;
    this.release();
    this.finish(0);
  }

  private finish(flag: number): void {
    this.done = true;
    this.timeout?.cancel();
    this.retryTimer?.cancel();
    this.body.forgo();
    const { core } = this;
    const decision = core.decisions.next();
    decision.virtualHost = this.virtualHost;
    decision.route = this.route.name;
    decision.cluster = this.cluster.name;
    decision.host = this.host === null ? '' : this.host.address;
    decision.attempts = this.attempts;
    decision.flags = this.flags | flag;
    decision.status = this.status;
    decision.startedAt = this.startedAt;
    decision.durationMs = core.clock.now() - this.startedAt;
    if (--core.inFlight === 0) core.onIdle?.();
  }
}
