/** Both surfaces behind the real server, over real connections. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { create } from '@bufbuild/protobuf';
import {
  type Channel,
  createChannel,
  createGrpcService,
  createServer,
  GrpcCode,
  type GrpcStatusError,
  Metadata,
  type Server,
  systemClock,
} from '@outrigger/engine';
import { methodsOf } from '@outrigger/proto';
import {
  Dapr,
  GetStateRequestSchema,
  InvokeActorRequestSchema,
  SaveStateRequestSchema,
  SubscribeConfigurationRequestSchema,
} from '@outrigger/proto/dapr/runtime/v1';
import { createTestSurfaces, type TestSurfaces } from './testing/surfaces.js';

const rpc = methodsOf(Dapr);
const TOKEN = 'secret';

describe('Dapr surfaces behind the server', () => {
  let surfaces: TestSurfaces;
  let server: Server;
  let channel: Channel;
  let base: string;
  const metadata = Metadata.of({ 'dapr-api-token': TOKEN });
  const headers = { 'dapr-api-token': TOKEN };

  before(async () => {
    surfaces = createTestSurfaces({ clock: systemClock, apiToken: TOKEN });
    server = createServer({
      http: surfaces.httpHandler,
      grpc: createGrpcService(surfaces.grpcMethods),
    });
    const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
    base = `http://127.0.0.1:${port}`;
    channel = createChannel({ target: `127.0.0.1:${port}` });
  });

  after(async () => {
    await channel.close();
    await surfaces.close();
    await server.close();
  });

  it('share one store: saved over gRPC, read over HTTP', async () => {
    const value = new TextEncoder().encode('{"n":1}');
    const states = [{ key: 'shared', value }];
    await channel.unary(rpc.saveState, create(SaveStateRequestSchema, { storeName: 'store', states }), {
      metadata,
    });
    const response = await fetch(`${base}/v1.0/state/store/shared`, { headers });
    assert.deepEqual(await response.json(), { n: 1 });
    assert.ok(response.headers.get('etag'));
  });

  it('share one store: saved over HTTP, read over gRPC', async () => {
    const body = JSON.stringify([{ key: 'text', value: 'quoted' }]);
    const saved = await fetch(`${base}/v1.0/state/store`, { method: 'POST', headers, body });
    assert.equal(saved.status, 204);
    const request = create(GetStateRequestSchema, { storeName: 'store', key: 'text' });
    const { data } = await channel.unary(rpc.getState, request, { metadata });
    assert.equal(new TextDecoder().decode(data), '"quoted"');
  });

  it('send errors with their details', async () => {
    const request = create(GetStateRequestSchema, { storeName: 'nope', key: 'k' });
    await assert.rejects(channel.unary(rpc.getState, request, { metadata }), (error: GrpcStatusError) => {
      assert.equal(error.code, GrpcCode.INVALID_ARGUMENT);
      assert.equal(error.message, 'state store nope is not found');
      assert.ok(error.details !== undefined && Buffer.from(error.details).includes('DAPR_STATE_NOT_FOUND'));
      return true;
    });
    const response = await fetch(`${base}/v1.0/state/nope/k`, { headers });
    assert.equal(response.status, 400);
    assert.equal(((await response.json()) as { errorCode: string }).errorCode, 'ERR_STATE_STORE_NOT_FOUND');
  });

  it('ask for the token', async () => {
    const request = create(GetStateRequestSchema, { storeName: 'store', key: 'k' });
    await assert.rejects(channel.unary(rpc.getState, request), { code: GrpcCode.UNAUTHENTICATED });
    assert.equal((await fetch(`${base}/v1.0/state/store/k`)).status, 401);
    assert.equal((await fetch(`${base}/v1.0/healthz`)).status, 204);
  });

  it('stream configuration until the caller has had enough', async () => {
    const request = create(SubscribeConfigurationRequestSchema, { storeName: 'config', keys: ['a'] });
    const controller = new AbortController();
    const responses = channel.serverStream(rpc.subscribeConfiguration, request, {
      metadata,
      signal: controller.signal,
    });
    const iterator = responses[Symbol.asyncIterator]();
    const first = await iterator.next();
    assert.notEqual(first.value?.id, '');
    await surfaces.configStore.save?.({ metadata: {} }, [{ key: 'a', value: '1' }]);
    const second = await iterator.next();
    assert.equal(second.value?.items['a']?.value, '1');
    controller.abort();
    await assert.rejects(iterator.next());
  });

  it('answer methods and routes that are not served yet', async () => {
    const { invokeActor } = rpc;
    await assert.rejects(channel.unary(invokeActor, create(InvokeActorRequestSchema), { metadata }), {
      code: GrpcCode.UNIMPLEMENTED,
    });
    const response = await fetch(`${base}/v1.0/bindings/b`, { method: 'POST', headers, body: '{}' });
    assert.equal(response.status, 501);
  });

  it('refuse a page that rebinds a DNS name', async () => {
    const { request } = await import('node:http');
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const call = request(`${base}/v1.0/metadata`, { headers: { ...headers, host: 'evil.example' } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      call.on('error', reject);
      call.end();
    });
    assert.equal(status, 403);
  });

  it('take a body up to the limit and no more', async () => {
    const body = (bytes: number): string => JSON.stringify([{ key: 'big', value: 'x'.repeat(bytes) }]);
    const post = (text: string) => fetch(`${base}/v1.0/state/store`, { method: 'POST', headers, body: text });
    assert.equal((await post(body(4 * 1024 * 1024 - 100))).status, 204);
    assert.equal((await post(body(4 * 1024 * 1024 + 100))).status, 413);
  });
});
