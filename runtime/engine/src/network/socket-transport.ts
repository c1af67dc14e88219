/**
 * Transport over a net.Socket (TCP, Unix) or anything that behaves like one (tls.TLSSocket). Plain sockets read into one
 * buffer that the whole thread shares (`onread`); at most one write per transport is in progress, and what is written
 * meanwhile gathers in the slab.
 */
import net from 'node:net';
import { FLUSH_BYTES, READ_BUFFER_BYTES, type TransportLimits, transportLimits } from '../base/limits.js';
import { flusher } from './flusher.js';
import { PooledSlab, releaseSlab } from './slab.js';
import type { PauseReason, PeerAddress, TlsInfo, Transport, TransportReceiver } from './transport.js';

export interface TransportOptions {
  readonly limits?: TransportLimits;
  /** What the peer's certificate and the handshake said, for sockets of node:tls. */
  readonly tls?: TlsInfo | null;
  /** Overrides what the socket says, e.g. with the address of a PROXY header or the path of the listener. */
  readonly local?: PeerAddress;
  readonly remote?: PeerAddress;
  /** Told after the receiver's `onClose`. */
  readonly onClosed?: (transport: Transport) => void;
}

const reasonIndex: Record<PauseReason, number> = { peer: 0, stream: 1, app: 2, limit: 3, handover: 4 };

/** Ignores everything: stands in until a codec has taken the transport over. */
const nobody: TransportReceiver = {
  onBytes: () => {},
  onDrain: () => {},
  onEnd: () => {},
  onClose: () => {},
};

/** libuv reads a socket only inside its own callback, and that callback is synchronous: one buffer serves all. */
let readBuffer: Buffer | undefined;
let nextId = 1;

export class SocketTransport implements Transport {
  readonly id: number = nextId++;
  readonly local: PeerAddress;
  readonly remote: PeerAddress;
  readonly tls: TlsInfo | null;
  readonly slab: PooledSlab = new PooledSlab();
  receiver: TransportReceiver = nobody;
  readonly #socket: net.Socket;
  readonly #limits: TransportLimits;
  readonly #onClosed: ((transport: Transport) => void) | undefined;
  readonly #pauses: number[] = [0, 0, 0, 0, 0];
  #pauseCount = 0;
  #dirty = false;
  /** Above the high watermark, until the low one is reached. */
  #blocked = false;
  #inFlight = 0;
  #inFlightBuffer: Buffer | undefined;
  #ending = false;
  #closed = false;
  #error: Error | null = null;
  #inRead = false;
  readonly #onWritten: () => void;

  constructor(socket: net.Socket, usesReadBuffer: boolean, options: TransportOptions = {}) {
    this.#socket = socket;
    this.#limits = options.limits ?? transportLimits;
    this.#onClosed = options.onClosed;
    this.tls = options.tls ?? null;
    this.local = options.local ?? addressOf(socket.localAddress, socket.localPort);
    this.remote = options.remote ?? addressOf(socket.remoteAddress, socket.remotePort);
    this.#onWritten = () => {
      if (this.#inFlight !== 0 && this.#socket.writableLength === 0) this.#writeDone();
    };
    if (!usesReadBuffer) socket.on('data', (chunk: Buffer) => this.read(chunk.length, chunk));
    socket.on('end', () => this.#guard(() => this.receiver.onEnd()));
    socket.on('error', (error: Error) => {
      this.#error ??= error;
    });
    socket.on('close', () => this.#onSocketClose());
  }

  get writable(): boolean {
    return !this.#blocked && !this.#ending && !this.#closed;
  }

  get bufferedBytes(): number {
    return this.slab.end + this.#inFlight;
  }

  /** Called for every read; false stops reading until `resume`. */
  read(bytes: number, buffer: Buffer): boolean {
    if (this.#closed || bytes === 0) return true;
    flusher.enter();
    this.#inRead = true;
    try {
      this.receiver.onBytes(buffer, 0, bytes);
    } catch (error) {
      this.destroy(asError(error));
    } finally {
      this.#inRead = false;
      flusher.leave();
    }
    return this.#pauseCount === 0;
  }

  markDirty(): void {
    if (this.#closed) {
      this.slab.reset();
      return;
    }
    if (!this.#dirty) {
      this.#dirty = true;
      flusher.add(this);
    }
    const waiting = this.slab.end + this.#inFlight;
    if (waiting < FLUSH_BYTES) return;
    if (this.#inFlight === 0) this.#write();
    else if (waiting > this.#limits.bufferedBytesMax) {
      this.destroy(
        new Error(
          `more than ${this.#limits.bufferedBytesMax} bytes (bufferedBytesMax) wait for ${this.remote.address}`,
        ),
      );
      return;
    }
    if (this.slab.end + this.#inFlight > this.#limits.highWaterBytes) this.#blocked = true;
  }

  flush(): void {
    this.#dirty = false;
    if (this.#inFlight === 0) this.#write();
  }

  pause(reason: PauseReason): void {
    const index = reasonIndex[reason];
    this.#pauses[index] = (this.#pauses[index] as number) + 1;
    // Inside a read the return value of the callback stops the reading.
    if (++this.#pauseCount === 1 && !this.#inRead && !this.#closed) this.#socket.pause();
  }

  resume(reason: PauseReason): void {
    const index = reasonIndex[reason];
    const count = this.#pauses[index] as number;
    if (count === 0) return;
    this.#pauses[index] = count - 1;
    if (--this.#pauseCount === 0 && !this.#inRead && !this.#closed) this.#socket.resume();
  }

  end(): void {
    if (this.#ending || this.#closed) return;
    this.#ending = true;
    if (this.#inFlight === 0) this.#write();
    if (this.#inFlight === 0) this.#socket.end();
  }

  destroy(error?: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    if (error !== undefined) this.#error ??= error;
    this.slab.reset();
    this.#socket.destroy();
  }

  #write(): void {
    const { slab } = this;
    if (slab.end === 0 || this.#closed) return;
    const bytes = slab.end;
    this.#socket.write(slab.buffer.subarray(0, bytes), this.#onWritten);
    if (this.#socket.writableLength === 0) {
      slab.reset();
      return;
    }
    this.#inFlight = bytes;
    this.#inFlightBuffer = slab.detach();
  }

  #writeDone(): void {
    releaseSlab(this.#inFlightBuffer as Buffer);
    this.#inFlightBuffer = undefined;
    this.#inFlight = 0;
    this.#write();
    if (this.#inFlight === 0 && this.#ending) {
      this.#socket.end();
      return;
    }
    if (this.#blocked && this.bufferedBytes <= this.#limits.lowWaterBytes) {
      this.#blocked = false;
      this.#guard(() => this.receiver.onDrain());
    }
  }

  #onSocketClose(): void {
    this.#closed = true;
    this.slab.reset();
    this.#inFlight = 0;
    // Not released for reuse: the kernel may still hold the write that was cut off.
    this.#inFlightBuffer = undefined;
    const { receiver } = this;
    this.receiver = nobody;
    this.#guard(() => receiver.onClose(this.#error));
    this.#guard(() => this.#onClosed?.(this));
  }

  /** Runs a callback of the codec: a mistake in it ends this connection, not the process. */
  #guard(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.destroy(asError(error));
    }
  }
}

export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function addressOf(address: string | undefined, port: number | undefined): PeerAddress {
  if (address === undefined) return { kind: 'unix', address: '', port: 0 };
  return { kind: 'tcp', address, port: port ?? 0 };
}

/** What `onread` wants: the shared buffer, and a callback that finds its transport once that exists. */
export interface ReadInto {
  readonly onread: { buffer: Buffer; callback: (bytes: number, buffer: Uint8Array) => boolean };
  transport: SocketTransport | undefined;
}

export function readInto(): ReadInto {
  readBuffer ??= Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
  const shared = readBuffer;
  const into: ReadInto = {
    onread: { buffer: shared, callback: (bytes) => into.transport?.read(bytes, shared) ?? false },
    transport: undefined,
  };
  return into;
}

/**
 * A transport over a socket that exists already: a tls.TLSSocket, or a net.Socket nobody reads from. Bytes that were
 * read before are given to the receiver by whoever read them. The socket should allow half-open connections.
 */
export function transportOfSocket(socket: net.Socket, options: TransportOptions = {}): Transport {
  return new SocketTransport(socket, false, options);
}

/**
 * Moves an accepted, paused socket onto the shared read buffer. net.Server has no `onread` option, so its handle is put
 * into a new socket (works on Node 20, 22 and 24); without a handle to take, the socket is read by `data` events.
 */
export function transportOfAccepted(accepted: net.Socket, options: TransportOptions = {}): Transport {
  const holder = accepted as unknown as { _handle: object | null };
  const handle = holder._handle;
  if (handle === null || handle === undefined || accepted.destroyed) return transportOfSocket(accepted, options);
  const local = options.local ?? addressOf(accepted.localAddress, accepted.localPort);
  const remote = options.remote ?? addressOf(accepted.remoteAddress, accepted.remotePort);
  holder._handle = null;
  accepted.destroy();
  const into = readInto();
  const socket = new net.Socket({ handle, onread: into.onread, allowHalfOpen: true } as net.SocketConstructorOpts);
  const transport = new SocketTransport(socket, true, { ...options, local, remote });
  into.transport = transport;
  return transport;
}
