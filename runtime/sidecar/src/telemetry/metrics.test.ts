import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MetricsRegistry } from './metrics.js';

describe('metrics registry', () => {
  it('prints counters, gauges and cumulative histogram buckets in the Prometheus text format', () => {
    const registry = new MetricsRegistry();
    registry.counter('calls_total', 'Calls.', ['method']).with('Get').add(2);
    registry.gauge('open', 'Open\nthings.').with().set(1.5);
    const latency = registry.histogram('latency_ms', 'Latency.', ['method'], [1, 10]).with('Get');
    latency.observe(0.5);
    latency.observe(10);
    latency.observe(11);
    assert.equal(
      registry.text(),
      [
        '# HELP calls_total Calls.',
        '# TYPE calls_total counter',
        'calls_total{method="Get"} 2',
        '# HELP open Open\\nthings.',
        '# TYPE open gauge',
        'open 1.5',
        '# HELP latency_ms Latency.',
        '# TYPE latency_ms histogram',
        'latency_ms_bucket{method="Get",le="1"} 1',
        'latency_ms_bucket{method="Get",le="10"} 2',
        'latency_ms_bucket{method="Get",le="+Inf"} 3',
        'latency_ms_sum{method="Get"} 21.5',
        'latency_ms_count{method="Get"} 3',
        '',
      ].join('\n'),
    );
  });

  it('keeps a series that was bound before its family grew', () => {
    const registry = new MetricsRegistry();
    const family = registry.counter('calls_total', 'Calls.', ['id']);
    const first = family.with('0');
    for (let i = 1; i < 100; i++) family.with(String(i)).add(i);
    first.add(7);
    assert.match(registry.text(), /calls_total\{id="0"\} 7\n/);
    assert.match(registry.text(), /calls_total\{id="99"\} 99\n/);
  });

  it('escapes label values', () => {
    const registry = new MetricsRegistry();
    registry.counter('calls_total', 'Calls.', ['path']).with('a"b\\c\nd').add(1);
    assert.match(registry.text(), /path="a\\"b\\\\c\\nd"/);
  });

  it('counts label sets past the limit into one overflow series', () => {
    const registry = new MetricsRegistry(2);
    const family = registry.counter('calls_total', 'Calls.', ['user']);
    for (let i = 0; i < 50; i++) family.with(`user-${i}`).add(1);
    const text = registry.text();
    assert.match(text, /user="overflow"\} 48/);
    assert.equal(text.match(/calls_total\{/g)?.length, 3);
  });

  it('refuses one name with two kinds', () => {
    const registry = new MetricsRegistry();
    registry.counter('x', 'X.');
    assert.throws(() => registry.gauge('x', 'X.'), /registered twice/);
  });
});
