/**
 * Dapr's counters of calls to components (dapr/dapr pkg/diagnostics/component_monitoring.go):
 * `dapr_component_<block>_count` and `dapr_component_<block>_latencies` in milliseconds, by app, component, namespace,
 * operation and success. Dapr leaves latencies under 1 ms out; here every call is in the histogram.
 */
import type { CounterSeries, Family, HistogramSeries, MetricsRegistry } from '../telemetry/metrics.js';

const LABELS: readonly string[] = ['app_id', 'component', 'namespace', 'operation', 'success'];

/** One operation of one component, bound once. */
export class OperationMeter {
  readonly #okCount: CounterSeries;
  readonly #okMs: HistogramSeries;
  readonly #failedCount: CounterSeries;
  readonly #failedMs: HistogramSeries;

  constructor(
    counts: Family<CounterSeries>,
    latencies: Family<HistogramSeries>,
    labels: readonly [appId: string, component: string, namespace: string, operation: string],
  ) {
    this.#okCount = counts.with(...labels, 'true');
    this.#okMs = latencies.with(...labels, 'true');
    this.#failedCount = counts.with(...labels, 'false');
    this.#failedMs = latencies.with(...labels, 'false');
  }

  succeeded(elapsedMs: number): void {
    this.#okCount.add(1);
    this.#okMs.observe(elapsedMs);
  }

  failed(elapsedMs: number): void {
    this.#failedCount.add(1);
    this.#failedMs.observe(elapsedMs);
  }
}

export interface ComponentMeters {
  of(component: string, operation: string): OperationMeter;
}

export function createComponentMeters(
  block: 'state' | 'configuration' | 'secret',
  deps: { readonly metrics: MetricsRegistry; readonly appId: string; readonly namespace: string },
): ComponentMeters {
  const counts = deps.metrics.counter(
    `dapr_component_${block}_count`,
    `The number of operations performed on the ${block} component.`,
    LABELS,
  );
  const latencies = deps.metrics.histogram(
    `dapr_component_${block}_latencies`,
    `The latency of the response from the ${block} component.`,
    LABELS,
  );
  return {
    of: (component, operation) =>
      new OperationMeter(counts, latencies, [deps.appId, component, deps.namespace, operation]),
  };
}
