import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AppEndpoint, NameResolver } from '@outrigger/components-core';
import { FakeClock, silentLogger } from '@outrigger/engine';
import { createNameSource } from './name-source.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const endpoint = (address: string): AppEndpoint => ({ appId: 'b', instanceId: address, address, metadata: {} });

function scene() {
  const clock = new FakeClock();
  const listeners: ((endpoints: readonly AppEndpoint[]) => void)[] = [];
  const state = { closed: 0, failures: 0, opening: undefined as Promise<void> | undefined };
  const resolver = {
    watch: async (_appId: string, onChange: (endpoints: readonly AppEndpoint[]) => void) => {
      if (state.failures-- > 0) throw new Error('registry is away');
      await state.opening;
      listeners.push(onChange);
      onChange([endpoint('127.0.0.1:1')]);
      return { close: () => void state.closed++ };
    },
  } as unknown as NameResolver;
  const lists: string[][] = [];
  const errors: string[] = [];
  const source = createNameSource({ resolver: () => resolver, clock, log: silentLogger });
  const watch = () =>
    source.watch('b', {
      onEndpoints: (endpoints) => void lists.push(endpoints.map(({ address }) => address)),
      onError: (message) => void errors.push(message),
    });
  return { clock, state, listeners, lists, errors, watch };
}

describe('endpoints of an app id', () => {
  it('are the resolver’s, at first and after every change, until the watch is closed', async () => {
    const { watch, lists, listeners, state } = scene();
    const handle = watch();
    assert.deepEqual(lists, [], 'nothing is told before watch returns');
    await turn();
    listeners[0]?.([endpoint('127.0.0.1:1'), endpoint('unix:/x')]);
    handle.close();
    handle.close();
    await turn();
    listeners[0]?.([]);
    assert.deepEqual(lists, [['127.0.0.1:1'], ['127.0.0.1:1', 'unix:/x']]);
    assert.equal(state.closed, 1);
  });

  it('are watched for again when the resolver fails, its reason told', async () => {
    const { watch, lists, errors, clock, state } = scene();
    state.failures = 2;
    watch();
    await turn();
    for (let i = 0; i < 2; i++) {
      clock.advance(1020);
      await turn();
    }
    assert.deepEqual([errors, lists], [['registry is away', 'registry is away'], [['127.0.0.1:1']]]);
  });

  it('leave no watch behind when they are not wanted any more before it stands', async () => {
    const { watch, lists, state, clock } = scene();
    let opened = (): void => {};
    state.opening = new Promise((resolve) => {
      opened = resolve;
    });
    const handle = watch();
    await turn();
    handle.close();
    opened();
    await turn();
    assert.deepEqual([lists, state.closed], [[], 1]);

    state.failures = 1;
    const failing = watch();
    await turn();
    failing.close();
    assert.equal(clock.pending, 0);
  });
});
