import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ConnectionPool, type UpstreamChannel } from './connection-pool.js';

function pool(connectionsMax: number, streamsSoftMax: number) {
  const made: { drained: number; closed: number }[] = [];
  const connections = new ConnectionPool(
    () => {
      const seen = { drained: 0, closed: 0 };
      made.push(seen);
      const channel: UpstreamChannel = {
        open: () => assert.fail('not used here'),
        drain: () => {
          seen.drained++;
        },
        close: () => {
          seen.closed++;
        },
      };
      return channel;
    },
    { connectionsMax, streamsSoftMax },
  );
  return { connections, made };
}

describe('connection pool of a host', () => {
  it('multiplexes over one connection until it is busy, then over a second, and never over more', () => {
    const { connections, made } = pool(2, 3);
    for (let i = 0; i < 3; i++) connections.acquire();
    assert.equal(made.length, 1);
    for (let i = 0; i < 100; i++) connections.acquire();
    assert.equal(made.length, 2);
    assert.equal(connections.active, 103);
  });

  it('gives the least busy connection', () => {
    const { connections } = pool(2, 1);
    const first = connections.acquire();
    const second = connections.acquire();
    assert.notEqual(first, second);
    connections.release(first);
    assert.equal(connections.acquire(), first);
    assert.deepEqual([first.active, second.active], [1, 1]);
  });

  it('drains: idle connections go at once, busy ones with their last stream', () => {
    const { connections, made } = pool(2, 1);
    const first = connections.acquire();
    const second = connections.acquire();
    connections.release(first);
    connections.drain();
    assert.deepEqual([made[0]?.drained, made[1]?.drained], [1, 0]);
    connections.release(second);
    assert.deepEqual([made[0]?.drained, made[1]?.drained], [1, 1]);
    assert.equal(connections.connections, 0);
  });

  it('closes at once when told so, once', () => {
    const { connections, made } = pool(1, 1);
    const place = connections.acquire();
    connections.close();
    connections.release(place);
    assert.deepEqual(made, [{ drained: 0, closed: 1 }]);
  });
});
