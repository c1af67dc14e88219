/** The table of settings as commander options, and back. */
import { type Command, Option } from 'commander';
import { type FlagUser, type Setting, type SettingName, settingOf, settingsFor } from '../config/settings.js';
import { givenFlag } from '../config/setup.js';
import type { GivenValue } from '../config/values.js';

const collect = (value: string, list: string[] | undefined): string[] => [...(list ?? []), value];

export function addSettings(command: Command, user: FlagUser): void {
  let group: string | undefined;
  for (const name of settingsFor(user)) {
    const setting = settingOf(name);
    if (setting.group !== group) {
      group = setting.group;
      command.optionsGroup(`${group}:`);
    }
    command.addOption(optionOf(setting));
    // `--x=false` arrives as --no-x (see `withoutBooleanValues`).
    if (setting.type === 'bool') command.addOption(new Option(`--no-${setting.flag}`).hideHelp());
  }
}

function optionOf(setting: Setting): Option {
  const { flag, short, type, value, help, choices } = setting;
  const shown =
    value ?? (choices === undefined ? (type === 'port' ? 'port' : type === 'int' ? 'n' : 'value') : choices.join('|'));
  const argument = type === 'bool' ? '' : ` <${shown}>`;
  const option = new Option(`${short === undefined ? '' : `-${short}, `}--${flag}${argument}`, help);
  if (type === 'csv') option.argParser(collect);
  if (setting.noEffect !== undefined || setting.deprecated !== undefined) option.hideHelp();
  return option;
}

/** What was given, with the flag as its origin. */
export function givenSettings(command: Command, user: FlagUser): Map<SettingName, GivenValue> {
  const given = new Map<SettingName, GivenValue>();
  const options = command.opts<Record<string, unknown>>();
  for (const name of settingsFor(user)) {
    const { flag } = settingOf(name);
    const raw = options[camelCase(flag)];
    if (raw === undefined) continue;
    given.set(name, givenFlag(flag, Array.isArray(raw) ? (raw as string[]) : String(raw)));
  }
  return given;
}

/** As commander names the attribute of a flag. */
export function camelCase(flag: string): string {
  return flag.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/**
 * `--enable-api-logging=true` and `=false`, as pflag takes them, to commander's `--x` and `--no-x`. Nothing behind `--` is
 * touched.
 */
export function withoutBooleanValues(args: readonly string[], user: FlagUser): string[] {
  const booleans = new Set(
    settingsFor(user).flatMap((name) => (settingOf(name).type === 'bool' ? [settingOf(name).flag] : [])),
  );
  const end = args.indexOf('--');
  return args.map((arg, i) => {
    const match = /^--([a-z0-9-]+)=(.*)$/.exec(arg);
    if (match === null || (end >= 0 && i > end) || !booleans.has(match[1] as string)) return arg;
    if (/^(1|t|true)$/i.test(match[2] as string)) return `--${match[1]}`;
    return /^(0|f|false)$/i.test(match[2] as string) ? `--no-${match[1]}` : arg;
  });
}
