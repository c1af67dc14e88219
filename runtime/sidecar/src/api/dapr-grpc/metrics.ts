/** Dapr's metrics of its gRPC server (pkg/diagnostics/grpc_monitoring.go), bound once per method and status. */
import { GrpcCode } from '@outrigger/engine';
import type { CounterSeries, Family, HistogramSeries, MetricsRegistry } from '../../telemetry/metrics.js';
import { SIZE_BUCKETS_BYTES } from '../size-buckets.js';

/** grpc-go's names of the codes, by number. */
const CODE_NAMES: readonly string[] = Object.keys(GrpcCode).map((name) =>
  name === 'OK'
    ? 'OK'
    : // grpc-go writes Canceled with one l.
      name
        .toLowerCase()
        .replace(/(^|_)([a-z])/g, (_, __, letter: string) => letter.toUpperCase())
        .replace('Cancelled', 'Canceled'),
);

interface StatusSeries {
  readonly completed: CounterSeries;
  readonly latencyMs: HistogramSeries;
}

/** Counts the calls of one method. */
export class MethodMeter {
  readonly receivedBytes: HistogramSeries;
  readonly sentBytes: HistogramSeries;
  readonly #bind: (status: string) => StatusSeries;
  readonly #byCode: (StatusSeries | undefined)[] = new Array(CODE_NAMES.length).fill(undefined);

  constructor(bind: (status: string) => StatusSeries, receivedBytes: HistogramSeries, sentBytes: HistogramSeries) {
    this.#bind = bind;
    this.receivedBytes = receivedBytes;
    this.sentBytes = sentBytes;
  }

  completed(code: GrpcCode, elapsedMs: number): void {
    let series = this.#byCode[code];
    if (series === undefined) {
      series = this.#bind(CODE_NAMES[code] as string);
      this.#byCode[code] = series;
    }
    series.completed.add(1);
    series.latencyMs.observe(elapsedMs);
  }
}

export interface MethodMeters {
  of(path: string): MethodMeter;
}

export function createMethodMeters(metrics: MetricsRegistry, appId: string): MethodMeters {
  const byStatus = ['app_id', 'grpc_server_method', 'grpc_server_status'];
  const byMethod = ['app_id', 'grpc_server_method'];
  const completed: Family<CounterSeries> = metrics.counter(
    'dapr_grpc_io_server_completed_rpcs',
    'Count of RPCs by method and status.',
    byStatus,
  );
  const latencies = metrics.histogram(
    'dapr_grpc_io_server_server_latency',
    'Time between first byte of request received to last byte of response sent, or terminal error.',
    byStatus,
  );
  const received = metrics.histogram(
    'dapr_grpc_io_server_received_bytes_per_rpc',
    'Total bytes received across all messages per RPC.',
    byMethod,
    SIZE_BUCKETS_BYTES,
  );
  const sent = metrics.histogram(
    'dapr_grpc_io_server_sent_bytes_per_rpc',
    'Total bytes sent in across all response messages per RPC.',
    byMethod,
    SIZE_BUCKETS_BYTES,
  );
  return {
    of: (path) =>
      new MethodMeter(
        (status) => ({
          completed: completed.with(appId, path, status),
          latencyMs: latencies.with(appId, path, status),
        }),
        received.with(appId, path),
        sent.with(appId, path),
      ),
  };
}
