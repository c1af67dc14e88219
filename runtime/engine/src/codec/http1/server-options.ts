/** What an HTTP/1.1 server connection needs. */
import type { Clock } from '../../base/clock.js';
import type { Logger } from '../../base/log.js';
import type { HttpHandler, RequestHead } from '../http/stream.js';
import type { Http1Counters } from './counters.js';
import type { Http1Failure } from './failure.js';
import type { Http1Limits } from './limits.js';

export interface Http1ServerOptions {
  /** Every stream it gets is an Http1ServerStream. */
  readonly handler: HttpHandler;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits?: Http1Limits;
  /** Largest body of this request in bytes; asked once per request that has a body. Default: no limit. */
  readonly bodyBytesMax?: (head: RequestHead) => number;
  readonly counters?: Http1Counters;
  /** A request was refused before any handler saw it, or in the middle of its body. */
  readonly onRefused?: (failure: Http1Failure) => void;
  /** This codec is done with the connection: it has closed, or another protocol took it over. Called once. */
  readonly onClosed?: () => void;
}
