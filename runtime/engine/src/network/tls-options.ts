/** What a TLS endpoint is configured with, in the terms of node:tls; contexts are made from it and swapped as a whole. */
import tls from 'node:tls';

/** PEM, as text or bytes; several certificates may be concatenated. */
export type Pem = string | Buffer;

export interface TlsKeyPair {
  /** Certificate chain, leaf first. */
  readonly cert: Pem;
  readonly key: Pem;
}

export type TlsMinVersion = 'TLSv1.2' | 'TLSv1.3';

export interface TlsServerOptions extends TlsKeyPair {
  /** Certificates for other server names (SNI): exact, or `*.example.com` for one label. */
  readonly hosts?: Readonly<Record<string, TlsKeyPair>>;
  /** Whom client certificates must come from. */
  readonly ca?: Pem;
  /** Default: `required` when `ca` is given, else `none`. A certificate that is presented must verify in either case. */
  readonly clientCertificate?: 'none' | 'optional' | 'required';
  /** Protocols offered, best first. Default `h2`, `http/1.1`. */
  readonly alpn?: readonly string[];
  /** Default TLSv1.2. */
  readonly minVersion?: TlsMinVersion;
  /** For the whole handshake. Default 10,000. */
  readonly handshakeTimeoutMs?: number;
}

export interface TlsClientOptions {
  /** Name sent by SNI and checked against the certificate. Default: the host that is connected to. */
  readonly serverName?: string;
  /** Whom the server's certificate must come from. Default: the authorities that Node trusts. */
  readonly ca?: Pem;
  /** Our own certificate. */
  readonly keyPair?: TlsKeyPair;
  /** Default `h2`, `http/1.1`. */
  readonly alpn?: readonly string[];
  /** Default TLSv1.2. */
  readonly minVersion?: TlsMinVersion;
  /** Takes any certificate: for tests and tools alone. */
  readonly skipVerification?: boolean;
}

export const ALPN_DEFAULT: readonly string[] = ['h2', 'http/1.1'];
export const HANDSHAKE_TIMEOUT_MS = 10_000;
const MIN_VERSION: TlsMinVersion = 'TLSv1.2';

export function contextOf(
  keyPair: TlsKeyPair | undefined,
  ca: Pem | undefined,
  minVersion: TlsMinVersion | undefined,
): tls.SecureContext {
  return tls.createSecureContext({
    minVersion: minVersion ?? MIN_VERSION,
    ...(keyPair === undefined ? {} : { cert: keyPair.cert, key: keyPair.key }),
    ...(ca === undefined ? {} : { ca }),
  });
}

/** Finds the context of a server name: the exact one, else the wildcard of its parent domain. */
export class ServerNames {
  readonly #contexts = new Map<string, tls.SecureContext>();

  /** Throws what node:tls throws when a certificate or key cannot be used. */
  constructor(options: TlsServerOptions) {
    for (const [name, keyPair] of Object.entries(options.hosts ?? {})) {
      this.#contexts.set(name.toLowerCase(), contextOf(keyPair, options.ca, options.minVersion));
    }
  }

  find(serverName: string): tls.SecureContext | undefined {
    const name = serverName.toLowerCase();
    const exact = this.#contexts.get(name);
    if (exact !== undefined) return exact;
    const dot = name.indexOf('.');
    return dot < 0 ? undefined : this.#contexts.get(`*${name.slice(dot)}`);
  }
}
