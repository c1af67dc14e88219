import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock, HeaderList, silentLogger } from '@outrigger/engine';
import type { AppOptions } from '../config/options.js';
import { MetricsRegistry } from '../telemetry/metrics.js';
import type { AppChannel } from './channel.js';
import { createAppChannel } from './create-channel.js';
import { callApp } from './http-call.js';
import { FakeOpener, settled } from './testing/fake-opener.js';

const options: AppOptions = {
  port: 3000,
  host: '127.0.0.1',
  protocol: 'http',
  concurrencyMax: 0,
  healthCheck: undefined,
  apiToken: undefined,
  disabledInitEndpoints: [],
};

class Scene {
  readonly clock = new FakeClock();
  readonly opener = new FakeOpener();
  readonly channel: AppChannel;
  listening = false;
  attempts = 0;

  constructor(more: Partial<AppOptions> = {}) {
    this.channel = createAppChannel(
      { ...options, ...more },
      {
        clock: this.clock,
        log: silentLogger,
        metrics: new MetricsRegistry(),
        messageBytesMax: 4 * 1024 * 1024,
        transport: {
          opener: this.opener,
          connect: async () => {
            this.attempts++;
            if (!this.listening) throw new Error('refused');
          },
          close: async () => {},
        },
      },
    );
  }

  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 100) {
      await settled();
      this.clock.advance(100);
    }
    await settled();
  }
}

const never = new AbortController().signal;

describe('app channel', () => {
  it('is ready when the app listens', async () => {
    const scene = new Scene();
    let ready = false;
    const waiting = scene.channel.ready(never).then(() => (ready = true));
    await scene.pass(500);
    assert.equal(ready, false);
    assert.ok(scene.attempts >= 4);
    scene.listening = true;
    await scene.pass(100);
    await waiting;
    assert.equal(scene.channel.receptive, true);
    const attempts = scene.attempts;
    await scene.pass(1_000);
    assert.equal(scene.attempts, attempts, 'goes on asking although the app listens');
  });

  it('is ready with health checks only when the app is healthy, and receptive only while it is', async () => {
    const scene = new Scene({ healthCheck: { path: 'health', intervalMs: 1_000, timeoutMs: 500, threshold: 1 } });
    const changes: boolean[] = [];
    scene.channel.onReceptive((receptive) => changes.push(receptive));
    let status = 500;
    scene.opener.auto = (call) => call.answer(status);
    scene.listening = true;
    const ready = scene.channel.ready(never);
    await scene.pass(1_000);
    assert.equal(scene.channel.healthy, false);
    status = 200;
    await scene.pass(1_000);
    await ready;
    assert.equal(scene.opener.calls[0]?.head.path, '/health');
    assert.equal(scene.channel.healthy, true);
    status = 503;
    await scene.pass(1_000);
    assert.equal(scene.channel.receptive, false);
    assert.deepEqual(changes, [true, false]);
  });

  it('stops being receptive when the app is gone, and is again when it is back', async () => {
    const scene = new Scene();
    scene.listening = true;
    await scene.channel.ready(never);
    scene.listening = false;
    scene.channel.unreachable();
    assert.equal(scene.channel.receptive, false);
    assert.equal(scene.channel.healthy, true);
    await scene.pass(300);
    scene.listening = true;
    await scene.pass(100);
    assert.equal(scene.channel.receptive, true);
  });

  it('says whether the app listens, and is not receptive any more when it does not', async () => {
    const scene = new Scene();
    scene.listening = true;
    await scene.channel.ready(never);
    assert.equal(await scene.channel.listens(), true);
    scene.listening = false;
    assert.equal(await scene.channel.listens(), false);
    assert.equal(scene.channel.receptive, false);
  });

  it("sends the app's API token in place of any other, and its address as authority", async () => {
    const scene = new Scene({ apiToken: 'secret' });
    scene.opener.auto = (call) => call.answer(200);
    const headers = HeaderList.of({ 'dapr-api-token': 'forged' });
    await callApp(scene.channel, { method: 'GET', path: '/x', headers, bytesMax: 1 });
    const head = scene.opener.calls[0]?.head;
    assert.deepEqual(head?.headers.getAll('dapr-api-token'), ['secret']);
    assert.equal(head?.authority, '127.0.0.1:3000');
  });

  it('holds app-max-concurrency, but probes health past it', async () => {
    const scene = new Scene({
      concurrencyMax: 1,
      healthCheck: { path: '/h', intervalMs: 1_000, timeoutMs: 500, threshold: 1 },
    });
    scene.opener.auto = (call) => {
      if (call.head.path === '/h') call.answer(200);
    };
    scene.listening = true;
    await scene.channel.ready(never);
    for (const path of ['/a', '/b']) void callApp(scene.channel, { method: 'GET', path, bytesMax: 1 });
    await scene.pass(1_000);
    assert.equal(scene.channel.healthy, true);
    const paths = scene.opener.calls.map((call) => call.head.path).filter((path) => path !== '/h');
    assert.deepEqual(paths, ['/a']);
  });

  it('gives up waiting when closed', async () => {
    const scene = new Scene();
    const ready = scene.channel.ready(never);
    await scene.channel.close();
    await assert.rejects(ready, /app channel closed/);
    await scene.pass(500);
    assert.equal(scene.clock.pending, 0);
  });
});
