/** `outrigger stop`: asks the sidecars of an app to end, and waits until they have. Orphaned apps are ended as well. */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { didYouMean } from '../config/nearest.js';
import { parseDurationMs } from '../config/scalar.js';
import { adminCall } from '../lifecycle/admin-socket.js';
import { discard, type FoundInstance, listInstances } from '../lifecycle/instance-dir.js';
import { endGroup } from './app-process.js';
import { CliError } from './cli-error.js';
import { homeOf } from './command-ls.js';
import { EXIT } from './exit-codes.js';
import type { Host } from './host.js';
import { addOutputOption, outputOf, printJson } from './output.js';

const ANSWER_MS = 2_000;
const POLL_MS = 50;
const ORPHAN_GRACE_MS = 5_000;

export function addStopCommand(program: Command, host: Host, done: (code: number) => void): void {
  const command = program
    .command('stop')
    .summary('stop an app')
    .description('Stops the sidecars of an app, and the app where `outrigger run` started it.')
    .argument('<app-id>')
    .option('--home <folder>', 'where running instances are kept')
    .option('--timeout <time>', 'how long to wait', '30s');
  addOutputOption(command);
  command.action(async (appId: string) => {
    const timeoutMs = parseDurationMs(command.opts<{ timeout: string }>().timeout);
    if (timeoutMs === undefined || timeoutMs < 0) throw new CliError('--timeout is a duration such as 30s', EXIT.usage);
    const found = (await listInstances(homeOf(command, host), host.clock)).filter(({ state }) => state !== 'dead');
    const mine = found.filter(({ record }) => record.appId === appId);
    if (mine.length === 0) {
      const hint =
        didYouMean(
          appId,
          found.map(({ record }) => record.appId),
        ) || '; see `outrigger ls`';
      throw new CliError(`no sidecar of the app "${appId}" is running${hint}`, EXIT.notFound);
    }
    const deadline = host.clock.now() + timeoutMs;
    await Promise.all(mine.map((instance) => stopOne(instance, deadline, host)));
    if (outputOf(command) === 'json') printJson(host, { stopped: mine.map(({ record }) => record.pid) });
    else host.print(`stopped ${appId}${mine.length === 1 ? '' : ` (${mine.length} instances)`}\n`);
    done(EXIT.ok);
  });
}

async function stopOne({ path, record, state }: FoundInstance, deadline: number, host: Host): Promise<void> {
  const { clock } = host;
  if (state === 'orphan') {
    if (record.app !== undefined) await endGroup(record.app.pid, ORPHAN_GRACE_MS, clock);
    discard(path, record.instanceId);
    return;
  }
  try {
    await adminCall(record.adminSocket, 'POST /stop', clock, ANSWER_MS);
  } catch (error) {
    if (existsSync(path))
      throw new CliError(`${record.appId} (pid ${record.pid}) does not answer: ${(error as Error).message}`);
  }
  // The folder goes last of all.
  while (existsSync(path)) {
    if (clock.now() > deadline) throw new CliError(`${record.appId} (pid ${record.pid}) has not ended in time`);
    await new Promise<void>((resolve) => void clock.after(POLL_MS, resolve));
  }
}
