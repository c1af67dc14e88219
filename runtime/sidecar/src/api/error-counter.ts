/** `dapr_error_code_total`: every error that an API answered with, by its code. */
import type { CounterSeries, MetricsRegistry } from '../telemetry/metrics.js';
import type { ErrorView } from './error-view.js';

export type ErrorCounter = (view: ErrorView) => void;

export function createErrorCounter(metrics: MetricsRegistry, appId: string): ErrorCounter {
  const family = metrics.counter(
    'dapr_error_code_total',
    'Total number of times an error with a specific error code was encountered.',
    ['app_id', 'error_code', 'category'],
  );
  /** Codes and categories come from the table: their number is fixed. */
  const bound = new Map<string, CounterSeries>();
  return ({ code, category }) => {
    const key = `${code} ${category}`;
    let series = bound.get(key);
    if (series === undefined) {
      series = family.with(appId, code, category);
      bound.set(key, series);
    }
    series.add(1);
  };
}
