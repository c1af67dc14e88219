/** `outrigger completion`: scripts for shells, made from the commands themselves. */
import type { Command } from 'commander';
import { CliError } from './cli-error.js';
import { EXIT } from './exit-codes.js';
import type { Host } from './host.js';

const SHELLS = ['bash', 'zsh', 'fish'] as const;

interface Word {
  readonly name: string;
  readonly help: string;
  readonly flags: readonly { readonly long: string; readonly help: string; readonly takesValue: boolean }[];
}

export function addCompletionCommand(program: Command, host: Host, done: (code: number) => void): void {
  program
    .command('completion')
    .summary('print a completion script')
    .description(
      'Prints a completion script: `source <(outrigger completion bash)`, or `outrigger completion fish | source`.',
    )
    .argument('<shell>', SHELLS.join(', '))
    .action((shell: string) => {
      const words = commandsOf(program);
      if (shell === 'bash') host.print(bash(words));
      else if (shell === 'zsh') host.print(zsh(words));
      else if (shell === 'fish') host.print(fish(words));
      else throw new CliError(`there is no completion for "${shell}"; use ${SHELLS.join(', ')}`, EXIT.usage);
      done(EXIT.ok);
    });
}

function commandsOf(program: Command): Word[] {
  return program.commands.map((command) => ({
    name: command.name(),
    help: command.summary(),
    flags: command.options
      .filter((option) => !option.hidden && option.long != null)
      .map((option) => ({ long: option.long as string, help: option.description, takesValue: option.required })),
  }));
}

function bash(words: readonly Word[]): string {
  const cases = words.map(
    ({ name, flags }) => `    ${name}) words="${flags.map(({ long }) => long).join(' ')} --help" ;;`,
  );
  return `_outrigger() {
  local current=\${COMP_WORDS[COMP_CWORD]} words
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${words.map(({ name }) => name).join(' ')} --help --version" -- "$current"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
  esac
  case "$current" in
    -*) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
    *) COMPREPLY=($(compgen -f -- "$current")) ;;
  esac
}
complete -o filenames -F _outrigger outrigger
`;
}

function zsh(words: readonly Word[]): string {
  const quote = (text: string): string => text.replace(/'/g, "'\\''").replace(/[[\]:]/g, (char) => `\\${char}`);
  const commands = words.map(({ name, help }) => `    '${name}:${quote(help)}'`);
  const cases = words.map(({ name, flags }) => {
    const lines = flags.map(({ long, help, takesValue }) => `'${long}${takesValue ? '=' : ''}[${quote(help)}]'`);
    return `    ${name}) _arguments ${[...lines, "'*:file:_files'"].join(' ')} ;;`;
  });
  return `#compdef outrigger
_outrigger() {
  local -a commands
  commands=(
${commands.join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case "$command" in
${cases.join('\n')}
  esac
}
compdef _outrigger outrigger
`;
}

function fish(words: readonly Word[]): string {
  const quote = (text: string): string => `'${text.replace(/\\/g, '\\\\').replace(/'/g, "\\'")}'`;
  const lines = words.flatMap(({ name, help, flags }) => [
    `complete -c outrigger -n __fish_use_subcommand -a ${name} -d ${quote(help)}`,
    ...flags.map(
      ({ long, help: flagHelp, takesValue }) =>
        `complete -c outrigger -n '__fish_seen_subcommand_from ${name}' -l ${long.slice(2)}${takesValue ? ' -r' : ''} -d ${quote(flagHelp)}`,
    ),
  ]);
  return `${lines.join('\n')}\n`;
}
