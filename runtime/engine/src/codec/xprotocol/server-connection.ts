/**
 * A downstream connection of a request/response protocol: reads requests, answers heartbeats itself, and writes the
 * answers. Reading stops while the peer does not take its answers, while too many of its requests are pending, and while
 * an upstream connection that it sends to is full.
 */
import type { Clock } from '../../base/clock.js';
import { systemClock } from '../../base/system-clock.js';
import type { Transport, TransportReceiver } from '../../network/transport.js';
import type { ByteBudget } from './byte-budget.js';
import { appendBytes } from './bytes.js';
import { RpcCounters } from './counters.js';
import { type Frame, FrameKind } from './frame.js';
import { FrameReader, type FrameSink } from './frame-reader.js';
import { type RpcLimits, rpcLimits } from './limits.js';
import { describeFrameFault, FrameFault, type RpcFailure, type RpcProtocol } from './protocol.js';

export interface RpcServerHandler {
  /** A REQUEST, for which exactly one `reply` or `fail` must follow, or a ONEWAY. Valid only during the call. */
  onRequest(connection: RpcServerConnection, frame: Frame): void;
  /** Once, last. What is pending needs no answer any more. */
  onClosed(connection: RpcServerConnection, error: Error | null): void;
}

export interface RpcServerOptions {
  readonly limits?: Partial<RpcLimits>;
  readonly budget?: ByteBudget;
  readonly counters?: RpcCounters;
  readonly clock?: Clock;
}

export class RpcServerConnection implements TransportReceiver, FrameSink {
  readonly transport: Transport;
  readonly protocol: RpcProtocol;
  closed = false;
  /** Requests that await their answer. */
  pending = 0;
  readonly #handler: RpcServerHandler;
  readonly #limits: RpcLimits;
  readonly #counters: RpcCounters;
  readonly #clock: Clock;
  readonly #reader: FrameReader;
  #pausedByPeer = false;
  #pausedByLimit = false;
  /** End when nothing is pending: the peer has sent its end, or we drain. */
  #endWhenIdle = false;
  #ended = false;
  /** Variant of the last frame, for frames of our own. */
  #variant: number;

  /** Takes the transport over. */
  constructor(transport: Transport, protocol: RpcProtocol, handler: RpcServerHandler, options: RpcServerOptions = {}) {
    this.transport = transport;
    this.protocol = protocol;
    this.#handler = handler;
    this.#limits = { ...rpcLimits, ...options.limits };
    this.#counters = options.counters ?? new RpcCounters();
    this.#clock = options.clock ?? systemClock;
    this.#reader = new FrameReader(protocol, this, this.#limits, options.budget);
    this.#variant = protocol.defaultVariant;
    this.#counters.connections++;
    this.#counters.connectionsOpen++;
    transport.receiver = this;
  }

  /** Sends the response in `buffer[start, end)`, which bears the id that the peer gave. */
  reply(buffer: Buffer, start: number, end: number): void {
    if (this.closed) return;
    if (!this.#ended) {
      appendBytes(this.transport.slab, buffer, start, end);
      this.transport.markDirty();
    }
    this.#settle();
  }

  /** Answers a request with an error of the protocol's own. */
  fail(id: number, idHigh: number, variant: number, failure: RpcFailure, text: string): void {
    if (this.closed) return;
    this.#counters.failures++;
    if (!this.#ended) {
      this.protocol.writeFailure(this.transport.slab, id, idHigh, variant, failure, text);
      this.transport.markDirty();
    }
    this.#settle();
  }

  /** An upstream connection that this one sends to is full. Each `hold` needs a `release`. */
  hold(): void {
    this.#counters.pausesByUpstream++;
    this.transport.pause('stream');
  }

  release(): void {
    this.transport.resume('stream');
  }

  /** Asks the peer for no more requests, answers those there are, and ends. */
  drain(): void {
    if (this.closed || this.#ended) return;
    if (this.protocol.goawayUnderstood) {
      this.protocol.writeGoaway(this.transport.slab, 0, 0, this.#variant);
      this.transport.markDirty();
    }
    this.#endWhenIdle = true;
    if (this.pending === 0) this.#end();
  }

  destroy(error?: Error): void {
    this.transport.destroy(error);
  }

  /** The bytes of a frame that is not whole yet; see FrameReader. */
  residual(): Buffer {
    return this.#reader.residual();
  }

  onBytes(buffer: Buffer, start: number, end: number): void {
    this.#reader.read(buffer, start, end);
    if (!this.#ended && !this.#pausedByPeer && !this.transport.writable) {
      this.#pausedByPeer = true;
      this.#counters.pausesByPeer++;
      this.transport.pause('peer');
    }
  }

  onDrain(): void {
    if (!this.#pausedByPeer) return;
    this.#pausedByPeer = false;
    this.transport.resume('peer');
  }

  onEnd(): void {
    this.#endWhenIdle = true;
    if (this.pending === 0) this.#end();
  }

  onClose(error: Error | null): void {
    this.closed = true;
    this.#counters.connectionsOpen--;
    this.#reader.stop();
    this.#handler.onClosed(this, error);
  }

  onFrame(frame: Frame): void {
    this.#variant = frame.variant;
    switch (frame.kind) {
      case FrameKind.REQUEST:
        this.#counters.requests++;
        this.pending++;
        this.#handler.onRequest(this, frame);
        if (!this.#pausedByLimit && this.pending >= this.#limits.pendingPerConnectionMax) {
          this.#pausedByLimit = true;
          this.#counters.pausesByLimit++;
          this.transport.pause('limit');
        }
        return;
      case FrameKind.ONEWAY:
        this.#counters.oneways++;
        this.#handler.onRequest(this, frame);
        return;
      case FrameKind.HEARTBEAT:
        this.#counters.heartbeats++;
        this.protocol.writeHeartbeatReply(this.transport.slab, frame);
        this.transport.markDirty();
        return;
      case FrameKind.RESPONSE:
        // We send no requests this way.
        this.#counters.responsesLate++;
        return;
    }
  }

  /** The rest cannot be read. What the peer can be told it is told, then it has a moment to close. */
  onFault(fault: FrameFault, frame: Frame): void {
    this.#counters.faults++;
    if (fault === FrameFault.TOO_LONG && frame.kind === FrameKind.REQUEST) {
      this.pending++;
      this.fail(frame.id, frame.idHigh, frame.variant, 'tooLong', describeFrameFault(fault));
    }
    this.#end();
  }

  #settle(): void {
    this.pending--;
    if (this.#pausedByLimit && this.pending < this.#limits.pendingPerConnectionMax) {
      this.#pausedByLimit = false;
      this.transport.resume('limit');
    }
    if (this.#endWhenIdle && this.pending === 0) this.#end();
  }

  #end(): void {
    if (this.#ended || this.closed) return;
    this.#ended = true;
    this.#reader.stop();
    this.transport.end();
    this.#clock.after(this.#limits.lingerMs, () => {
      if (!this.closed) this.transport.destroy();
    });
  }
}
