/** The form of every HTTP API route: a table row, so that the list of routes can be read, printed and tested. */
import type { ServerStream } from '@outrigger/engine';
import type { CallContext, MaybePromise } from '../../block/context.js';

export interface HttpReply {
  readonly status: number;
  /** Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Objects are sent as JSON; strings as they are (set content-type); bytes as they are. */
  readonly body?: Uint8Array | string | object;
}

export interface HttpCall {
  readonly method: string;
  /** Values of `{name}` places, percent-decoded once; `{name…}` takes the rest of the path. */
  readonly params: Readonly<Record<string, string>>;
  /** Query values; `+` is a space. First value wins in `query.get`. */
  readonly query: URLSearchParams;
  /** `metadata.<k>=<v>` query parameters. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly stream: ServerStream;
  /** The whole body for `body: 'buffer'` routes; empty otherwise. */
  readonly body: Buffer;
  readonly context: CallContext;
}

interface RouteBase {
  /** `*` alone: every method. */
  readonly methods: readonly string[];
  /** `/v1.0/state/{store}/{key}`; several versions are several rows. */
  readonly pattern: string;
  /** The name that `api.allowed` / `api.denied` and metrics use: `state`, `publish`, … with `version` `v1.0`, `v1.0-alpha1`. */
  readonly api: string;
  readonly version: string;
  /** Dapr's name of the endpoint, which stands for the path in API logs with obfuscated URLs. */
  readonly name?: string;
  /** Health answers without a token, and whatever the API rules say. */
  readonly open?: boolean;
}

/** Takes no body, or the whole of it, and answers with a reply. */
export type BufferedRoute = RouteBase & {
  readonly body: 'none' | 'buffer';
  handle(call: HttpCall): MaybePromise<HttpReply>;
};

/** Owns the stream and answers on it itself; that the caller left it hears from the stream, not from the context's signal. */
export type StreamRoute = RouteBase & { readonly body: 'stream'; handle(call: HttpCall): void };

export type HttpRoute = BufferedRoute | StreamRoute;
