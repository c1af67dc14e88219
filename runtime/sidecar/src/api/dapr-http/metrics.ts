/**
 * Dapr's metrics of its HTTP server (pkg/diagnostics/http_monitoring*.go) with its default, the increased cardinality:
 * the path without the parts that vary. Paths are the callers' choice, so the number of them that is told apart is limited.
 */
import type { CounterSeries, HistogramSeries, MetricsRegistry } from '../../telemetry/metrics.js';
import { SIZE_BUCKETS_BYTES } from '../size-buckets.js';

/** Paths, methods and statuses told apart; what comes later counts as path `overflow`. */
export const HTTP_SERIES_MAX = 2_000;

const METHODS: ReadonlySet<string> = new Set([
  'GET',
  'PUT',
  'POST',
  'PATCH',
  'DELETE',
  'HEAD',
  'OPTIONS',
  'CONNECT',
  'TRACE',
]);

/** The label of a path: `/v1.0/state/store` for any key of a store, ids of actors and workflows as `{id}`. */
export function pathLabel(given: string): string {
  const path = `/${given}`.replace(/\/{2,}/g, '/');
  // Six parts at most, as Go's SplitN: the last one holds the rest.
  const parts = path.slice(1).split('/');
  if (parts.length > 6) parts.splice(5, parts.length, parts.slice(5).join('/'));
  if (parts.length < 3) return path;
  switch (parts[1]) {
    case 'state':
    case 'secrets':
      return `/${parts.slice(0, 3).join('/')}`;
    case 'actors':
      if (parts.length < 5) return path;
      return `/${[parts[0], parts[1], parts[2], '{id}', parts[4]].join('/')}`;
    case 'workflows':
      return workflowLabel(parts, path);
    default:
      return path;
  }
}

function workflowLabel(parts: string[], path: string): string {
  if (parts.length < 4) return path;
  if (parts.length === 4) return `/${parts.slice(0, 3).join('/')}/{instanceId}`;
  if (parts.length === 5 && parts[4]?.startsWith('start')) return `/${parts.slice(0, 4).join('/')}/start`;
  const head = `/${parts.slice(0, 3).join('/')}/{instanceId}/${parts[4]}`;
  return parts[4] === 'raiseEvent' && parts.length === 6 ? `${head}/{eventName}` : head;
}

interface RequestSeries {
  readonly requests: CounterSeries;
  readonly responses: CounterSeries;
  readonly latencyMs: HistogramSeries;
}

export interface HttpMeter {
  completed(
    method: string,
    path: string,
    status: number,
    requestBytes: number,
    responseBytes: number,
    elapsedMs: number,
  ): void;
}

export function createHttpMeter(metrics: MetricsRegistry, appId: string): HttpMeter {
  const labels = ['app_id', 'method', 'path', 'status'];
  const requests = metrics.counter(
    'dapr_http_server_request_count',
    'Count of HTTP requests processed by the server.',
    labels,
  );
  const responses = metrics.counter('dapr_http_server_response_count', 'The number of HTTP responses.', labels);
  const latencies = metrics.histogram('dapr_http_server_latency', 'HTTP request end-to-end latency in server.', labels);
  const received = metrics
    .histogram(
      'dapr_http_server_request_bytes',
      'HTTP request body size if set as ContentLength (uncompressed) in server.',
      ['app_id'],
      SIZE_BUCKETS_BYTES,
    )
    .with(appId);
  const sent = metrics
    .histogram(
      'dapr_http_server_response_bytes',
      'HTTP response body size (uncompressed) in server.',
      ['app_id'],
      SIZE_BUCKETS_BYTES,
    )
    .with(appId);
  const bound = new Map<string, RequestSeries>();

  function bind(method: string, path: string, status: number): RequestSeries {
    const key = `${method} ${status} ${path}`;
    const known = bound.get(key);
    if (known !== undefined) return known;
    if (bound.size >= HTTP_SERIES_MAX && path !== 'overflow') return bind(method, 'overflow', status);
    const values = [appId, method, path, String(status)];
    const series = {
      requests: requests.with(...values),
      responses: responses.with(...values),
      latencyMs: latencies.with(...values),
    };
    bound.set(key, series);
    return series;
  }

  return {
    completed(method, path, status, requestBytes, responseBytes, elapsedMs) {
      const series = bind(METHODS.has(method) ? method : 'UNKNOWN', pathLabel(path), status);
      series.requests.add(1);
      series.responses.add(1);
      series.latencyMs.observe(elapsedMs);
      received.observe(requestBytes);
      sent.observe(responseBytes);
    },
  };
}
