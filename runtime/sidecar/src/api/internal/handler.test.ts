import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HeaderList, type HttpHandler, respondText, type ServerStream, silentLogger } from '@outrigger/engine';
import { createAppTarget } from '../../block/invoke/app-target.js';
import { createInvokeMetrics } from '../../block/invoke/metrics.js';
import { testApp } from '../../block/invoke/testing/sidecars.js';
import { loopback, request, settled } from '../../stream/testing/loopback.js';
import { MetricsRegistry } from '../../telemetry/metrics.js';
import { createInternalHandler } from './handler.js';

const nothing = { onData() {}, onEnd() {}, onReset() {}, onDrain() {} };

function scene(handler: HttpHandler, requestsMax?: number) {
  const app = testApp({ handler });
  const internal = createInternalHandler({
    appId: 'b',
    target: createAppTarget({ app: () => app, messageBytesMax: 1024, local: false }),
    metrics: createInvokeMetrics(new MetricsRegistry(), 'b'),
    log: silentLogger,
    ...(requestsMax === undefined ? {} : { requestsMax }),
  });
  return { internal, port: loopback(internal.handle) };
}

const wire = (more: Record<string, string> = {}): Record<string, string> => ({
  'outrigger-invoke': 'http',
  'dapr-callee-app-id': 'b',
  'dapr-caller-app-id': 'a',
  ...more,
});
const refused = (reset: unknown): boolean => (reset as { reason: string }).reason === 'refused';

describe('port between sidecars', () => {
  const answer: HttpHandler = (stream) => {
    stream.receiver = nothing;
    respondText(stream, 200, JSON.stringify([...stream.head.headers]));
  };

  it('delivers to the app without what sidecars say to each other', async () => {
    const { port } = scene(answer);
    const { status, body } = await request(port, {
      path: '/x',
      headers: wire({ 'dapr-api-token': 't', 'x-forwarded-client-cert': 'c', 'outrigger-other': 'o', 'x-custom': '1' }),
    });
    assert.equal(status, 200);
    assert.deepEqual(JSON.parse(body.toString()), [
      ['dapr-callee-app-id', 'b'],
      ['dapr-caller-app-id', 'a'],
      ['x-custom', '1'],
    ]);
  });

  it('is for sidecars only: not for browsers, not for apps', async () => {
    const { internal, port } = scene(answer);
    assert.equal((await request(port, { path: '/', headers: { 'dapr-app-id': 'b' } })).status, 421);
    const http1 = loopback(internal.handle, { protocol: 'http/1.1' });
    assert.equal((await request(http1, { path: '/', headers: wire() })).status, 421);
  });

  it('refuses calls for another app as not processed, so that the caller looks again', async () => {
    const { port, internal } = scene(answer);
    await assert.rejects(request(port, { path: '/', headers: wire({ 'dapr-callee-app-id': 'c' }) }), refused);
    assert.equal(internal.inFlight, 0);
  });

  it('takes no path that its sender should have cleaned, whoever the sender is', async () => {
    const { port } = scene(answer);
    for (const path of ['/../x', '/a//b', '/a%zz']) {
      const { status, headers } = await request(port, { path, headers: wire() });
      assert.deepEqual([status, headers.get('outrigger-reply'), headers.get('outrigger-status')], [400, 'error', '3']);
    }
  });

  it('bounds what is at work at once', async () => {
    const held: ServerStream[] = [];
    const { port, internal } = scene((stream) => {
      stream.receiver = nothing;
      held.push(stream);
    }, 2);
    const running = [1, 2].map(() => request(port, { path: '/', headers: wire() }));
    await settled();
    await assert.rejects(request(port, { path: '/', headers: wire() }), refused);
    for (const stream of held) stream.respond({ status: 204, headers: new HeaderList() }, true);
    await Promise.all(running);
    assert.equal(internal.inFlight, 0);
  });

  it('drains: new calls are refused, running ones end', async () => {
    let held: ServerStream | undefined;
    const { port, internal } = scene((stream) => {
      stream.receiver = nothing;
      held = stream;
    });
    const running = request(port, { path: '/', headers: wire() });
    await settled();
    let drained = false;
    const drain = internal.drain().then(() => {
      drained = true;
    });
    await assert.rejects(request(port, { path: '/', headers: wire() }), refused);
    assert.equal(drained, false);
    held?.respond({ status: 204, headers: new HeaderList() }, true);
    assert.equal((await running).status, 204);
    await drain;
    await internal.drain();
  });

  it('hands a refusal of app-max-concurrency back as not processed', async () => {
    const { port, internal } = scene((stream) => {
      stream.receiver = nothing;
      stream.reset('refused');
    });
    await assert.rejects(request(port, { path: '/', headers: wire() }), refused);
    assert.equal(internal.inFlight, 0);
  });
});
