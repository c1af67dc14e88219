/** Somebody who only wants to be served while others attack: calls on connections of its own, one after the other. */
import assert from 'node:assert/strict';
import { create } from '@bufbuild/protobuf';
import { type Channel, createChannel } from '@outrigger/engine';
import { methodsOf } from '@outrigger/proto';
import { Dapr, GetStateRequestSchema, SaveStateRequestSchema } from '@outrigger/proto/dapr/runtime/v1';
import type { Sidecar } from '../../harness/sidecar.js';

const dapr = methodsOf(Dapr);
const PACE_MS = 5;
const CALL_TIMEOUT_MS = 10_000;
/** Several data frames: what goes through the gathering of messages. */
const VALUE = Buffer.alloc(100_000, 'b');

export interface Bystander {
  /** Ends it once each kind of call was made; throws when any failed, or took longer than `slowestMs`. */
  stop(slowestMs: number): Promise<{ readonly calls: number; readonly slowestMs: number }>;
}

export function startBystander(sidecar: Sidecar): Bystander {
  const channel: Channel = createChannel({ target: `127.0.0.1:${sidecar.grpcPort}` });
  const options = { timeoutMs: CALL_TIMEOUT_MS };
  const key = 'bystander';
  let calls = 0;
  let slowest = 0;
  let stopped = false;
  const failures: string[] = [];

  const steps: (() => Promise<unknown>)[] = [
    () =>
      channel.unary(
        dapr.saveState,
        create(SaveStateRequestSchema, { storeName: 'statestore', states: [{ key, value: VALUE }] }),
        options,
      ),
    async () => {
      const request = create(GetStateRequestSchema, { storeName: 'statestore', key });
      const { data } = await channel.unary(dapr.getState, request, options);
      assert.equal(data.length, VALUE.length);
    },
    async () => {
      const response = await fetch(`${sidecar.http}/v1.0/state/statestore/none`);
      assert.equal(response.status, 204);
      await response.arrayBuffer();
    },
  ];
  const running = (async () => {
    while (!stopped || calls < steps.length) {
      const started = performance.now();
      await (steps[calls % steps.length] as () => Promise<unknown>)().catch((error: Error) =>
        failures.push(`call ${calls}: ${error.message}`),
      );
      slowest = Math.max(slowest, performance.now() - started);
      calls++;
      await new Promise((resolve) => setTimeout(resolve, PACE_MS));
    }
  })();
  return {
    async stop(slowestMs) {
      stopped = true;
      await running;
      await channel.close();
      assert.deepEqual(failures, []);
      assert.ok(slowest <= slowestMs, `a call took ${slowest.toFixed(0)} ms`);
      return { calls, slowestMs: slowest };
    },
  };
}
