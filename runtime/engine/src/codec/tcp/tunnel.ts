/**
 * Bytes between two connections, as they are: the raw TCP proxy. Each side's end goes on to the other, so half-closed
 * connections work; a side that does not take its bytes stops the reading of the other one.
 */
import type { Clock, Timer } from '../../base/clock.js';
import { systemClock } from '../../base/system-clock.js';
import { ScratchSlab } from '../../network/slab.js';
import type { Transport, TransportReceiver } from '../../network/transport.js';
import { appendBytes } from '../xprotocol/bytes.js';

export interface TunnelOptions {
  /** Closes both sides when no byte moves for this long. Default 0: never. */
  readonly idleTimeoutMs?: number;
  readonly clock?: Clock;
  /** Once, when both sides are closed, or the upstream one could not be opened. */
  readonly onClosed?: (tunnel: Tunnel, error: Error | null) => void;
}

/** One side: what it reads goes to `peer`. */
class Side implements TransportReceiver {
  readonly transport: Transport;
  readonly tunnel: Tunnel;
  bytesRead = 0;
  closed = false;
  peer: Side | null = null;
  /** What was read before there was a peer. */
  #early: ScratchSlab | null = null;
  #earlyEnd = false;
  #pausedForPeer = false;

  constructor(transport: Transport, tunnel: Tunnel) {
    this.transport = transport;
    this.tunnel = tunnel;
    transport.receiver = this;
  }

  /** From now on bytes go to `peer`. */
  join(peer: Side): void {
    this.peer = peer;
    const early = this.#early;
    this.#early = null;
    if (early !== null) this.#forward(peer, early.buffer, 0, early.end);
    if (this.#earlyEnd) peer.transport.end();
  }

  onBytes(buffer: Buffer, start: number, end: number): void {
    this.bytesRead += end - start;
    this.tunnel.touch();
    if (this.peer !== null) {
      this.#forward(this.peer, buffer, start, end);
      return;
    }
    // Reading is paused until there is a peer: this is what a protocol detector had read, or the rest of one read.
    this.#early ??= new ScratchSlab();
    appendBytes(this.#early, buffer, start, end);
  }

  /** Our bytes were taken: the other side may bring more. */
  onDrain(): void {
    this.peer?.goOn();
  }

  onEnd(): void {
    if (this.peer === null) this.#earlyEnd = true;
    else this.peer.transport.end();
  }

  onClose(error: Error | null): void {
    this.closed = true;
    // An orderly close comes after both ends were passed on. A broken one breaks the other side as well.
    if (error !== null) this.peer?.transport.destroy(error);
    else this.peer?.transport.end();
    this.tunnel.onSideClosed(error);
  }

  goOn(): void {
    if (!this.#pausedForPeer) return;
    this.#pausedForPeer = false;
    this.transport.resume('stream');
  }

  #forward(peer: Side, buffer: Buffer, start: number, end: number): void {
    const { transport } = peer;
    appendBytes(transport.slab, buffer, start, end);
    transport.markDirty();
    if (!transport.writable && !this.#pausedForPeer && !peer.closed) {
      this.#pausedForPeer = true;
      this.transport.pause('stream');
    }
  }
}

export class Tunnel {
  readonly #downstream: Side;
  #upstream: Side | null = null;
  readonly #options: TunnelOptions;
  readonly #clock: Clock;
  #lastMs: number;
  #timer: Timer | undefined;
  #error: Error | null = null;
  #done = false;

  /** Takes `downstream` over and holds its reading until `join`. */
  constructor(downstream: Transport, options: TunnelOptions = {}) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#lastMs = this.#clock.now();
    this.#downstream = new Side(downstream, this);
    downstream.pause('stream');
    this.#watch(options.idleTimeoutMs ?? 0);
  }

  get bytesFromDownstream(): number {
    return this.#downstream.bytesRead;
  }

  get bytesFromUpstream(): number {
    return this.#upstream?.bytesRead ?? 0;
  }

  /** Joins both sides. A downstream that is gone by now takes the upstream with it. */
  join(upstream: Transport): void {
    if (this.#done || this.#downstream.closed) {
      upstream.destroy();
      return;
    }
    const side = new Side(upstream, this);
    this.#upstream = side;
    side.join(this.#downstream);
    this.#downstream.join(side);
    this.#downstream.transport.resume('stream');
  }

  /** There will be no upstream. */
  fail(error: Error): void {
    this.#error ??= error;
    this.#downstream.transport.destroy(error);
  }

  close(error?: Error): void {
    this.#downstream.transport.destroy(error);
    this.#upstream?.transport.destroy(error);
  }

  /** @internal Bytes moved. */
  touch(): void {
    this.#lastMs = this.#clock.now();
  }

  /** @internal */
  onSideClosed(error: Error | null): void {
    this.#error ??= error;
    if (this.#done || !this.#downstream.closed || this.#upstream?.closed === false) return;
    this.#done = true;
    this.#timer?.cancel();
    this.#options.onClosed?.(this, this.#error);
  }

  #watch(idleTimeoutMs: number): void {
    if (idleTimeoutMs === 0) return;
    const check = (): void => {
      const leftMs = this.#lastMs + idleTimeoutMs - this.#clock.now();
      if (leftMs > 0) this.#timer = this.#clock.after(leftMs, check);
      else this.close(new Error(`no byte moved for ${idleTimeoutMs} ms`));
    };
    this.#timer = this.#clock.after(idleTimeoutMs, check);
  }
}

/** Joins `downstream` with what `dial` opens; a dial that fails ends it. */
export function tunnelTo(downstream: Transport, dial: () => Promise<Transport>, options: TunnelOptions = {}): Tunnel {
  const tunnel = new Tunnel(downstream, options);
  dial().then(
    (upstream) => tunnel.join(upstream),
    (error: unknown) => tunnel.fail(error instanceof Error ? error : new Error(String(error))),
  );
  return tunnel;
}
