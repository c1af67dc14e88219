import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ComponentError, type ComponentLogger } from '@outrigger/components-core';
import { createManualClock, quietLog } from '@outrigger/components-core/conformance';
import fc from 'fast-check';
import type { Entry } from '../record.js';
import { payloadOf } from '../wire/shape.js';
import { Batch } from './batch.js';
import { type CrashFs, createCrashFs } from './crash-fs.test.support.js';
import { decodeHeader, encodeBatchHead, encodeHeader, headerBytes, logFileName } from './format.js';
import { Log } from './log.js';
import { type Recovery, recover } from './recover.js';

const directory = '/data';

function set(key: string, value: string): Entry {
  const payload = payloadOf(new Uint8Array(Buffer.from(value)));
  return {
    origin: undefined,
    record: {
      kind: 'state-set',
      store: 's',
      key,
      revision: 1,
      expiresAtMs: undefined,
      contentType: undefined,
      value: payload,
    },
  };
}

async function opened(
  fs: CrashFs,
  logger: ComponentLogger = quietLog,
): Promise<{ log: Log; keys: string[]; recovery: Recovery }> {
  const keys: string[] = [];
  const recovery = await recover(directory, fs, ({ record }) => {
    if (record.kind === 'state-set') keys.push(record.key);
  });
  return { log: new Log(directory, fs, logger, recovery), keys, recovery };
}

/** Each inner list is one batch. */
async function write(log: Log, ...batches: Entry[][]): Promise<void> {
  const batch = new Batch();
  for (const entries of batches) {
    batch.reset();
    for (const entry of entries) batch.add(entry);
    await log.commit(batch);
  }
}

async function* stream(...entries: Entry[]): AsyncGenerator<Entry> {
  yield* entries;
}

const file = logFileName(1);

/** A log of three batches: a; b and c; d. */
async function three(): Promise<CrashFs> {
  const fs = createCrashFs();
  const { log } = await opened(fs);
  await write(log, [set('a', '1')], [set('b', '2'), set('c', '3')], [set('d', '4')]);
  await log.close();
  return fs;
}

describe('the log', () => {
  it('has the format that is on disks', () => {
    const header = { kind: 'log', id: 2, previousId: 1, previousLength: 300, storeId: '0011223344556677' } as const;
    assert.equal(
      encodeHeader(header).toString('hex'),
      (
        '4f55545249474c470100000001000000020000000000000001000000000000002c010000000000000000000000112233445566770000000000000000' +
        '0b06cad8'
      ).repeat(2),
    );
    assert.deepEqual(decodeHeader(encodeHeader(header)), header);
  });

  it('cut off at any byte begins with whole records, and goes on behind them', async () => {
    const whole = (await three()).files().get(file)!;
    const ends: number[] = [];
    for (let length = 0; length <= whole.length; length++) {
      const fs = await three();
      fs.alter(file, (content) => content.subarray(0, length));
      const { log, keys, recovery } = await opened(fs);
      assert.deepEqual(keys, ['a', 'b', 'c', 'd'].slice(0, keys.length), `at ${length}`);
      assert.ok(!recovery.damage.some(({ kind }) => kind === 'corrupt'), `at ${length}`);
      if (ends.length < keys.length) ends.push(length);
      await write(log, [set('new', 'n')]);
      const again = await opened(fs.crash());
      assert.deepEqual(again.keys, [...keys, 'new'], `at ${length}`);
      assert.deepEqual(
        again.recovery.damage.filter(({ kind }) => kind === 'corrupt'),
        [],
        `at ${length}`,
      );
    }
    assert.equal(ends.length, 4);
  });

  it('with one bit turned anywhere loses nothing but what stood there, and says so', async () => {
    const whole = (await three()).files().get(file)!;
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const fs = await three();
      fs.alter(file, (content) => {
        content[bit >> 3]! ^= 1 << (bit & 7);
        return content;
      });
      const { keys, recovery } = await opened(fs).catch((error: unknown) => {
        // The version in the header; its checksum would have to fit as well.
        throw error;
      });
      const lost = ['a', 'b', 'c', 'd'].filter((key) => !keys.includes(key));
      assert.ok(lost.length <= 2, `bit ${bit} costs ${lost}`);
      if (lost.length > 0) assert.ok(recovery.damage.length > 0, `bit ${bit} costs ${lost} silently`);
      // Only the very last batch can be taken for a write that never ended.
      if (lost.some((key) => key !== 'd'))
        assert.ok(
          recovery.damage.some(({ kind }) => kind === 'corrupt'),
          `bit ${bit}`,
        );
      assert.deepEqual(keys, [...keys].sort(), 'in order');
    }
  });

  it('survives any damage: what it reads is what was written', async () => {
    const damage = fc.record({
      at: fc.nat(2000),
      length: fc.nat(200),
      fill: fc.oneof(fc.constant(undefined), fc.nat(255)),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(damage, { maxLength: 4 }), fc.boolean(), async (damages, cut) => {
        const fs = createCrashFs();
        const first = await opened(fs);
        const keys = Array.from({ length: 40 }, (_, index) => `key ${index}`);
        for (let index = 0; index < 40; index += 4)
          await write(
            first.log,
            keys.slice(index, index + 4).map((key) => set(key, key)),
          );
        await first.log.close();
        const second = await opened(fs);
        await write(second.log, [set('key 40', 'x')], [set('key 41', 'y')]);
        await second.log.close();
        for (const { at, length, fill } of damages) {
          fs.alter(file, (content) => {
            const start = at % content.length;
            const end = Math.min(content.length, start + length);
            if (fill !== undefined) return content.fill(fill, start, end);
            return Buffer.concat([content.subarray(0, start), content.subarray(end)]);
          });
        }
        if (cut) fs.alter(logFileName(2), (content) => content.subarray(0, Math.max(0, content.length - 5)));
        const { keys: found, recovery } = await opened(fs);
        const order = found.map((key) => Number(key.slice(4)));
        assert.deepEqual(
          order,
          [...new Set(order)].sort((left, right) => left - right),
        );
        if (found.length < 42) assert.ok(recovery.damage.length > 0);
      }),
      { numRuns: 300 },
    );
  });

  it('finds no records inside values, not even some that were put there to be found', async () => {
    const fs = createCrashFs();
    const { log } = await opened(fs);
    // What a batch looks like, in every place it could stand, as far as somebody without the store id can know.
    const evil = new Batch();
    evil.add(set('evil', 'evil'));
    const copies = Array.from({ length: 40 }, (_, position) =>
      evil.encode(1, { storeId: '0000000000000000', fileId: 1, position: position + 128 }),
    );
    await write(
      log,
      [set('a', '1')],
      [set('b', Buffer.concat(copies.map((copy) => Buffer.from(copy))).toString('latin1'))],
      [set('c', '3')],
    );
    const own = Buffer.alloc(16);
    encodeBatchHead(own, 1, 0, { storeId: log.storeId, fileId: 1, position: 128 });
    await log.close();
    fs.alter(file, (content) => {
      // The head of the second batch: from here on the next one is searched.
      content[content.indexOf('OBAT', headerBytes + 4)]! ^= 1;
      return content;
    });
    const { keys, recovery } = await opened(fs);
    assert.deepEqual(keys, ['a', 'c']);
    assert.equal(recovery.damage.length, 1);
  });

  it('written by another version is refused and left alone', async () => {
    const fs = await three();
    fs.alter(file, (content) => {
      content.writeUInt32LE(9, 8);
      const header = encodeHeader({
        kind: 'log',
        id: 1,
        previousId: 0,
        previousLength: 0,
        storeId: content.toString('hex', 44, 52),
      });
      header.writeUInt32LE(9, 8);
      // The checksum of a header of that version.
      header.writeUInt32LE(zlibCrc(header.subarray(0, 60)), 60);
      header.copy(content);
      return content;
    });
    const before = fs.files().get(file)!;
    await assert.rejects(opened(fs), (error) => error instanceof ComponentError && error.kind === 'unsupported');
    assert.deepEqual(fs.files().get(file), before);
  });

  it('misses a file that somebody deleted, and says so', async () => {
    const fs = await three();
    const { log } = await opened(fs);
    await write(log, [set('e', '5')]);
    await log.close();
    await fs.remove(`${directory}/${file}`);
    const { keys, recovery } = await opened(fs);
    assert.deepEqual(keys, ['e']);
    assert.deepEqual(
      recovery.damage.map(({ kind }) => kind),
      ['corrupt'],
    );
  });

  it('syncs what it found before anything is answered from it', async () => {
    // Killed between write and sync: the page cache has the batch, the disk has not.
    const fs = createCrashFs();
    const { log } = await opened(fs);
    await write(log, [set('a', '1')]);
    fs.delay = (operation) => (operation === 'sync' ? new Promise(() => {}) : Promise.resolve());
    void write(log, [set('b', '2')]);
    while (!fs.files().get(file)!.includes('b')) await new Promise((resolve) => setImmediate(resolve));
    fs.delay = undefined;
    const { keys } = await opened(fs);
    assert.deepEqual(keys, ['a', 'b']);
    assert.deepEqual((await opened(fs.crash())).keys, ['a', 'b']);
  });

  it('sets a damaged file aside when it is not needed any more', async () => {
    const fs = await three();
    fs.alter(file, (content) => {
      content[content.indexOf('2', headerBytes)]! ^= 1;
      return content;
    });
    const { log } = await opened(fs);
    await write(log, [set('e', '5')]);
    await log.snapshot(stream(set('a', '1')));
    assert.deepEqual([...fs.files().keys()].sort(), [`${file}.damaged`, '000000000002.snapshot']);
    assert.deepEqual((await opened(fs.crash())).keys, ['a']);
  });
});

describe('a snapshot', () => {
  it('replaces the log as a whole or not at all, wherever the power goes', async () => {
    for (let steps = 0; ; steps++) {
      const fs = await three();
      const { log } = await opened(fs);
      await write(log, [set('e', '5')]);
      let left = steps;
      fs.fault = (operation) => {
        if (operation !== 'read' && left-- <= 0) throw Object.assign(new Error('power cut'), { code: 'EIO' });
      };
      const isDone = await log.snapshot(stream(set('snapshot', 's'))).then(
        () => left >= 0,
        () => false,
      );
      for (const seed of [1, 2, 3, 4, 5]) {
        const random = createManualClock(0, seed * 1000 + steps).random;
        const { keys, recovery } = await opened(fs.crash(() => random() < 0.5));
        const allowed = ['a,b,c,d,e', 'snapshot'];
        assert.ok(allowed.includes(keys.join()), `${keys} after ${steps} steps`);
        if (isDone) assert.deepEqual(keys, ['snapshot']);
        assert.deepEqual(
          recovery.damage.filter(({ kind }) => kind === 'corrupt'),
          [],
        );
      }
      if (isDone) {
        assert.ok(steps > 5);
        return;
      }
    }
  });

  it('that fails leaves the log as it is, and writes go on', async () => {
    const fs = await three();
    const { log } = await opened(fs);
    fs.fault = (operation, name) => {
      if (operation === 'write' && name.endsWith('.tmp')) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
    };
    await assert.rejects(log.snapshot(stream(set('snapshot', 's'))));
    await write(log, [set('e', '5')]);
    assert.deepEqual((await opened(fs.crash())).keys, ['a', 'b', 'c', 'd', 'e']);
  });

  it('lets readers of the old files finish', async () => {
    const fs = createCrashFs();
    const { log } = await opened(fs);
    const entry = set('a', 'the value');
    await write(log, [entry]);
    const { value } = entry.record as { value: ReturnType<typeof payloadOf> };
    value.bytes = undefined;
    const reading = log.read(value);
    const copy = set('a', 'the value');
    await log.snapshot(stream(copy));
    assert.equal(Buffer.from(await reading).toString(), 'the value');
  });
});

function zlibCrc(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}
