import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CliError } from './cli-error.js';
import { parseFlags } from './flag-parser.js';

const EXTRAS = [
  { flag: 'version', boolean: true },
  { flag: 'config', short: 'c', boolean: false },
] as const;

function parse(...args: string[]) {
  const { settings, extras, rest } = parseFlags(args, 'daprd', EXTRAS);
  return {
    settings: Object.fromEntries([...settings].map(([name, { raw }]) => [name, raw])),
    extras: Object.fromEntries(extras),
    rest,
  };
}

const refusal = (...args: string[]): string => {
  try {
    parse(...args);
  } catch (error) {
    assert.ok(error instanceof CliError);
    assert.equal(error.exitCode, 2);
    return error.message;
  }
  return 'accepted';
};

describe('flags of daprd', () => {
  it('are written --k=v, --k v, and with one dash', () => {
    for (const args of [['--app-id=shop'], ['--app-id', 'shop'], ['-app-id=shop'], ['-app-id', 'shop']]) {
      assert.deepEqual(parse(...args).settings, { appId: 'shop' });
    }
  });

  it('may be empty, hold = and begin with a dash', () => {
    assert.deepEqual(parse('--app-id=', '--app-port', '-1', '--dapr-listen-addresses=a=b').settings, {
      appId: '',
      appPort: '-1',
      daprListenAddresses: ['a=b'],
    });
  });

  it('that are boolean stand alone or have their value after =', () => {
    assert.deepEqual(parse('--enable-metrics', 'false').settings, { enableMetrics: 'true' });
    assert.deepEqual(parse('--enable-metrics', 'false').rest, ['false']);
    assert.deepEqual(parse('--enable-metrics=false').settings, { enableMetrics: 'false' });
  });

  it('may be repeated: lists grow, single values are the last one', () => {
    assert.deepEqual(
      parse('--resources-path', 'a', '--resources-path=b,c', '--app-id', 'x', '--app-id', 'y').settings,
      {
        resourcesPath: ['a', 'b,c'],
        appId: 'y',
      },
    );
  });

  it('end at --', () => {
    assert.deepEqual(parse('--app-id', 'a', '--', '--app-id', 'b'), {
      settings: { appId: 'a' },
      extras: {},
      rest: ['--app-id', 'b'],
    });
  });

  it('beside the settings are kept apart, with their short forms', () => {
    assert.deepEqual(parse('--version', '-c', 'x.json').extras, { version: 'true', config: 'x.json' });
  });

  it('that nobody knows are refused with the nearest one', () => {
    assert.equal(refusal('--ap-id', 'x'), 'unknown flag: --ap-id; did you mean --app-id?');
    assert.equal(refusal('--zzzzzzzz'), 'unknown flag: --zzzzzzzz');
    assert.equal(refusal('--app-id'), 'flag needs an argument: --app-id');
  });

  it("are all of daprd's (cmd/daprd/options/options.go)", () => {
    const dapr =
      'mode dapr-http-port dapr-listen-addresses dapr-public-port dapr-public-listen-address dapr-grpc-port dapr-internal-grpc-port dapr-internal-grpc-listen-address app-port profile-port app-protocol components-path resources-path config app-id control-plane-address sentry-address control-plane-trust-domain control-plane-namespace sentry-request-jwt-audiences allowed-origins app-max-concurrency dapr-http-max-request-size max-body-size dapr-http-read-buffer-size read-buffer-size unix-domain-socket dapr-graceful-shutdown-seconds dapr-block-shutdown-duration app-health-check-path app-health-probe-interval app-health-probe-timeout app-health-threshold app-channel-address disable-init-endpoints placement-host-address scheduler-host-address scheduler-job-streams actors-disseminate-timeout hot-reload-reconcile-interval app-binding-options-timeout reminders-service actors-service log-level log-file metrics-port metrics-listen-address';
    for (const flag of dapr.split(' ')) assert.equal(refusal(`--${flag}`, '1'), 'accepted', flag);
    const booleans =
      'enable-profiling enable-mtls app-ssl enable-api-logging disable-builtin-k8s-secret-store enable-app-health-check log-as-json enable-metrics';
    for (const flag of booleans.split(' ')) assert.equal(refusal(`--${flag}`), 'accepted', flag);
  });
});
