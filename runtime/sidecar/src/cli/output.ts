/** Results as a table for people or as JSON for programs (`-o json`). */
import { type Command, Option } from 'commander';
import type { Host } from './host.js';

export type OutputFormat = 'text' | 'json';

export function addOutputOption(command: Command): void {
  command.addOption(new Option('-o, --output <format>', 'how to print').choices(['text', 'json']).default('text'));
}

export function outputOf(command: Command): OutputFormat {
  return command.opts<{ output: OutputFormat }>().output;
}

export function printJson(host: Host, value: unknown): void {
  host.print(`${JSON.stringify(value, null, 2)}\n`);
}

export function printTable(host: Host, headings: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = headings.map((heading, i) => Math.max(heading.length, ...rows.map((row) => (row[i] ?? '').length)));
  for (const row of [headings, ...rows]) {
    const cells = row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] as number)));
    host.print(`${cells.join('  ').trimEnd()}\n`);
  }
}
