/** `outrigger run`: a sidecar and an app, or all apps of a run file, under one supervisor. */
import path from 'node:path';
import { makeFolders } from '@outrigger/components-core/support';
import type { Command } from 'commander';
import { problemText } from '../config/problem.js';
import type { SettingName } from '../config/settings.js';
import { type Setup, setUp } from '../config/setup.js';
import type { GivenValue } from '../config/values.js';
import { createLogSink, type LogSink } from '../telemetry/logger.js';
import { CliError } from './cli-error.js';
import { EXIT } from './exit-codes.js';
import { addSettings, givenSettings } from './flags.js';
import { freePort } from './free-port.js';
import type { Host } from './host.js';
import { type LogDestination, type RunFileApp, readRunFile } from './run-file.js';
import { fatalToLog, openSink, runUnits, type UnitPlan } from './run-units.js';

interface RunOptions {
  readonly runFile?: string;
  readonly failPolicy?: string;
  readonly kubernetes?: boolean;
}

const COLOURS = ['36', '35', '33', '32', '34', '96', '95', '93', '92', '94'];

export function addRunCommand(program: Command, host: Host, done: (code: number) => void): void {
  const command = program
    .command('run')
    .summary('run an app with its sidecar')
    .description(
      'Runs a sidecar and an app beside it. The sidecar takes free ports and tells the app in its environment ' +
        '(DAPR_HTTP_PORT, DAPR_GRPC_PORT, runtime_GRPC_PORT, …). Ends when the app ends, with its exit code.',
    )
    .argument('[command...]', 'the app, after --')
    .option(
      '-f, --run-file <path>',
      "run every app of this file (or of its folder's dapr.yaml); - reads it from standard input",
    )
    .option('--fail-policy <policy>', 'with --run-file, when an app fails: stop the others, or continue', 'stop')
    .option('-k, --kubernetes', 'not served: Kubernetes has its own way to start sidecars')
    .passThroughOptions()
    .addHelpText(
      'after',
      '\nExamples:\n  outrigger run --app-id shop --app-port 8080 -- node shop.js\n  outrigger run -f dapr.yaml',
    );
  addSettings(command, 'run');
  command.action(async (words: string[]) => {
    const options = command.opts<RunOptions>();
    if (options.kubernetes === true) throw new CliError('--kubernetes is not served', EXIT.usage);
    const given = givenSettings(command, 'run');
    if (options.runFile === undefined) done(await runOne(words, given, host));
    else done(await runFile(options.runFile, options.failPolicy ?? 'stop', given, host));
  });
}

async function runOne(words: readonly string[], given: Map<SettingName, GivenValue>, host: Host): Promise<number> {
  const { env, cwd, clock, version } = host;
  const flags = await withAppPort(given);
  const setup = await setUp({ user: 'run', flags, env, cwd, clock });
  const sink = openSink(setup, host, setup.logSettings.json ? 'json' : 'pretty', version);
  if (words.length === 0) sink.log.warn('no application command found; only the sidecar runs');
  const spec = { setup, command: words, cwd, env, appPrefix: '== APP == ', stdin: 'inherit' } as const;
  // The app's output is on the console even when the log goes into a file.
  const console = setup.logSettings.file === undefined ? sink : consoleSink(setup, host);
  return runUnits([{ spec, sink, appOut: [console] }], host, { failPolicy: 'stop', fatal: fatalToLog(sink.log) });
}

async function runFile(
  file: string,
  failPolicy: string,
  given: Map<SettingName, GivenValue>,
  host: Host,
): Promise<number> {
  if (failPolicy !== 'stop' && failPolicy !== 'continue') {
    throw new CliError(`--fail-policy is stop or continue, not "${failPolicy}"`, EXIT.usage);
  }
  const ignored = [...given.values()].map(({ origin }) => origin.source.replace('flag ', ''));
  if (ignored.length > 0) host.printError(`outrigger: ${ignored.join(', ')} have no effect beside --run-file\n`);
  const { apps, problems } = await readRunFile(file, host.clock, host.env['HOME']);
  const plans: UnitPlan[] = [];
  for (const [i, app] of apps.entries()) plans.push(await planOf(app, i, host));
  const [first] = plans as [UnitPlan, ...UnitPlan[]];
  for (const problem of problems.list) first.sink.log.info(problemText(problem));
  refuseSameApp(plans);
  return runUnits(plans, host, { failPolicy, fatal: fatalToLog(first.sink.log) });
}

async function planOf(app: RunFileApp, index: number, host: Host): Promise<UnitPlan> {
  const { env, clock } = host;
  const flags = await withAppPort(new Map(app.settings));
  // Beside the output of several apps only trouble is worth a line, unless the file says otherwise.
  const quiet = { ...env, OUTRIGGER_LOG_LEVEL: env['OUTRIGGER_LOG_LEVEL'] ?? 'warn' };
  const setup = await setUp({ user: 'run', flags, env: quiet, cwd: app.dir, clock });
  const { appId } = setup.options;
  const appOut = sinksFor(app.appLog, 'app', setup, app.dir, host);
  const [sink] = sinksFor(app.sidecarLog ?? 'console', 'daprd', setup, app.dir, host) as [LogSink];
  const spec = {
    setup,
    command: app.command,
    cwd: app.dir,
    env,
    appEnv: app.env,
    appPrefix: coloured(`== APP - ${appId} == `, index, host),
    stdin: 'ignore',
  } as const;
  return { spec, sink, appOut };
}

function coloured(prefix: string, index: number, host: Host): string {
  return host.colour ? `\u001b[${COLOURS[index % COLOURS.length]}m${prefix}\u001b[0m` : prefix;
}

/** `fileAndConsole` of a sidecar's log is its file: one log has one stream. */
function sinksFor(where: LogDestination, what: 'app' | 'daprd', setup: Setup, dir: string, host: Host): LogSink[] {
  const sinks: LogSink[] = [];
  if (where !== 'console') {
    const folder = path.join(dir, '.dapr', 'logs');
    makeFolders(folder, 0o777);
    const stamp = new Date(host.clock.wallMs()).toISOString().replace(/\D/g, '').slice(0, 14);
    const file = path.join(folder, `${setup.options.appId}_${what}_${stamp}.log`);
    sinks.push(createLogSink(logOptions(setup, host, false), file, host.clock));
  }
  if (where !== 'file') sinks.push(consoleSink(setup, host));
  return sinks;
}

const consoleSink = (setup: Setup, host: Host): LogSink =>
  createLogSink(logOptions(setup, host, host.colour), undefined, host.clock);

function logOptions(setup: Setup, host: Host, colour: boolean): Parameters<typeof createLogSink>[0] {
  const { level, json } = setup.logSettings;
  const { appId } = setup.options;
  return { format: json ? 'json' : 'pretty', level, appId, version: host.version, colour, showAppId: true };
}

function refuseSameApp(plans: readonly UnitPlan[]): void {
  const seen = new Set<string>();
  for (const { spec } of plans) {
    const { appId } = spec.setup.options;
    if (seen.has(appId)) throw new CliError(`two apps of the run file have the id "${appId}"`, EXIT.config);
    seen.add(appId);
  }
}

/** `--app-port 0`: any free port, which the app finds in APP_PORT. */
async function withAppPort(given: Map<SettingName, GivenValue>): Promise<Map<SettingName, GivenValue>> {
  const port = given.get('appPort');
  if (port?.raw === '0') given.set('appPort', { ...port, raw: String(await freePort()) });
  return given;
}
