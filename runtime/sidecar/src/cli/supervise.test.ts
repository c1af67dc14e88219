import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { describe, it } from 'node:test';
import { FakeClock, silentLogger } from '@outrigger/engine';
import type { AppEnd } from './app-process.js';
import { supervise } from './supervise.js';
import type { Unit, UnitEnd } from './unit.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

class FakeUnit implements Unit {
  readonly appId: string;
  readonly addresses = {
    daprHttp: undefined,
    daprGrpc: undefined,
    layottoGrpc: undefined,
    internal: undefined,
    metrics: undefined,
  };
  readonly ended: Promise<UnitEnd>;
  readonly stops: string[] = [];
  killed = false;
  reloads = 0;
  end: (end: UnitEnd) => void = () => {};
  /** What the app ends with when it is stopped. */
  stopped: AppEnd | undefined | Promise<AppEnd>;

  constructor(appId: string, stopped?: AppEnd | Promise<AppEnd>) {
    this.appId = appId;
    this.stopped = stopped;
    this.ended = new Promise((resolve) => {
      this.end = resolve;
    });
  }

  async stop(signal: NodeJS.Signals): Promise<AppEnd | undefined> {
    this.stops.push(signal);
    return this.stopped;
  }

  kill(): void {
    this.killed = true;
  }

  reload(): void {
    this.reloads++;
  }
}

function start(units: readonly FakeUnit[], failPolicy: 'stop' | 'continue' = 'stop') {
  const signals = new EventEmitter();
  const clock = new FakeClock();
  const exits: number[] = [];
  const code = supervise(async () => units, {
    clock,
    log: silentLogger,
    failPolicy,
    stopWithinMs: 20_000,
    exit: (forced) => exits.push(forced),
    signals,
  });
  return { signals, clock, exits, code };
}

const app = (code: number | null, signal: NodeJS.Signals | null = null): UnitEnd => ({ kind: 'app', code, signal });

describe('supervision', () => {
  it('ends with the exit code of the app', async () => {
    for (const code of [0, 7]) {
      const unit = new FakeUnit('a');
      const run = start([unit]);
      await turn();
      unit.end(app(code));
      assert.equal(await run.code, code);
      assert.deepEqual(unit.stops, ['SIGTERM']);
      assert.equal(run.clock.pending, 0);
      assert.deepEqual(run.signals.eventNames(), []);
    }
  });

  it('reports an app that was killed as shells do', async () => {
    const unit = new FakeUnit('a');
    const run = start([unit]);
    await turn();
    unit.end(app(null, 'SIGKILL'));
    assert.equal(await run.code, 137);
  });

  it('passes a signal on, and ends with 0 when the app did as it was told', async () => {
    const ends: [AppEnd | undefined, number][] = [
      [{ code: 0, signal: null }, 0],
      [{ code: null, signal: 'SIGINT' }, 0],
      [{ code: 130, signal: null }, 0],
      [undefined, 0],
      [{ code: 3, signal: null }, 3],
      [{ code: null, signal: 'SIGKILL' }, 137],
    ];
    for (const [end, expected] of ends) {
      const unit = new FakeUnit('a', end);
      const run = start([unit]);
      await turn();
      run.signals.emit('SIGINT');
      assert.equal(await run.code, expected);
      assert.deepEqual(unit.stops, ['SIGINT']);
    }
  });

  it('takes a second signal calmly and ends at once on a third', async () => {
    const unit = new FakeUnit('a', new Promise(() => {}));
    const run = start([unit]);
    await turn();
    run.signals.emit('SIGINT');
    run.signals.emit('SIGINT');
    await turn();
    assert.equal(unit.killed, false);
    run.signals.emit('SIGINT');
    assert.equal(unit.killed, true);
    assert.deepEqual(run.exits, [130]);
  });

  it('ends at once when stopping takes too long, whoever asked for it', async () => {
    for (const ask of ['signal', 'app'] as const) {
      const unit = new FakeUnit('a', new Promise(() => {}));
      const run = start([unit]);
      await turn();
      if (ask === 'signal') run.signals.emit('SIGTERM');
      else unit.end(app(0));
      await turn();
      run.clock.advance(20_000);
      assert.equal(unit.killed, true);
      assert.deepEqual(run.exits, [143]);
    }
  });

  it('stops everything, then says why a sidecar could not go on', async () => {
    const unit = new FakeUnit('a');
    const run = start([unit]);
    await turn();
    unit.end({ kind: 'fatal', error: new Error('no store') });
    await assert.rejects(run.code, /no store/);
    assert.deepEqual(unit.stops, ['SIGTERM']);
  });

  it('ends with 0 when somebody asked by the API', async () => {
    const unit = new FakeUnit('a', { code: null, signal: 'SIGTERM' });
    const run = start([unit]);
    await turn();
    unit.end({ kind: 'asked' });
    assert.equal(await run.code, 0);
  });

  it('of several apps stops all when one fails, with its code', async () => {
    const [a, b] = [new FakeUnit('a'), new FakeUnit('b', { code: null, signal: 'SIGTERM' })] as const;
    const run = start([a, b]);
    await turn();
    a.end(app(5));
    assert.equal(await run.code, 5);
    assert.deepEqual(b.stops, ['SIGTERM']);
  });

  it('of several apps goes on while others run when one ends well, and stops its sidecar', async () => {
    const [a, b] = [new FakeUnit('a'), new FakeUnit('b')] as const;
    const run = start([a, b]);
    await turn();
    a.end(app(0));
    await turn();
    assert.deepEqual([a.stops, b.stops], [['SIGTERM'], []]);
    b.end(app(0));
    assert.equal(await run.code, 0);
  });

  it('with the policy "continue" goes on after a failure, and reports it in the end', async () => {
    const [a, b] = [new FakeUnit('a'), new FakeUnit('b')] as const;
    const run = start([a, b], 'continue');
    await turn();
    a.end(app(5));
    await turn();
    assert.deepEqual(b.stops, []);
    b.end(app(0));
    assert.equal(await run.code, 5);
  });

  it('reads documents again on SIGHUP', async () => {
    const unit = new FakeUnit('a');
    const run = start([unit]);
    await turn();
    run.signals.emit('SIGHUP');
    assert.equal(unit.reloads, 1);
    unit.end(app(0));
    await run.code;
  });

  it('leaves no app behind when it crashes', async () => {
    const unit = new FakeUnit('a');
    const exits: number[] = [];
    let crash = (_: unknown): void => {};
    void supervise(async () => [unit], {
      clock: new FakeClock(),
      log: silentLogger,
      failPolicy: 'stop',
      stopWithinMs: 20_000,
      exit: (forced) => exits.push(forced),
      signals: new EventEmitter(),
      onCrash(listener) {
        crash = listener;
        return () => {};
      },
    });
    await turn();
    crash(new Error('bug'));
    assert.equal(unit.killed, true);
    assert.deepEqual(exits, [1]);
  });

  it('remembers a signal that comes while it starts', async () => {
    const unit = new FakeUnit('a');
    let started = (_: readonly Unit[]): void => {};
    const signals = new EventEmitter();
    const code = supervise(() => new Promise((resolve) => (started = resolve)), {
      clock: new FakeClock(),
      log: silentLogger,
      failPolicy: 'stop',
      stopWithinMs: 20_000,
      exit: () => {},
      signals,
    });
    signals.emit('SIGTERM');
    started([unit]);
    assert.equal(await code, 0);
    assert.deepEqual(unit.stops, ['SIGTERM']);
  });
});
