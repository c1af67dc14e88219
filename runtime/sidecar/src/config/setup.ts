/** From what a command line was given to what a sidecar is made of: options, log, documents. Reads every file once. */
import type { Clock, Logger } from '@outrigger/engine';
import { buildOptions, noteWithoutEffect, readLogLevel, readResourcePaths } from './build-options.js';
import { type LayottoSettings, layottoSettings } from './layotto.js';
import type { SidecarOptions } from './options.js';
import { ConfigError, type Problem, Problems } from './problem.js';
import type { KnownTypes, ReadContext } from './read-context.js';
import { createResourceStore, parseFor, type ReadSources, type ResourceStore, readSources } from './resource-store.js';
import type { FlagUser } from './settings.js';
import { sidecarSettings } from './sidecar-document.js';
import type { TreeNode } from './tree.js';
import { type GivenValues, Values, valuesFromEnvironment } from './values.js';

export interface SetupInput {
  readonly user: FlagUser;
  readonly flags: GivenValues;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** `layotto start -c`. */
  readonly layottoConfigPath?: string | undefined;
  readonly clock: Clock;
}

export interface LogSettings {
  readonly level: SidecarOptions['logLevel'];
  readonly json: boolean;
  readonly file: string | undefined;
}

export interface Setup {
  readonly options: SidecarOptions;
  readonly logSettings: LogSettings;
  /** Warnings and notes of flags and settings; those of documents are in the store. */
  readonly problems: readonly Problem[];
  /** Compiles the documents. Throws ConfigError when they cannot be used. */
  openStore(deps: { readonly log: Logger; readonly types: KnownTypes }): ResourceStore;
}

/** Throws ConfigError when flags, environment or documents cannot be used. */
export async function setUp(input: SetupInput): Promise<Setup> {
  const { user, env, cwd, clock, layottoConfigPath } = input;
  const problems = new Problems();
  const environment = valuesFromEnvironment(env);
  const personality = user === 'run' || user === 'start' ? 'outrigger' : user;
  // Paths are never in documents, so that flags and environment are enough to find them.
  const early = new Values([input.flags, environment], new Problems());
  const paths = {
    resourcePaths: readResourcePaths(early),
    configPaths: early.list('config') ?? [],
    layottoConfigPath,
  };
  const documentProblems = new Problems();
  const files = await readSources(paths, documentProblems);
  const parsed = await parseFor({ personality }, files, documentProblems, clock);
  const layotto = readLayotto(parsed.layotto, problems);
  const fromDocuments = sidecarSettings(parsed.resources, problems);
  const values = new Values([input.flags, environment, fromDocuments], problems);
  noteWithoutEffect(values, problems);
  const options = buildOptions({ user, values, env, cwd, layottoConfigPath, layotto }, problems);
  if (problems.hasErrors) throw new ConfigError([...problems.list, ...documentProblems.list]);
  const read: ReadSources = { files, parsed, problems: documentProblems };
  return {
    options,
    logSettings: {
      level: readLogLevel(values, layotto),
      json: values.bool('logAsJson') ?? false,
      file: values.text('logFile') || undefined,
    },
    problems: problems.list,
    openStore: ({ log, types }) => createResourceStore(options, { clock, log, types }, read),
  };
}

function readLayotto(trees: readonly TreeNode[], problems: Problems): LayottoSettings | undefined {
  const [tree] = trees;
  if (tree === undefined) return undefined;
  const context: ReadContext = {
    problems,
    unknownKeys: 'note',
    unusable: 'refuse',
    dialect: 'layotto',
    types: undefined,
  };
  return layottoSettings(tree, context);
}

/** Flags as they were written, for `Values`. */
export function givenFlag(
  flag: string,
  raw: string | readonly string[],
): { raw: typeof raw; origin: { source: string } } {
  return { raw, origin: { source: `flag --${flag}` } };
}
