/** Absolute URLs as targets: what they name, and whether callers may name it. */
import { isIPv6 } from 'node:net';

export interface Origin {
  /** Virtual host and cluster: `https://api.example.com:443`. */
  readonly name: string;
  readonly scheme: 'http' | 'https';
  /** Lower case; an IPv6 address without brackets. */
  readonly host: string;
  readonly port: number;
  /** Host field: without the scheme's own port. */
  readonly authority: string;
  /** Without a trailing slash; '' for the root. */
  readonly basePath: string;
}

/** null: not an absolute http(s) URL that may be called. Credentials, queries and fragments have no place in a target. */
export function parseOrigin(text: string): Origin | null {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return null;
  }
  const scheme = url.protocol === 'http:' ? 'http' : url.protocol === 'https:' ? 'https' : null;
  if (scheme === null || url.hostname === '' || url.username !== '' || url.password !== '') return null;
  if (url.search !== '' || url.hash !== '') return null;
  const host = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname;
  const port = url.port === '' ? (scheme === 'https' ? 443 : 80) : Number(url.port);
  if (port === 0) return null;
  const bracketed = isIPv6(host) ? `[${host}]` : host;
  return {
    name: `${scheme}://${bracketed}:${port}`,
    scheme,
    host,
    port,
    authority: url.host,
    basePath: url.pathname.endsWith('/') ? url.pathname.slice(0, -1) : url.pathname,
  };
}

/** Whether a caller may name this host. */
export type AllowedHosts = (host: string, port: number) => boolean;

/**
 * `invoke.externalHosts`: `api.example.com`, `*.example.com`, either with `:port`; `*` for every host. undefined: every
 * host. Whatever it says, link-local and metadata addresses are refused when the name is resolved.
 */
export function allowedHosts(patterns: readonly string[] | undefined): AllowedHosts {
  if (patterns === undefined) return () => true;
  const rules = patterns.map((pattern) => {
    const parts = /^(.*?)(?::(\d+))?$/.exec(pattern.toLowerCase()) as RegExpExecArray;
    return {
      name: (parts[1] as string).replace(/^\[|\]$/g, ''),
      port: parts[2] === undefined ? undefined : Number(parts[2]),
    };
  });
  return (host, port) =>
    rules.some(({ name, port: only }) => {
      if (only !== undefined && only !== port) return false;
      return name === '*' || name === host || (name.startsWith('*.') && host.endsWith(name.slice(1)));
    });
}
