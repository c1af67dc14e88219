/**
 * Dapr's counters of calls to components (dapr/dapr pkg/diagnostics/component_monitoring.go):
 * `dapr_component_<block>_count` and `dapr_component_<block>_latencies` in milliseconds, by app, component, namespace,
 * operation and success. Dapr leaves latencies under 1 ms out; here every call is in the histogram.
 */
import type { CounterSeries, HistogramSeries, MetricsRegistry } from '../telemetry/metrics.js';

const LABELS: readonly string[] = ['app_id', 'component', 'namespace', 'operation', 'success'];

interface OutcomeSeries {
  readonly count: CounterSeries;
  readonly latencyMs: HistogramSeries;
}

/** One operation of one component; each outcome is bound when it first happens, and once. */
export class OperationMeter {
  readonly #bind: (success: 'true' | 'false') => OutcomeSeries;
  #succeeded: OutcomeSeries | undefined;
  #failed: OutcomeSeries | undefined;

  constructor(bind: (success: 'true' | 'false') => OutcomeSeries) {
    this.#bind = bind;
  }

  succeeded(elapsedMs: number): void {
    this.#succeeded ??= this.#bind('true');
    this.#succeeded.count.add(1);
    this.#succeeded.latencyMs.observe(elapsedMs);
  }

  failed(elapsedMs: number): void {
    this.#failed ??= this.#bind('false');
    this.#failed.count.add(1);
    this.#failed.latencyMs.observe(elapsedMs);
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
      new OperationMeter((success) => {
        const labels = [deps.appId, component, deps.namespace, operation, success];
        return { count: counts.with(...labels), latencyMs: latencies.with(...labels) };
      }),
  };
}
