import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { FakeClock, silentLogger } from '@outrigger/engine';
import { testTypes } from './compile.test.support.js';
import { ConfigError, problemText } from './problem.js';
import { environmentName, type FlagUser, SETTING_NAMES, type SettingName, settingOf } from './settings.js';
import { givenFlag, type Setup, setUp } from './setup.js';
import type { GivenValue } from './values.js';

let folder: string;
before(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'outrigger-setup-'));
});
after(() => rmSync(folder, { recursive: true, force: true }));

type Flags = Partial<Record<SettingName, string | string[]>>;

function given(flags: Flags): Map<SettingName, GivenValue> {
  return new Map(
    Object.entries(flags).map(([name, raw]) => [
      name as SettingName,
      givenFlag(settingOf(name as SettingName).flag, raw),
    ]),
  );
}

function prepare(
  user: FlagUser,
  flags: Flags = {},
  env: Record<string, string> = {},
  layotto?: string,
): Promise<Setup> {
  return setUp({
    user,
    flags: given(flags),
    env: { HOME: folder, ...env },
    cwd: '/projects/My Shop!',
    clock: new FakeClock(),
    layottoConfigPath: layotto,
  });
}

async function problemsOf(setup: Promise<Setup>): Promise<string[]> {
  try {
    return (await setup).problems.map(problemText);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.problems.map(problemText);
  }
}

describe('options of `outrigger start`', () => {
  it('need nothing: ports where clients look, loopback only, an app id from the folder', async () => {
    const { options } = await prepare('start');
    assert.equal(options.personality, 'outrigger');
    assert.equal(options.appId, 'My-Shop');
    assert.deepEqual(options.daprHttp, { host: '127.0.0.1', port: 3500 });
    assert.deepEqual(options.daprGrpc, { host: '127.0.0.1', port: 50001 });
    assert.deepEqual(options.layottoGrpc, { host: '127.0.0.1', port: 34904 });
    assert.deepEqual(options.metrics, { host: '127.0.0.1', port: 9090 });
    assert.deepEqual(options.internal, { host: '127.0.0.1', port: 0 });
    assert.equal(options.homeDir, path.join(folder, '.outrigger'));
    assert.deepEqual(options.allowedOrigins, []);
    assert.equal(options.embeddedDefaults, true);
    assert.equal(options.unhealthyInitFatal, false);
    assert.equal(options.app.port, undefined);
  });

  it('switch surfaces off', async () => {
    const { options } = await prepare('start', { daprHttpPort: 'off', layottoGrpcPort: 'off', metricsPort: 'off' });
    assert.equal(options.daprHttp, undefined);
    assert.equal(options.layottoGrpc, undefined);
    assert.equal(options.metrics, undefined);
    assert.notEqual(options.daprGrpc, undefined);
  });

  it('put flags over environment over documents over defaults', async () => {
    const resources = path.join(folder, 'precedence');
    mkdirSync(resources);
    writeFileSync(
      path.join(resources, 'sidecar.yaml'),
      'apiVersion: outrigger/v1\nkind: Sidecar\nmetadata: {name: s}\nspec: {appId: doc, appPort: 1, logLevel: debug, allowedOrigins: [http://a, http://b]}\n',
    );
    const flags = { resourcesPath: [resources], appId: 'flag' };
    const { options } = await prepare('start', flags, { OUTRIGGER_APP_ID: 'env', OUTRIGGER_APP_PORT: '2' });
    assert.equal(options.appId, 'flag');
    assert.equal(options.app.port, 2);
    assert.equal(options.logLevel, 'debug');
    assert.deepEqual(options.allowedOrigins, ['http://a', 'http://b']);
    assert.equal(options.gracefulShutdownMs, 5_000);
  });

  it('report slips in a Sidecar document where they are', async () => {
    const file = path.join(folder, 'slips.yaml');
    writeFileSync(file, 'apiVersion: outrigger/v1\nkind: Sidecar\nspec:\n  appid: x\n  aapPort: 1\n  logLevel: loud\n');
    const problems = await problemsOf(prepare('start', { resourcesPath: [file] }));
    assert.deepEqual(problems, [
      `${file}:4:3: warning: the key "appid" is written "appId"; it is taken for that`,
      `${file}:5:3: error: unknown key "aapPort" in spec; did you mean "appPort"?`,
      `${file}:6:13: error: "loud" is not one of trace, debug, info, warn, error, fatal`,
    ]);
  });

  it('name the variable or flag of a value that cannot be read', async () => {
    assert.deepEqual(await problemsOf(prepare('start', { appPort: '99999' }, { OUTRIGGER_MAX_BODY_SIZE: '4MB' })), [
      'flag --app-port: error: "99999" is not a port (0 to 65535)',
      'environment variable OUTRIGGER_MAX_BODY_SIZE: error: "4MB" is not a size; write for example 4Mi or 512Ki',
    ]);
  });

  it('refuse one port for two things, naming both', async () => {
    assert.deepEqual(await problemsOf(prepare('start', { daprHttpPort: '9090' })), [
      'default of --metrics-port: error: port 9090 is claimed twice: by flag --dapr-http-port and by default of --metrics-port',
    ]);
    assert.deepEqual(await problemsOf(prepare('start', { appPort: '3500' })), [
      'default of --dapr-http-port: error: port 3500 is claimed twice: by flag --app-port and by default of --dapr-http-port',
    ]);
    assert.deepEqual(await problemsOf(prepare('start', { appPort: '3500', appChannelAddress: '10.0.0.7' })), []);
  });

  it('take secrets from the environment only', async () => {
    const { options } = await prepare('start', {}, { DAPR_API_TOKEN: 'in', APP_API_TOKEN: 'out' });
    assert.equal(options.apiToken, 'in');
    assert.equal(options.app.apiToken, 'out');
  });

  it('know the namespace and whether somebody named it', async () => {
    const { options } = await prepare('start');
    assert.deepEqual([options.namespace, options.namespaceGiven], ['default', false]);
    const { options: named } = await prepare('start', {}, { NAMESPACE: 'production' });
    assert.deepEqual([named.namespace, named.namespaceGiven], ['production', true]);
  });

  it('work without HOME', async () => {
    const { options } = await setUp({ user: 'start', flags: new Map(), env: {}, cwd: '/', clock: new FakeClock() });
    assert.equal(options.homeDir, path.join(os.tmpdir(), `outrigger-${process.getuid?.()}`));
    assert.equal(options.appId, 'app');
  });

  it('work with a home that cannot be written', async () => {
    const setup = await setUp({
      user: 'start',
      flags: new Map(),
      env: { HOME: '/proc/1' },
      cwd: '/',
      clock: new FakeClock(),
    });
    assert.equal(setup.options.homeDir, path.join(os.tmpdir(), `outrigger-${process.getuid?.()}`));
  });

  it('name a folder that is not there', async () => {
    const setup = await prepare('start', { resourcesPath: ['/does/not/exist'] });
    assert.throws(
      () => setup.openStore({ log: silentLogger, types: testTypes }),
      /^ConfigError: \/does\/not\/exist: no such file or folder$/,
    );
  });
});

describe('options of `outrigger run`', () => {
  it('take free ports unless told otherwise', async () => {
    const { options } = await prepare('run', { daprGrpcPort: '50002' });
    assert.deepEqual(options.daprHttp, { host: '127.0.0.1', port: 0 });
    assert.deepEqual(options.daprGrpc, { host: '127.0.0.1', port: 50002 });
    assert.deepEqual(options.layottoGrpc, { host: '127.0.0.1', port: 0 });
    assert.deepEqual(options.metrics, { host: '127.0.0.1', port: 0 });
  });

  it('read -1 as "choose one", as dapr run writes it', async () => {
    const { options } = await prepare('run', { daprHttpPort: '-1', appPort: '-1', appMaxConcurrency: '-1' });
    assert.deepEqual(options.daprHttp, { host: '127.0.0.1', port: 0 });
    assert.equal(options.app.port, undefined);
    assert.equal(options.app.concurrencyMax, 0);
  });
});

describe('options of `daprd`', () => {
  it("have Dapr's defaults", async () => {
    const { options } = await prepare('daprd', { appId: 'shop' });
    assert.equal(options.personality, 'daprd');
    assert.deepEqual(options.daprHttp, { host: '', port: 3500 });
    assert.deepEqual(options.metrics, { host: '0.0.0.0', port: 9090 });
    assert.equal(options.layottoGrpc, undefined);
    assert.deepEqual(options.allowedOrigins, ['*']);
    assert.equal(options.messageBytesMax, 4 << 20);
    assert.equal(options.httpHeaderBytesMax, 4 << 10);
    assert.equal(options.gracefulShutdownMs, 5_000);
    assert.equal(options.embeddedDefaults, false);
    assert.equal(options.unhealthyInitFatal, true);
    assert.equal(options.app.healthCheck, undefined);
  });

  it('read every flag that has an effect', async () => {
    const { options } = await prepare('daprd', {
      appId: 'shop',
      appPort: '8080',
      appProtocol: 'GRPC',
      appSsl: 'true',
      enableAppHealthCheck: 'true',
      appHealthProbeInterval: '7',
      appHealthThreshold: '0',
      daprListenAddresses: '[::1],127.0.0.1',
      daprHttpMaxRequestSize: '16',
      readBufferSize: '8Ki',
      daprGracefulShutdownSeconds: '-1',
      daprBlockShutdownDuration: '1m30s',
      disableInitEndpoints: 'Config',
      hotReloadReconcileInterval: '30s',
      componentsPath: '/old',
      enableMetrics: 'false',
    });
    assert.deepEqual(options.app, {
      port: 8080,
      host: '127.0.0.1',
      protocol: 'grpcs',
      concurrencyMax: 0,
      healthCheck: { path: '/healthz', intervalMs: 7_000, timeoutMs: 500, threshold: 3 },
      apiToken: undefined,
      disabledInitEndpoints: ['config'],
    });
    assert.deepEqual(options.daprHttp, { host: '::1', otherHosts: ['127.0.0.1'], port: 3500 });
    assert.equal(options.messageBytesMax, 16 << 20);
    assert.equal(options.httpHeaderBytesMax, 8 << 10);
    assert.equal(options.gracefulShutdownMs, 5_000);
    assert.equal(options.blockShutdownMs, 90_000);
    assert.equal(options.reloadIntervalMs, 30_000);
    assert.deepEqual(options.resourcePaths, ['/old']);
    assert.equal(options.metrics, undefined);
  });

  it('listen on sockets in a folder, named as Dapr names them', async () => {
    const { options } = await prepare('daprd', { appId: 'shop', unixDomainSocket: '/tmp/s' });
    assert.deepEqual(options.daprHttp, { path: '/tmp/s/dapr-shop-http.socket' });
    assert.deepEqual(options.daprGrpc, { path: '/tmp/s/dapr-shop-grpc.socket' });
  });

  it("are refused in Dapr's words", async () => {
    assert.deepEqual(await problemsOf(prepare('daprd')), [
      'default of --app-id: error: parameter app-id cannot be empty',
    ]);
    assert.deepEqual(await problemsOf(prepare('daprd', { appId: 'a.b' })), [
      'flag --app-id: error: parameter app-id cannot contain dots',
    ]);
    assert.deepEqual(await problemsOf(prepare('daprd', { appId: 'a', appPort: '3500' })), [
      "default of --dapr-http-port: error: the 'dapr-http-port' argument value 3500 conflicts with 'app-port'",
    ]);
    assert.deepEqual(await problemsOf(prepare('daprd', { appId: 'a', disableInitEndpoints: 'foo' })), [
      "flag --disable-init-endpoints: error: invalid value for 'disable-init-endpoints': foo",
    ]);
    const flags = {
      appId: 'a',
      enableAppHealthCheck: 'true',
      appHealthProbeInterval: '1',
      appHealthProbeTimeout: '2000',
    };
    assert.deepEqual(await problemsOf(prepare('daprd', flags)), [
      "flag --app-health-probe-timeout: error: value for 'health-probe-timeout' must be smaller than 'health-probe-interval'",
    ]);
    assert.deepEqual(await problemsOf(prepare('daprd', { appId: 'a', mode: 'kubernetes' })), [
      "flag --mode: error: mode kubernetes needs Dapr's control plane, which is not served; use standalone",
    ]);
  });

  it('name flags that have no effect here, once each, and only when they ask for something', async () => {
    const flags = {
      appId: 'a',
      placementHostAddress: 'localhost:50005',
      enableProfiling: 'false',
      enableMtls: 'true',
      appSsl: 'false',
    };
    assert.deepEqual(await problemsOf(prepare('daprd', flags)), [
      'flag --app-ssl: note: --app-ssl is deprecated; use --app-protocol https or grpcs',
      'flag --enable-mtls: warning: --enable-mtls has no effect: traffic between sidecars is not encrypted yet',
      'flag --placement-host-address: note: --placement-host-address has no effect: actors are not served yet',
    ]);
  });
});

describe('options of `layotto start`', () => {
  const FILE = {
    servers: [
      {
        default_log_level: 'DEBUG',
        listeners: [
          {
            name: 'grpc',
            address: '127.0.0.1:34905',
            filter_chains: [
              {
                filters: [
                  {
                    type: 'grpc',
                    config: {
                      server_name: 'runtime',
                      grpc_config: { app: { app_id: 'app1', grpc_callback_port: 9999 } },
                    },
                  },
                ],
              },
            ],
          },
        ],
      },
    ],
    metrics: { sinks: [{ type: 'prometheus', config: { port: 34903 } }] },
  };

  it('come from the file, flags over it', async () => {
    const file = path.join(folder, 'layotto.json');
    writeFileSync(file, JSON.stringify(FILE));
    const { options, logSettings } = await prepare('layotto', {}, {}, file);
    assert.equal(options.appId, 'app1');
    assert.deepEqual(options.layottoGrpc, { host: '127.0.0.1', port: 34905 });
    assert.equal(options.daprHttp, undefined);
    assert.equal(options.daprGrpc, undefined);
    assert.equal(options.app.port, 9999);
    assert.equal(options.app.protocol, 'grpc');
    assert.equal(options.metrics?.port, 34903);
    assert.equal(logSettings.level, 'debug');
    const { options: other } = await prepare(
      'layotto',
      { layottoGrpcPort: '1', daprHttpPort: '2', appId: 'b' },
      {},
      file,
    );
    assert.deepEqual(other.layottoGrpc, { host: '127.0.0.1', port: 1 });
    assert.deepEqual(other.daprHttp, { host: '127.0.0.1', port: 2 });
    assert.equal(other.appId, 'b');
  });
});

describe('the table of settings', () => {
  it('has one flag, one letter and one variable for each', () => {
    for (const key of ['flag', 'short'] as const) {
      const seen = SETTING_NAMES.map((name) => settingOf(name)[key]).filter((value) => value !== undefined);
      assert.equal(new Set(seen).size, seen.length);
    }
    assert.equal(environmentName('appHealthCheckPath'), 'OUTRIGGER_APP_HEALTH_CHECK_PATH');
  });
});
