/** Limits of a server; those of its protocols are named where the protocols are. */
import { type Http2Limits, http2Limits, type TransportLimits, transportLimits } from '../base/limits.js';
import { type Http1Limits, http1Limits } from '../codec/http1/limits.js';

export interface ServerLimits {
  /** Open connections of one listener; more are closed at once. */
  readonly connectionsMax: number;
  /** For the first bytes, by which HTTP/2 and HTTP/1.1 are told apart. */
  readonly sniffTimeoutMs: number;
  /** Body of a request that asks for h2c: it must be held until it is whole. A larger one is served as HTTP/1.1. */
  readonly upgradeBodyBytesMax: number;
  readonly http1: Http1Limits;
  readonly http2: Http2Limits;
  readonly transport: TransportLimits;
}

export const serverLimits: ServerLimits = {
  connectionsMax: 20_000,
  sniffTimeoutMs: 10_000,
  upgradeBodyBytesMax: 64 * 1024,
  http1: http1Limits,
  http2: http2Limits,
  transport: transportLimits,
};
