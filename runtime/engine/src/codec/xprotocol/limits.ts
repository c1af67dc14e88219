/** Limits of the request/response protocols. What is not given takes the default. */
export interface RpcLimits {
  /**
   * Whole frame. Above the payload limit of SOFARPC and Dubbo (8 MiB), so that the app's own error is what its caller
   * sees.
   */
  readonly frameBytesMax: number;
  /** Incomplete frames that all connections of one listener or pool hold together. */
  readonly partialBytesMax: number;
  /** Requests of one downstream connection that may await their answers; then it is not read. */
  readonly pendingPerConnectionMax: number;
  /** Requests that may await their answers altogether; more are answered `overload`. At most 2^20. */
  readonly pendingMax: number;
  /** Bytes that wait for an upstream connection to open before those who send them are not read. */
  readonly parkedHighBytes: number;
  /**
   * Bytes that wait for one upstream connection above which requests are answered `overload`. Above `parkedHighBytes`
   * and the transport's `highWaterBytes`; with one frame more below its `bufferedBytesMax`.
   */
  readonly upstreamBytesMax: number;
  /** For an answer, when the request names no time. */
  readonly requestTimeoutMs: number;
  /** The longest time that a request may name: a slot is held that long. */
  readonly requestTimeoutMsMax: number;
  /** Time a peer that was told of its fault, or that has had all its answers, has to close. */
  readonly lingerMs: number;
}

export const rpcLimits: RpcLimits = {
  frameBytesMax: 16 * 1024 * 1024,
  partialBytesMax: 256 * 1024 * 1024,
  pendingPerConnectionMax: 4096,
  pendingMax: 65_536,
  parkedHighBytes: 256 * 1024,
  upstreamBytesMax: 8 * 1024 * 1024,
  requestTimeoutMs: 60_000,
  requestTimeoutMsMax: 600_000,
  lingerMs: 1000,
};

/** First size of a buffer that holds an incomplete frame, and the size of those kept for reuse. */
export const CARRY_BYTES: number = 8 * 1024;
/** Such buffers kept per thread: 1 MiB. */
export const CARRIES_FREE_MAX = 128;
/** Slots of a table to begin with: what keeps the reuse of an id 2^24 requests away (see slot-table.ts). */
export const SLOTS_MIN = 4096;
/** What 20 bits of an id can name. */
export const SLOTS_MAX: number = 1 << 20;
