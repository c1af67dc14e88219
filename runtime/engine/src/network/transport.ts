/**
 * The byte pipe under every codec. Back ends: `onread` socket with one shared read buffer, TLS socket, Unix socket; raw
 * handle later. A codec writes into the transport's slab and marks it dirty; the flusher writes each dirty transport
 * once per event-loop turn (and at once when a turn holds one frame), because system calls, not parsing, are the cost.
 */

/** Why reading is paused. Reading goes on when no reason is left: back-pressure is counted, never a boolean. */
export type PauseReason = 'peer' | 'stream' | 'app' | 'limit' | 'handover';

export interface PeerAddress {
  readonly kind: 'tcp' | 'unix';
  /** IP address, or the path of a Unix socket. */
  readonly address: string;
  /** 0 for Unix sockets. */
  readonly port: number;
}

export interface TransportReceiver {
  /** `buffer[start, end)` is valid only during the call (D6): who keeps bytes copies them. */
  onBytes(buffer: Buffer, start: number, end: number): void;
  /** The bytes queued for writing fell under the low watermark after `writable` was false. */
  onDrain(): void;
  /** The peer sent its end of stream; writing may go on. */
  onEnd(): void;
  /** Called exactly once, last. `error` is null for an orderly close. */
  onClose(error: Error | null): void;
}

/** Growing output area of one transport. Valid until the next flush; grow with `ensure` before writing past `length`. */
export interface Slab {
  buffer: Buffer;
  /** Bytes written so far; the writer advances it. */
  end: number;
  /** Makes room for `bytes` more; may replace `buffer`. */
  ensure(bytes: number): void;
}

export interface TlsInfo {
  readonly alpn: string | null;
  readonly serverName: string | null;
  /** DER of the peer's certificate when it presented one that verified. */
  readonly peerCertificate: Buffer | null;
}

export interface Transport {
  readonly id: number;
  readonly local: PeerAddress;
  readonly remote: PeerAddress;
  readonly tls: TlsInfo | null;
  readonly slab: Slab;
  /** Whoever reads now. Replaced when a protocol is detected or upgraded (h2c). */
  receiver: TransportReceiver;
  /** False while more than the high watermark of bytes waits for the kernel; `onDrain` follows. */
  readonly writable: boolean;
  /** Bytes in the slab and in writes the kernel has not taken yet. */
  readonly bufferedBytes: number;
  /** The slab holds bytes: write them at the end of this turn. */
  markDirty(): void;
  /** Write the slab now. */
  flush(): void;
  pause(reason: PauseReason): void;
  resume(reason: PauseReason): void;
  /** Send what is buffered, then our end of stream. Reading goes on until the peer ends or `destroy`. */
  end(): void;
  /** Close at once; `onClose` follows. Idempotent. */
  destroy(error?: Error): void;
}
