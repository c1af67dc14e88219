/** Everything the commands need from outside, so that tests can stand in for it. */
import { type Clock, systemClock } from '@outrigger/engine';
import { catalog } from '../catalog.js';
import { type ComponentCatalog, knownTypes } from '../component/catalog-row.js';
import type { KnownTypes } from '../config/read-context.js';
import type { CreateSidecar } from '../lifecycle/sidecar.js';
import { packageVersion } from './version.js';

export interface Host {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly clock: Clock;
  readonly catalog: ComponentCatalog;
  readonly types: KnownTypes;
  readonly version: string;
  /** Is standard output a terminal that shows colours? */
  readonly colour: boolean;
  print(text: string): void;
  printError(text: string): void;
  /** Loaded when a command needs it: `outrigger ls` does not. */
  loadSidecar(): Promise<CreateSidecar>;
  exit(code: number): never;
  /** An error that nobody caught; returns what ends the listening. */
  onCrash(listener: (error: unknown) => void): () => void;
}

export function processHost(): Host {
  const env = process.env;
  return {
    env,
    cwd: process.cwd(),
    clock: systemClock,
    catalog,
    types: knownTypes(catalog),
    version: packageVersion(),
    colour: process.stdout.isTTY === true && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb',
    print: (text) => void process.stdout.write(text),
    printError: (text) => void process.stderr.write(text),
    loadSidecar: async () => (await import('../sidecar/create-sidecar.js')).createSidecar,
    exit: (code) => process.exit(code),
    onCrash(listener) {
      process.on('uncaughtException', listener);
      return () => process.removeListener('uncaughtException', listener);
    },
  };
}
