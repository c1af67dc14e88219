/** Compiles texts as if they were files of a resources folder. */
import { FakeClock } from '@outrigger/engine';
import { type CompileOptions, compileDocuments, type Documents, parseSources } from './compile.js';
import type { SourceFile } from './files.js';
import { Problems, problemText } from './problem.js';
import type { KnownTypes } from './read-context.js';

const TYPES = [
  'state.in-memory',
  'state.local',
  'pubsub.in-memory',
  'pubsub.local',
  'lock.in-memory',
  'configuration.in-memory',
  'sequencer.in-memory',
  'secretstores.local.env',
  'secretstores.local.file',
  'nameresolution.local',
];

export const testTypes: KnownTypes = {
  types: TYPES,
  versionsOf: (type) => (TYPES.includes(type.toLowerCase()) ? ['v1'] : undefined),
};

export const testOptions: CompileOptions = {
  personality: 'outrigger',
  appId: 'shop',
  namespace: undefined,
  types: testTypes,
  embeddedDefaults: false,
};

export interface Compiled {
  readonly documents: Documents;
  readonly problems: string[];
  readonly refused: boolean;
}

const fileOf = (name: string, text: string): SourceFile => ({ path: `/${name}`, shown: name, text });

export async function compileTexts(
  resources: Readonly<Record<string, string>>,
  options: Partial<CompileOptions> = {},
  more: { readonly configs?: Readonly<Record<string, string>>; readonly layotto?: string } = {},
): Promise<Compiled> {
  const problems = new Problems();
  const files = {
    resources: Object.entries(resources).map(([name, text]) => fileOf(name, text)),
    configs: Object.entries(more.configs ?? {}).map(([name, text]) => fileOf(name, text)),
    layotto: more.layotto === undefined ? undefined : fileOf('layotto.json', more.layotto),
  };
  const parsed = await parseSources(files, { resources: problems, configs: problems }, new FakeClock());
  const documents = compileDocuments(parsed, { ...testOptions, ...options }, problems);
  return { documents, problems: problems.list.map(problemText), refused: problems.hasErrors };
}
