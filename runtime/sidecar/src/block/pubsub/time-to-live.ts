/** Time to live of a message: `ttlInSeconds` on publish, `expiration` in the envelope. */
import type { Clock } from '@outrigger/engine';

/** The last moment that a four-digit year can say. */
const WALL_MS_MAX: number = Date.UTC(9999, 11, 31, 23, 59, 59);
const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

/** Milliseconds of a Go duration (`1h30m`, `-1.5s`), or undefined. */
export function goDurationMs(text: string): number | undefined {
  if (text === '0') return 0;
  const sign = text[0] === '-' ? -1 : 1;
  const body = text[0] === '-' || text[0] === '+' ? text.slice(1) : text;
  if (!/^(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(body)) return undefined;
  let ms = 0;
  for (const [, amount, unit] of body.matchAll(/([\d.]+)([a-zµμ]+)/g)) {
    ms += Number(amount) * (UNIT_MS[unit as string] as number);
  }
  return sign * ms;
}

/**
 * The time to live that metadata `ttl` or `ttlInSeconds` (any case; a Go duration or whole seconds) asks for, or undefined
 * when there is none. A value that cannot be read is no time to live, as in Dapr.
 */
export function timeToLiveMs(metadata: Readonly<Record<string, string>>): number | undefined {
  const text = lookup(metadata, 'ttl') ?? lookup(metadata, 'ttlinseconds');
  if (text === undefined || text === '') return undefined;
  const duration = goDurationMs(text);
  if (duration !== undefined) return Math.max(0, duration);
  if (!/^[+-]?\d{1,19}$/.test(text)) return undefined;
  const seconds = Number(text);
  return seconds > 0 ? seconds * 1_000 : undefined;
}

function lookup(metadata: Readonly<Record<string, string>>, lowerName: string): string | undefined {
  for (const name in metadata) if (name.toLowerCase() === lowerName) return metadata[name];
  return undefined;
}

let lastSecond = Number.NaN;
let lastText = '';

/** RFC 3339 in whole seconds, UTC. Messages of one second share the text: writing it is a tenth of an envelope's cost. */
export function rfc3339(wallMs: number): string {
  const second = Math.floor(Math.min(wallMs, WALL_MS_MAX) / 1_000);
  if (second !== lastSecond) {
    lastSecond = second;
    lastText = `${new Date(second * 1_000).toISOString().slice(0, 19)}Z`;
  }
  return lastText;
}

/** Whether an envelope's `expiration` lies in the past. What is no RFC 3339 time never expires. */
export function hasExpired(expiration: unknown, clock: Clock): boolean {
  if (typeof expiration !== 'string') return false;
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/.test(expiration)) return false;
  return Date.parse(expiration) < clock.wallMs();
}
