/**
 * One HTTP exchange, neutral of its version: HTTP/1.1 and HTTP/2 servers hand `ServerStream`s to one handler, HTTP/1.1
 * and HTTP/2 clients and `proxy.open()` give `ClientStream`s. gRPC, the HTTP API, the app channel and invoke stand on it.
 *
 * Rules of both directions:
 * - Received bytes are valid only during the synchronous callback (D6); sent bytes are copied before the call returns.
 * - A direction ends exactly once: `onEnd` or `onReset`. After `onReset` nothing more is called and nothing may be sent.
 * - Back-pressure: `write` returns false above the high watermark, `onDrain` follows; `pause`/`resume` are counted by
 *   reason and stop the stream's flow-control credit (HTTP/2) or reading of the connection (HTTP/1.1).
 * - Names are lower case; values are latin1 strings without CR, LF or NUL (checked when sent and when received).
 * - Fields of one connection only (connection, keep-alive, proxy-connection, te, transfer-encoding, upgrade,
 *   http2-settings, expect) and `host` are not in `headers`: the codec takes them in, and drops or writes its own.
 */
import type { PauseReason, PeerAddress, TlsInfo } from '../../network/transport.js';
import type { HeaderList } from './headers.js';

export interface RequestHead {
  method: string;
  /** `http` or `https`. */
  scheme: string;
  /** `:authority` or the Host field; validated. */
  authority: string;
  /** Path and query, as received (not decoded, not cleaned); `*` for OPTIONS *. */
  path: string;
  headers: HeaderList;
}

export interface ResponseHead {
  status: number;
  headers: HeaderList;
}

/** Why a stream ended before its time; maps to an HTTP/2 error code and, on gRPC, a status. */
export type ResetReason =
  | 'cancel' // the other side gave up (RST_STREAM CANCEL, or the client closed its HTTP/1.1 connection)
  | 'refused' // not processed, safe to retry (REFUSED_STREAM, GOAWAY above the last id)
  | 'protocol' // framing or content rules were broken
  | 'too-large' // a limit was passed
  | 'flow-control'
  | 'internal'
  | 'connect' // no connection could be made (client streams only)
  | 'connection-lost' // the connection ended while the stream was open
  | 'timeout'
  | 'no-error'; // response complete before the request body was read (RST_STREAM NO_ERROR)

export interface StreamReset {
  readonly reason: ResetReason;
  /** One sentence for logs and errors. */
  readonly message: string;
  /** True when the peer provably did not process the request, so that anybody may retry it. */
  readonly unprocessed: boolean;
}

export interface StreamReceiver {
  onData(chunk: Buffer, start: number, end: number): void;
  onEnd(trailers: HeaderList | null): void;
  onReset(reset: StreamReset): void;
  onDrain(): void;
}

export interface ClientReceiver extends StreamReceiver {
  /** Final response head; 1xx answers other than 101 are consumed by the codec. `end` = no body, no trailers follow. */
  onHead(head: ResponseHead, end: boolean): void;
}

interface StreamBase {
  /** Copies `chunk[start, end)` and queues it; false means: stop until `onDrain`. */
  write(chunk: Uint8Array, start?: number, end?: number): boolean;
  /** Ends our direction. Trailers are sent on HTTP/2 and on HTTP/1.1 chunked bodies. */
  end(trailers?: HeaderList): void;
  /** Gives the stream up; nothing is called afterwards. Idempotent. */
  reset(reason: ResetReason): void;
  pause(reason: PauseReason): void;
  resume(reason: PauseReason): void;
  readonly writable: boolean;
}

export interface ServerStream extends StreamBase {
  readonly protocol: 'http/1.1' | 'h2';
  readonly head: RequestHead;
  /** True when the request has no body and no trailers: `onEnd` has been or will be called at once. */
  readonly headOnly: boolean;
  readonly remote: PeerAddress;
  readonly local: PeerAddress;
  readonly tls: TlsInfo | null;
  /** Set by the handler before it returns. */
  receiver: StreamReceiver;
  /** Sends the response head, once. With `end` the response is complete. */
  respond(head: ResponseHead, end: boolean): void;
  /** Sends an informational head, 100 to 199 except 101. */
  inform(status: number): void;
  readonly responded: boolean;
}

export interface ClientStream extends StreamBase {
  readonly protocol: 'http/1.1' | 'h2';
}

/** Serves one exchange; must set `stream.receiver` before it returns, and must not throw (a throw answers 500). */
export type HttpHandler = (stream: ServerStream) => void;

/** Anything that opens client streams: a connection, a pool, the proxy. `end`: the request has no body. */
export interface HttpOpener {
  open(head: RequestHead, end: boolean, receiver: ClientReceiver): ClientStream;
}
