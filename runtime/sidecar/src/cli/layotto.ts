/** The command `layotto start -c config.json`: the runtime part of Layotto's JSON, on this sidecar. */
import { setUp } from '../config/setup.js';
import { asCliError, CliError, problemLines } from './cli-error.js';
import { EXIT } from './exit-codes.js';
import { parseFlags } from './flag-parser.js';
import { type Host, processHost } from './host.js';
import { keepAlive } from './keep-alive.js';
import { fatalToLog, openSink, runUnits } from './run-units.js';

/** Layotto's own flags (cmd/layotto/cmd.go) beside ours; those but `config` and `log-level` have no effect yet. */
const EXTRAS = [
  { flag: 'config', short: 'c', boolean: false },
  { flag: 'service-cluster', short: 's', boolean: false },
  { flag: 'service-node', short: 'n', boolean: false },
  { flag: 'service-type', short: 'p', boolean: false },
  { flag: 'service-meta', short: 'sm', boolean: false },
  { flag: 'service-lables', short: 'sl', boolean: false },
  { flag: 'cluster-domain', short: 'domain', boolean: false },
  { flag: 'feature-gates', short: 'f', boolean: false },
  { flag: 'pod-namespace', short: 'pns', boolean: false },
  { flag: 'pod-name', short: 'pn', boolean: false },
  { flag: 'pod-ip', short: 'pi', boolean: false },
  { flag: 'log-format', short: 'lf', boolean: false },
  { flag: 'component-log-level', short: 'lc', boolean: false },
  { flag: 'logging-level', short: 'll', boolean: false },
  { flag: 'logging-path', short: 'lp', boolean: false },
  { flag: 'local-address-ip-version', boolean: false },
  { flag: 'restart-epoch', boolean: false },
  { flag: 'drain-time-s', boolean: false },
  { flag: 'parent-shutdown-time-s', boolean: false },
  { flag: 'max-obj-name-len', boolean: false },
  { flag: 'concurrency', boolean: false },
  { flag: 'log-format-prefix-with-location', boolean: false },
  { flag: 'bootstrap-version', boolean: false },
  { flag: 'drain-strategy', boolean: false },
  { flag: 'disable-hot-restart', boolean: true },
  { flag: 'help', short: 'h', boolean: true },
  { flag: 'version', short: 'v', boolean: true },
] as const;

const CONFIG_DEFAULT = 'configs/config.json';
const USAGE = 'usage: layotto start -c <config.json> [flags]\n';

export async function runLayotto(args: readonly string[], host: Host): Promise<number> {
  try {
    const { settings, extras, rest } = parseFlags(args, 'layotto', EXTRAS);
    if (extras.get('version') === 'true') {
      host.print(`layotto (outrigger ${host.version})\n`);
      return EXIT.ok;
    }
    if (extras.get('help') === 'true') {
      host.print(USAGE);
      return EXIT.ok;
    }
    const [command, ...more] = rest;
    if (command !== 'start' || more.length > 0) {
      throw new CliError(
        command === undefined ? 'a command is missing' : `there is no command "${rest.join(' ')}"`,
        EXIT.usage,
        USAGE.trim(),
      );
    }
    const { env, cwd, clock, version } = host;
    const layottoConfigPath = extras.get('config') ?? env['RUNTIME_CONFIG'] ?? CONFIG_DEFAULT;
    const setup = await setUp({ user: 'layotto', flags: settings, env, cwd, clock, layottoConfigPath });
    const sink = openSink(setup, host, setup.logSettings.json ? 'json' : 'pretty', version);
    const ignored = [...extras.keys()].filter((flag) => flag !== 'config');
    if (ignored.length > 0)
      sink.log.info(`flags without effect here: ${ignored.map((flag) => `--${flag}`).join(', ')}`);
    const spec = { setup, command: [], cwd, env, appPrefix: '', stdin: 'ignore' } as const;
    return await runUnits([{ spec, sink, appOut: [] }], host, { failPolicy: 'stop', fatal: fatalToLog(sink.log) });
  } catch (error) {
    for (const line of problemLines(error)) host.printError(`${line}\n`);
    const shown = asCliError(error);
    host.printError(`layotto: ${shown.message}\n${shown.hint === undefined ? '' : `hint: ${shown.hint}\n`}`);
    return shown.exitCode;
  }
}

export async function main(): Promise<void> {
  keepAlive();
  process.exit(await runLayotto(process.argv.slice(2), processHost()));
}
