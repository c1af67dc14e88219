/** Where and beside whom a sidecar starts: ports that are taken, homes that cannot be used, environments that hold nothing. */
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ANY_PORTS, component, runCommand, startCommand } from '../harness/command.js';
import { type Sidecar, scratchDir, startSidecar } from '../harness/sidecar.js';

describe('two sidecars of one app id and one home', () => {
  const home = scratchDir('home');
  let first: Sidecar;
  let second: Sidecar;
  before(async () => {
    [first, second] = await Promise.all([startSidecar({ appId: 'twin', home }), startSidecar({ appId: 'twin', home })]);
  });
  after(() => Promise.all([first?.stop(), second?.stop()]));

  it('have one set of data', async () => {
    const saved = await fetch(`${first.http}/v1.0/state/statestore`, {
      method: 'POST',
      body: JSON.stringify([{ key: 'k', value: 'of both' }]),
    });
    assert.equal(saved.status, 204);
    const read = await fetch(`${second.http}/v1.0/state/statestore/k`);
    assert.equal(await read.text(), '"of both"');
  });

  it('are both listed, with their own ports', async () => {
    const { lines } = await runCommand('outrigger', ['ls', '-o', 'json'], { env: { OUTRIGGER_HOME: home } });
    const listed = JSON.parse(lines.join('\n')) as { appId: string; state: string; addresses: { daprHttp: number } }[];
    assert.deepEqual(
      listed.map(({ appId, state, addresses }) => [appId, state, addresses.daprHttp]).sort(),
      [
        ['twin', 'running', first.httpPort],
        ['twin', 'running', second.httpPort],
      ].sort(),
    );
  });

  it('give way to nobody on their ports: a third that wants one ends and names the holder', async () => {
    for (const [flag, port] of [
      ['--dapr-http-port', first.httpPort],
      ['--dapr-grpc-port', first.grpcPort],
      ['--dapr-internal-grpc-port', first.internalPort],
      ['--metrics-port', first.metricsPort],
    ] as const) {
      const { code, last } = await runCommand('outrigger', [
        'start',
        '--app-id=third',
        ...ANY_PORTS,
        `${flag}=${port}`,
      ]);
      assert.equal(code, 1);
      assert.match(
        last,
        new RegExp(
          `FATAL .*:${port} \\(${flag}\\) is taken by pid ${first.actor.pid} \\(.*outrigger\\.mjs start.*\\); stop it, or choose another with ${flag}`,
        ),
      );
    }
  });

  it('give way to no daprd either', async () => {
    const { code, last } = await runCommand('daprd', [
      '--app-id=third',
      ...ANY_PORTS,
      `--dapr-http-port=${second.httpPort}`,
    ]);
    assert.equal(code, 1);
    assert.match(
      last,
      new RegExp(
        `level=fatal msg="Fatal error from runtime: .*:${second.httpPort} .* is taken by pid ${second.actor.pid} `,
      ),
    );
  });

  it('are stopped together, and leave nothing', async () => {
    const { code, last } = await runCommand('outrigger', ['stop', 'twin'], { env: { OUTRIGGER_HOME: home } });
    assert.deepEqual([code, last], [0, 'stopped twin (2 instances)']);
    assert.deepEqual(await first.actor.exited, { code: 0, signal: null });
    assert.deepEqual(await second.actor.exited, { code: 0, signal: null });
    const { lines } = await runCommand('outrigger', ['ls'], { env: { OUTRIGGER_HOME: home } });
    assert.deepEqual(lines, ['no sidecar is running']);
  });
});

describe('a port that another program holds', () => {
  let server: Server;
  before(async () => {
    server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  after(() => new Promise((resolve) => server.close(resolve)));

  it('ends the start, naming the program', async () => {
    const { port } = server.address() as { port: number };
    const { code, last } = await runCommand('outrigger', ['start', ...ANY_PORTS, `--dapr-http-port=${port}`]);
    assert.equal(code, 1);
    assert.match(last, new RegExp(`:${port} \\(--dapr-http-port\\) is taken by pid ${process.pid} `));
  });
});

describe('a home that cannot be used', () => {
  const file = join(scratchDir('file'), 'file');
  writeFileSync(file, '');
  const homes = [file, join(file, 'below'), ...(existsSync('/proc/self') ? ['/proc/outrigger'] : [])];

  for (const [i, home] of homes.entries()) {
    describe(['a file', 'below a file', 'where no folder can be made'][i] as string, () => {
      for (const entry of ['outrigger', 'daprd'] as const) {
        it(`${entry} serves what needs no disk, and names what does`, async () => {
          const resources = { 'memory.yaml': component('memory', 'state.in-memory') };
          const disk = { 'disk.yaml': component('disk', 'state.local', 'initTimeout: 300ms\nignoreErrors: true\n') };
          const sidecar = await startSidecar({ entry, home, resources: { ...resources, ...disk }, noWait: true });
          const { actor, http } = sidecar;
          await actor.line(/no folder for this instance.*cannot be made/);
          await actor.line(
            /Component disk .* is not ready: the directory .* cannot be made: .*; set OUTRIGGER_HOME to one that can/,
          );
          assert.equal((await fetch(`${http}/v1.0/state/memory/k`)).status, 204);
          const refused = await fetch(`${http}/v1.0/state/disk/k`);
          // Dapr does not know a component that failed.
          assert.equal(refused.status, entry === 'daprd' ? 400 : 503);
          assert.match(
            await refused.text(),
            entry === 'daprd' ? /disk is not found/ : /component disk .* set OUTRIGGER_HOME/,
          );
          assert.deepEqual(await sidecar.stop(), { code: 0, signal: null });
        });
      }
    });
  }

  it('does not keep an app from running', async () => {
    const args = ['run', ...ANY_PORTS, '--', 'echo', 'app', 'ran'];
    const { code, lines } = await runCommand('outrigger', args, { env: { OUTRIGGER_HOME: file } });
    assert.equal(code, 0);
    assert.match(lines.join('\n'), /== APP == app ran/);
  });

  it('is refused as the folder of the instance, with the cure', async () => {
    const { code, last } = await runCommand('outrigger', ['start', ...ANY_PORTS, '--state-dir', file]);
    assert.equal(code, 1);
    assert.match(last, /FATAL the folder .* cannot be made: .*; choose another with --state-dir$/);
  });

  it('lists no sidecars', async () => {
    const { code, lines } = await runCommand('outrigger', ['ls'], { env: { OUTRIGGER_HOME: file } });
    assert.deepEqual([code, lines], [0, ['no sidecar is running']]);
  });
});

describe('an environment without HOME, PATH and everything else', () => {
  const env = { OUTRIGGER_HOME: undefined, OUTRIGGER_LAYOTTO_GRPC_PORT: undefined, TMPDIR: scratchDir('tmp') };

  it('is enough for daprd', async () => {
    const actor = startCommand('daprd', ['--app-id=a', ...ANY_PORTS], { cleanEnv: true, env, cwd: '/' });
    await actor.line(/dapr initialized\. Status: Running/);
    assert.deepEqual(await actor.stop(), { code: 0, signal: null }, actor.output);
  });

  it('is enough for outrigger run', async () => {
    const app =
      'console.log("ports", Number(process.env.DAPR_HTTP_PORT) > 0, Number(process.env.runtime_GRPC_PORT) > 0)';
    const { code, lines } = await runCommand('outrigger', ['run', '--', process.execPath, '-e', app], {
      cleanEnv: true,
      env,
    });
    assert.equal(code, 0, lines.join('\n'));
    assert.match(lines.join('\n'), /== APP == ports true true/);
  });

  it('keeps its data private in the temporary folder', () => {
    assert.ok(existsSync(join(env.TMPDIR, `outrigger-${process.getuid?.()}`, 'local', 'default')));
  });
});
