/** `outrigger validate`: reads documents as a sidecar would, and says everything that is wrong with them. */

import type { ComponentKind } from '@outrigger/components-core';
import { type Command, Option } from 'commander';
import { unknownMetadata } from '../component/open-component.js';
import { type CompileOptions, compileDocuments } from '../config/compile.js';
import { kindOfType } from '../config/defaults.js';
import { readFiles } from '../config/files.js';
import { isSidecarDocument } from '../config/kinds.js';
import type { Problem } from '../config/problem.js';
import { Problems, problemText } from '../config/problem.js';
import { parseFor } from '../config/resource-store.js';
import { sidecarSettings } from '../config/sidecar-document.js';
import { Values } from '../config/values.js';
import { CliError } from './cli-error.js';
import { EXIT } from './exit-codes.js';
import type { Host } from './host.js';
import { addOutputOption, outputOf, printJson } from './output.js';

interface ValidateOptions {
  readonly as: CompileOptions['personality'];
  readonly appId: string;
}

export function addValidateCommand(program: Command, host: Host, done: (code: number) => void): void {
  const command = program
    .command('validate')
    .summary('check documents')
    .description('Checks folders and files of documents without starting anything. Exit code 3 when one is refused.')
    .argument('<paths...>', 'folders or files')
    .addOption(
      new Option('--as <entry>', 'check as this entry would read them')
        .choices(['outrigger', 'daprd'])
        .default('outrigger'),
    )
    .option('--app-id <id>', 'check what this app sees (scopes)', '');
  addOutputOption(command);
  command.action(async (paths: string[]) => {
    const options = command.opts<ValidateOptions>();
    const problems = await validate(paths, options, host);
    print(problems, paths, outputOf(command), host);
    done(problems.hasErrors ? EXIT.config : EXIT.ok);
  });
}

async function validate(paths: readonly string[], options: ValidateOptions, host: Host): Promise<Problems> {
  const problems = new Problems();
  const personality = options.as;
  const resources = await readFiles(paths, problems);
  if (resources.length === 0 && !problems.hasErrors)
    throw new CliError(`no documents in ${paths.join(', ')}`, EXIT.notFound);
  const files = { resources, configs: [], layotto: undefined };
  const parsed = await parseFor({ personality }, files, problems, host.clock);
  const settings = sidecarSettings(parsed.resources.filter(isSidecarDocument), problems);
  new Values([settings], problems);
  const { appId } = options;
  const compile = { personality, appId, namespace: undefined, types: host.types, embeddedDefaults: true };
  const documents = compileDocuments(parsed, { ...compile, anyApp: appId === '' }, problems);
  for (const document of documents.components) {
    const definition = await host.catalog.find(document.type)?.load();
    if (definition === undefined) continue;
    for (const { origin, message } of unknownMetadata(
      document,
      kindOfType(document.type) as ComponentKind,
      definition,
    )) {
      problems.warning(origin, message);
    }
  }
  return problems;
}

function print(problems: Problems, paths: readonly string[], output: 'text' | 'json', host: Host): void {
  if (output === 'json') {
    printJson(host, { ok: !problems.hasErrors, problems: problems.list.map(plain), dropped: problems.dropped });
    return;
  }
  for (const problem of problems.list) host.print(`${problemText(problem)}\n`);
  if (problems.dropped > 0) host.print(`and ${problems.dropped} more\n`);
  const errors = problems.list.filter(({ severity }) => severity === 'error').length;
  host.print(errors === 0 ? `${paths.join(', ')}: fine\n` : `${errors} ${errors === 1 ? 'error' : 'errors'}\n`);
}

function plain({ severity, origin, message }: Problem): object {
  const { source, line, column } = origin;
  return { severity, file: source, line, column, message };
}
