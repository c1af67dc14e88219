/** Every bound of one HTTP/1.1 connection. What is not given takes the default. */
export interface Http1Limits {
  /** Request line without its CRLF; more is answered 414. */
  readonly requestLineBytesMax: number;
  /** Whole head, request line included; more is answered 431. */
  readonly headerBytesMax: number;
  /** Field lines of one head; more is answered 431. */
  readonly headerCountMax: number;
  /** Trailer section of a chunked body. */
  readonly trailerBytesMax: number;
  /** Chunk extensions of one whole body: they carry nothing for us and cost a peer nothing to send. */
  readonly chunkExtensionBytesMax: number;
  /** Bytes of further requests that are taken in while a response is pending; then reading stops. */
  readonly pipelinedBytesMax: number;
  /** Rest of a request body that is read and dropped so that the connection can go on, or its answer arrive. */
  readonly lingerBytesMax: number;
  /** From the first byte of a head (from the accept, for the first one) to its last; then 408. */
  readonly headerTimeoutMs: number;
  /** Between two requests; then the connection is closed. */
  readonly idleTimeoutMs: number;
  /** Without one body byte while we wait for some; then 408. */
  readonly bodyIdleTimeoutMs: number;
  /** For the peer to take the bytes that wait for it, besides what `writeBytesPerSecondMin` gives; then it is cut off. */
  readonly writeStallTimeoutMs: number;
  /** The slowest reader that is served on. */
  readonly writeBytesPerSecondMin: number;
  /** After our last byte, for the peer to close; and after the peer's end of stream, for a running response to end. */
  readonly lingerTimeoutMs: number;
}

export const http1Limits: Http1Limits = {
  requestLineBytesMax: 16 * 1024,
  headerBytesMax: 64 * 1024,
  headerCountMax: 128,
  trailerBytesMax: 8 * 1024,
  chunkExtensionBytesMax: 4 * 1024,
  pipelinedBytesMax: 64 * 1024,
  lingerBytesMax: 256 * 1024,
  headerTimeoutMs: 10_000,
  idleTimeoutMs: 120_000,
  bodyIdleTimeoutMs: 60_000,
  writeStallTimeoutMs: 60_000,
  writeBytesPerSecondMin: 16 * 1024,
  lingerTimeoutMs: 2_000,
};

/** Empty lines that are skipped in front of a request line (RFC 9112 §2.2 asks for at least one). */
export const LEADING_EMPTY_LINES_MAX = 2;
/** Longer methods than any in use are answered 501 (RFC 9112 §3). */
export const METHOD_BYTES_MAX = 32;
/** 2^53 - 1 has 16 digits. */
export const CONTENT_LENGTH_DIGITS_MAX = 16;
/** Hexadecimal digits of a chunk size: 13 reach 2^52. Leading zeros count. */
export const CHUNK_SIZE_DIGITS_MAX = 13;
/** Interim (1xx) responses in front of one final response. */
export const INTERIM_RESPONSES_MAX = 16;
