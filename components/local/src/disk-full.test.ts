/** A real file system that is really full: a small tmpfs, where this process may mount one. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ComponentError } from '@outrigger/components-core';
import { bytes, createManualClock, testConfig, testDeps, textOf } from '@outrigger/components-core/conformance';
import { stateLocal } from './index.js';

const { signal } = new AbortController();
const read = (key: string) => ({ key, consistency: 'unspecified', metadata: {} }) as const;

describe('state.local on a full disk', () => {
  it('fails writes as disk-full, keeps what is there, and goes on when there is room', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'outrigger-full-'));
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=0700', 'tmpfs', folder], { stdio: 'pipe' });
    } catch (error) {
      await rm(folder, { recursive: true });
      t.diagnostic(`SKIPPED: a tmpfs could not be mounted: ${(error as Error).message}`);
      return t.skip('needs the right to mount a tmpfs');
    }
    try {
      const store = stateLocal.create(testConfig('state.local'), testDeps(createManualClock(), { sharedDir: folder }));
      await store.open(signal);
      const set = (key: string, value: Uint8Array): unknown =>
        store.set({ ...read(key), value, concurrency: 'unspecified' });
      await set('small', bytes('kept'));
      // Somebody else takes the room, as far as it goes.
      const ballast = join(folder, 'ballast');
      await writeFile(ballast, Buffer.alloc(900 * 1024));
      let written = 0;
      await assert.rejects(
        async () => {
          for (; written < 1000; written++) await set(`key ${written}`, new Uint8Array(10_000));
        },
        (error) => error instanceof ComponentError && error.kind === 'disk-full',
      );
      assert.equal((await store.health()).ok, false);
      assert.equal(textOf((await store.get(read('small')))?.value), 'kept');
      await rm(ballast);
      await set('small', bytes('changed'));
      assert.equal((await store.health()).ok, true);
      await store.close();
      const again = stateLocal.create(testConfig('state.local'), testDeps(createManualClock(), { sharedDir: folder }));
      await again.open(signal);
      assert.equal(textOf((await again.get(read('small')))?.value), 'changed');
      for (let index = 0; index < written; index++)
        assert.equal((await again.get(read(`key ${index}`)))?.value.length, 10_000);
      assert.equal(await again.get(read(`key ${written}`)), undefined);
      await again.close();
    } finally {
      execFileSync('umount', [folder]);
      await rm(folder, { recursive: true });
    }
  });
});
