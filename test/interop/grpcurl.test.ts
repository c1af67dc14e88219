/** grpcurl, which knows no proto of ours: it learns the services by reflection. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { runToEnd } from '../harness/process.js';
import { goTool, missing, type Part } from '../harness/provision.js';
import { type Sidecar, startSidecar } from '../harness/sidecar.js';

describe('grpcurl', () => {
  let sidecar: Sidecar;
  let part: Part;
  before(async () => {
    part = await goTool('github.com/fullstorydev/grpcurl/cmd/grpcurl', 'v1.9.3');
    if (part.value !== undefined) sidecar = await startSidecar({ appId: 'grpcurl-app' });
  });
  after(() => sidecar?.stop());

  const grpcurl = (...args: string[]): Promise<string> =>
    runToEnd(part.value as string, ['-plaintext', '-max-time', '10', ...args], { timeoutMs: 20_000 }).then((text) =>
      text.trim(),
    );
  const call = (port: number, method: string, data: object): Promise<string> =>
    grpcurl('-d', JSON.stringify(data), `127.0.0.1:${port}`, method);

  it('lists and describes the services', async (t) => {
    if (missing(t, part)) return;
    const { grpcPort, layottoPort } = sidecar;
    const listed = (await grpcurl(`127.0.0.1:${grpcPort}`, 'list')).split('\n');
    for (const service of ['dapr.proto.runtime.v1.Dapr', 'grpc.health.v1.Health']) assert.ok(listed.includes(service));
    assert.match(await grpcurl(`127.0.0.1:${layottoPort}`, 'list'), /^spec\.proto\.runtime\.v1\.Runtime$/m);
    const described = await grpcurl(
      `127.0.0.1:${grpcPort}`,
      'describe',
      'dapr.proto.runtime.v1.Dapr.SubscribeConfiguration',
    );
    assert.match(described, /SubscribeConfiguration.*returns \( stream .*SubscribeConfigurationResponse \)/s);
  });

  it("calls Dapr's API", async (t) => {
    if (missing(t, part)) return;
    const value = Buffer.from('one').toString('base64');
    const dapr = (method: string, data: object): Promise<string> =>
      call(sidecar.grpcPort, `dapr.proto.runtime.v1.Dapr/${method}`, data);
    await dapr('SaveState', { store_name: 'statestore', states: [{ key: 'k', value }] });
    assert.equal(JSON.parse(await dapr('GetState', { store_name: 'statestore', key: 'k' })).data, value);
    assert.equal(JSON.parse(await dapr('GetMetadata', {})).id, 'grpcurl-app');
  });

  it("calls Layotto's API", async (t) => {
    if (missing(t, part)) return;
    const hello = await call(sidecar.layottoPort, 'spec.proto.runtime.v1.Runtime/SayHello', {
      service_name: 'helloworld',
      name: 'curl',
    });
    assert.equal(JSON.parse(hello).hello, 'greeting, curl');
  });

  it('asks for the health of a service', async (t) => {
    if (missing(t, part)) return;
    const health = await call(sidecar.grpcPort, 'grpc.health.v1.Health/Check', {
      service: 'dapr.proto.runtime.v1.Dapr',
    });
    assert.equal(JSON.parse(health).status, 'SERVING');
  });

  it('gets errors with their code, sentence and details', async (t) => {
    if (missing(t, part)) return;
    await assert.rejects(
      call(sidecar.grpcPort, 'dapr.proto.runtime.v1.Dapr/GetState', { store_name: 'nostore', key: 'k' }),
      ({ message }: Error) => {
        assert.match(message, /Code: InvalidArgument/);
        assert.match(message, /Message: state store nostore is not found/);
        assert.match(message, /google\.rpc\.ErrorInfo/);
        return true;
      },
    );
  });
});
