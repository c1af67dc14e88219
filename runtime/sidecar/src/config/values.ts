/** Settings with their values and where each came from: flags > environment > documents > importer > defaults (D1). */
import type { Origin } from './model.js';
import { didYouMean } from './nearest.js';
import type { Problems } from './problem.js';
import { parseBool, parseDurationMs, parseQuantity } from './scalar.js';
import { environmentName, SETTING_NAMES, type Setting, type SettingName, settingOf } from './settings.js';

export interface GivenValue {
  /** As written; a list for `csv`. */
  readonly raw: string | readonly string[];
  readonly origin: Origin;
}

export type GivenValues = ReadonlyMap<SettingName, GivenValue>;

/** `off` is 'off'; durations in ms; quantities in bytes. */
export type SettingValue = string | number | boolean | readonly string[];

export class Values {
  readonly #values = new Map<SettingName, { readonly value: SettingValue; readonly origin: Origin }>();

  /** `layers`: strongest first. A value that cannot be read is reported and does not count. */
  constructor(layers: readonly GivenValues[], problems: Problems) {
    for (const name of SETTING_NAMES) {
      for (const layer of layers) {
        const given = layer.get(name);
        if (given === undefined) continue;
        const value = readValue(name, settingOf(name), given, problems);
        if (value !== undefined) this.#values.set(name, { value, origin: given.origin });
        break;
      }
    }
  }

  has(name: SettingName): boolean {
    return this.#values.has(name);
  }

  origin(name: SettingName): Origin {
    return this.#values.get(name)?.origin ?? { source: `default of --${settingOf(name).flag}` };
  }

  text(name: SettingName): string | undefined {
    const value = this.#values.get(name)?.value;
    return typeof value === 'string' ? value : undefined;
  }

  number(name: SettingName): number | undefined {
    const value = this.#values.get(name)?.value;
    return typeof value === 'number' ? value : undefined;
  }

  bool(name: SettingName): boolean | undefined {
    const value = this.#values.get(name)?.value;
    return typeof value === 'boolean' ? value : undefined;
  }

  list(name: SettingName): readonly string[] | undefined {
    const value = this.#values.get(name)?.value;
    return Array.isArray(value) ? value : undefined;
  }

  /** A port, 'off', or undefined when nobody said. */
  port(name: SettingName): number | 'off' | undefined {
    const value = this.#values.get(name)?.value;
    return typeof value === 'number' || value === 'off' ? value : undefined;
  }

  names(): SettingName[] {
    return [...this.#values.keys()];
  }
}

/** An empty variable counts as not set. */
export function valuesFromEnvironment(env: Readonly<Record<string, string | undefined>>): Map<SettingName, GivenValue> {
  const given = new Map<SettingName, GivenValue>();
  for (const name of SETTING_NAMES) {
    for (const variable of [environmentName(name), ...(settingOf(name).env ?? [])]) {
      const raw = env[variable];
      if (raw === undefined || raw === '') continue;
      given.set(name, { raw, origin: { source: `environment variable ${variable}` } });
      break;
    }
  }
  return given;
}

function readValue(
  name: SettingName,
  setting: Setting,
  given: GivenValue,
  problems: Problems,
): SettingValue | undefined {
  const { origin } = given;
  if (setting.type === 'csv') {
    const parts = typeof given.raw === 'string' ? [given.raw] : given.raw;
    return parts
      .flatMap((part) => part.split(','))
      .map((part) => part.trim())
      .filter((part) => part !== '');
  }
  const raw = typeof given.raw === 'string' ? given.raw : (given.raw.at(-1) ?? '');
  const refuse = (what: string): undefined => {
    problems.error(origin, `"${raw}" is not ${what}`);
    return undefined;
  };
  switch (setting.type) {
    case 'text': {
      if (setting.choices === undefined || raw === '') return raw;
      const choice = setting.choices.find((candidate) => candidate.toLowerCase() === raw.toLowerCase());
      return choice ?? refuse(`one of ${setting.choices.join(', ')}${didYouMean(raw, setting.choices)}`);
    }
    case 'int':
      return /^[-+]?\d{1,15}$/.test(raw) ? Number(raw) : refuse('a whole number');
    case 'port': {
      if (setting.switchable === true && raw.toLowerCase() === 'off') return 'off';
      // Dapr's command line writes -1 for "choose one"; an empty port is one that nobody gave.
      if (raw === '') return undefined;
      if (raw === '-1') return 0;
      const port = /^\d{1,5}$/.test(raw) ? Number(raw) : Number.NaN;
      if (port <= 65_535) return port;
      return refuse(setting.switchable === true ? 'a port (0 to 65535) or off' : 'a port (0 to 65535)');
    }
    case 'bool':
      return parseBool(raw) ?? refuse('true or false');
    case 'duration':
      return parseDurationMs(raw) ?? refuse('a duration; write for example 5s or 500ms');
    case 'quantity':
      return parseQuantity(raw) ?? refuse('a size; write for example 4Mi or 512Ki');
    default:
      throw new TypeError(`setting ${name} has no type`);
  }
}
