/**
 * `secretstores.local.file`: a JSON file of secrets, with the semantics of Dapr's store of that name (components-contrib
 * secretstores/local/file). The file is read once, at open. Numbers and booleans become their JSON text.
 */
import { open, realpath } from 'node:fs/promises';
import { dirname, resolve, sep } from 'node:path';
import {
  type ComponentConfig,
  type ComponentDefinition,
  type ComponentDeps,
  ComponentError,
  metadataOf,
  type SecretFeature,
  type SecretStore,
} from '@outrigger/components-core';
import { boolSetting } from '@outrigger/components-core/support';

const fileBytesMax = 4 * 1024 * 1024;
const depthMax = 64;

type Values = Readonly<Record<string, string>>;

class FileSecrets implements SecretStore {
  readonly features: ReadonlySet<SecretFeature>;
  readonly #config: ComponentConfig;
  readonly #deps: ComponentDeps;
  readonly #separator: string;
  readonly #multiValued: boolean;
  #secrets = new Map<string, Values>();
  #opened = false;

  constructor(config: ComponentConfig, deps: ComponentDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#separator = metadataOf(config, 'nestedSeparator') ?? ':';
    this.#multiValued = boolSetting(config, 'multiValued');
    this.features = new Set<SecretFeature>(this.#multiValued ? ['MULTIPLE_KEY_VALUES_PER_SECRET'] : []);
  }

  async open(): Promise<void> {
    const file = metadataOf(this.#config, 'secretsFile');
    if (file === undefined) this.#refuse('missing local secrets file in metadata; set secretsFile');
    const document = this.#parse(file, await this.#read(file));
    this.#secrets = this.#multiValued ? this.#multi(document) : this.#flat(document);
    this.#opened = true;
  }

  drain(): void {}

  close(): void {
    this.#secrets = new Map();
    this.#opened = false;
  }

  health(): { ok: boolean; reason?: string } {
    return this.#opened ? { ok: true } : { ok: false, reason: 'the secrets file has not been read' };
  }

  get(name: string): Values {
    const values = this.#secrets.get(name);
    if (values === undefined) throw new ComponentError('not-found', `secret ${name} not found`);
    return values;
  }

  bulkGet(): Readonly<Record<string, Values>> {
    const all: Record<string, Values> = Object.create(null);
    for (const [name, values] of this.#secrets) all[name] = values;
    return all;
  }

  #refuse(why: string, cause?: unknown): never {
    const message = `component ${this.#config.name} (secretstores.local.file): ${why}`;
    throw new ComponentError('invalid', message, cause === undefined ? undefined : { cause });
  }

  /** No `..`, and no symbolic link that leads out of the folder which holds the file (Kubernetes' links stay inside). */
  async #read(file: string): Promise<string> {
    if (file.split(/[/\\]/).includes('..')) this.#refuse(`secretsFile '${file}' contains '..'; name the file directly`);
    const path = resolve(file);
    let real: string;
    let folder: string;
    try {
      real = await realpath(path);
      folder = await realpath(dirname(path));
    } catch (error) {
      this.#refuse(`secretsFile '${file}' cannot be read: ${(error as Error).message}`, error);
    }
    if (!real.startsWith(folder.endsWith(sep) ? folder : folder + sep)) {
      this.#refuse(`secretsFile '${file}' is a link that leads out of ${dirname(file)}; put the file itself there`);
    }
    const handle = await open(real, 'r').catch((error: Error) =>
      this.#refuse(`secretsFile '${file}' cannot be read: ${error.message}`, error),
    );
    try {
      const { size } = await handle.stat();
      if (size > fileBytesMax)
        this.#refuse(`secretsFile '${file}' has ${size} bytes; at most ${fileBytesMax} are read`);
      return await handle.readFile('utf8');
    } finally {
      await handle.close();
    }
  }

  #parse(file: string, text: string): Record<string, unknown> {
    let document: unknown;
    try {
      document = JSON.parse(text);
    } catch {
      // The parser's own message may quote the text around the fault, which is secret.
      this.#refuse(`secretsFile '${file}' is not valid JSON`);
    }
    if (typeof document !== 'object' || document === null || Array.isArray(document)) {
      this.#refuse(`secretsFile '${file}' does not hold a JSON object`);
    }
    return document as Record<string, unknown>;
  }

  #flat(document: Record<string, unknown>): Map<string, Values> {
    const secrets = new Map<string, Values>();
    for (const [name, value] of this.#leaves(document)) secrets.set(name, { [name]: value });
    return secrets;
  }

  #multi(document: Record<string, unknown>): Map<string, Values> {
    const secrets = new Map<string, Values>();
    for (const [name, value] of Object.entries(document)) {
      const values: Record<string, string> = Object.create(null);
      if (typeof value === 'object' && value !== null) Object.assign(values, Object.fromEntries(this.#leaves(value)));
      else values[name] = leafText(value);
      secrets.set(name, values);
    }
    return secrets;
  }

  /** Nested names joined by the separator; of two that become equal the first stays, as in Dapr. */
  #leaves(value: object): Map<string, string> {
    const found = new Map<string, string>();
    const visit = (node: object, path: readonly string[]): void => {
      if (path.length > depthMax) this.#refuse(`secretsFile is nested deeper than ${depthMax} levels`);
      for (const [key, child] of Object.entries(node)) {
        const below = [...path, key];
        if (typeof child === 'object' && child !== null) {
          visit(child, below);
          continue;
        }
        const name = below.join(this.#separator);
        if (found.has(name)) {
          this.#deps.log.warn(
            { component: this.#config.name, secret: name },
            'two secrets of the file have one name; the first is used',
          );
        } else found.set(name, leafText(child));
      }
    };
    visit(value, []);
    return found;
  }
}

function leafText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

export const secretstoresLocalFile: ComponentDefinition<SecretStore> = {
  type: 'secretstores.local.file',
  kind: 'secretstores',
  versions: ['v1'],
  status: 'stable',
  description: 'Secrets from a JSON file.',
  metadata: [
    { name: 'secretsFile', type: 'string', required: true, description: 'Path of the JSON file, without `..`.' },
    { name: 'nestedSeparator', type: 'string', default: ':', description: 'Joins the names of nested keys.' },
    {
      name: 'multiValued',
      type: 'bool',
      default: 'false',
      description: 'Each top-level key is one secret with several key/value pairs.',
    },
  ],
  create: (config, deps) => new FileSecrets(config, deps),
};
