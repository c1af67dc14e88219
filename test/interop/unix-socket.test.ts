/** The Dapr APIs on Unix sockets instead of ports, named as daprd names them: curl and grpc-js reach them. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { credentials, loadPackageDefinition, type ServiceClientConstructor } from '@grpc/grpc-js';
import { runToEnd } from '../harness/process.js';
import { command, missing } from '../harness/provision.js';
import { type Sidecar, scratchDir, startSidecar } from '../harness/sidecar.js';

describe('Unix sockets', () => {
  const dir = scratchDir('sockets');
  const httpSocket = join(dir, 'dapr-socket-app-http.socket');
  const grpcSocket = join(dir, 'dapr-socket-app-grpc.socket');
  let sidecar: Sidecar;
  before(async () => {
    sidecar = await startSidecar({ appId: 'socket-app', args: ['--unix-domain-socket', dir], noWait: true });
    await sidecar.actor.line(/socket-app listens: .*unix:/);
  });
  after(() => sidecar?.stop());

  it('serve the HTTP API to curl', async (t) => {
    if (missing(t, await command('curl', 'curl'))) return;
    const curl = (...args: string[]): Promise<string> =>
      runToEnd('curl', ['-sS', '--max-time', '10', '--unix-socket', httpSocket, ...args]);
    const state = 'http://localhost/v1.0/state/statestore';
    await curl('-H', 'content-type: application/json', '-d', '[{"key":"k","value":"over a socket"}]', state);
    assert.equal(await curl(`${state}/k`), '"over a socket"');
  });

  it('serve the gRPC API to grpc-js', async () => {
    const health = {
      Check: {
        path: '/grpc.health.v1.Health/Check',
        requestStream: false,
        responseStream: false,
        requestSerialize: (bytes: Buffer) => bytes,
        requestDeserialize: (bytes: Buffer) => bytes,
        responseSerialize: (bytes: Buffer) => bytes,
        responseDeserialize: (bytes: Buffer) => bytes,
      },
    };
    const { Health } = loadPackageDefinition({ Health: health }) as unknown as { Health: ServiceClientConstructor };
    const client = new Health(`unix:${grpcSocket}`, credentials.createInsecure());
    try {
      const answer = await new Promise<Buffer>((resolve, reject) => {
        client['Check']?.(Buffer.alloc(0), (error: Error | null, bytes: Buffer) =>
          error === null ? resolve(bytes) : reject(error),
        );
      });
      // HealthCheckResponse{status: SERVING}
      assert.deepEqual([...answer], [8, 1]);
    } finally {
      client.close();
    }
  });

  it('are gone when the sidecar has stopped', async () => {
    assert.equal((await sidecar.stop()).code, 0);
    assert.deepEqual([existsSync(httpSocket), existsSync(grpcSocket)], [false, false]);
  });
});
