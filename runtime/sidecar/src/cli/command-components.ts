/** `outrigger components`: what there is to declare. */
import type { Command } from 'commander';
import { blockFields } from '../component/block-metadata.js';
import type { CatalogRow } from '../component/catalog-row.js';
import { didYouMean } from '../config/nearest.js';
import { CliError } from './cli-error.js';
import { EXIT } from './exit-codes.js';
import type { Host } from './host.js';
import { addOutputOption, outputOf, printJson, printTable } from './output.js';

export function addComponentsCommand(program: Command, host: Host, done: (code: number) => void): void {
  const command = program
    .command('components')
    .summary('list component types')
    .description('Lists the component types that documents may name, or the metadata of one.')
    .argument('[type]', 'for example state.in-memory');
  addOutputOption(command);
  command.action(async (type: string | undefined) => {
    if (type === undefined) list(host, outputOf(command));
    else await show(type, host, outputOf(command));
    done(EXIT.ok);
  });
}

function list(host: Host, output: 'text' | 'json'): void {
  const { rows } = host.catalog;
  if (output === 'json') {
    printJson(host, rows.map(plain));
    return;
  }
  printTable(
    host,
    ['TYPE', 'VERSIONS', 'STATUS', 'PACKAGE', 'DESCRIPTION'],
    rows.map((row) => [row.type, row.versions.join(','), row.status, row.package, row.description]),
  );
}

function plain({ type, kind, aliases, versions, package: from, status, description }: CatalogRow): object {
  return { type, kind, aliases, versions, package: from, status, description };
}

async function show(type: string, host: Host, output: 'text' | 'json'): Promise<void> {
  const row = host.catalog.find(type);
  if (row === undefined) {
    const hint = didYouMean(type, host.types.types) || '; see `outrigger components`';
    throw new CliError(`there is no component type "${type}"${hint}`, EXIT.notFound);
  }
  const { description, metadata } = await row.load();
  const block = blockFields(row.kind);
  if (output === 'json') return printJson(host, { ...plain(row), description, metadata, blockMetadata: block });
  host.print(`${row.type} (${row.status}, versions ${row.versions.join(', ')}, ${row.package})\n${description}\n`);
  if (row.aliases.length > 0) host.print(`also: ${row.aliases.join(', ')}\n`);
  if (metadata.length > 0) {
    host.print('\n');
    printTable(
      host,
      ['METADATA', 'TYPE', 'DEFAULT', 'DESCRIPTION'],
      metadata.map((field) => [
        `${field.name}${field.required === true ? ' (required)' : ''}`,
        field.secret === true ? 'secret' : field.type,
        field.default ?? '',
        field.allowed === undefined ? field.description : `${field.description} One of ${field.allowed.join(', ')}.`,
      ]),
    );
  }
  if (block.length > 0) host.print(`\nof the ${row.kind} block: ${block.join(', ')}\n`);
}
