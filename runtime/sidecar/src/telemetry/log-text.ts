/** JSON log lines to text: one form for people, one as logrus writes it. */

const NEEDS_QUOTES = /[^a-zA-Z0-9\-._/@^+]/;

/** logrus' TextFormatter: time, level, msg first, the rest by name; values in quotes when they hold more than a word. */
export function daprText(line: string): string {
  const fields = parse(line);
  if (fields === undefined) return line;
  const { time, level, msg, ...rest } = fields;
  const parts = [pair('time', time), pair('level', level), pair('msg', msg ?? '')];
  for (const key of Object.keys(rest).sort()) parts.push(pair(key, rest[key]));
  return `${parts.join(' ')}\n`;
}

function pair(key: string, value: unknown): string {
  const text = textOf(value);
  return `${key}=${text === '' || NEEDS_QUOTES.test(text) ? JSON.stringify(text) : text}`;
}

const COLOURS: Readonly<Record<string, string>> = {
  trace: '\u001b[90m',
  debug: '\u001b[90m',
  info: '\u001b[32m',
  warn: '\u001b[33m',
  error: '\u001b[31m',
  fatal: '\u001b[31;1m',
};
const RESET = '\u001b[0m';
const DIM = '\u001b[2m';

/** Fields that a person at a terminal knows already. */
const HIDDEN = new Set(['time', 'level', 'msg', 'app_id', 'scope', 'pid', 'hostname']);

/** `12:34:56.789 INFO  the sentence  key=value` */
export function prettyText(line: string, colour: boolean, showAppId: boolean): string {
  const fields = parse(line);
  if (fields === undefined) return line;
  const { time, level, msg, app_id } = fields;
  const app = showAppId ? `[${textOf(app_id)}] ` : '';
  const clockTime = String(time).slice(11, 23);
  const label = String(level).toUpperCase().padEnd(5);
  const rest = Object.entries(fields)
    .filter(([key, value]) => !HIDDEN.has(key) && value !== undefined)
    .map(([key, value]) => pair(key, value));
  const shown = colour ? `${COLOURS[String(level)] ?? ''}${label}${RESET}` : label;
  const tail = rest.length === 0 ? '' : `  ${colour ? DIM : ''}${rest.join(' ')}${colour ? RESET : ''}`;
  return `${clockTime} ${shown} ${app}${oneLine(textOf(msg ?? ''))}${tail}\n`;
}

/** A line of the log stays one line, whatever a message holds: nobody writes log lines through another's error text. */
function oneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what must not reach a terminal.
  return text.replace(/[\u0000-\u001f\u007f]/g, (char) => (char === '\n' ? '\\n' : char === '\t' ? '\\t' : '?'));
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function parse(line: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
