/** `outrigger version`. */
import type { Command } from 'commander';
import { EXIT } from './exit-codes.js';
import type { Host } from './host.js';
import { addOutputOption, outputOf, printJson } from './output.js';

export function addVersionCommand(program: Command, host: Host, done: (code: number) => void): void {
  const command = program.command('version').summary('print the version').description('Prints versions.');
  addOutputOption(command);
  command.action(() => {
    const { version } = host;
    const versions = {
      outrigger: version,
      node: process.versions.node,
      platform: `${process.platform} ${process.arch}`,
    };
    if (outputOf(command) === 'json') printJson(host, versions);
    else host.print(`outrigger ${version} (Node ${versions.node}, ${versions.platform})\n`);
    done(EXIT.ok);
  });
}
