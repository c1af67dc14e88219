/** What every block is made of. */
import type { Clock, Logger } from '@outrigger/engine';
import type { ComponentRegistry } from '../component/registry.js';
import type { MetricsRegistry } from '../telemetry/metrics.js';
import type { PolicySource } from './policy.js';

export interface BlockDeps {
  readonly registry: ComponentRegistry;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
  readonly policies: PolicySource;
  readonly appId: string;
  /** '' when none was given: the `namespace` key prefix then falls back to the app id, as Dapr's does. */
  readonly namespace: string;
}
