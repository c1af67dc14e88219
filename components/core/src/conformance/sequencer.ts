/** What every sequencer does. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Sequencer } from '../sequencer.js';
import { type ConformanceSubject, conformanceTimeoutMs, type OpenSubject } from './fixture.js';

export function sequencerConformance(name: string, open: OpenSubject<Sequencer>): void {
  describe(`${name} is a sequencer`, { timeout: conformanceTimeoutMs }, () => {
    let subject: ConformanceSubject<Sequencer>;
    let sequencer: Sequencer;
    let keys = 0;
    const fresh = (): string => `sequencer||key-${++keys}`;
    const next = async (key: string): Promise<bigint> => sequencer.nextId(key, 'strong', {});
    before(async () => {
      subject = await open();
      sequencer = subject.component;
    });
    after(() => subject.close());

    it('hands out ids that grow, from 1', async () => {
      const key = fresh();
      let last = 0n;
      for (let count = 0; count < 300; count++) {
        const id = await next(key);
        assert.ok(id > last, `${id} after ${last}`);
        if (count === 0) assert.equal(id, 1n);
        last = id;
      }
    });

    it('counts each key by itself', async () => {
      const [one, other] = [fresh(), fresh()];
      for (let count = 0; count < 5; count++) await next(one);
      assert.equal(await next(other), 1n);
    });

    it('never gives one id to two callers', async () => {
      const key = fresh();
      const ids = await Promise.all(Array.from({ length: 500 }, () => next(key)));
      assert.equal(new Set(ids).size, 500);
      const weak = await sequencer.nextId(key, 'weak', {});
      assert.ok(!ids.includes(weak));
    });

    it('reserves segments that no other call gets into', async (t) => {
      if (sequencer.segment === undefined) return t.skip('no segments');
      const key = fresh();
      const first = await next(key);
      const segment = await sequencer.segment(key, 50, {});
      if (segment === undefined) return t.skip('no segments');
      assert.ok(segment.from > first);
      assert.equal(segment.to - segment.from, 49n);
      assert.ok((await next(key)) > segment.to);
    });

    it('grows across instances', async (t) => {
      if (subject.another === undefined) return t.skip('data is not shared');
      const other = await subject.another();
      const key = fresh();
      let last = 0n;
      for (let count = 0; count < 20; count++) {
        const id = await (count % 2 === 0 ? sequencer : other).nextId(key, 'strong', {});
        assert.ok(id > last, `${id} after ${last}`);
        last = id;
      }
    });

    it('goes on above every id after a restart', async (t) => {
      if (subject.reopen === undefined) return t.skip('nothing outlives the process');
      const key = fresh();
      let last = 0n;
      for (let count = 0; count < 10; count++) last = await next(key);
      sequencer = await subject.reopen();
      assert.ok((await next(key)) > last);
    });
  });
}
