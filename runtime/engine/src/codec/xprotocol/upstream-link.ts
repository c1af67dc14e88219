/**
 * One place in a pool of upstream connections, from the first request that wants it to the last answer: while the
 * connection opens, frames wait here; callers whose frames find it full are held until it has drained.
 */

import { ScratchSlab } from '../../network/slab.js';
import type { Transport } from '../../network/transport.js';
import { appendBytes } from './bytes.js';
import { RpcClientConnection, type RpcClientHandler, type RpcClientOptions } from './client-connection.js';
import type { Frame } from './frame.js';
import type { RpcLimits } from './limits.js';
import type { RpcProtocol } from './protocol.js';
import type { RpcServerConnection } from './server-connection.js';

/** Times the size of a read this stays well below `upstreamBytesMax`. */
const RELEASED_PER_TURN = 32;

export type LinkState = 'opening' | 'open' | 'closed';

export interface LinkHandler {
  onResponse(link: UpstreamLink, frame: Frame): void;
  /** No more requests may be sent on this link. */
  onLeaving(link: UpstreamLink): void;
  /** Once, last. `opened` tells whether the peer can have seen anything. */
  onClosed(link: UpstreamLink, opened: boolean, error: Error | null): void;
}

export class UpstreamLink implements RpcClientHandler {
  state: LinkState = 'opening';
  /** Requests sent here that await their answer. */
  pending = 0;
  /** It has answered at least once. */
  answered = false;
  /** The peer said goaway, or we drain: it ends with the last answer. */
  leaving = false;
  readonly #handler: LinkHandler;
  readonly #limits: RpcLimits;
  #connection: RpcClientConnection | null = null;
  #parked: ScratchSlab | null = new ScratchSlab();
  readonly #held: Set<RpcServerConnection> = new Set();
  #releasing = false;

  constructor(handler: LinkHandler, limits: RpcLimits) {
    this.#handler = handler;
    this.#limits = limits;
  }

  /** Opens the connection; called once. */
  open(dial: () => Promise<Transport>, protocol: RpcProtocol, options: RpcClientOptions): void {
    dial().then(
      (transport) => {
        if (this.state === 'closed') transport.destroy();
        else this.#onOpen(new RpcClientConnection(transport, protocol, this, options));
      },
      (error: unknown) => this.#close(error instanceof Error ? error : new Error(String(error))),
    );
  }

  get bufferedBytes(): number {
    return this.#connection?.bufferedBytes ?? this.#parked?.end ?? 0;
  }

  get writable(): boolean {
    return this.#connection?.writable ?? this.bufferedBytes < this.#limits.parkedHighBytes;
  }

  /** Callers that are not read because of this link. */
  get held(): number {
    return this.#held.size;
  }

  send(buffer: Buffer, start: number, end: number): void {
    if (this.#connection !== null) this.#connection.send(buffer, start, end);
    else if (this.#parked !== null) appendBytes(this.#parked, buffer, start, end);
  }

  /** `caller` is not read until this link has drained. */
  hold(caller: RpcServerConnection): void {
    if (this.#held.has(caller)) return;
    this.#held.add(caller);
    caller.hold();
  }

  /** `caller` is gone. */
  forget(caller: RpcServerConnection): void {
    this.#held.delete(caller);
  }

  leave(): void {
    if (this.leaving) return;
    this.leaving = true;
    this.#handler.onLeaving(this);
    this.endIfIdle();
  }

  /** Called whenever `pending` has gone down. */
  endIfIdle(): void {
    if (this.leaving && this.pending === 0) this.#connection?.end();
  }

  destroy(error: Error): void {
    if (this.#connection !== null) this.#connection.destroy(error);
    else this.#close(error);
  }

  onResponse(frame: Frame): void {
    this.#handler.onResponse(this, frame);
  }

  onGoaway(): void {
    this.leave();
  }

  /**
   * Lets held callers go on, a few per turn: each may bring a whole read of requests before it is found that the link
   * is full again.
   */
  onDrain(): void {
    let released = 0;
    for (const caller of this.#held) {
      if (released++ === RELEASED_PER_TURN) break;
      this.#held.delete(caller);
      caller.release();
    }
    if (this.#held.size === 0 || this.#releasing) return;
    this.#releasing = true;
    setImmediate(() => {
      this.#releasing = false;
      if (this.state === 'closed' || this.writable) this.onDrain();
    });
  }

  onClosed(error: Error | null): void {
    this.#close(error);
  }

  #onOpen(connection: RpcClientConnection): void {
    const parked = this.#parked as ScratchSlab;
    this.#connection = connection;
    this.#parked = null;
    this.state = 'open';
    if (parked.end > 0) connection.send(parked.buffer, 0, parked.end);
    if (connection.writable) this.onDrain();
    this.endIfIdle();
  }

  #close(error: Error | null): void {
    if (this.state === 'closed') return;
    const opened = this.state === 'open';
    this.state = 'closed';
    this.#parked = null;
    this.onDrain();
    this.#handler.onClosed(this, opened, error);
  }
}
