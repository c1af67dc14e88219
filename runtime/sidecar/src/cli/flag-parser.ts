/**
 * Flags as daprd reads them (Go's pflag): `--k=v`, `--k v`, booleans alone or `--k=false`, one dash as good as two, `--` ends
 * them. Every flag of the table is known; another one is an error that names the nearest.
 */
import { didYouMean } from '../config/nearest.js';
import { type FlagUser, type SettingName, settingOf, settingsFor } from '../config/settings.js';
import { givenFlag } from '../config/setup.js';
import type { GivenValue } from '../config/values.js';
import { CliError } from './cli-error.js';
import { EXIT } from './exit-codes.js';

/** A flag that is no setting: `--version`. */
export interface ExtraFlag {
  readonly flag: string;
  readonly short?: string;
  readonly boolean: boolean;
}

export interface ParsedFlags {
  readonly settings: ReadonlyMap<SettingName, GivenValue>;
  /** Values of extra flags; 'true' for booleans. */
  readonly extras: ReadonlyMap<string, string>;
  readonly rest: readonly string[];
}

interface Known {
  readonly flag: string;
  readonly boolean: boolean;
  readonly setting: SettingName | undefined;
}

export function parseFlags(args: readonly string[], user: FlagUser, extras: readonly ExtraFlag[] = []): ParsedFlags {
  const known = new Map<string, Known>();
  for (const { flag, short, boolean } of extras) {
    known.set(flag, { flag, boolean, setting: undefined });
    if (short !== undefined) known.set(short, { flag, boolean, setting: undefined });
  }
  for (const name of settingsFor(user)) {
    const { flag, type } = settingOf(name);
    if (!known.has(flag)) known.set(flag, { flag, boolean: type === 'bool', setting: name });
  }
  const values = new Map<string, string[]>();
  const rest: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as string;
    if (arg === '--') {
      rest.push(...args.slice(i + 1));
      break;
    }
    const match = /^--?([^-=][^=]*)(?:=(.*))?$/s.exec(arg);
    if (match === null) {
      rest.push(arg);
      continue;
    }
    const [, written, inline] = match as unknown as [string, string, string | undefined];
    const flag = known.get(written);
    if (flag === undefined) throw unknownFlag(written, known.keys());
    let value = inline ?? (flag.boolean ? 'true' : undefined);
    if (value === undefined) {
      value = args[++i];
      if (value === undefined) throw new CliError(`flag needs an argument: --${flag.flag}`, EXIT.usage);
    }
    values.set(flag.flag, [...(values.get(flag.flag) ?? []), value]);
  }
  return { ...sort(values, known), rest };
}

function sort(values: ReadonlyMap<string, string[]>, known: ReadonlyMap<string, Known>): Omit<ParsedFlags, 'rest'> {
  const settings = new Map<SettingName, GivenValue>();
  const extras = new Map<string, string>();
  for (const [flag, given] of values) {
    const setting = known.get(flag)?.setting;
    if (setting === undefined) extras.set(flag, given.at(-1) as string);
    else settings.set(setting, givenFlag(flag, settingOf(setting).type === 'csv' ? given : (given.at(-1) as string)));
  }
  return { settings, extras };
}

function unknownFlag(written: string, known: Iterable<string>): CliError {
  const hint = didYouMean(written, known).replace(/"(.*)"/, '--$1');
  return new CliError(`unknown flag: --${written}${hint}`, EXIT.usage);
}
