/** What the process itself uses, under the names that Prometheus clients of every language give it. */
import type { Clock } from '@outrigger/engine';
import type { MetricsRegistry } from '../telemetry/metrics.js';

export function exposeProcess(metrics: MetricsRegistry, clock: Clock): void {
  const resident = metrics.gauge('process_resident_memory_bytes', 'Resident memory size in bytes.').with();
  const heap = metrics.gauge('nodejs_heap_size_used_bytes', 'Used heap of JavaScript in bytes.').with();
  const cpu = metrics.gauge('process_cpu_seconds_total', 'Total user and system CPU time spent in seconds.').with();
  const started = metrics.gauge('process_start_time_seconds', 'Start time since the Unix epoch in seconds.').with();
  started.set(clock.wallMs() / 1000 - process.uptime());
  metrics.beforeScrape(() => {
    const { rss, heapUsed } = process.memoryUsage();
    const { user, system } = process.cpuUsage();
    resident.set(rss);
    heap.set(heapUsed);
    cpu.set((user + system) / 1e6);
  });
}
