import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OutriggerError, silentLogger } from '@outrigger/engine';
import { createHealthBlock } from './health.js';
import { createMetadataBlock, METADATA_ENTRIES_MAX } from './metadata.js';
import { createShutdownBlock } from './shutdown.js';
import { TestRegistry } from './testing/registry.js';

const code =
  (expected: string, message?: string) =>
  (error: unknown): boolean =>
    error instanceof OutriggerError && error.code === expected && (message === undefined || error.message === message);

describe('health block', () => {
  it('is ready when there are parts and none is unready', () => {
    const health = createHealthBlock({ appId: 'app' });
    assert.equal(health.isReady, false);
    const api = health.target('api');
    const components = health.target('components', { outbound: true });
    components.ready();
    assert.equal(health.isOutboundReady, true);
    health.checkOutbound();
    assert.throws(() => health.check(undefined), code('HEALTH_NOT_READY', 'dapr is not ready: [api]'));
    api.ready();
    health.check(undefined);
    components.notReady();
    assert.throws(() => health.check(undefined), code('HEALTH_NOT_READY', 'dapr is not ready: [components]'));
    assert.throws(() => health.checkOutbound(), code('HEALTH_OUTBOUND_NOT_READY', 'dapr outbound is not ready'));
  });

  it('tells another app id apart', () => {
    const health = createHealthBlock({ appId: 'app' });
    health.target('api').ready();
    health.check('app');
    assert.throws(() => health.check('other'), code('HEALTH_APP_ID_MISMATCH', 'dapr app-id does not match'));
  });
});

describe('metadata block', () => {
  const app = {
    port: 3000,
    host: '127.0.0.1',
    protocol: 'http',
    concurrencyMax: 0,
    healthCheck: undefined,
  } as const;
  const create = () =>
    createMetadataBlock({
      appId: 'app',
      runtimeVersion: '1.18.0',
      app,
      registry: new TestRegistry([
        { kind: 'state', name: 's', component: {} as never, type: 'state.x', capabilities: ['ETAG'] },
      ]),
      enabledFeatures: () => ['F'],
      subscriptions: () => [],
      httpEndpoints: () => [],
      resiliencies: () => ['r'],
    });

  it('tells what is there', () => {
    const metadata = create().get();
    assert.equal(metadata.id, 'app');
    assert.deepEqual(metadata.components, [{ name: 's', type: 'state.x', version: 'v1', capabilities: ['ETAG'] }]);
    assert.deepEqual(metadata.extended, { daprRuntimeVersion: '1.18.0' });
  });

  it('keeps entries that callers set; none of them overrides the version, an empty key is ignored', () => {
    const block = create();
    block.set('cliPID', '42');
    block.set('', 'x');
    block.set('daprRuntimeVersion', '0');
    assert.deepEqual(block.get().extended, { cliPID: '42', daprRuntimeVersion: '1.18.0' });
  });

  it('keeps a bounded number of them', () => {
    const block = create();
    for (let i = 0; i < METADATA_ENTRIES_MAX; i++) block.set(`k${i}`, 'v');
    assert.throws(() => block.set('one more', 'v'), code('METADATA_TOO_MANY_ENTRIES'));
    block.set('k0', 'again');
  });
});

describe('shutdown block', () => {
  it('begins after the answer, once; a forced one ends at once', async () => {
    const calls: string[] = [];
    const block = createShutdownBlock({
      log: silentLogger,
      shutdown: () => calls.push('shutdown'),
      exit: () => calls.push('exit'),
    });
    block.request({ force: false });
    block.request({ force: false });
    assert.deepEqual(calls, []);
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(calls, ['shutdown']);
    block.request({ force: true });
    block.request({ force: true });
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(calls, ['shutdown', 'exit']);
  });
});
