/** The command `outrigger`. */
import { Command, CommanderError } from 'commander';
import { asCliError, problemLines } from './cli-error.js';
import { addCompletionCommand } from './command-completion.js';
import { addComponentsCommand } from './command-components.js';
import { addLsCommand } from './command-ls.js';
import { addRunCommand } from './command-run.js';
import { addStartCommand } from './command-start.js';
import { addStopCommand } from './command-stop.js';
import { addValidateCommand } from './command-validate.js';
import { addVersionCommand } from './command-version.js';
import { EXIT } from './exit-codes.js';
import { withoutBooleanValues } from './flags.js';
import { type Host, processHost } from './host.js';
import { keepAlive } from './keep-alive.js';

export function buildProgram(host: Host, done: (code: number) => void): Command {
  const program = new Command('outrigger')
    .description('A multi-runtime middleware sidecar: the Dapr and Layotto runtime APIs in one process.')
    .version(host.version, '-V, --version', 'print the version')
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .addHelpText(
      'after',
      '\nExit codes: 0 well, 1 failed, 2 usage, 3 configuration, 4 not found; `run` ends with the code of its app.',
    );
  addRunCommand(program, host, done);
  addStartCommand(program, host, done);
  addLsCommand(program, host, done);
  addStopCommand(program, host, done);
  addValidateCommand(program, host, done);
  addComponentsCommand(program, host, done);
  addCompletionCommand(program, host, done);
  addVersionCommand(program, host, done);
  for (const command of [program, ...program.commands]) {
    command.exitOverride().configureOutput({ writeOut: host.print, writeErr: () => {} });
  }
  return program;
}

/** Resolves with the exit code. Errors are one sentence and a hint. */
export async function runOutrigger(args: readonly string[], host: Host): Promise<number> {
  let code: number = EXIT.ok;
  const program = buildProgram(host, (ended) => {
    code = ended;
  });
  const user = args[0] === 'run' ? 'run' : 'start';
  try {
    if (args.length === 0) {
      program.outputHelp();
      return EXIT.usage;
    }
    await program.parseAsync(withoutBooleanValues(args, user), { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return EXIT.ok;
      // commander's sentence is `error: unknown option '--ap-id'\n(Did you mean --app-id?)`.
      const [sentence, hint] = error.message.replace(/^error: /, '').split('\n');
      const command = program.commands.some((known) => known.name() === args[0]) ? ` ${args[0]}` : '';
      host.printError(
        `outrigger: ${sentence}${hint === undefined ? '' : ` ${hint}`}\nhint: outrigger${command} --help\n`,
      );
      return EXIT.usage;
    }
    for (const line of problemLines(error)) host.printError(`${line}\n`);
    const shown = asCliError(error);
    host.printError(`outrigger: ${shown.message}\n${shown.hint === undefined ? '' : `hint: ${shown.hint}\n`}`);
    return shown.exitCode;
  }
}

export async function main(): Promise<void> {
  keepAlive();
  process.exit(await runOutrigger(process.argv.slice(2), processHost()));
}
