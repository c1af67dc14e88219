/** Invoke by npm @dapr/dapr, unmodified: its server as the app behind one sidecar, its clients at another. */
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import dapr from '@dapr/dapr';
import { freePort } from '../../harness/ports.js';
import { ready, type Sidecar, scratchDir, startSidecar } from '../../harness/sidecar.js';
import { sdkCases } from '../matrix.js';

const { CommunicationProtocolEnum, DaprClient, DaprServer, HttpMethod } = dapr;
type Client = InstanceType<typeof DaprClient>;
type Server = InstanceType<typeof DaprServer>;

interface Request {
  readonly body?: string;
  readonly query?: string;
}

/** What both kinds of app serve. */
async function listen(server: Server): Promise<void> {
  for (const method of [HttpMethod.GET, HttpMethod.POST, HttpMethod.PUT, HttpMethod.DELETE, HttpMethod.PATCH]) {
    await server.invoker.listen('echo', async ({ body }: Request) => ({ method, body }), { method });
  }
  await server.invoker.listen('multiple/segments', async () => ({ ok: true }), { method: HttpMethod.POST });
}

const quiet = { level: 0, service: { error() {}, warn() {}, info() {}, verbose() {}, debug() {} } } as never;

describe('npm @dapr/dapr, invoke through two sidecars', { timeout: 120_000 }, () => {
  const home = scratchDir('home');
  const sidecars: Sidecar[] = [];
  const servers: Server[] = [];
  const clients = new Map<string, Client>();

  const app = async (appId: string, protocol: 'http' | 'grpc'): Promise<void> => {
    const appPort = await freePort();
    const sidecar = await startSidecar({ appId, appPort, appProtocol: protocol, home, noWait: true });
    sidecars.push(sidecar);
    const communicationProtocol = protocol === 'http' ? CommunicationProtocolEnum.HTTP : CommunicationProtocolEnum.GRPC;
    const server = new DaprServer({
      serverHost: '127.0.0.1',
      serverPort: String(appPort),
      communicationProtocol,
      logger: quiet,
      clientOptions: {
        daprHost: '127.0.0.1',
        daprPort: String(protocol === 'http' ? sidecar.httpPort : sidecar.grpcPort),
        logger: quiet,
      },
    });
    await listen(server);
    await server.start();
    servers.push(server);
    await ready(sidecar);
  };

  before(async () => {
    await app('http-app', 'http');
    await app('grpc-app', 'grpc');
    const caller = await startSidecar({ appId: 'caller', home });
    sidecars.push(caller);
    const daprHost = '127.0.0.1';
    clients.set(
      'HTTP',
      new DaprClient({
        daprHost,
        daprPort: String(caller.httpPort),
        communicationProtocol: CommunicationProtocolEnum.HTTP,
        logger: quiet,
      }),
    );
    clients.set(
      'gRPC',
      new DaprClient({
        daprHost,
        daprPort: String(caller.grpcPort),
        communicationProtocol: CommunicationProtocolEnum.GRPC,
        logger: quiet,
      }),
    );
  });

  after(async () => {
    for (const client of clients.values()) await client.stop();
    // The SDK's gRPC server waits for its connections to end: the sidecars hold them.
    await Promise.all(sidecars.map((sidecar) => sidecar.stop()));
    for (const server of servers) await server.stop();
  });

  const it = sdkCases('npm @dapr/dapr, invoke');
  for (const protocol of ['HTTP', 'gRPC']) {
    for (const appId of ['http-app', 'grpc-app']) {
      it(`invoke/${protocol} client calls ${appId} with every verb`, async () => {
        const client = clients.get(protocol) as Client;
        for (const method of [HttpMethod.POST, HttpMethod.PUT, HttpMethod.DELETE, HttpMethod.PATCH]) {
          const answer = (await client.invoker.invoke(appId, 'echo', method, { hello: method })) as Request & {
            method: string;
          };
          assert.equal(answer.method, method);
          assert.deepEqual(JSON.parse(answer.body ?? ''), { hello: method });
        }
        const answer = (await client.invoker.invoke(appId, 'multiple/segments', HttpMethod.POST, {})) as {
          ok: boolean;
        };
        assert.equal(answer.ok, true);
      });
    }

    it(`invoke/${protocol} client hears that an app is not there`, async () => {
      const client = clients.get(protocol) as Client;
      await assert.rejects(
        client.invoker.invoke('nobody', 'echo', HttpMethod.POST, {}),
        /couldn't find service: nobody/,
      );
    });

    it(`invoke/${protocol} client hears the status of an HTTP app`, async () => {
      const client = clients.get(protocol) as Client;
      await assert.rejects(
        client.invoker.invoke('http-app', 'no-such-method', HttpMethod.POST, {}),
        /404|Not Found|NotFound/i,
      );
    });
  }
});
