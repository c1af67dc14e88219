/**
 * Whom an HTTP request calls. Three forms (dapr/dapr pkg/api/http/directmessaging.go), in this order: header
 * `dapr-app-id` on any path; Basic authentication whose user is `dapr-app-id`; `/v1.0/invoke/{id}/method/{method}`, where
 * id may be an absolute URL.
 */
import type { HeaderList } from '@outrigger/engine';
import { cleanPath, percentDecode, utf8 } from './method-path.js';

export interface HttpTarget {
  /** App id, name of an HTTPEndpoint, or absolute URL. */
  readonly id: string;
  /** Decoded, one byte per character, without a leading slash. */
  readonly method: string;
  /** With its `?`, as received; '' when there is none. */
  readonly query: string;
  /** The Authorization field only addressed us: it is not for the app. */
  readonly basic: boolean;
}

/** null: nobody is addressed. `malformed`: the path cannot be decoded. */
export function httpTarget(requestPath: string, headers: HeaderList): HttpTarget | null | 'malformed' {
  const mark = requestPath.indexOf('?');
  const query = mark < 0 ? '' : requestPath.slice(mark);
  const path = percentDecode(mark < 0 ? requestPath : requestPath.slice(0, mark));
  if (path === null) return 'malformed';

  const named = headers.get('dapr-app-id');
  if (named !== undefined && named !== '') return { id: named, method: rootless(path), query, basic: false };

  const basic = basicAppId(headers.get('authorization'));
  if (basic !== undefined) return { id: basic, method: rootless(path), query, basic: true };

  const found = invokePath(path);
  return found === null ? null : { ...found, query, basic: false };
}

const rootless = (path: string): string => {
  const clean = cleanPath(path);
  return clean.startsWith('/') ? clean.slice(1) : clean;
};

/** `Basic base64("dapr-app-id:<id>")`. */
function basicAppId(authorization: string | undefined): string | undefined {
  if (authorization === undefined || !authorization.startsWith('Basic ')) return undefined;
  const parts = Buffer.from(authorization.slice(6), 'base64').toString('utf8').split(':');
  if (parts.length !== 2 || parts[0]?.toLowerCase() !== 'dapr-app-id') return undefined;
  return parts[1] === '' ? undefined : parts[1];
}

/** The rest behind `/v1.0/invoke/`, slashes between the parts repeated at will. */
const INVOKE_PATH = /^\/*v1\.0\/+invoke\/+([\s\S]*)$/;
const METHOD = '/method/';

function invokePath(path: string): { readonly id: string; readonly method: string } | null {
  const rest = INVOKE_PATH.exec(path)?.[1];
  if (rest === undefined) return null;
  const at = rest.indexOf(METHOD);
  if (at <= 0) return null;
  const raw = rest.slice(0, at);
  // Dapr unescapes the id once more, as a query value: clients escape URLs twice.
  const again = percentDecode(raw.replace(/\+/g, ' '));
  return { id: utf8(again === null || again === '' ? raw : again), method: rootless(rest.slice(at + METHOD.length)) };
}
