import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Flusher } from './flusher.js';

class Pipe {
  dirty = false;
  flushes = 0;
  readonly #flusher: Flusher;

  constructor(flusher: Flusher) {
    this.#flusher = flusher;
  }

  write(): void {
    if (this.dirty) return;
    this.dirty = true;
    this.#flusher.add(this);
  }

  flush(): void {
    this.dirty = false;
    this.flushes++;
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

function read(flusher: Flusher, ...writes: Pipe[]): void {
  flusher.enter();
  for (const pipe of writes) pipe.write();
  flusher.leave();
}

describe('the flusher', () => {
  it('writes each dirty transport once per turn when a turn holds several reads', async () => {
    const flusher = new Flusher();
    const [a, b] = [new Pipe(flusher), new Pipe(flusher)];
    for (let i = 0; i < 5; i++) read(flusher, a, a, b);
    assert.deepEqual([a.flushes, b.flushes], [0, 0]);
    await turn();
    assert.deepEqual([a.flushes, b.flushes], [1, 1]);
    for (let i = 0; i < 5; i++) read(flusher, a, b);
    await turn();
    assert.deepEqual([a.flushes, b.flushes], [2, 2]);
  });

  it('writes at the end of the read once turns hold a single one', async () => {
    const flusher = new Flusher();
    const pipe = new Pipe(flusher);
    read(flusher, pipe);
    await turn();
    assert.equal(pipe.flushes, 1);
    read(flusher, pipe, pipe);
    assert.equal(pipe.flushes, 2, 'at once');
  });

  it('goes back to once per turn when reads come together again', async () => {
    const flusher = new Flusher();
    const pipe = new Pipe(flusher);
    read(flusher, pipe);
    await turn();
    for (let i = 0; i < 100; i++) read(flusher, pipe);
    const eager = pipe.flushes;
    assert.ok(eager < 25, `${eager} writes for 101 reads`);
    await turn();
    for (let i = 0; i < 100; i++) read(flusher, pipe);
    assert.equal(pipe.flushes, eager + 1);
    await turn();
    assert.equal(pipe.flushes, eager + 2);
  });

  it('gathers what promises write after a read', async () => {
    const flusher = new Flusher();
    const pipe = new Pipe(flusher);
    read(flusher, pipe);
    await turn();
    const answer = async (): Promise<void> => {
      await null;
      pipe.write();
    };
    flusher.enter();
    const answers = [answer(), answer(), answer()];
    flusher.leave();
    await Promise.all(answers);
    assert.equal(pipe.flushes, 1, 'not before the microtasks have run');
    await turn();
    assert.equal(pipe.flushes, 2);
  });
});
