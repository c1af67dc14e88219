/**
 * An upstream connection of a request/response protocol, shared by any number of callers: sends frames as they are,
 * delivers the responses, keeps itself alive. Requests that the peer sends of its own accord are refused, because the
 * callers it could mean are many.
 */
import type { Clock } from '../../base/clock.js';
import { systemClock } from '../../base/system-clock.js';
import type { Transport, TransportReceiver } from '../../network/transport.js';
import type { ByteBudget } from './byte-budget.js';
import { appendBytes } from './bytes.js';
import { RpcCounters } from './counters.js';
import { type Frame, FrameKind } from './frame.js';
import { FrameReader, type FrameSink } from './frame-reader.js';
import { RpcKeepalive, type RpcKeepaliveOptions } from './keepalive.js';
import { type RpcLimits, rpcLimits } from './limits.js';
import { describeFrameFault, type FrameFault, type RpcProtocol } from './protocol.js';

export interface RpcClientHandler {
  /** Valid only during the call. */
  onResponse(frame: Frame): void;
  /** The peer wants no more requests; it answers those it has. */
  onGoaway(): void;
  /** `writable` is true again. */
  onDrain(): void;
  /** Once, last. What is pending will not be answered. */
  onClosed(error: Error | null): void;
}

export interface RpcClientOptions {
  readonly limits?: Partial<RpcLimits>;
  readonly budget?: ByteBudget;
  readonly counters?: RpcCounters;
  readonly clock?: Clock;
  /** Heartbeats; none by default. */
  readonly keepalive?: RpcKeepaliveOptions;
}

export class RpcClientConnection implements TransportReceiver, FrameSink {
  readonly transport: Transport;
  readonly protocol: RpcProtocol;
  closed = false;
  readonly #handler: RpcClientHandler;
  readonly #counters: RpcCounters;
  readonly #clock: Clock;
  readonly #lingerMs: number;
  readonly #reader: FrameReader;
  readonly #keepalive: RpcKeepalive | null;
  #heartbeatId = 0;
  #ended = false;
  #fault: Error | null = null;

  /** Takes the transport over. */
  constructor(transport: Transport, protocol: RpcProtocol, handler: RpcClientHandler, options: RpcClientOptions = {}) {
    this.transport = transport;
    this.protocol = protocol;
    this.#handler = handler;
    this.#counters = options.counters ?? new RpcCounters();
    this.#clock = options.clock ?? systemClock;
    const limits = { ...rpcLimits, ...options.limits };
    this.#lingerMs = limits.lingerMs;
    this.#reader = new FrameReader(protocol, this, limits, options.budget);
    this.#keepalive =
      options.keepalive === undefined
        ? null
        : new RpcKeepalive(
            this.#clock,
            options.keepalive,
            () => this.#beat(),
            () => transport.destroy(new Error(`${transport.remote.address} answers no heartbeats`)),
          );
    this.#counters.upstreamConnections++;
    this.#counters.upstreamConnectionsOpen++;
    transport.receiver = this;
  }

  get writable(): boolean {
    return this.transport.writable;
  }

  get bufferedBytes(): number {
    return this.transport.bufferedBytes;
  }

  /** Sends the frame in `buffer[start, end)` as it is. */
  send(buffer: Buffer, start: number, end: number): void {
    appendBytes(this.transport.slab, buffer, start, end);
    this.transport.markDirty();
  }

  /** Sends what was written, and our end; the peer has a moment to close. */
  end(): void {
    if (this.#ended || this.closed) return;
    this.#ended = true;
    this.transport.end();
    this.#clock.after(this.#lingerMs, () => {
      if (!this.closed) this.transport.destroy();
    });
  }

  destroy(error?: Error): void {
    this.transport.destroy(error);
  }

  onBytes(buffer: Buffer, start: number, end: number): void {
    if (this.#keepalive !== null) this.#keepalive.heard = true;
    this.#reader.read(buffer, start, end);
  }

  onDrain(): void {
    this.#handler.onDrain();
  }

  /** A peer that has ended answers nothing more. */
  onEnd(): void {
    this.transport.destroy();
  }

  onClose(error: Error | null): void {
    this.closed = true;
    this.#counters.upstreamConnectionsOpen--;
    this.#reader.stop();
    this.#keepalive?.stop();
    this.#handler.onClosed(this.#fault ?? error);
  }

  onFrame(frame: Frame): void {
    switch (frame.kind) {
      case FrameKind.RESPONSE:
        this.#handler.onResponse(frame);
        return;
      case FrameKind.GOAWAY:
        this.#handler.onGoaway();
        return;
      case FrameKind.HEARTBEAT:
        this.#counters.heartbeats++;
        this.#answer(frame);
        return;
      case FrameKind.REQUEST:
        this.#answer(frame);
        return;
      case FrameKind.ONEWAY:
        this.#counters.onewaysDropped++;
        return;
    }
  }

  onFault(fault: FrameFault): void {
    this.#counters.faults++;
    this.#fault = new Error(
      `${this.transport.remote.address} sent no ${this.protocol.name}: ${describeFrameFault(fault)}`,
    );
    this.transport.destroy(this.#fault);
  }

  /** A peer that floods us and does not read gets no answers: it is not the one we work for. */
  #answer(frame: Frame): void {
    const { transport, protocol } = this;
    if (!transport.writable) return;
    if (frame.kind === FrameKind.HEARTBEAT) protocol.writeHeartbeatReply(transport.slab, frame);
    else {
      const text = 'requests from a server to its clients are not passed on';
      protocol.writeFailure(transport.slab, frame.id, frame.idHigh, frame.variant, 'unsupported', text);
    }
    transport.markDirty();
  }

  #beat(): void {
    const { transport, protocol } = this;
    this.#heartbeatId = (this.#heartbeatId + 1) | 0;
    protocol.writeHeartbeat(transport.slab, this.#heartbeatId, 0, protocol.defaultVariant);
    transport.markDirty();
  }
}
