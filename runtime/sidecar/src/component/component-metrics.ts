/** Dapr's metrics of components (pkg/diagnostics/service_monitoring.go). */
import type { MetricsRegistry } from '../telemetry/metrics.js';
import type { InitFailure } from './component-errors.js';

export interface ComponentMetrics {
  initialized(type: string): void;
  failed(type: string, name: string, failure: InitFailure): void;
}

export function createComponentMetrics(metrics: MetricsRegistry, appId: string): ComponentMetrics {
  const loaded = metrics
    .counter('dapr_runtime_component_loaded', 'The number of successfully loaded components.', ['app_id'])
    .with(appId);
  const initialized = metrics.counter('dapr_runtime_component_init_total', 'The number of initialized components.', [
    'app_id',
    'component',
  ]);
  const failed = metrics.counter(
    'dapr_runtime_component_init_fail_total',
    'The number of component initialization failures.',
    ['app_id', 'component', 'componentName', 'reason'],
  );
  return {
    initialized(type) {
      loaded.add(1);
      initialized.with(appId, type).add(1);
    },
    failed(type, name, failure) {
      const reason = failure === 'CREATE_COMPONENT_FAILURE' ? 'creation' : 'init';
      failed.with(appId, type, name, reason).add(1);
    },
  };
}
