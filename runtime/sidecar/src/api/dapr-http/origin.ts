/**
 * What a page in a browser may do with the HTTP API. Without allowed origins nothing from another site is answered: the
 * Host must be one that a rebound DNS name cannot have, and Origin and Sec-Fetch-Site must not say cross-site. With `*`
 * everything is allowed, as by daprd. CORS answers are those of go-chi/cors as Dapr configures it.
 */
import { HeaderList, type OutriggerError, type RequestHead, type ServerStream } from '@outrigger/engine';
import { fail } from '../../errors.js';

const METHODS: ReadonlySet<string> = new Set(['HEAD', 'GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

export interface OriginPolicy {
  /** Why the request is not answered, or undefined. */
  refusal(stream: ServerStream): OutriggerError | undefined;
  /** The answer to a preflight request (status 200), or undefined when it is none. */
  preflight(head: RequestHead): HeaderList | undefined;
  /** Fields that every answer carries. */
  responseHeaders(head: RequestHead): readonly string[];
}

const noHeaders: readonly string[] = [];

/** `http://*.example.com` allows one wildcard, as go-chi/cors does. */
function originMatcher(allowed: readonly string[]): (origin: string) => boolean {
  const exact = new Set(allowed.map((origin) => origin.toLowerCase()));
  const wildcards = [...exact]
    .filter((origin) => origin.includes('*'))
    .map((origin) => {
      const at = origin.indexOf('*');
      return [origin.slice(0, at), origin.slice(at + 1)] as const;
    });
  return (given) => {
    const origin = given.toLowerCase();
    if (exact.has(origin)) return true;
    return wildcards.some(
      ([head, tail]) => origin.length >= head.length + tail.length && origin.startsWith(head) && origin.endsWith(tail),
    );
  };
}

/** The name in `host:port` or `[address]:port`, in lower case. */
export function hostName(authority: string): string {
  const bracket = authority.startsWith('[') ? authority.indexOf(']') : -1;
  if (bracket > 0) return authority.slice(0, bracket + 1).toLowerCase();
  const colon = authority.lastIndexOf(':');
  return (colon < 0 ? authority : authority.slice(0, colon)).toLowerCase();
}

/**
 * Names that no DNS answer of an attacker can point here: addresses, localhost, names without a dot and names under
 * `.internal`, which public DNS does not answer (containers call their host by `host.docker.internal`).
 */
function isSafeHost(name: string): boolean {
  if (name.startsWith('[') || !name.includes('.')) return true;
  return name.endsWith('.localhost') || name.endsWith('.internal') || /^\d{1,3}(\.\d{1,3}){3}$/.test(name);
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.') || address.startsWith('::ffff:127.');
}

function hostOfOrigin(origin: string): string {
  return hostName(origin.replace(/^\w+:\/\//, ''));
}

export function createOriginPolicy(allowedOrigins: readonly string[]): OriginPolicy {
  const origins = allowedOrigins.map((origin) => origin.trim()).filter((origin) => origin !== '');
  const all = origins.includes('*');
  const isAllowed = all ? () => true : originMatcher(origins);
  const hosts = new Set(origins.map(hostOfOrigin));
  const hasCors = origins.length > 0;

  function refusal({ head, local }: ServerStream): OutriggerError | undefined {
    if (all) return undefined;
    const host = hostName(head.authority);
    if (local.kind === 'tcp' && isLoopback(local.address) && !isSafeHost(host) && !hosts.has(host)) {
      return fail('API_HOST_REFUSED', { host });
    }
    const origin = head.headers.get('origin');
    if (origin !== undefined) {
      const own = origin.toLowerCase() === `${head.scheme}://${head.authority}`.toLowerCase();
      return own || isAllowed(origin) ? undefined : fail('API_ORIGIN_REFUSED', { origin });
    }
    const site = head.headers.get('sec-fetch-site');
    if (site === 'cross-site' || site === 'same-site') return fail('API_ORIGIN_REFUSED', { origin: 'another site' });
    return undefined;
  }

  function preflight(head: RequestHead): HeaderList | undefined {
    const method = head.headers.get('access-control-request-method')?.toUpperCase();
    if (!hasCors || head.method !== 'OPTIONS' || method === undefined || method === '') return undefined;
    const answer = new HeaderList([
      'vary',
      'Origin',
      'vary',
      'Access-Control-Request-Method',
      'vary',
      'Access-Control-Request-Headers',
    ]);
    const origin = head.headers.get('origin');
    if (origin === undefined || origin === '' || !isAllowed(origin) || !METHODS.has(method)) return answer;
    answer.append('access-control-allow-origin', all ? '*' : origin).append('access-control-allow-methods', method);
    const names = head.headers.get('access-control-request-headers');
    if (names !== undefined && names !== '') answer.append('access-control-allow-headers', names);
    return answer;
  }

  function responseHeaders(head: RequestHead): readonly string[] {
    if (!hasCors) return noHeaders;
    const origin = head.headers.get('origin');
    if (origin === undefined || !isAllowed(origin) || !METHODS.has(head.method)) return ['vary', 'Origin'];
    return ['vary', 'Origin', 'access-control-allow-origin', all ? '*' : origin];
  }

  return { refusal, preflight, responseHeaders };
}
