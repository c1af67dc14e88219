/** curl against the Dapr HTTP API, in each version of HTTP that one port speaks. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { runToEnd } from '../harness/process.js';
import { command, missing } from '../harness/provision.js';
import { type Sidecar, startSidecar } from '../harness/sidecar.js';

describe('curl', () => {
  let sidecar: Sidecar;
  before(async () => {
    sidecar = await startSidecar({ appId: 'curl-app' });
  });
  after(() => sidecar?.stop());

  /** Body, then status and HTTP version on a line of their own. */
  const curl = async (path: string, ...args: string[]): Promise<{ body: string; status: string }> => {
    const format = '\n%{http_code} %{http_version}';
    const output = await runToEnd('curl', ['-sS', '--max-time', '10', '-w', format, ...args, `${sidecar.http}${path}`]);
    const lines = output.split('\n');
    const status = lines.pop() as string;
    return { body: lines.join('\n'), status };
  };
  const json = ['-H', 'content-type: application/json', '-d'];

  for (const [name, flag, version] of [
    ['HTTP/1.1', '--http1.1', '1.1'],
    ['HTTP/2 with prior knowledge', '--http2-prior-knowledge', '2'],
    ['HTTP/2 after an upgrade', '--http2', '2'],
  ] as const) {
    it(`saves and reads state over ${name}`, async (t) => {
      if (missing(t, await command('curl', 'curl'))) return;
      const saved = await curl('/v1.0/state/statestore', flag, ...json, `[{"key":"k${version}","value":{"a":1}}]`);
      // The request that asks for an upgrade with a body may be answered as HTTP/1.1.
      assert.match(saved.status, /^204 /);
      assert.deepEqual(await curl(`/v1.0/state/statestore/k${version}`, flag), {
        body: '{"a":1}',
        status: `200 ${version}`,
      });
    });
  }

  it('sends many requests on one connection', async (t) => {
    if (missing(t, await command('curl', 'curl'))) return;
    const { body } = await curl('/v1.0/metadata', '-o', '/dev/null', `${sidecar.http}/v1.0/healthz`);
    assert.match(body, /"id":"curl-app"/);
  });

  it('waits for 100-continue before a large body, and has it refused when it is too large', async (t) => {
    if (missing(t, await command('curl', 'curl'))) return;
    const large = ['-H', 'expect: 100-continue', '-H', 'content-type: application/json', '--data-binary', '@-'];
    const send = (bytes: number): Promise<string> =>
      runToEnd('sh', [
        '-c',
        `head -c ${bytes} /dev/zero | tr '\\0' 1 | curl -sS -o /dev/null -w '%{http_code}' ${large.map((arg) => `'${arg}'`).join(' ')} ${sidecar.http}/v1.0/publish/pubsub/curl`,
      ]);
    assert.equal(await send(1024 * 1024), '204');
    assert.equal(await send(5 * 1024 * 1024), '413');
  });

  it('gets errors as JSON', async (t) => {
    if (missing(t, await command('curl', 'curl'))) return;
    const { body, status } = await curl('/v1.0/state/nostore/k');
    assert.equal(status, '400 1.1');
    assert.equal(JSON.parse(body).errorCode, 'ERR_STATE_STORE_NOT_FOUND');
  });
});
