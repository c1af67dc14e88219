/**
 * Requests of many downstream connections over one or two upstream ones: each frame gets a slot, the slot's number is
 * its id upstream, and the frame is copied once. Every request gets exactly one answer, its own or an error of the
 * protocol's own, unless its caller is gone.
 */
import type { Clock } from '../../base/clock.js';
import { systemClock } from '../../base/system-clock.js';
import type { Transport } from '../../network/transport.js';
import { ByteBudget } from './byte-budget.js';
import type { RpcClientOptions } from './client-connection.js';
import { RpcCounters } from './counters.js';
import { DeadlineWheel } from './deadline-wheel.js';
import { type Frame, FrameKind } from './frame.js';
import { type RpcKeepaliveOptions, rpcKeepalive } from './keepalive.js';
import { type RpcLimits, rpcLimits } from './limits.js';
import type { RpcFailure, RpcProtocol } from './protocol.js';
import { RpcServerConnection, type RpcServerHandler, type RpcServerOptions } from './server-connection.js';
import { SlotTable } from './slot-table.js';
import { type LinkHandler, UpstreamLink } from './upstream-link.js';

export interface RpcForwarderConfig {
  /** Upstream connections, opened when they are wanted. One or two cost half of one per caller. Default 2. */
  readonly connections?: number;
  readonly limits?: Partial<RpcLimits>;
  /** Heartbeats on upstream connections; null for none. Default: every 15 s of silence, 3 misses. */
  readonly keepalive?: RpcKeepaliveOptions | null;
  /** After a connection could not be opened, requests fail at once for this long, then twice as long, … */
  readonly redialMs?: number;
  readonly redialMsMax?: number;
}

export interface RpcForwarderDeps {
  readonly protocol: RpcProtocol;
  /** Opens a connection to the upstream host; rejects with a reason that names it. */
  readonly dial: () => Promise<Transport>;
  readonly clock?: Clock;
  readonly counters?: RpcCounters;
}

const REDIAL_MS = 100;
const REDIAL_MS_MAX = 5000;

export class RpcForwarder {
  readonly counters: RpcCounters;
  readonly #deps: RpcForwarderDeps;
  readonly #protocol: RpcProtocol;
  readonly #clock: Clock;
  readonly #limits: RpcLimits;
  readonly #redialMs: number;
  readonly #redialMsMax: number;
  readonly #serverOptions: RpcServerOptions;
  readonly #clientOptions: RpcClientOptions;
  readonly #slots: SlotTable<RpcServerConnection, UpstreamLink>;
  readonly #deadlines: DeadlineWheel;
  readonly #callers: Set<RpcServerConnection> = new Set();
  /** The pool; a place is null until a request wants it. */
  readonly #links: (UpstreamLink | null)[];
  /** Links that take no more requests but owe answers. */
  readonly #leaving: Set<UpstreamLink> = new Set();
  /** The place in the pool to try first. */
  #turn = 0;
  #dialFailures = 0;
  #dialAgainMs: number = Number.NEGATIVE_INFINITY;
  #dialError = '';
  #closed = false;
  readonly #callerHandler: RpcServerHandler = {
    onRequest: (caller, frame) => this.#onRequest(caller, frame),
    onClosed: (caller) => this.#onCallerClosed(caller),
  };
  readonly #linkHandler: LinkHandler = {
    onResponse: (link, frame) => this.#onResponse(link, frame),
    onLeaving: (link) => this.#onLeaving(link),
    onClosed: (link, opened, error) => this.#onLinkClosed(link, opened, error),
  };

  constructor(config: RpcForwarderConfig, deps: RpcForwarderDeps) {
    this.#deps = deps;
    this.#protocol = deps.protocol;
    this.#clock = deps.clock ?? systemClock;
    this.counters = deps.counters ?? new RpcCounters();
    this.#limits = { ...rpcLimits, ...config.limits };
    this.#redialMs = config.redialMs ?? REDIAL_MS;
    this.#redialMsMax = config.redialMsMax ?? REDIAL_MS_MAX;
    this.#serverOptions = {
      limits: this.#limits,
      counters: this.counters,
      clock: this.#clock,
      budget: new ByteBudget(this.#limits.partialBytesMax),
    };
    const keepalive = config.keepalive === undefined ? rpcKeepalive : config.keepalive;
    this.#clientOptions = {
      ...this.#serverOptions,
      budget: new ByteBudget(this.#limits.partialBytesMax),
      ...(keepalive === null ? {} : { keepalive }),
    };
    this.#slots = new SlotTable(this.#limits.pendingMax, deps.protocol.wideIds);
    this.#deadlines = new DeadlineWheel(this.#clock, (slot) => this.#onTimeout(slot));
    this.#links = Array.from({ length: config.connections ?? 2 }, () => null);
  }

  /** Requests that await their answer. */
  get pending(): number {
    return this.#slots.size;
  }

  /** Upstream connections that exist: opening, open, or owing their last answers. */
  get links(): number {
    return this.#links.filter((link) => link !== null).length + this.#leaving.size;
  }

  /** Callers that are not read because an upstream connection is full, counted per connection. */
  get held(): number {
    let held = 0;
    for (const link of this.#links) held += link?.held ?? 0;
    for (const link of this.#leaving) held += link.held;
    return held;
  }

  /** Serves a downstream connection. */
  accept(transport: Transport): void {
    if (this.#closed) {
      transport.destroy();
      return;
    }
    this.#callers.add(new RpcServerConnection(transport, this.#protocol, this.#callerHandler, this.#serverOptions));
  }

  /** Asks callers for no more requests and ends each connection with its last answer. New connections may still come. */
  drain(): void {
    for (const caller of this.#callers) caller.drain();
  }

  /** Closes everything now. */
  close(): void {
    this.#closed = true;
    for (const caller of this.#callers) caller.destroy();
    for (const link of [...this.#links, ...this.#leaving]) link?.destroy(new Error('closed'));
    this.#deadlines.stop();
  }

  #onRequest(caller: RpcServerConnection, frame: Frame): void {
    const link = this.#pick();
    if (link === null) {
      this.#refuse(caller, frame, 'connect', this.#dialError);
      return;
    }
    const { upstreamBytesMax, pendingMax } = this.#limits;
    if (link.bufferedBytes > upstreamBytesMax) {
      if (!link.writable) link.hold(caller);
      this.#refuse(caller, frame, 'overload', `more than ${upstreamBytesMax} bytes (upstreamBytesMax) wait upstream`);
      return;
    }
    const slots = this.#slots;
    const slot = slots.acquire(caller, link);
    if (slot < 0) {
      this.#refuse(caller, frame, 'overload', `${pendingMax} requests (pendingMax) are under way`);
      return;
    }
    const { id, idHigh } = frame;
    this.#protocol.patchId(frame, slots.upstreamId(slot), slots.upstreamIdHigh(slot));
    link.send(frame.buffer, frame.start, frame.end);
    if (frame.kind === FrameKind.ONEWAY) {
      // The slot lent its number, so that an answer which should not be there cannot meet another request.
      slots.release(slot);
    } else {
      slots.id[slot] = id;
      slots.idHigh[slot] = idHigh;
      slots.variant[slot] = frame.variant;
      link.pending++;
      this.#deadlines.add(slot, this.#timeoutOf(frame));
    }
    if (!link.writable) link.hold(caller);
  }

  #timeoutOf(frame: Frame): number {
    const { requestTimeoutMs, requestTimeoutMsMax } = this.#limits;
    return frame.timeoutMs < 0 ? requestTimeoutMs : Math.min(frame.timeoutMs, requestTimeoutMsMax);
  }

  #onResponse(link: UpstreamLink, frame: Frame): void {
    const slots = this.#slots;
    const slot = slots.find(frame.id, frame.idHigh);
    if (slot < 0 || slots.link[slot] !== link) {
      this.counters.responsesLate++;
      return;
    }
    this.counters.responses++;
    if (!link.answered) {
      link.answered = true;
      this.#dialFailures = 0;
    }
    if (!this.#protocol.succeeded(frame)) this.counters.responsesFailed++;
    const caller = slots.owner[slot] as RpcServerConnection;
    this.#protocol.patchId(frame, slots.id[slot] as number, slots.idHigh[slot] as number);
    this.#free(slot, link);
    if (caller.closed) this.counters.responsesUnwanted++;
    else caller.reply(frame.buffer, frame.start, frame.end);
    link.endIfIdle();
  }

  #onTimeout(slot: number): void {
    const link = this.#slots.link[slot] as UpstreamLink;
    this.counters.timeouts++;
    this.#answer(slot, link, 'timeout', 'the service did not answer in time');
    link.endIfIdle();
  }

  #onCallerClosed(caller: RpcServerConnection): void {
    this.#callers.delete(caller);
    for (const link of this.#links) link?.forget(caller);
    for (const link of this.#leaving) link.forget(caller);
  }

  #onLeaving(link: UpstreamLink): void {
    this.#leaving.add(link);
    this.#vacate(link);
  }

  #onLinkClosed(link: UpstreamLink, opened: boolean, error: Error | null): void {
    this.#vacate(link);
    this.#leaving.delete(link);
    const reason = error?.message ?? 'the peer closed the connection';
    if (!opened) this.counters.upstreamConnectFailures++;
    // A host that accepts connections and answers nothing is no better than one that refuses them.
    if (!opened || (!link.answered && link.pending > 0)) this.#wait(reason);
    const { link: owing, capacity } = this.#slots;
    const failure = opened ? 'closed' : 'connect';
    for (let slot = 0; slot < capacity && link.pending > 0; slot++) {
      if (owing[slot] === link) this.#answer(slot, link, failure, reason);
    }
  }

  /** No link is dialled for a while. */
  #wait(reason: string): void {
    this.#dialError = reason;
    const waitMs = Math.min(this.#redialMs * 2 ** this.#dialFailures++, this.#redialMsMax);
    this.#dialAgainMs = this.#clock.now() + waitMs;
  }

  /** The next link with room, else one without; null when there is none and none may be dialled yet. */
  #pick(): UpstreamLink | null {
    const links = this.#links;
    let full: UpstreamLink | null = null;
    for (let i = 0; i < links.length; i++) {
      const place = this.#turn;
      this.#turn = place + 1 === links.length ? 0 : place + 1;
      const link = links[place] ?? this.#dial(place);
      if (link === null) continue;
      if (link.writable) return link;
      full = link;
    }
    return full;
  }

  #dial(place: number): UpstreamLink | null {
    if (this.#closed || this.#clock.now() < this.#dialAgainMs) return null;
    const link = new UpstreamLink(this.#linkHandler, this.#limits);
    this.#links[place] = link;
    link.open(this.#deps.dial, this.#protocol, this.#clientOptions);
    return link;
  }

  #vacate(link: UpstreamLink): void {
    const place = this.#links.indexOf(link);
    if (place >= 0) this.#links[place] = null;
  }

  /** Answers a request that has not got a slot. */
  #refuse(caller: RpcServerConnection, frame: Frame, failure: RpcFailure, text: string): void {
    if (frame.kind === FrameKind.ONEWAY) this.counters.onewaysDropped++;
    else caller.fail(frame.id, frame.idHigh, frame.variant, failure, text);
  }

  /** Answers the request in `slot` with a failure. */
  #answer(slot: number, link: UpstreamLink, failure: RpcFailure, text: string): void {
    const slots = this.#slots;
    const caller = slots.owner[slot] as RpcServerConnection;
    const id = slots.id[slot] as number;
    const idHigh = slots.idHigh[slot] as number;
    const variant = slots.variant[slot] as number;
    this.#free(slot, link);
    caller.fail(id, idHigh, variant, failure, text);
  }

  #free(slot: number, link: UpstreamLink): void {
    this.#slots.release(slot);
    this.#deadlines.remove(slot);
    link.pending--;
  }
}
