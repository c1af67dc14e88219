/** Dapr's pub/sub metrics (pkg/diagnostics/component_monitoring.go). Series are bound once for each topic. */
import type { CounterSeries, HistogramSeries, MetricsRegistry } from '../../telemetry/metrics.js';

/** Topics with series of their own; further ones are counted together as `overflow`. */
export const METRIC_TOPICS_MAX = 1_000;

export type ProcessStatus = 'success' | 'retry' | 'drop';

export interface IngressMetrics {
  /** One attempt, or a message that came to no attempt. `status` differs from `process` for what the app dropped. */
  event(process: ProcessStatus, status: ProcessStatus, elapsedMs: number): void;
  bulk(elapsedMs: number, counts: Readonly<Record<ProcessStatus, number>>): void;
}

export interface EgressMetrics {
  event(success: boolean, elapsedMs: number): void;
  bulk(success: boolean, published: number, elapsedMs: number): void;
}

export interface PubSubMetrics {
  ingress(component: string, topic: string): IngressMetrics;
  egress(component: string, topic: string): EgressMetrics;
}

interface Pair {
  readonly count: CounterSeries;
  readonly latency: HistogramSeries;
}

export function createPubSubMetrics(registry: MetricsRegistry, appId: string, namespace: string): PubSubMetrics {
  const ingressLabels = ['app_id', 'component', 'namespace', 'process_status', 'status', 'topic'];
  const bulkIngressLabels = ['app_id', 'component', 'namespace', 'process_status', 'topic'];
  const egressLabels = ['app_id', 'component', 'namespace', 'success', 'topic'];
  const counter = registry.counter.bind(registry);
  const histogram = registry.histogram.bind(registry);
  const name = 'dapr_component_pubsub_';
  const ingressCount = counter(
    `${name}ingress_count`,
    'Incoming messages that arrived from the component.',
    ingressLabels,
  );
  const ingressLatency = histogram(
    `${name}ingress_latencies`,
    'Time the app took to process a message.',
    ingressLabels,
  );
  const bulkIngressCount = counter(
    `${name}ingress_bulk_count`,
    'Incoming batches that arrived from the component.',
    bulkIngressLabels,
  );
  const bulkEventCount = counter(
    `${name}ingress_bulk_event_count`,
    'Incoming messages that arrived in batches.',
    bulkIngressLabels,
  );
  const bulkIngressLatency = histogram(
    `${name}ingress_bulk_latencies`,
    'Time the app took to process a batch.',
    bulkIngressLabels,
  );
  const egressCount = counter(`${name}egress_count`, 'Messages published to the component.', egressLabels);
  const egressLatency = histogram(`${name}egress_latencies`, 'Time the component took to publish.', egressLabels);
  const bulkEgressCount = counter(`${name}egress_bulk_count`, 'Batches published to the component.', egressLabels);
  const bulkEventEgressCount = counter(
    `${name}egress_bulk_event_count`,
    'Messages published in batches.',
    egressLabels,
  );
  const bulkEgressLatency = histogram(
    `${name}egress_bulk_latencies`,
    'Time the component took to publish a batch.',
    egressLabels,
  );

  const ingressOf = (component: string, topic: string): IngressMetrics => {
    const bind = lazily((key: string): Pair => {
      const [process, status] = key.split(' ') as [string, string];
      const labels = [appId, component, namespace, process, status, topic];
      return { count: ingressCount.with(...labels), latency: ingressLatency.with(...labels) };
    });
    return {
      event: (process, status, elapsedMs) => {
        const { count, latency } = bind(`${process} ${status}`);
        count.add(1);
        if (elapsedMs > 0) latency.observe(elapsedMs);
      },
      bulk: (elapsedMs, counts) => {
        bulkIngressCount.with(appId, component, namespace, '', topic).add(1);
        if (elapsedMs > 0) bulkIngressLatency.with(appId, component, namespace, '', topic).observe(elapsedMs);
        for (const status of ['success', 'retry', 'drop'] as const) {
          if (counts[status] > 0) bulkEventCount.with(appId, component, namespace, status, topic).add(counts[status]);
        }
      },
    };
  };

  const egressOf = (component: string, topic: string): EgressMetrics => {
    const bind = lazily((success: boolean): Pair => {
      const labels = [appId, component, namespace, String(success), topic];
      return { count: egressCount.with(...labels), latency: egressLatency.with(...labels) };
    });
    return {
      event: (success, elapsedMs) => {
        const { count, latency } = bind(success);
        count.add(1);
        if (elapsedMs > 0) latency.observe(elapsedMs);
      },
      bulk: (success, published, elapsedMs) => {
        const labels = [appId, component, namespace, String(success), topic];
        bulkEgressCount.with(...labels).add(1);
        if (published > 0) bulkEventEgressCount.with(...labels).add(published);
        if (elapsedMs > 0) bulkEgressLatency.with(...labels).observe(elapsedMs);
      },
    };
  };

  return { ingress: byTopic(ingressOf), egress: byTopic(egressOf) };
}

function lazily<K, V>(make: (key: K) => V): (key: K) => V {
  const known = new Map<K, V>();
  return (key) => {
    let value = known.get(key);
    if (value === undefined) known.set(key, (value = make(key)));
    return value;
  };
}

/** Topics are named by callers: past the limit they share one entry. */
function byTopic<T>(make: (component: string, topic: string) => T): (component: string, topic: string) => T {
  const known = new Map<string, Map<string, T>>();
  let count = 0;
  return (component, topic) => {
    let topics = known.get(component);
    if (topics === undefined) known.set(component, (topics = new Map()));
    const found = topics.get(topic);
    if (found !== undefined) return found;
    const name = count < METRIC_TOPICS_MAX ? topic : 'overflow';
    let made = topics.get(name);
    if (made === undefined) {
      made = make(component, name);
      topics.set(name, made);
      count++;
    }
    return made;
  };
}
