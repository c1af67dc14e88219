/** `outrigger start`: the sidecar alone, in this process, on the ports where clients look. */
import type { Command } from 'commander';
import { setUp } from '../config/setup.js';
import { addSettings, givenSettings } from './flags.js';
import type { Host } from './host.js';
import { fatalToLog, openSink, runUnits } from './run-units.js';

export function addStartCommand(program: Command, host: Host, done: (code: number) => void): void {
  const command = program
    .command('start')
    .summary('run a sidecar')
    .description('Runs a sidecar in this process until it is told to stop. Nothing has to be configured or installed.')
    .allowExcessArguments(false);
  addSettings(command, 'start');
  command.action(async () => {
    const { env, cwd, clock, version } = host;
    const setup = await setUp({ user: 'start', flags: givenSettings(command, 'start'), env, cwd, clock });
    const sink = openSink(setup, host, setup.logSettings.json ? 'json' : 'pretty', version);
    const spec = { setup, command: [], cwd, env, appPrefix: '', stdin: 'ignore' } as const;
    done(await runUnits([{ spec, sink, appOut: [] }], host, { failPolicy: 'stop', fatal: fatalToLog(sink.log) }));
  });
}
