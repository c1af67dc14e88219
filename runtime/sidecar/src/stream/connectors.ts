/** Connections to hosts, as the engine makes them, in the form that pools hold. */
import {
  type Clock,
  createChannel,
  createHttp1Pool,
  type Http2Limits,
  http2Limits,
  type Logger,
  parseTarget,
  type TlsClientOptions,
} from '@outrigger/engine';
import type { UpstreamChannel } from './connection-pool.js';

export interface ConnectorDeps {
  readonly clock: Clock;
  readonly log: Logger;
}

/** What an endpoint says of itself; the cluster's `Endpoint` has this form. */
export interface HostAddress {
  readonly address: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Metadata of external endpoints. */
export const METADATA_SCHEME = 'scheme';
export const METADATA_SERVER_NAME = 'server-name';

/** A request waits no longer than this for a connection. */
const CONNECT_TIMEOUT_MS = 5000;
/** External servers close idle connections after 5 s and more; a request must not meet one that is about to close. */
const EXTERNAL_IDLE_MS = 4000;
/** Streams that run may end for this long once their host is given up. */
const DRAIN_MS = 60 * 60_000;
/**
 * A sidecar that does not answer is dialled again after at most a second: its requests are retried at that pace, and it
 * is on this machine or near.
 */
const BACK_OFF = { baseMs: 100, factor: 2, maxMs: 1000 };

/**
 * Between sidecars one connection carries what many callers start and cancel: the allowances that fit one client
 * would take a busy day for an attack. The same limits go to the server of the internal port.
 */
export const SIDECAR_HTTP2_LIMITS: Http2Limits = {
  ...http2Limits,
  streamsMax: 10_000,
  parkedBytesMax: 64 * 1024 * 1024,
  connectionWindowBytes: 8 * 1024 * 1024,
  resetBurst: 20_000,
  resetsPerSecond: 5000,
  controlBurst: 20_000,
  controlPerSecond: 5000,
};

/** HTTP/2 with prior knowledge to `host:port` or `unix:path`. Throws when the address cannot be read. */
export function createSidecarConnector({ clock, log }: ConnectorDeps): (host: HostAddress) => UpstreamChannel {
  return ({ address }) => {
    const channel = createChannel({
      target: address,
      clock,
      log,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      backOff: BACK_OFF,
      limits: SIDECAR_HTTP2_LIMITS,
    });
    return {
      open: (head, end, receiver) => channel.open(head, end, receiver),
      drain: () => void channel.close(DRAIN_MS),
      close: () => void channel.close(),
    };
  };
}

/** HTTP/1.1 to an external address, by TLS where its scheme is https; the certificate must be the server name's. */
export function createExternalConnector(
  { clock, log }: ConnectorDeps,
  tls: TlsClientOptions = {},
): (host: HostAddress) => UpstreamChannel {
  return ({ address, metadata }) => {
    const serverName = metadata[METADATA_SERVER_NAME];
    const secure = metadata[METADATA_SCHEME] === 'https';
    const pool = createHttp1Pool({
      target: parseTarget(address),
      clock,
      log,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      idleTimeoutMs: EXTERNAL_IDLE_MS,
      ...(secure ? { tls: { alpn: ['http/1.1'], ...tls, ...(serverName === undefined ? {} : { serverName }) } } : {}),
    });
    return {
      open: (head, end, receiver) => pool.open(head, end, receiver),
      drain: () => pool.close(),
      close: () => pool.close(),
    };
  };
}
