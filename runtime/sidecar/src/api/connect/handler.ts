/** An HttpHandler that serves gRPC-Web and Connect calls and passes everything else on. */
import type { UniversalHandler, UniversalServerResponse } from '@connectrpc/connect/protocol';
import {
  HeaderList,
  type HttpHandler,
  type Logger,
  type RequestHead,
  respondText,
  type ServerStream,
} from '@outrigger/engine';
import { RequestBody } from './body.js';
import type { ConnectDeps, ConnectRoutes } from './routes.js';

export interface ConnectHandlerDeps extends ConnectDeps {
  readonly log: Logger;
  /** Serves what is no call of a known method. */
  readonly otherwise: HttpHandler;
}

/** Fields of the connection, not of the message: connect must neither see nor send them. */
const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
  'te',
]);

export function createConnectHandler(deps: ConnectHandlerDeps): HttpHandler {
  const paths = new Set(deps.methods.map(({ path }) => path));
  // connect is loaded by the first call that needs it: most sidecars never serve one.
  let routes: Promise<ConnectRoutes> | undefined;
  return (stream) => {
    const query = stream.head.path.indexOf('?');
    const path = query < 0 ? stream.head.path : stream.head.path.slice(0, query);
    if (!paths.has(path)) return deps.otherwise(stream);
    routes ??= import('./routes.js').then(({ createConnectRoutes }) => createConnectRoutes(deps));
    serve(routes, path, stream).catch((error: unknown) => {
      deps.log.error({ err: error, path }, 'a gRPC-Web or Connect call failed outside its handler');
      stream.reset('internal');
    });
  };
}

async function serve(routes: Promise<ConnectRoutes>, path: string, stream: ServerStream): Promise<void> {
  const { head } = stream;
  const controller = new AbortController();
  const body = new RequestBody(stream, controller);
  const { handlers, contextOf, limit } = await routes;
  const handler = handlers.get(path) as UniversalHandler;
  if (body.cutOff) return;
  if (!handler.allowedMethods.includes(head.method)) {
    const allow = new HeaderList(['allow', handler.allowedMethods.join(', ')]);
    return respondText(stream, 405, `${head.method} is not allowed here\n`, allow);
  }
  const contentType = head.headers.get('content-type') ?? '';
  const unsupported = (): void =>
    respondText(stream, 415, `content-type '${contentType}' is not one of gRPC-Web or Connect\n`);
  if (head.method !== 'GET' && !handler.supportedContentType(contentType)) return unsupported();
  const header = headersOf(head);
  const response = await handler({
    httpVersion: stream.protocol === 'h2' ? '2.0' : '1.1',
    url: `${head.scheme}://${head.authority}${head.path}`,
    method: head.method,
    header,
    body: limit.requests(body, header),
    signal: controller.signal,
    contextValues: contextOf({ remote: stream.remote, tls: stream.tls }),
  });
  // gRPC-Web in base64 (-text) is known to connect, and not served by it.
  if (response.status === 415 && response.body === undefined && !body.cutOff) return unsupported();
  await respond(stream, body, response);
}

function headersOf(head: RequestHead): Headers {
  const headers = new Headers();
  for (const [name, value] of head.headers) if (!CONNECTION_FIELDS.has(name)) headers.append(name, value);
  return headers;
}

function listOf(headers: Headers | undefined): HeaderList {
  const list = new HeaderList();
  headers?.forEach((value, name) => {
    if (!CONNECTION_FIELDS.has(name)) list.append(name, value);
  });
  return list;
}

async function respond(stream: ServerStream, body: RequestBody, response: UniversalServerResponse): Promise<void> {
  if (body.cutOff) return;
  if (response.body === undefined)
    return stream.respond({ status: response.status, headers: listOf(response.header) }, true);
  stream.respond({ status: response.status, headers: listOf(response.header) }, false);
  for await (const chunk of response.body) {
    if (body.cutOff) return;
    if (!stream.write(chunk)) await body.writable();
  }
  if (!body.cutOff) stream.end();
}
