/** The command `daprd`: Dapr's flags, log, exit codes and last words, on this sidecar. */
import net from 'node:net';
import { ConfigError, originText } from '../config/problem.js';
import { setUp } from '../config/setup.js';
import { createLogger } from '../telemetry/logger.js';
import { asCliError } from './cli-error.js';
import { EXIT } from './exit-codes.js';
import { parseFlags } from './flag-parser.js';
import { type Host, processHost } from './host.js';
import { keepAlive } from './keep-alive.js';
import { logProblems } from './log-problems.js';
import { openSink, runUnits } from './run-units.js';

const EXTRAS = [
  { flag: 'version', boolean: true },
  { flag: 'build-info', boolean: true },
  { flag: 'wait', boolean: true },
  { flag: 'help', short: 'h', boolean: true },
] as const;

const DAPR_HTTP_PORT = 3500;
const WAIT_POLL_MS = 100;
const WAIT_MS = 60_000;

export async function runDaprd(args: readonly string[], host: Host): Promise<number> {
  const { env, cwd, clock } = host;
  const version = await daprVersion();
  try {
    const { settings, extras } = parseFlags(args, 'daprd', EXTRAS);
    if (extras.get('help') === 'true') return help(host);
    if (extras.get('version') === 'true') return say(host, `${version}\n`);
    if (extras.get('build-info') === 'true') {
      return say(
        host,
        `Version: ${version}\nGit Commit: outrigger ${host.version}\nGit Version: outrigger ${host.version}\n`,
      );
    }
    if (extras.get('wait') === 'true')
      return waitForOutbound(Number(settings.get('daprHttpPort')?.raw ?? DAPR_HTTP_PORT), host);
    const setup = await setUp({ user: 'daprd', flags: settings, env, cwd, clock });
    const sink = openSink(setup, host, setup.logSettings.json ? 'dapr-json' : 'dapr-text', version);
    const { log } = sink;
    log.info(`Starting Dapr Runtime -- version ${version} -- commit outrigger ${host.version}`);
    log.info(`Log level set to: ${setup.logSettings.level}`);
    log.info('standalone mode configured');
    log.info(`app id: ${setup.options.appId}`);
    const spec = { setup, command: [], cwd, env, appPrefix: '', stdin: 'ignore' } as const;
    const code = await runUnits([{ spec, sink, appOut: [] }], host, {
      failPolicy: 'stop',
      fatal(error, problems) {
        logProblems(problems, log);
        const hint = error.hint === undefined ? '' : `; ${error.hint}`;
        log.fatal(`Fatal error from runtime: ${error.message}${hint}`);
      },
    });
    // Dapr knows one code for everything that goes wrong.
    return code === EXIT.ok ? EXIT.ok : EXIT.failed;
  } catch (error) {
    return refuse(error, args, version, host);
  }
}

/** Flags that cannot be used: the last line of the log, as Dapr writes it; its flag parser ends with 2. */
function refuse(error: unknown, args: readonly string[], version: string, host: Host): number {
  const shown = asCliError(error);
  const json = args.some((arg) => /^--?log-as-json(=true)?$/.test(arg));
  const format = json ? 'dapr-json' : 'dapr-text';
  const log = createLogger({ format, level: 'info', appId: '', version }, { write: (line) => host.print(line) });
  // Dapr's own sentences stand alone in its log: the place follows, where there is one.
  const first = error instanceof ConfigError ? error.problems.find(({ severity }) => severity === 'error') : undefined;
  const place =
    first === undefined || first.origin.source.startsWith('default') ? '' : ` (${originText(first.origin)})`;
  log.fatal(`Fatal error from runtime: ${first?.message ?? shown.message}${place}`);
  return shown.exitCode === EXIT.usage ? EXIT.usage : EXIT.failed;
}

/** The Dapr release whose API this is: tools look at `daprd --version`. */
async function daprVersion(): Promise<string> {
  return (await import('../sidecar/blocks.js')).DAPR_API_VERSION;
}

function say(host: Host, text: string): number {
  host.print(text);
  return EXIT.ok;
}

async function help(host: Host): Promise<number> {
  const { settingOf, settingsFor } = await import('../config/settings.js');
  const lines = settingsFor('daprd').map((name) => {
    const { flag, type, help: text, noEffect } = settingOf(name);
    return `  --${flag}${type === 'bool' ? '' : ` ${type}`}\n      ${text}${noEffect === undefined ? '' : ` (no effect: ${noEffect})`}\n`;
  });
  return say(host, `Usage of daprd:\n${lines.join('')}  --version, --build-info, --wait\n`);
}

/** `--wait`: until the sidecar on that port lets its app call out. */
async function waitForOutbound(port: number, host: Host): Promise<number> {
  const deadline = host.clock.now() + WAIT_MS;
  while (!(await answersOutbound(port))) {
    if (host.clock.now() > deadline) {
      host.printError(`daprd: the sidecar on port ${port} is not ready after ${WAIT_MS / 1000} s\n`);
      return EXIT.failed;
    }
    await new Promise<void>((resolve) => void host.clock.after(WAIT_POLL_MS, resolve));
  }
  return EXIT.ok;
}

function answersOutbound(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    let head = '';
    socket.on('connect', () =>
      socket.write('GET /v1.0/healthz/outbound HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n'),
    );
    socket.on('data', (chunk) => {
      head += chunk.toString('latin1');
    });
    socket.on('error', () => resolve(false));
    socket.on('close', () => resolve(/^HTTP\/1\.1 204 /.test(head)));
  });
}

export async function main(): Promise<void> {
  keepAlive();
  process.exit(await runDaprd(process.argv.slice(2), processHost()));
}
