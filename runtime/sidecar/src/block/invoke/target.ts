/** From the id that a caller names to the virtual host that the proxy knows. */
import type { HttpEndpointDocument } from '../../config/model.js';
import { type AllowedHosts, parseOrigin } from './external.js';

export interface AppTarget {
  readonly kind: 'app';
  readonly id: string;
  /** The app id alone in our namespace, else `appid.namespace`. */
  readonly virtualHost: string;
}

export interface ExternalTarget {
  readonly kind: 'external';
  readonly id: string;
  /** `https://api.example.com:443` */
  readonly virtualHost: string;
  readonly scheme: 'http' | 'https';
  readonly authority: string;
  /** Without a trailing slash; '' for the root. */
  readonly basePath: string;
  /** Fields that an HTTPEndpoint document adds: name, value, name, value, … */
  readonly headers: readonly string[];
}

export type InvokeTarget = AppTarget | ExternalTarget;

/** `none`: nobody can be called by that id, and why. `denied`: somebody could, but not by us. */
export type Resolved = InvokeTarget | { readonly kind: 'none' | 'denied'; readonly error: string };

export interface TargetRules {
  readonly namespace: string;
  readonly endpoint: (name: string) => HttpEndpointDocument | undefined;
  readonly endpointHeaders: (document: HttpEndpointDocument) => readonly string[];
  readonly allowed: AllowedHosts;
}

/** What may stand in an app id, and therefore in header fields. */
const APP_ID = /^[A-Za-z0-9_-]{1,256}$/;

export function resolveTarget(id: string, rules: TargetRules): Resolved {
  if (id.startsWith('http://') || id.startsWith('https://')) return external(id, id, [], rules.allowed);
  const endpoint = rules.endpoint(id);
  // A document of the operator's is allowed what it says.
  if (endpoint !== undefined) return external(id, endpoint.baseUrl, rules.endpointHeaders(endpoint), null);
  if (id === '') return { kind: 'none', error: 'app id is empty' };
  const parts = id.split('.');
  if (parts.length > 2) return { kind: 'none', error: `invalid app id ${id}` };
  if (!parts.every((part) => APP_ID.test(part))) return { kind: 'none', error: serviceNotFound(id) };
  const [appId, namespace] = parts as [string, string | undefined];
  return { kind: 'app', id, virtualHost: namespace === undefined || namespace === rules.namespace ? appId : id };
}

export const serviceNotFound = (id: string): string => `couldn't find service: ${id}`;

function external(id: string, url: string, headers: readonly string[], allowed: AllowedHosts | null): Resolved {
  const origin = parseOrigin(url);
  if (origin === null) return { kind: 'none', error: `invalid URL ${url}` };
  if (allowed !== null && !allowed(origin.host, origin.port)) {
    return { kind: 'denied', error: `host ${origin.host} is not in invoke.externalHosts` };
  }
  const { scheme, authority, basePath } = origin;
  return { kind: 'external', id, virtualHost: origin.name, scheme, authority, basePath, headers };
}
