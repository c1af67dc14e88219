/** One request from its head to the end of its answer: replies, counts, logs. */
import {
  type Clock,
  HeaderList,
  type Logger,
  respondBytes,
  respondEmpty,
  respondText,
  type ServerStream,
} from '@outrigger/engine';
import type { MetricsRegistry } from '../../telemetry/metrics.js';
import type { ApiLogging } from '../api-logging.js';
import { createErrorCounter, type ErrorCounter } from '../error-counter.js';
import { asOutriggerError, errorView } from '../error-view.js';
import { errorJson } from './error-reply.js';
import { createHttpMeter, type HttpMeter } from './metrics.js';
import type { HttpReply, HttpRoute } from './route.js';

/** Stands for a caller that left before its answer, as nginx counts it. */
export const STATUS_CALLER_LEFT = 499;

export interface ExchangeDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
  readonly appId: string;
  readonly apiLogging: ApiLogging;
}

/** What all exchanges share. */
export class ExchangeServices {
  readonly clock: Clock;
  readonly log: Logger;
  readonly apiLogging: ApiLogging;
  readonly meter: HttpMeter;
  readonly countError: ErrorCounter;

  constructor(deps: ExchangeDeps) {
    this.clock = deps.clock;
    this.log = deps.log;
    this.apiLogging = deps.apiLogging;
    this.meter = createHttpMeter(deps.metrics, deps.appId);
    this.countError = createErrorCounter(deps.metrics, deps.appId);
  }
}

export class Exchange {
  readonly stream: ServerStream;
  readonly route: HttpRoute | undefined;
  /** Cleaned, still percent-encoded. */
  readonly path: string;
  /** Fields that every answer carries: name, value, … */
  readonly extraHeaders: readonly string[];
  readonly #services: ExchangeServices;
  readonly #start: number;
  #finished = false;

  constructor(
    services: ExchangeServices,
    stream: ServerStream,
    route: HttpRoute | undefined,
    path: string,
    extraHeaders: readonly string[],
  ) {
    this.#services = services;
    this.#start = services.clock.now();
    this.stream = stream;
    this.route = route;
    this.path = path;
    this.extraHeaders = extraHeaders;
  }

  reply({ status, headers, body }: HttpReply): void {
    const fields: string[] = [];
    let contentType = 'application/json';
    for (const name in headers) {
      const value = headers[name] as string;
      if (name === 'content-type') contentType = value;
      else fields.push(name, value);
    }
    const list = new HeaderList([...fields, ...this.extraHeaders]);
    if (body === undefined) {
      respondEmpty(this.stream, status, list);
      this.finish(status, 0);
      return;
    }
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const bytes = body instanceof Uint8Array ? body : Buffer.from(text);
    respondBytes(this.stream, status, contentType, bytes, list);
    this.finish(status, bytes.length);
  }

  /** An error of the table in Dapr's JSON; anything else is a fault of ours, whose text stays in the log. */
  replyError(error: unknown): void {
    const known = asOutriggerError(error);
    if (known !== error) {
      this.#services.log.error({ err: error, path: this.path }, 'an API call failed by a fault of the sidecar');
    }
    const view = errorView(known, 'dapr-http');
    this.#services.countError(view);
    this.reply({ status: view.http, body: errorJson(view) });
  }

  /** As Go's http.Error. */
  replyText(status: number, text: string): void {
    const fields = new HeaderList(['x-content-type-options', 'nosniff', ...this.extraHeaders]);
    respondText(this.stream, status, text, fields);
    this.finish(status, text.length);
  }

  /** The answer itself could not be sent as it was made. */
  abandon(error: unknown): void {
    if (!this.stream.responded) {
      this.replyError(error);
      return;
    }
    this.#services.log.error({ err: error, path: this.path }, 'an answer broke off by a fault of the sidecar');
    this.stream.reset('internal');
    this.finish(500, 0);
  }

  /** Counts and logs, once: a caller that leaves after its answer is no second end. */
  finish(status: number, responseBytes: number): void {
    if (this.#finished) return;
    this.#finished = true;
    const { clock, meter } = this.#services;
    const { method, headers } = this.stream.head;
    const elapsedMs = clock.now() - this.#start;
    const requestBytes = Number(headers.get('content-length') ?? 0);
    meter.completed(method, this.path, status, requestBytes, responseBytes, elapsedMs);
    this.#log(status, responseBytes, elapsedMs);
  }

  #log(code: number, size: number, elapsedMs: number): void {
    const { apiLogging, log } = this.#services;
    if (!apiLogging.enabled || (this.route?.open === true && apiLogging.omitHealthChecks)) return;
    const { head } = this.stream;
    const name = this.route?.name ?? this.route?.api ?? 'InvokeService';
    const method = apiLogging.obfuscateUrls ? name : `${head.method} ${this.path}`;
    const useragent = head.headers.get('user-agent');
    log.info({ method, useragent, duration: Math.trunc(elapsedMs), code, size }, 'HTTP API Called');
  }
}
