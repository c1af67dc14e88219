/**
 * The HTTP API: who may ask, which route, its body, its answer. Order as in Dapr's middleware: CORS, token, route, with
 * the protection from pages in browsers before all.
 */
import { collectBody, type HttpHandler, respondEmpty, type ServerStream } from '@outrigger/engine';
import { fail } from '../../errors.js';
import { LARGE_MESSAGE_BYTES, type MemoryTidy } from '../../lifecycle/memory-tidy.js';
import { type ApiRules, apiFilter } from '../api-rules.js';
import { API_TOKEN_HEADER, tokenCheck } from '../api-token.js';
import { RouteCall } from './call.js';
import { Exchange, type ExchangeDeps, ExchangeServices, STATUS_CALLER_LEFT } from './exchange.js';
import { MeteredStream } from './metered-stream.js';
import { createOriginPolicy } from './origin.js';
import { cleanPath, decodePlace, splitPath } from './path.js';
import type { BufferedRoute, HttpReply, HttpRoute } from './route.js';
import { type RouteMatch, RouteTable } from './route-table.js';

export interface DaprHttpDeps extends ExchangeDeps {
  readonly memory?: MemoryTidy;
  readonly apiToken: string | undefined;
  /** Origins that a page in a browser may call from; `*`: every one. */
  readonly allowedOrigins: readonly string[];
  readonly apiRules: ApiRules;
  /** Largest request body of routes that take it whole. */
  readonly messageBytesMax: number;
  readonly routes: readonly HttpRoute[];
  /** Serves whatever no route does: invoke by header on any path. Exists where the rules allow `invoke`. */
  readonly fallback: HttpHandler | undefined;
}

/** Versions as rules name them. */
const VERSION_ALIASES: Readonly<Record<string, string>> = {
  'v1.0': 'v1',
  'v1.0-alpha1': 'v1alpha1',
  'v1.0-alpha2': 'v1alpha2',
  'v1.0-beta1': 'v1beta1',
};

type RouteIdentity = Pick<HttpRoute, 'api' | 'version' | 'pattern'>;
const INVOKE: RouteIdentity = { api: 'invoke', version: 'v1.0', pattern: '/v1.0/invoke/{target…}' };

/** A rule names an API and its version, or, in Dapr's older way, the beginning of a path. */
function routeFilter(rules: ApiRules): (route: RouteIdentity) => boolean {
  const isAllowed = apiFilter(rules, 'http');
  return ({ api, version, pattern }) =>
    isAllowed((rule) => {
      const key = `${rule.version}/${rule.name}`;
      return key === `${VERSION_ALIASES[version] ?? version}/${api}` || pattern.slice(1).startsWith(key);
    });
}

const dropped = { onData() {}, onEnd() {}, onReset() {}, onDrain() {} };

class DaprHttpServer {
  readonly #table: RouteTable;
  readonly #fallback: HttpHandler | undefined;
  readonly #origins: ReturnType<typeof createOriginPolicy>;
  readonly #isRightToken: ((given: string | undefined) => boolean) | undefined;
  readonly #messageBytesMax: number;
  readonly #memory: MemoryTidy | undefined;
  readonly #services: ExchangeServices;

  constructor(deps: DaprHttpDeps) {
    const isAllowed = routeFilter(deps.apiRules);
    this.#table = new RouteTable(deps.routes.filter((route) => route.open === true || isAllowed(route)));
    this.#fallback = isAllowed(INVOKE) ? deps.fallback : undefined;
    this.#origins = createOriginPolicy(deps.allowedOrigins);
    const { apiToken } = deps;
    this.#isRightToken = apiToken === undefined || apiToken === '' ? undefined : tokenCheck(apiToken);
    this.#messageBytesMax = deps.messageBytesMax;
    this.#memory = deps.memory;
    this.#services = new ExchangeServices(deps);
  }

  handle(stream: ServerStream): void {
    const { head } = stream;
    const { path: rawPath, query } = splitPath(head.path);
    const path = cleanPath(rawPath);
    const match = this.#table.find(head.method, path);
    const exchange = new Exchange(this.#services, stream, match?.route, path, this.#origins.responseHeaders(head));
    stream.receiver = dropped;
    if (this.#isAnswered(exchange)) return;
    if (match !== undefined) this.#serve(exchange, match, query);
    else if (this.#fallback !== undefined) handOver(exchange, this.#fallback);
    else exchange.replyText(404, '404 page not found\n');
  }

  /** Answers what gets no further than the door: pages of other sites, preflights, wrong tokens. */
  #isAnswered(exchange: Exchange): boolean {
    const { stream, route } = exchange;
    const { head } = stream;
    const refusal = this.#origins.refusal(stream);
    if (refusal !== undefined) {
      exchange.replyError(refusal);
      return true;
    }
    const preflight = this.#origins.preflight(head);
    if (preflight !== undefined) {
      respondEmpty(stream, 200, preflight);
      exchange.finish(200, 0);
      return true;
    }
    if (this.#isRightToken === undefined) return false;
    const isRight = this.#isRightToken(head.headers.get(API_TOKEN_HEADER));
    head.headers.delete(API_TOKEN_HEADER);
    if (isRight || route?.open === true) return false;
    exchange.replyText(401, 'invalid api token\n');
    return true;
  }

  #serve(exchange: Exchange, { route, names, values }: RouteMatch, query: string): void {
    const params: Record<string, string> = {};
    for (let i = 0; i < names.length; i++) {
      const name = names[i] as string;
      const value = decodePlace(values[i] as string);
      if (value === undefined) {
        exchange.replyText(400, `failed to unescape request parameter "${name}". Error: invalid URL escape\n`);
        return;
      }
      params[name] = value;
    }
    if (route.body === 'stream') {
      handOver(exchange, (own) => route.handle(new RouteCall(own, params, query, () => {})));
      return;
    }
    const call = new RouteCall(exchange.stream, params, query, () => exchange.finish(STATUS_CALLER_LEFT, 0));
    if (route.body === 'buffer') {
      this.#runWithBody(route, call, exchange);
      return;
    }
    exchange.stream.receiver = call;
    run(route, call, exchange);
  }

  #runWithBody(route: BufferedRoute, call: RouteCall, exchange: Exchange): void {
    const { stream } = exchange;
    const limit = this.#messageBytesMax;
    collectBody(stream, limit, (error, body) => {
      if (body.length >= LARGE_MESSAGE_BYTES) this.#memory?.large(body.length);
      // From here on the call listens: a caller that leaves aborts it.
      stream.receiver = call;
      call.body = body;
      if (error === null) run(route, call, exchange);
      else if (error.code === 'BODY_TOO_LARGE') exchange.replyError(fail('API_BODY_TOO_LARGE', { limit }));
      else call.onReset();
    });
  }
}

/** Runs the handler of a route whose body is at hand. */
function run(route: BufferedRoute, call: RouteCall, exchange: Exchange): void {
  const send = (reply: () => void): void => {
    if (call.closed) return;
    try {
      reply();
    } catch (error) {
      exchange.abandon(error);
    }
  };
  const answered = (answer: HttpReply): void => send(() => exchange.reply(answer));
  const failed = (error: unknown): void => send(() => exchange.replyError(error));
  let answer: HttpReply | Promise<HttpReply>;
  try {
    answer = route.handle(call);
  } catch (error) {
    failed(error);
    return;
  }
  if (answer instanceof Promise) answer.then(answered, failed);
  else answered(answer);
}

/** Gives the exchange away; its end is counted all the same. */
function handOver(exchange: Exchange, take: (own: ServerStream) => void): void {
  const ended = (status: number, bytes: number): void =>
    exchange.finish(status === 0 ? STATUS_CALLER_LEFT : status, bytes);
  take(new MeteredStream(exchange.stream, exchange.extraHeaders, ended));
}

export function createDaprHttpHandler(deps: DaprHttpDeps): HttpHandler {
  const server = new DaprHttpServer(deps);
  return (stream) => server.handle(stream);
}
