/** A browser's client (@connectrpc/connect-web, over fetch) on the gRPC ports: gRPC-Web and Connect, binary and JSON. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Client, Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcWebTransport } from '@connectrpc/connect-web';
import { Dapr } from '@outrigger/proto/dapr/runtime/v1';
import { Runtime } from '@outrigger/proto/layotto/runtime/v1';
import { startControl } from '../harness/control.js';
import { type Sidecar, startSidecar } from '../harness/sidecar.js';

const WAIT_MS = 20_000;

const transports: Readonly<Record<string, (baseUrl: string) => Transport>> = {
  'gRPC-Web': (baseUrl) => createGrpcWebTransport({ baseUrl }),
  'gRPC-Web in JSON': (baseUrl) => createGrpcWebTransport({ baseUrl, useBinaryFormat: false }),
  'Connect in JSON': (baseUrl) => createConnectTransport({ baseUrl }),
  'Connect in binary': (baseUrl) => createConnectTransport({ baseUrl, useBinaryFormat: true }),
};

describe("a browser's client", () => {
  let sidecar: Sidecar;
  before(async () => {
    sidecar = await startSidecar({ appId: 'web-app' });
  });
  after(() => sidecar?.stop());

  for (const [name, transportTo] of Object.entries(transports)) {
    const dapr = (): Client<typeof Dapr> => createClient(Dapr, transportTo(`http://127.0.0.1:${sidecar.grpcPort}`));

    it(`saves and reads state by ${name}`, async () => {
      const value = new TextEncoder().encode(name);
      await dapr().saveState({ storeName: 'statestore', states: [{ key: name, value }] });
      const { data, etag } = await dapr().getState({ storeName: 'statestore', key: name });
      assert.equal(new TextDecoder().decode(data), name);
      assert.notEqual(etag, '');
    });

    it(`gets errors with code and sentence by ${name}`, async () => {
      await assert.rejects(dapr().getState({ storeName: 'nostore', key: 'k' }), (error) => {
        const { code, rawMessage } = ConnectError.from(error);
        assert.deepEqual([code, rawMessage], [Code.InvalidArgument, 'state store nostore is not found']);
        return true;
      });
    });

    it(`watches configuration by ${name} until it leaves`, async () => {
      const control = await startControl(sidecar);
      const leave = new AbortController();
      const signal = AbortSignal.any([leave.signal, AbortSignal.timeout(WAIT_MS)]);
      try {
        const key = name.replaceAll(' ', '-');
        const seen: string[] = [];
        for await (const { items } of dapr().subscribeConfiguration(
          { storeName: 'configstore', keys: [key] },
          { signal },
        )) {
          seen.push(...Object.values(items).map((item) => item.value));
          if (seen.includes('green')) break;
          await fetch(`${control.url}/configuration/${key}`, { method: 'POST', body: 'green' });
        }
        assert.ok(seen.includes('green'));
      } finally {
        leave.abort();
        await control.close();
      }
    });
  }

  it("reaches Layotto's API as well", async () => {
    const runtime = createClient(
      Runtime,
      createGrpcWebTransport({ baseUrl: `http://127.0.0.1:${sidecar.layottoPort}` }),
    );
    const { hello } = await runtime.sayHello({ serviceName: 'helloworld', name: 'web' });
    assert.equal(hello, 'greeting, web');
  });

  describe('of a page from another site', () => {
    const origin = 'http://page.example';
    const path = '/dapr.proto.runtime.v1.Dapr/GetState';
    const ask = (port: number): Promise<Response> =>
      fetch(`http://127.0.0.1:${port}${path}`, {
        method: 'OPTIONS',
        headers: {
          origin,
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'content-type,x-grpc-web',
        },
      });
    /** GetState of no store, which fails. */
    const call = async (port: number): Promise<Response> => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, {
        method: 'POST',
        headers: { origin, 'content-type': 'application/grpc-web+proto', 'x-grpc-web': '1' },
        body: new Uint8Array(5),
      });
      await response.arrayBuffer();
      return response;
    };

    it('is refused', async () => {
      assert.equal((await ask(sidecar.grpcPort)).status, 403);
      assert.equal((await call(sidecar.grpcPort)).status, 403);
    });

    it('is let in where its origin is allowed, and may read why a call failed', async () => {
      const open = await startSidecar({ appId: 'open-app', args: ['--allowed-origins', origin] });
      try {
        const asked = await ask(open.grpcPort);
        assert.equal(asked.status, 200);
        assert.equal(asked.headers.get('access-control-allow-origin'), origin);
        assert.equal(asked.headers.get('access-control-allow-headers'), 'content-type,x-grpc-web');
        const answer = await call(open.grpcPort);
        assert.equal(answer.status, 200);
        assert.equal(answer.headers.get('access-control-allow-origin'), origin);
        assert.equal(
          answer.headers.get('access-control-expose-headers'),
          'grpc-status, grpc-message, grpc-status-details-bin',
        );
      } finally {
        await open.stop();
      }
    });
  });
});
