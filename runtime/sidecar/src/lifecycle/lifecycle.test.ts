import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import net from 'node:net';
import { describe, it } from 'node:test';
import { FakeClock, silentLogger } from '@outrigger/engine';
import { portHolder } from './port-holder.js';
import { listenToSignals, signalExitCode } from './signals.js';
import { CLOSING_MS, createStages, STOP_STAGES } from './stages.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('stopping', () => {
  it('goes through the stages in order, whatever the order of what was added', async () => {
    const clock = new FakeClock();
    const stages = createStages({ clock, log: silentLogger });
    const done: string[] = [];
    for (const stage of [...STOP_STAGES].reverse()) stages.on(stage, stage, () => done.push(stage));
    assert.equal(stages.stopping, false);
    const stopped = stages.stop(5_000);
    assert.equal(stages.stopping, true);
    assert.equal(stages.stop(1), stopped);
    await stopped;
    assert.deepEqual(done, [...STOP_STAGES]);
    assert.equal(clock.pending, 0);
  });

  it('waits within the deadline only; what must close gets its time all the same', async () => {
    const clock = new FakeClock();
    const stages = createStages({ clock, log: silentLogger });
    const seen: [string, number][] = [];
    stages.on('in-flight', 'calls', () => new Promise(() => {}));
    stages.on('app', 'app', (deadline) => void seen.push(['app', deadline]));
    stages.on('listeners', 'port', (deadline) => void seen.push(['listeners', deadline]));
    const stopped = stages.stop(5_000);
    await turn();
    clock.advance(5_000);
    await turn();
    clock.advance(0);
    await stopped;
    assert.deepEqual(seen, [
      ['app', 5_000],
      ['listeners', 5_000 + CLOSING_MS],
    ]);
  });

  it('goes on when something goes wrong', async () => {
    const stages = createStages({ clock: new FakeClock(), log: silentLogger });
    let closed = false;
    stages.on('intake', 'bad', () => {
      throw new Error('no');
    });
    stages.on('rest', 'good', () => {
      closed = true;
    });
    await stages.stop(1_000);
    assert.equal(closed, true);
  });
});

describe('signals', () => {
  function signals() {
    const source = new EventEmitter();
    const clock = new FakeClock();
    const seen: string[] = [];
    const handle = listenToSignals(
      {
        stop: (signal) => seen.push(`stop ${signal}`),
        force: (_signal, why) => seen.push(`force: ${why}`),
        reload: () => seen.push('reload'),
      },
      clock,
      source,
    );
    return { source, clock, seen, handle };
  }

  it('stop once; a second one, as a process group gives it, is ignored; a third ends at once', () => {
    const { source, seen } = signals();
    source.emit('SIGINT');
    source.emit('SIGINT');
    assert.deepEqual(seen, ['stop SIGINT']);
    source.emit('SIGTERM');
    assert.deepEqual(seen, ['stop SIGINT', 'force: SIGTERM came 3 times']);
  });

  it('end at once when stopping takes too long', () => {
    const { source, clock, seen, handle } = signals();
    source.emit('SIGTERM');
    handle.deadline(10_000);
    clock.advance(10_000);
    assert.deepEqual(seen, ['stop SIGTERM', 'force: stopping took too long']);
  });

  it('reload on SIGHUP, and leave nothing behind', () => {
    const { source, seen, handle } = signals();
    source.emit('SIGHUP');
    assert.deepEqual(seen, ['reload']);
    handle.close();
    assert.deepEqual(source.eventNames(), []);
  });

  it('have the exit codes of shells', () => {
    assert.equal(signalExitCode('SIGINT'), 130);
    assert.equal(signalExitCode('SIGTERM'), 143);
    assert.equal(signalExitCode('SIGKILL'), 137);
  });
});

describe('the holder of a port', () => {
  it('is named by pid and command', { skip: process.platform !== 'linux' && 'needs /proc' }, async () => {
    const server = net.createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as net.AddressInfo;
    const holder = portHolder(port);
    assert.equal(holder?.pid, process.pid);
    assert.match(holder?.command ?? '', /node/);
    await new Promise((resolve) => server.close(resolve));
    assert.equal(portHolder(port), undefined);
  });
});
