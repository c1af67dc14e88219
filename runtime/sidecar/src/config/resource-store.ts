/**
 * The documents of a running sidecar: one immutable snapshot, replaced when the files change and the change can be used.
 * A file that cannot be used leaves the old snapshot in place, and the log says why.
 */
import type { Clock, Logger } from '@outrigger/engine';
import {
  type CompileOptions,
  compileDocuments,
  type Documents,
  type ParsedSources,
  parseSources,
  type SourceFiles,
} from './compile.js';
import { readFiles } from './files.js';
import type { ResourceSnapshot } from './model.js';
import type { SidecarOptions } from './options.js';
import { ConfigError, originText, type Problem, Problems } from './problem.js';
import type { KnownTypes } from './read-context.js';
import { sameContent } from './same.js';
import { type FileWatch, watchFiles } from './watch-files.js';

export interface ResourceStore {
  readonly snapshot: ResourceSnapshot;
  /** Warnings and notes of the documents in use. */
  readonly problems: readonly Problem[];
  /** Called after every change that is in use from now on; returns the function that ends it. */
  onChange(listener: (snapshot: ResourceSnapshot, previous: ResourceSnapshot) => void): () => void;
  /** Reads the files again now (SIGHUP). Never rejects. */
  reload(): Promise<ReloadOutcome>;
  /** Begins to watch the files when `options.reload` says so. */
  watch(): void;
  close(): void;
}

export type ReloadOutcome = 'changed' | 'unchanged' | 'refused';

export interface ResourceDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly types: KnownTypes;
}

/** The files that the options name, read and compiled. Throws ConfigError when they cannot be used. */
export async function openResourceStore(options: SidecarOptions, deps: ResourceDeps): Promise<ResourceStore> {
  const problems = new Problems();
  const files = await readSources(options, problems);
  const parsed = await parseFor(options, files, problems, deps.clock);
  return createResourceStore(options, deps, { files, parsed, problems });
}

export interface ReadSources {
  readonly files: SourceFiles;
  readonly parsed: ParsedSources;
  readonly problems: Problems;
}

/** Sources that were read already (the command line reads them for the settings). */
export function createResourceStore(options: SidecarOptions, deps: ResourceDeps, read: ReadSources): ResourceStore {
  const compile = compileOptions(options, deps.types);
  const documents = compileDocuments(read.parsed, compile, read.problems);
  if (read.problems.hasErrors) throw new ConfigError(read.problems.list);
  return new Store(options, deps, compile, read, documents);
}

type SourcePaths = Pick<SidecarOptions, 'resourcePaths' | 'configPaths' | 'layottoConfigPath'>;

export async function readSources(paths: SourcePaths, problems: Problems): Promise<SourceFiles> {
  const layotto = paths.layottoConfigPath === undefined ? [] : [paths.layottoConfigPath];
  return {
    resources: await readFiles(paths.resourcePaths, problems),
    configs: await readFiles(paths.configPaths, problems),
    layotto: (await readFiles(layotto, problems))[0],
  };
}

/** What cannot be parsed in a folder is left out with a warning under `daprd`, as Dapr does; elsewhere it is refused. */
export async function parseFor(
  options: Pick<SidecarOptions, 'personality'>,
  files: SourceFiles,
  problems: Problems,
  clock: Clock,
): Promise<ParsedSources> {
  const resources = new Problems();
  const parsed = await parseSources(files, { resources, configs: problems }, clock);
  for (const { severity, origin, message } of resources.list) {
    if (severity === 'error' && options.personality === 'daprd') {
      problems.leaveOut(origin, message);
    } else problems.add(severity, origin, message);
  }
  return parsed;
}

export function compileOptions(options: SidecarOptions, types: KnownTypes): CompileOptions {
  const { personality, appId, namespace, namespaceGiven, embeddedDefaults } = options;
  return { personality, appId, namespace: namespaceGiven ? namespace : undefined, embeddedDefaults, types };
}

class Store implements ResourceStore {
  snapshot: ResourceSnapshot;
  problems: readonly Problem[];
  readonly #options: SidecarOptions;
  readonly #deps: ResourceDeps;
  readonly #compile: CompileOptions;
  readonly #listeners = new Set<(snapshot: ResourceSnapshot, previous: ResourceSnapshot) => void>();
  /** What was last looked at, whether it could be used or not: a broken file is reported once. */
  #seen: string;
  /** Files in use, as messages show them. */
  #sources: ReadonlySet<string>;
  /** Those of them with documents that are left out. */
  #leftOut: ReadonlySet<string>;
  #watch: FileWatch | undefined;
  #running: Promise<ReloadOutcome> | undefined;
  /** Somebody asked while a reload was running: the files may have changed after it read them. */
  #again = false;
  #closed = false;

  constructor(
    options: SidecarOptions,
    deps: ResourceDeps,
    compile: CompileOptions,
    read: ReadSources,
    documents: Documents,
  ) {
    this.#options = options;
    this.#deps = deps;
    this.#compile = compile;
    this.#seen = fingerprint(read.files, new Problems());
    this.#sources = sourcesOf(read.files);
    this.#leftOut = read.problems.leftOut;
    this.snapshot = { version: 1, ...documents };
    this.problems = read.problems.list;
  }

  onChange(listener: (snapshot: ResourceSnapshot, previous: ResourceSnapshot) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  watch(): void {
    const { resourcePaths, configPaths, layottoConfigPath, reload, reloadIntervalMs } = this.#options;
    const paths = [...resourcePaths, ...configPaths];
    if (layottoConfigPath !== undefined) paths.push(layottoConfigPath);
    if (!this.#reloadable(reload) || paths.length === 0 || this.#watch !== undefined || this.#closed) return;
    this.#watch = watchFiles(paths, reloadIntervalMs, () => void this.reload(), this.#deps);
  }

  /** Dapr's feature flag HotReload switches off as well. */
  #reloadable(reload: boolean): boolean {
    return reload && this.snapshot.configuration?.features['HotReload'] !== false;
  }

  reload(): Promise<ReloadOutcome> {
    if (this.#running !== undefined) {
      this.#again = true;
      return this.#running;
    }
    this.#running = this.#reloadAll().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #reloadAll(): Promise<ReloadOutcome> {
    let outcome: ReloadOutcome = 'unchanged';
    do {
      this.#again = false;
      try {
        const one = await this.#reloadOnce();
        if (one !== 'unchanged') outcome = one;
      } catch (error) {
        this.#deps.log.error({ err: error }, 'documents could not be read again; the ones in use stay');
        outcome = 'refused';
      }
    } while (this.#again && !this.#closed);
    return outcome;
  }

  async #reloadOnce(): Promise<ReloadOutcome> {
    const { log, clock } = this.#deps;
    const problems = new Problems();
    const files = await readSources(this.#options, problems);
    const seen = fingerprint(files, problems);
    if (this.#closed || seen === this.#seen) return 'unchanged';
    this.#seen = seen;
    const parsed = await parseFor(this.#options, files, problems, clock);
    const documents = compileDocuments(parsed, this.#compile, problems);
    if (this.#closed) return 'unchanged';
    // At the start there was nothing to lose by leaving a document out; now its component is in use.
    const broken = [...problems.leftOut].filter((source) => this.#sources.has(source) && !this.#leftOut.has(source));
    if (problems.hasErrors || broken.length > 0) {
      const errors = problems.list.filter(({ severity }) => severity === 'error');
      for (const { origin, message } of [...errors, ...broken.flatMap((source) => problems.reasons(source))]) {
        log.error(`${originText(origin)}: ${message}`);
      }
      log.error('changed documents are refused; the ones in use stay');
      return 'refused';
    }
    for (const problem of problems.list) {
      log[problem.severity === 'warning' ? 'warn' : 'info'](`${originText(problem.origin)}: ${problem.message}`);
    }
    this.problems = problems.list;
    this.#sources = sourcesOf(files);
    this.#leftOut = problems.leftOut;
    return this.#use(documents);
  }

  /** Documents that say the same stay the very objects, so that who compares by identity sees only what changed. */
  #use(documents: Documents): ReloadOutcome {
    const previous = this.snapshot;
    const next: ResourceSnapshot = {
      version: previous.version + 1,
      components: keepSame(documents.components, previous.components),
      subscriptions: keepSame(documents.subscriptions, previous.subscriptions),
      httpEndpoints: keepSame(documents.httpEndpoints, previous.httpEndpoints),
      resiliencies: keepSame(documents.resiliencies, previous.resiliencies),
      configuration: sameContent(documents.configuration, previous.configuration)
        ? previous.configuration
        : documents.configuration,
    };
    if (sameContent({ ...next, version: 0 }, { ...previous, version: 0 })) return 'unchanged';
    this.snapshot = next;
    this.#deps.log.info({ version: next.version }, 'changed documents are in use');
    for (const listener of this.#listeners) {
      try {
        listener(next, previous);
      } catch (error) {
        this.#deps.log.error({ err: error }, 'a change of documents was not taken up everywhere');
      }
    }
    return 'changed';
  }

  close(): void {
    this.#closed = true;
    this.#watch?.close();
    this.#listeners.clear();
  }
}

function keepSame<D extends { readonly name: string }>(next: readonly D[], previous: readonly D[]): readonly D[] {
  return next.map((document) => previous.find((old) => sameContent(old, document)) ?? document);
}

function sourcesOf(files: SourceFiles): Set<string> {
  return new Set([...files.resources, ...files.configs].map(({ shown }) => shown));
}

/** Everything that was read, and what could not be. */
function fingerprint(files: SourceFiles, problems: Problems): string {
  const all = [...files.resources, ...files.configs, ...(files.layotto === undefined ? [] : [files.layotto])];
  const texts = all.map(({ path, text }) => [path, text]);
  return JSON.stringify([texts, problems.list.map(({ origin, message }) => [origin.source, message])]);
}
