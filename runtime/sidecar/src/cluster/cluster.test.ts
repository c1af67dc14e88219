import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock } from '@outrigger/engine';
import fc from 'fast-check';
import { CLUSTER_DEFAULTS, Cluster, type ClusterConfig, type ClusterFailure } from './cluster.js';
import { ClusterSet } from './cluster-set.js';
import type { EndpointListener, EndpointSource } from './endpoint.js';

/** A source that a test pushes lists through. */
class ManualSource implements EndpointSource {
  readonly listeners: Map<string, EndpointListener> = new Map();
  closed = 0;

  watch(name: string, listener: EndpointListener): { close(): void } {
    this.listeners.set(name, listener);
    return {
      close: () => {
        this.closed++;
        this.listeners.delete(name);
      },
    };
  }

  push(name: string, ...addresses: string[]): void {
    this.listeners.get(name)?.onEndpoints(addresses.map((address) => ({ address, metadata: {} })));
  }
}

function setUp(overrides: Partial<ClusterConfig> = {}) {
  const clock = new FakeClock();
  const source = new ManualSource();
  const drained: string[] = [];
  const connect = (endpoint: { address: string }) => ({
    open: () => assert.fail('not used here'),
    drain: () => {
      drained.push(endpoint.address);
    },
    close() {},
  });
  const config = { ...CLUSTER_DEFAULTS, name: 'app:b', sourceName: 'b', ...overrides };
  return { clock, source, drained, cluster: new Cluster(config, { source, connect, clock }), connect };
}

function waiter(cluster: Cluster) {
  const seen: (ClusterFailure | 'hosts')[] = [];
  const messages: string[] = [];
  const self = {
    onHosts: () => void seen.push('hosts'),
    onNoHosts: (failure: ClusterFailure, message: string) => {
      seen.push(failure);
      messages.push(message);
    },
  };
  cluster.wait(self);
  return { seen, messages, self };
}

const addresses = (cluster: Cluster): string[] => cluster.snapshot.hosts.map((host) => host.address);

describe('cluster', () => {
  it('lets requests wait for the first list, then chooses without waiting', () => {
    const { cluster, source } = setUp();
    assert.equal(cluster.choose(null), null);
    const { seen } = waiter(cluster);
    source.push('b', '127.0.0.1:1');
    assert.deepEqual(seen, ['hosts']);
    assert.equal(cluster.choose(null)?.address, '127.0.0.1:1');
  });

  it('fails waiting requests when the source is silent, saying so', () => {
    const { cluster, clock } = setUp({ resolveTimeoutMs: 5000 });
    const { seen, messages } = waiter(cluster);
    clock.advance(4980);
    assert.deepEqual(seen, []);
    clock.advance(40);
    assert.deepEqual(seen, ['timeout']);
    assert.match(messages[0] ?? '', /no answer for b within 5000 ms/);
  });

  it('waits a little for an app without endpoints, so that a restart is not seen, then fails at once', async () => {
    const { cluster, clock, source } = setUp();
    source.push('b');
    const early = waiter(cluster);
    clock.advance(500);
    assert.deepEqual(early.seen, []);
    source.push('b', '127.0.0.1:1');
    assert.deepEqual(early.seen, ['hosts']);

    source.push('b');
    clock.advance(2000);
    const late = waiter(cluster);
    assert.deepEqual(late.seen, [], 'never called back before wait returns');
    await null;
    assert.deepEqual(late.seen, ['no-hosts']);
    assert.match(late.messages[0] ?? '', /nothing serves b/);
  });

  it('bounds how many requests wait', async () => {
    const { cluster } = setUp({ waitersMax: 2 });
    waiter(cluster);
    waiter(cluster);
    const third = waiter(cluster);
    await null;
    assert.deepEqual(third.seen, ['overflow']);
  });

  it('swaps snapshots, never changes one: a host that stays keeps its connections, one that leaves drains', () => {
    const { cluster, source, drained } = setUp();
    source.push('b', 'x:1', 'x:2');
    const before = cluster.snapshot;
    const stays = before.hosts[1];
    const place = stays?.pool.acquire();
    const leaving = before.hosts[0]?.pool.acquire();
    source.push('b', 'x:2', 'x:3');
    assert.deepEqual(
      before.hosts.map((host) => host.address),
      ['x:1', 'x:2'],
    );
    assert.deepEqual(addresses(cluster), ['x:2', 'x:3']);
    assert.equal(cluster.snapshot.hosts[0], stays);
    assert.deepEqual(drained, [], 'a busy connection ends with its last stream');
    if (leaving !== undefined) before.hosts[0]?.pool.release(leaving);
    assert.deepEqual(drained, ['x:1']);
    if (place !== undefined) stays?.pool.release(place);
    assert.deepEqual(drained, ['x:1']);
  });

  it('always lists exactly what was pushed last, without repetitions', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.array(
            fc.nat(5).map((n) => `x:${n}`),
            { maxLength: 8 },
          ),
        ),
        (pushes) => {
          const { cluster, source } = setUp();
          for (const list of pushes) source.push('b', ...list);
          assert.deepEqual(addresses(cluster), [...new Set(pushes.at(-1) ?? [])]);
          assert.equal(cluster.snapshot.version, pushes.length);
        },
      ),
    );
  });

  it('fails its waiting requests when it closes', () => {
    const { cluster, source } = setUp();
    const { seen } = waiter(cluster);
    cluster.close();
    assert.deepEqual(seen, ['closed']);
    assert.equal(source.closed, 1);
  });
});

describe('cluster set', () => {
  const make = (clustersMax = 10) => {
    const parts = setUp();
    const set = new ClusterSet(
      (name) =>
        name.startsWith('app:')
          ? {
              config: { ...CLUSTER_DEFAULTS, name, sourceName: name.slice(4) },
              deps: { source: parts.source, connect: parts.connect, clock: parts.clock },
            }
          : undefined,
      parts.clock,
      { idleMs: 60_000, clustersMax },
    );
    return { ...parts, set };
  };

  it('makes a cluster once and knows what it cannot make', () => {
    const { set } = make();
    assert.equal(set.get('app:a'), set.get('app:a'));
    assert.equal(set.get('something'), undefined);
    assert.equal(set.size, 1);
  });

  it('unwatches what nobody used for a while, and makes it anew on use', () => {
    const { set, clock, source } = make();
    const first = set.get('app:a');
    clock.advance(40_000);
    set.get('app:b');
    clock.advance(50_000);
    assert.deepEqual([...source.listeners.keys()], ['b']);
    assert.notEqual(set.get('app:a'), first);
  });

  it('keeps a cluster with requests in flight however long they take', () => {
    const { set, clock, source } = make();
    const cluster = set.get('app:a');
    source.push('a', 'x:1');
    cluster?.choose(null)?.pool.acquire();
    clock.advance(600_000);
    assert.equal(set.get('app:a'), cluster);
  });

  it('sets no timer while it is empty', () => {
    const { set, clock } = make();
    const quiet = clock.pending;
    set.get('app:a');
    clock.advance(200_000);
    assert.equal(set.size, 0);
    assert.equal(clock.pending, quiet);
  });

  it('is bounded: the longest unused makes room, and when all are busy a new one is refused', () => {
    const { set, clock, source } = make(2);
    for (const name of ['app:p', 'app:q', 'app:r']) {
      clock.advance(10);
      assert.ok(set.get(name));
    }
    assert.deepEqual([...source.listeners.keys()].slice(-2), ['q', 'r']);
    assert.equal(set.size, 2);
    for (const name of ['q', 'r']) {
      source.push(name, `${name}:1`);
      set.get(`app:${name}`)?.choose(null)?.pool.acquire();
    }
    assert.equal(set.get('app:s'), undefined);
  });
});
