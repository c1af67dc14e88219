/**
 * What the protos and Dapr's list of routes name and this sidecar does not serve yet: derived from what is registered, so
 * that the list can only shrink. Each such method and route exists and says so.
 */
import type { GrpcMethod, MessageCodec, MethodInfo } from '@outrigger/engine';
import { type ServiceName, services } from '@outrigger/proto/services';
import { fail } from '../errors.js';
import type { HttpRoute } from './dapr-http/route.js';
import { bidi, clientStream, serverStream, unary } from './grpc-method.js';

/** Whatever the request is, it is refused. */
const unread: MessageCodec<undefined> = { typeName: '', decode: () => undefined, encode() {} };

function refusing({ path, kind }: Pick<MethodInfo<unknown, unknown>, 'path' | 'kind'>): GrpcMethod {
  const info = { path, kind, request: unread, response: unread };
  const refuse = (): never => {
    throw fail('API_NOT_SERVED', { method: path.slice(1) });
  };
  const refuseLater = async (): Promise<never> => refuse();
  switch (kind) {
    case 'unary':
      return unary(info, refuse);
    case 'server-stream':
      return serverStream(info, refuseLater);
    case 'client-stream':
      return clientStream(info, refuseLater);
    case 'bidi':
      return bidi(info, refuseLater);
  }
}

/** Methods of `service` that are not among `served`, each answering UNIMPLEMENTED. */
export function notServedMethods(service: ServiceName, served: readonly { readonly path: string }[]): GrpcMethod[] {
  const paths = new Set(served.map(({ path }) => path));
  return services[service].methods.filter(({ path }) => !paths.has(path)).map(refusing);
}

export interface RouteName {
  readonly methods: readonly string[];
  readonly pattern: string;
  readonly api: string;
  readonly version: string;
  readonly name: string;
}

/** Places have no name here: `{key}` and `{secret}` are the same place. */
function shapeOf(method: string, pattern: string): string {
  return `${method} ${pattern.replace(/\{[^}]*…\}/g, '{…}').replace(/\{[^}…]+\}/g, '{}')}`;
}

/** Rows of `known` that are not among `served`, each answering 501. */
export function notServedRoutes(known: readonly RouteName[], served: readonly HttpRoute[]): HttpRoute[] {
  const shapes = new Set(served.flatMap(({ methods, pattern }) => methods.map((method) => shapeOf(method, pattern))));
  const routes: HttpRoute[] = [];
  for (const { methods, ...row } of known) {
    const missing = methods.filter((method) => !shapes.has(shapeOf(method, row.pattern)));
    if (missing.length === 0) continue;
    const refuse = (): never => {
      throw fail('API_NOT_SERVED', { method: `${missing.join('|')} ${row.pattern}` });
    };
    routes.push({ ...row, methods: missing, body: 'none', handle: refuse });
  }
  return routes;
}
