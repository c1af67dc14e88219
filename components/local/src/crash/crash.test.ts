/** Processes that share a directory are killed at random. OUTRIGGER_CRASH_SEED repeats a run. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { bytes, createManualClock, testConfig, testDeps, textOf } from '@outrigger/components-core/conformance';
import { lockLocal, pubsubLocal, stateLocal } from '../index.js';
import { realClock } from '../real-clock.test.support.js';

const workers = 4;
const kills = 10;
/** Requests that are acknowledged between two kills, at least. */
const acknowledgedMin = 150;
const inFlightMax = 8;

interface Worker {
  readonly slot: number;
  readonly process: ChildProcess;
  readonly exited: Promise<void>;
  isOwner: boolean;
  isKilled: boolean;
}

class Crash {
  readonly directory: string;
  readonly random: () => number;
  readonly alive = new Map<number, Worker>();
  #lives = 0;
  #acknowledged = 0;
  #waiting: { at: number; resolve: () => void } | undefined;
  #ownerKilledAt: number | undefined;
  readonly takeoversMs: number[] = [];
  readonly registers = new Map<number, { tried: number; acknowledged: number }>();
  counter = { tried: 0, acknowledged: 0, refused: 0 };
  readonly published = new Set<string>();
  readonly received = new Map<string, number>();
  readonly ids = new Set<string>();
  readonly won = new Map<number, string>();
  stderr = '';

  constructor(directory: string, seed: number) {
    this.directory = directory;
    this.random = createManualClock(0, seed).random;
  }

  start(slot: number): void {
    const program = fileURLToPath(new URL('./worker.test.support.js', import.meta.url));
    const child = spawn(process.execPath, [program, this.directory, String(slot), String(++this.#lives)], {
      stdio: 'pipe',
    });
    const worker: Worker = {
      slot,
      process: child,
      exited: new Promise((resolve) => child.once('close', () => resolve())),
      isOwner: false,
      isKilled: false,
    };
    this.alive.set(slot, worker);
    child.stdin!.on('error', () => {});
    child.stderr!.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString();
    });
    createInterface({ input: child.stdout! }).on('line', (line) => this.#line(worker, line.split(' ')));
  }

  #line(worker: Worker, [word, ...rest]: string[]): void {
    switch (word) {
      case 'role':
        worker.isOwner = rest[0] === 'owner';
        if (worker.isOwner && !worker.isKilled && this.#ownerKilledAt !== undefined) {
          this.takeoversMs.push(performance.now() - this.#ownerKilledAt);
          this.#ownerKilledAt = undefined;
        }
        break;
      case 'try':
      case 'ack':
      case 'not':
        this.#account(word, rest);
        break;
      case 'got':
        this.received.set(rest[0]!, (this.received.get(rest[0]!) ?? 0) + 1);
        break;
      case 'id':
        assert.ok(!this.ids.has(rest[0]!), `id ${rest[0]} was given twice`);
        this.ids.add(rest[0]!);
        break;
      case 'won': {
        const slot = Number(rest[0]);
        assert.equal(this.won.get(slot), undefined, `lock ${slot} has two owners`);
        this.won.set(slot, rest[1]!);
        break;
      }
    }
    if (word !== 'ack') return;
    this.#acknowledged++;
    if (this.#waiting === undefined || this.#acknowledged < this.#waiting.at) return;
    this.#waiting.resolve();
    this.#waiting = undefined;
  }

  #account(word: string, [what, name, value]: string[]): void {
    const field = word === 'try' ? 'tried' : 'acknowledged';
    if (what === 'register') {
      const register = this.registers.get(Number(name)) ?? { tried: 0, acknowledged: 0 };
      register[field] = Number(value);
      this.registers.set(Number(name), register);
    } else if (what === 'counter') this.counter[word === 'not' ? 'refused' : field]++;
    else if (what === 'publish' && word === 'ack') this.published.add(name!);
  }

  acknowledged(count: number): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting = { at: this.#acknowledged + count, resolve };
    });
  }

  async kill(worker: Worker): Promise<void> {
    worker.isKilled = true;
    if (worker.isOwner) this.#ownerKilledAt = performance.now();
    worker.process.kill('SIGKILL');
    await worker.exited;
  }

  async stop(): Promise<void> {
    for (const worker of this.alive.values()) worker.process.stdin!.end();
    await Promise.all([...this.alive.values()].map(({ exited }) => exited));
  }

  async abort(): Promise<void> {
    for (const worker of this.alive.values()) worker.process.kill('SIGKILL');
    await Promise.all([...this.alive.values()].map(({ exited }) => exited));
  }
}

async function verify(crash: Crash, t: TestContext): Promise<void> {
  const deps = testDeps(realClock, { sharedDir: crash.directory });
  const { signal } = new AbortController();
  const state = stateLocal.create(testConfig('state.local', {}, 'state'), deps);
  const pubsub = pubsubLocal.create(testConfig('pubsub.local', {}, 'pubsub'), deps);
  const lock = lockLocal.create(testConfig('lock.local', {}, 'lock'), deps);
  for (const component of [state, pubsub, lock]) await component.open(signal);
  try {
    assert.deepEqual(await state.health(), { ok: true }, 'nothing was damaged');
    const value = async (key: string): Promise<string> =>
      textOf((await state.get({ key, consistency: 'strong', metadata: {} }))?.value)?.split(' ')[0] ?? '0';

    for (const [slot, { tried, acknowledged }] of crash.registers) {
      const found = Number(await value(`register||${slot}`));
      assert.ok(
        found >= acknowledged && found <= tried,
        `register ${slot}: ${found}, acknowledged ${acknowledged}, tried ${tried}`,
      );
    }
    const counter = Number(await value('counter'));
    const { tried, acknowledged, refused } = crash.counter;
    assert.ok(
      counter >= acknowledged && counter <= tried - refused,
      `counter: ${counter}, acknowledged ${acknowledged}, tried ${tried - refused}`,
    );
    const pairs = await Promise.all(
      ['pair||1', 'pair||2'].map((key) => state.get({ key, consistency: 'strong', metadata: {} })),
    );
    assert.equal(textOf(pairs[0]?.value), textOf(pairs[1]?.value));
    for (const [slot, owner] of crash.won)
      assert.equal(await lock.unlock(`slot-${slot}`, owner), 'success', `lock ${slot} of ${owner}`);

    // One in flight, hence in order: when the last one is here, everything before it is.
    await pubsub.publish({ topic: 'work', data: bytes('last'), metadata: {} });
    await new Promise<void>((resolve, reject) => {
      const deliver = async (message: { data: Uint8Array }): Promise<{ outcome: 'ack' }> => {
        const [id] = textOf(message.data)!.split(' ') as [string];
        if (id === 'last') resolve();
        else crash.received.set(id, (crash.received.get(id) ?? 0) + 1);
        return { outcome: 'ack' };
      };
      pubsub.subscribe({ topic: 'work', consumerId: 'workers', metadata: {}, inFlightMax: 1 }, deliver).catch(reject);
    });
    const lost = [...crash.published].filter((id) => !crash.received.has(id));
    assert.deepEqual(lost, [], `${lost.length} of ${crash.published.size} messages are lost`);
    let again = 0;
    for (const count of crash.received.values()) again += count - 1;
    assert.ok(again <= kills * workers * inFlightMax, `${again} deliveries too many`);

    crash.takeoversMs.sort((left, right) => left - right);
    const [median] = crash.takeoversMs.slice(crash.takeoversMs.length >> 1);
    t.diagnostic(
      `${crash.published.size} messages, ${again} delivered again, counter ${counter}, ${crash.ids.size} ids, ${crash.won.size} locks; takeovers ${crash.takeoversMs.map((ms) => Math.round(ms)).join(' ')} ms`,
    );
    assert.ok(crash.takeoversMs.length >= 2);
    assert.ok(median! < 1000, `half of the takeovers took more than ${median} ms`);
  } finally {
    for (const component of [state, pubsub, lock]) await component.close();
  }
}

describe('processes that are killed', () => {
  it('lose nothing that was acknowledged, and another owner is there within a second', {
    timeout: 120_000,
  }, async (t) => {
    const seed = Number(process.env['OUTRIGGER_CRASH_SEED'] ?? Date.now() % 1_000_000);
    t.diagnostic(`seed ${seed}`);
    const directory = await mkdtemp(join(tmpdir(), 'outrigger-crash-'));
    const crash = new Crash(directory, seed);
    try {
      for (let slot = 1; slot <= workers; slot++) crash.start(slot);
      for (let count = 0; count < kills; count++) {
        await crash.acknowledged(acknowledgedMin + Math.floor(crash.random() * acknowledgedMin));
        const all = [...crash.alive.values()];
        const owner = all.find(({ isOwner }) => isOwner);
        const any = all[Math.floor(crash.random() * all.length)]!;
        // Every second kill hits the owner, wherever it is in its work.
        const victim = count % 2 === 0 && owner !== undefined ? owner : any;
        await crash.kill(victim);
        crash.start(victim.slot);
      }
      await crash.acknowledged(acknowledgedMin);
      await crash.stop();
      assert.equal(crash.stderr, '');
      const files = await readdir(directory);
      assert.ok(
        files.some((name) => name.endsWith('.snapshot')),
        'the log was rewritten on the way',
      );
      await verify(crash, t);
    } finally {
      await crash.abort();
      await rm(directory, { recursive: true });
    }
  });
});
