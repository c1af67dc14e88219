/**
 * Messages through `local` pub/sub while both sidecars are killed and started again: nothing that was acknowledged to the
 * publisher may be missing at the subscriber.
 */
import assert from 'node:assert/strict';
import { type Client, createApp, createClient } from '@outrigger/sdk';
import { type Sidecar, scratchDir, startSidecar } from './sidecar.js';

export interface KillPlan {
  readonly messages: number;
  readonly batch: number;
  /** Both sidecars are killed (SIGKILL) after this many acknowledged messages, again and again. */
  readonly killEvery: number;
}

export interface KillOutcome {
  readonly received: number;
  readonly duplicates: number;
  readonly kills: number;
  /** Batches that were published again because their acknowledgement was lost. */
  readonly republished: number;
}

const RECEIVE_TIMEOUT_MS = 120_000;

export async function publishThroughKills({ messages, batch, killEvery }: KillPlan): Promise<KillOutcome> {
  const home = scratchDir('kill');
  const received = new Uint8Array(messages);
  let distinct = 0;
  let duplicates = 0;
  let complete = (): void => {};
  const all = new Promise<void>((resolve) => {
    complete = resolve;
  });
  const app = createApp({ port: 0 }).subscribe('pubsub', 'numbers', ({ data }) => {
    const { id } = data.json<{ id: number }>();
    if (received[id] === 0) {
      received[id] = 1;
      distinct++;
      if (distinct === messages) complete();
    } else {
      duplicates++;
    }
  });
  const appPort = await app.start();

  let sidecars: Sidecar[] = [];
  let client: Client | undefined;
  const startBoth = async (): Promise<void> => {
    sidecars = await Promise.all([
      startSidecar({ appId: 'receiver', appPort, appProtocol: 'grpc', home }),
      startSidecar({ appId: 'publisher', home }),
    ]);
    client = createClient({ address: `127.0.0.1:${(sidecars[1] as Sidecar).grpcPort}`, timeoutMs: 10_000 });
  };
  let kills = 0;
  const killBoth = async (): Promise<void> => {
    kills++;
    for (const { actor } of sidecars) actor.kill('SIGKILL');
    await Promise.all(sidecars.map(({ actor }) => actor.exited));
    await client?.close();
    await startBoth();
  };

  await startBoth();
  let republished = 0;
  let nextKill = killEvery;
  try {
    for (let from = 0; from < messages; from += batch) {
      const payloads = Array.from({ length: Math.min(batch, messages - from) }, (_, i) => ({ id: from + i }));
      for (;;) {
        // The kill comes while a batch is on its way, so that its acknowledgement may be lost.
        const publishing = (client as Client).pubsub().publishMany('numbers', payloads);
        const killing = from >= nextKill ? killBoth() : undefined;
        if (killing !== undefined) nextKill += killEvery;
        const failed = await publishing.then(
          (entries) => entries.length,
          () => payloads.length,
        );
        await killing;
        if (failed === 0) break;
        republished++;
      }
    }
    const timeout = setTimeout(complete, RECEIVE_TIMEOUT_MS);
    await all;
    clearTimeout(timeout);
    const missing = [...received.keys()].filter((id) => received[id] === 0);
    const log = sidecars.map(({ actor }) => actor.lines.slice(-15).join('\n')).join('\n---\n');
    assert.deepEqual(missing.slice(0, 10), [], `${missing.length} acknowledged messages never arrived\n${log}`);
    return { received: distinct, duplicates, kills, republished };
  } finally {
    await client?.close();
    await Promise.all(sidecars.map((sidecar) => sidecar.stop()));
    await app.stop();
  }
}
