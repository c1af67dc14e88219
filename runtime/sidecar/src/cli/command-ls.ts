/** `outrigger ls`: the sidecars that run on this machine under this home. */
import type { Command } from 'commander';
import { homeDir } from '../config/home.js';
import { adminCall } from '../lifecycle/admin-socket.js';
import { type FoundInstance, listInstances } from '../lifecycle/instance-dir.js';
import { EXIT } from './exit-codes.js';
import type { Host } from './host.js';
import { addOutputOption, outputOf, printJson, printTable } from './output.js';

const ANSWER_MS = 2_000;

export function addLsCommand(program: Command, host: Host, done: (code: number) => void): void {
  const command = program
    .command('ls')
    .alias('list')
    .summary('list running sidecars')
    .description('Lists the sidecars of this user, with their ports. An orphan is an app whose sidecar was killed.')
    .option('--home <folder>', 'where running instances are kept');
  addOutputOption(command);
  command.action(async () => {
    const found = await listInstances(homeOf(command, host), host.clock);
    const live = await Promise.all(
      found.filter(({ state }) => state !== 'dead').map((instance) => describe(instance, host)),
    );
    if (outputOf(command) === 'json') printJson(host, live);
    else if (live.length === 0) host.print('no sidecar is running\n');
    else {
      printTable(
        host,
        ['APP ID', 'STATE', 'HTTP', 'GRPC', 'LAYOTTO', 'APP PORT', 'PID', 'APP PID', 'SINCE'],
        live.map(({ appId, state, addresses, appPort, pid, appPid, startedAt }) =>
          [
            appId,
            state,
            addresses['daprHttp'],
            addresses['daprGrpc'],
            addresses['layottoGrpc'],
            appPort,
            pid,
            appPid,
            startedAt,
          ].map((cell) => (cell === undefined ? '-' : String(cell))),
        ),
      );
    }
    done(EXIT.ok);
  });
}

export function homeOf(command: Command, host: Host): string {
  const given = command.opts<{ home?: string }>().home ?? host.env['OUTRIGGER_HOME'];
  return homeDir(given, host.env);
}

interface Described {
  readonly appId: string;
  readonly state: string;
  /** Ports, or paths of sockets. */
  readonly addresses: Readonly<Record<string, number | string>>;
  readonly appPort: number | undefined;
  readonly pid: number;
  readonly appPid: number | undefined;
  readonly startedAt: string;
  readonly status: Record<string, unknown> | undefined;
}

async function describe({ record, state }: FoundInstance, host: Host): Promise<Described> {
  const answer = state === 'running' ? await ask(record.adminSocket, host) : undefined;
  const addresses = (answer?.['addresses'] ?? {}) as Record<string, { port?: number; path?: string } | undefined>;
  return {
    appId: record.appId,
    state: state === 'running' && answer === undefined ? 'no answer' : state,
    addresses: Object.fromEntries(
      Object.entries(addresses).flatMap(([name, at]) => (at === undefined ? [] : [[name, at.port ?? at.path ?? '']])),
    ),
    appPort: typeof answer?.['appPort'] === 'number' ? answer['appPort'] : undefined,
    pid: record.pid,
    appPid: record.app?.pid,
    startedAt: record.startedAt,
    status: answer,
  };
}

async function ask(socket: string, host: Host): Promise<Record<string, unknown> | undefined> {
  try {
    const { status, body } = await adminCall(socket, 'GET /status', host.clock, ANSWER_MS);
    return status === 200 ? body : undefined;
  } catch {
    return undefined;
  }
}
