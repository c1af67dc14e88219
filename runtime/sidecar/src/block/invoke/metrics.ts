/** Dapr's metrics of service invocation (dapr/dapr pkg/diagnostics/service_monitoring.go); series are bound once per peer. */
import type { CounterSeries, HistogramSeries, MetricsRegistry } from '../../telemetry/metrics.js';

/** Peers with series of their own; the names come from callers, so that they are bounded. */
export const INVOKE_PEERS_MAX = 2000;

type Kind = 'unary' | 'streaming';

interface Answered {
  readonly count: CounterSeries;
  readonly latency: HistogramSeries | null;
}

export interface InvokeMetrics {
  requestSent(appId: string, kind: Kind): void;
  /** `status`: HTTP status of an HTTP app, gRPC code of a gRPC app. Streams have no latency. */
  responseReceived(appId: string, kind: Kind, status: number, durationMs: number): void;
  requestReceived(callerAppId: string): void;
  responseSent(callerAppId: string, status: number): void;
}

/** A two-level cache with a bound: a Map of peers, each with a Map of statuses. */
class Series<S> {
  readonly #make: (peer: string, status: string) => S;
  readonly #peers: Map<string, Map<number, S>> = new Map();

  constructor(make: (peer: string, status: string) => S) {
    this.#make = make;
  }

  of(peer: string, status: number): S {
    let statuses = this.#peers.get(peer);
    if (statuses === undefined) {
      if (this.#peers.size >= INVOKE_PEERS_MAX) return this.#overflow(status);
      statuses = new Map();
      this.#peers.set(peer, statuses);
    }
    let series = statuses.get(status);
    if (series === undefined) {
      series = this.#make(peer, String(status));
      statuses.set(status, series);
    }
    return series;
  }

  #overflow(status: number): S {
    let statuses = this.#peers.get('overflow');
    if (statuses === undefined) this.#peers.set('overflow', (statuses = new Map()));
    let series = statuses.get(status);
    if (series === undefined) statuses.set(status, (series = this.#make('overflow', String(status))));
    return series;
  }
}

export function createInvokeMetrics(metrics: MetricsRegistry, appId: string): InvokeMetrics {
  const prefix = 'dapr_runtime_service_invocation';
  const sent = metrics.counter(`${prefix}_req_sent_total`, 'The number of requests sent via service invocation.', [
    'app_id',
    'dst_app_id',
    'type',
  ]);
  const received = metrics.counter(
    `${prefix}_req_recv_total`,
    'The number of requests received via service invocation.',
    ['app_id', 'src_app_id'],
  );
  const answersSent = metrics.counter(
    `${prefix}_res_sent_total`,
    'The number of responses sent via service invocation.',
    ['app_id', 'dst_app_id', 'status'],
  );
  const answersReceived = metrics.counter(
    `${prefix}_res_recv_total`,
    'The number of responses received via service invocation.',
    ['app_id', 'src_app_id', 'status', 'type'],
  );
  const latency = metrics.histogram(`${prefix}_res_recv_latency_ms`, 'The latency of service invocation response.', [
    'app_id',
    'src_app_id',
    'status',
  ]);

  const kinds = {
    unary: {
      sent: new Series((peer) => sent.with(appId, peer, 'unary')),
      answered: new Series<Answered>((peer, status) => ({
        count: answersReceived.with(appId, peer, status, 'unary'),
        latency: latency.with(appId, peer, status),
      })),
    },
    streaming: {
      sent: new Series((peer) => sent.with(appId, peer, 'streaming')),
      answered: new Series<Answered>((peer, status) => ({
        count: answersReceived.with(appId, peer, status, 'streaming'),
        latency: null,
      })),
    },
  };
  const requests = new Series((peer) => received.with(appId, peer));
  const responses = new Series((peer, status) => answersSent.with(appId, peer, status));

  return {
    requestSent: (peer, kind) => kinds[kind].sent.of(peer, 0).add(1),
    responseReceived: (peer, kind, status, durationMs) => {
      const answered = kinds[kind].answered.of(peer, status);
      answered.count.add(1);
      answered.latency?.observe(durationMs);
    },
    requestReceived: (peer) => requests.of(peer, 0).add(1),
    responseSent: (peer, status) => responses.of(peer, status).add(1),
  };
}
