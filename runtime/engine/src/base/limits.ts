/** Every limit of the engine, by name, with its default. A peer may be hostile: nothing grows without one of these. */

export interface TransportLimits {
  /** Bytes waiting for the kernel above which `writable` is false. */
  readonly highWaterBytes: number;
  /** Bytes waiting for the kernel under which `onDrain` follows. */
  readonly lowWaterBytes: number;
  /** Bytes waiting for the kernel above which the connection is destroyed: its codec went on writing regardless. */
  readonly bufferedBytesMax: number;
}

export const transportLimits: TransportLimits = {
  highWaterBytes: 256 * 1024,
  lowWaterBytes: 64 * 1024,
  bufferedBytesMax: 32 * 1024 * 1024,
};

/** Size of the read buffer that all sockets of a thread share. */
export const READ_BUFFER_BYTES: number = 64 * 1024;
/** Size of a pooled output slab; a transport that writes more at once gets a larger one for that flush only. */
export const SLAB_BYTES: number = 64 * 1024;
/** Slabs kept for reuse per thread: 4 MiB. */
export const SLABS_FREE_MAX: number = 64;
/** A slab that has grown to this is written at once instead of at the end of the turn. */
export const FLUSH_BYTES: number = 64 * 1024;

export interface Http2Limits {
  /** Streams a peer may have open at once (SETTINGS_MAX_CONCURRENT_STREAMS); more are refused. */
  readonly streamsMax: number;
  /** Receive window of a stream (SETTINGS_INITIAL_WINDOW_SIZE): what a paused stream may still bring. At least 65,535. */
  readonly streamWindowBytes: number;
  /** Receive window of a connection. At least 65,535. */
  readonly connectionWindowBytes: number;
  /** Bytes that paused streams of a connection hold before the connection's window is withheld as well. */
  readonly parkedBytesMax: number;
  /** Decoded size of a header list (SETTINGS_MAX_HEADER_LIST_SIZE); 431 or RESOURCE_EXHAUSTED above it. */
  readonly headerListBytesMax: number;
  /** Raw size of one header block over all its frames; the connection ends above it. */
  readonly headerBlockBytesMax: number;
  /** Frames that one header block may be spread over. */
  readonly continuationsMax: number;
  /** Bytes queued on a stream above which `write` returns false. */
  readonly streamQueueHighBytes: number;
  /** Bytes queued on a stream under which `onDrain` follows. */
  readonly streamQueueLowBytes: number;
  /** Bytes queued on a stream above which it is reset: its writer ignores back-pressure. */
  readonly streamQueueBytesMax: number;
  /** Bytes queued on all streams of a connection above which new streams are refused. */
  readonly connectionQueueBytesMax: number;
  /**
   * Streams a peer may reset in a burst, and how many more each second (rapid reset, CVE-2023-44487). Each stream that
   * ends well allows one more: an app whose deadlines expire by the hundreds is no attack.
   */
  readonly resetBurst: number;
  readonly resetsPerSecond: number;
  /** Frames without use (PING, SETTINGS, PRIORITY, empty DATA, frames on closed streams …) in a burst, and per second. */
  readonly controlBurst: number;
  readonly controlPerSecond: number;
  /** Replies (acknowledgements, resets) that may wait while the peer does not read. */
  readonly blockedRepliesMax: number;
  /** Time a peer has for its preface and first SETTINGS, and for each header block. */
  readonly handshakeMs: number;
  /** Time a peer has to close after our GOAWAY for an error. */
  readonly lingerMs: number;
}

export const http2Limits: Http2Limits = {
  streamsMax: 1000,
  streamWindowBytes: 1024 * 1024,
  connectionWindowBytes: 4 * 1024 * 1024,
  parkedBytesMax: 16 * 1024 * 1024,
  headerListBytesMax: 64 * 1024,
  headerBlockBytesMax: 128 * 1024,
  continuationsMax: 32,
  streamQueueHighBytes: 64 * 1024,
  streamQueueLowBytes: 16 * 1024,
  streamQueueBytesMax: 32 * 1024 * 1024,
  connectionQueueBytesMax: 64 * 1024 * 1024,
  resetBurst: 2000,
  resetsPerSecond: 1000,
  controlBurst: 2000,
  controlPerSecond: 200,
  blockedRepliesMax: 2000,
  handshakeMs: 10_000,
  lingerMs: 1_000,
};

export interface GrpcLimits {
  /** Size of one message, either direction, before compression; RESOURCE_EXHAUSTED above it. */
  readonly messageBytesMax: number;
  /** Bytes of incomplete messages that all calls of a service hold together. */
  readonly partialBytesMax: number;
  /** Messages of one stream that wait for their reader before the stream is paused. */
  readonly queuedMessagesMax: number;
  /** Bytes of messages of one stream that wait for their reader before the stream is paused. */
  readonly queuedBytesMax: number;
  /** Encoded length of grpc-message; the rest is cut off. */
  readonly statusMessageBytesMax: number;
}

export const grpcLimits: GrpcLimits = {
  messageBytesMax: 4 * 1024 * 1024,
  partialBytesMax: 256 * 1024 * 1024,
  queuedMessagesMax: 64,
  queuedBytesMax: 256 * 1024,
  statusMessageBytesMax: 4096,
};
