/**
 * Two connected transports in memory, for tests: same contract as a socket, no system calls, and every step in the
 * test's hand. Delivery happens in `pump()` (also once per event-loop turn unless `manual`). Received bytes are wiped
 * after each callback, so that who keeps them without a copy (D6) is found out.
 */
import type { PauseReason, PeerAddress, Slab, TlsInfo, Transport, TransportReceiver } from './transport.js';

export interface MemoryPairOptions {
  /** Largest piece delivered in one `onBytes`; 1 splits at every byte. Default 65,536. */
  readonly pieceBytes?: number;
  /** Above this many undelivered bytes `writable` turns false. Default 65,536. */
  readonly highWaterBytes?: number;
  /** At or below this many `onDrain` follows. Default 16,384. */
  readonly lowWaterBytes?: number;
  /** Deliver only in `pump()`. */
  readonly manual?: boolean;
  readonly tls?: TlsInfo;
}

export interface MemoryPair {
  readonly client: MemoryTransport;
  readonly server: MemoryTransport;
  /** Flushes and delivers until nothing moves any more. */
  pump(): void;
}

const idleReceiver: TransportReceiver = { onBytes() {}, onDrain() {}, onEnd() {}, onClose() {} };

/** Bytes in front of each delivered piece, so that a codec that assumes `start === 0` fails. */
const PIECE_OFFSET = 3;
const WIPE = 0xdd;

let lastId = 0;

class MemorySlab implements Slab {
  buffer: Buffer = Buffer.alloc(256);
  end = 0;

  ensure(bytes: number): void {
    if (this.end + bytes <= this.buffer.length) return;
    const grown = Buffer.alloc(Math.max(this.buffer.length * 2, this.end + bytes));
    this.buffer.copy(grown, 0, 0, this.end);
    this.buffer = grown;
  }
}

interface Wire {
  readonly pieceBytes: number;
  readonly highWaterBytes: number;
  readonly lowWaterBytes: number;
  readonly manual: boolean;
  schedule(): void;
}

export class MemoryTransport implements Transport {
  readonly id: number = ++lastId;
  readonly local: PeerAddress;
  readonly remote: PeerAddress;
  readonly tls: TlsInfo | null;
  readonly slab: Slab = new MemorySlab();
  receiver: TransportReceiver = idleReceiver;
  /** How often bytes left the slab: one per turn is the rule. */
  flushes = 0;
  /** Highest `bufferedBytes` seen at a flush. */
  bufferedBytesPeak = 0;
  closed = false;

  private peer: MemoryTransport | null = null;
  private readonly wire: Wire;
  private readonly inbox: Buffer[] = [];
  private inboxBytes = 0;
  private readonly pauses = new Map<PauseReason, number>();
  private dirty = false;
  private awaitsDrain = false;
  private endSent = false;
  private endReceived = false;
  private endDelivered = false;
  private closeError: Error | null = null;
  private closePending = false;

  constructor(wire: Wire, local: PeerAddress, remote: PeerAddress, tls: TlsInfo | null) {
    this.wire = wire;
    this.local = local;
    this.remote = remote;
    this.tls = tls;
  }

  connect(peer: MemoryTransport): void {
    this.peer = peer;
  }

  get bufferedBytes(): number {
    return this.slab.end + (this.peer?.inboxBytes ?? 0);
  }

  get writable(): boolean {
    if (this.closed || this.endSent) return false;
    if (this.bufferedBytes > this.wire.highWaterBytes) this.awaitsDrain = true;
    return !this.awaitsDrain;
  }

  get paused(): boolean {
    return this.pauses.size > 0;
  }

  /** True once `end` was called. */
  get ended(): boolean {
    return this.endSent;
  }

  markDirty(): void {
    this.dirty = true;
    this.wire.schedule();
  }

  flush(): void {
    this.dirty = false;
    const { slab, peer } = this;
    if (slab.end === 0) return;
    if (this.closed || this.endSent || peer === null) {
      slab.end = 0;
      return;
    }
    if (peer.closed) {
      slab.end = 0;
      this.close(connectionReset());
      return;
    }
    this.flushes++;
    peer.inbox.push(Buffer.from(slab.buffer.subarray(0, slab.end)));
    peer.inboxBytes += slab.end;
    slab.end = 0;
    if (peer.inboxBytes > this.bufferedBytesPeak) this.bufferedBytesPeak = peer.inboxBytes;
    this.wire.schedule();
  }

  pause(reason: PauseReason): void {
    this.pauses.set(reason, (this.pauses.get(reason) ?? 0) + 1);
  }

  resume(reason: PauseReason): void {
    const count = (this.pauses.get(reason) ?? 0) - 1;
    if (count > 0) this.pauses.set(reason, count);
    else this.pauses.delete(reason);
    this.wire.schedule();
  }

  end(): void {
    if (this.endSent || this.closed) return;
    this.flush();
    this.endSent = true;
    if (this.peer !== null) this.peer.endReceived = true;
    this.wire.schedule();
  }

  /** As the kernel does: bytes that were not read turn the close into a reset for the peer. */
  destroy(error?: Error): void {
    if (this.closed) return;
    const unread = this.inboxBytes > 0;
    const { peer } = this;
    this.close(error ?? null);
    if (peer === null || peer.closed) return;
    if (unread) peer.close(connectionReset());
    else peer.endReceived = true;
  }

  /** The network breaks: both ends close with an error. */
  cut(): void {
    this.peer?.close(connectionReset());
    this.close(connectionReset());
  }

  /** One step; true when something moved. */
  step(): boolean {
    if (this.closed) return this.deliverClose();
    if (this.dirty) {
      this.flush();
      return true;
    }
    if (this.awaitsDrain && this.bufferedBytes <= this.wire.lowWaterBytes) {
      this.awaitsDrain = false;
      this.receiver.onDrain();
      return true;
    }
    if (this.pauses.size > 0) return false;
    if (this.inbox.length > 0) {
      this.deliverPiece();
      return true;
    }
    if (this.endReceived && !this.endDelivered) {
      this.endDelivered = true;
      this.receiver.onEnd();
      return true;
    }
    if (this.endDelivered && this.endSent) {
      this.close(null);
      return true;
    }
    return false;
  }

  private deliverPiece(): void {
    const first = this.inbox[0] as Buffer;
    const length = Math.min(first.length, this.wire.pieceBytes);
    const piece = Buffer.alloc(PIECE_OFFSET + length + 1, WIPE);
    first.copy(piece, PIECE_OFFSET, 0, length);
    if (length === first.length) this.inbox.shift();
    else this.inbox[0] = first.subarray(length);
    this.inboxBytes -= length;
    this.receiver.onBytes(piece, PIECE_OFFSET, PIECE_OFFSET + length);
    piece.fill(WIPE);
  }

  private close(error: Error | null): void {
    if (this.closed) return;
    this.closed = true;
    this.closeError = error;
    this.closePending = true;
    this.inbox.length = 0;
    this.inboxBytes = 0;
    this.slab.end = 0;
    this.wire.schedule();
  }

  private deliverClose(): boolean {
    if (!this.closePending) return false;
    this.closePending = false;
    this.receiver.onClose(this.closeError);
    return true;
  }
}

function connectionReset(): Error {
  return Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
}

export function createMemoryPair(options: MemoryPairOptions = {}): MemoryPair {
  let scheduled = false;
  const wire: Wire = {
    pieceBytes: options.pieceBytes ?? 65_536,
    highWaterBytes: options.highWaterBytes ?? 65_536,
    lowWaterBytes: options.lowWaterBytes ?? 16_384,
    manual: options.manual ?? false,
    schedule() {
      if (wire.manual || scheduled) return;
      scheduled = true;
      setImmediate(() => {
        scheduled = false;
        pump();
      });
    },
  };
  const clientAddress: PeerAddress = { kind: 'tcp', address: '127.0.0.1', port: 50_000 };
  const serverAddress: PeerAddress = { kind: 'tcp', address: '127.0.0.1', port: 80 };
  const tls = options.tls ?? null;
  const client = new MemoryTransport(wire, clientAddress, serverAddress, tls);
  const server = new MemoryTransport(wire, serverAddress, clientAddress, tls);
  client.connect(server);
  server.connect(client);
  const pump = (): void => {
    while (client.step() || server.step()) {
      // Each step moves one piece; both ends take turns until neither has work.
    }
  };
  return { client, server, pump };
}
