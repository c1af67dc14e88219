/**
 * `secretstores.local.env`: environment variables as secrets, with the semantics of Dapr's store of that name
 * (components-contrib secretstores/local/env): a variable that is not set is an empty value, not an error.
 */
import {
  type ComponentConfig,
  type ComponentDefinition,
  type ComponentDeps,
  metadataOf,
  type SecretFeature,
  type SecretStore,
} from '@outrigger/components-core';

/** What the sidecar itself is told this way is nobody's secret to read: Dapr's rule, and our own variables with it. */
function isForbidden(variable: string): boolean {
  const name = variable.toUpperCase();
  return name === 'APP_API_TOKEN' || name.startsWith('DAPR_') || name.startsWith('OUTRIGGER_');
}

class EnvironmentSecrets implements SecretStore {
  readonly features: ReadonlySet<SecretFeature> = new Set<SecretFeature>();
  readonly #prefix: string;
  readonly #name: string;
  readonly #deps: ComponentDeps;

  constructor(config: ComponentConfig, deps: ComponentDeps) {
    this.#prefix = metadataOf(config, 'prefix') ?? '';
    this.#name = config.name;
    this.#deps = deps;
  }

  open(): void {}

  drain(): void {}

  close(): void {}

  health(): { ok: boolean } {
    return { ok: true };
  }

  get(name: string): Readonly<Record<string, string>> {
    const variable = this.#prefix + name;
    if (isForbidden(variable)) {
      this.#deps.log.warn({ component: this.#name, variable }, 'access to this environment variable is forbidden');
      return { [name]: '' };
    }
    return { [name]: Object.hasOwn(process.env, variable) ? (process.env[variable] ?? '') : '' };
  }

  bulkGet(): Readonly<Record<string, Readonly<Record<string, string>>>> {
    const found: Record<string, Record<string, string>> = Object.create(null);
    for (const [variable, value] of Object.entries(process.env)) {
      if (this.#prefix !== '' && (variable.length <= this.#prefix.length || !variable.startsWith(this.#prefix)))
        continue;
      if (isForbidden(variable)) continue;
      const name = variable.slice(this.#prefix.length);
      found[name] = { [name]: value ?? '' };
    }
    return found;
  }
}

export const secretstoresLocalEnv: ComponentDefinition<SecretStore> = {
  type: 'secretstores.local.env',
  kind: 'secretstores',
  versions: ['v1'],
  status: 'stable',
  description: 'Environment variables of the sidecar as secrets, those of the sidecar itself excepted.',
  metadata: [
    {
      name: 'prefix',
      type: 'string',
      description: "Only variables with this beginning; it is removed from the secrets' names.",
    },
  ],
  create: (config, deps) => new EnvironmentSecrets(config, deps),
};
