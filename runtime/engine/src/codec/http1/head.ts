/** What a parsed head says, shared by requests and responses. */
import { CHUNK_SIZE_DIGITS_MAX, CONTENT_LENGTH_DIGITS_MAX } from './limits.js';

/** How the body of a message is delimited (RFC 9112 §6.3). */
export const BodyKind = {
  none: 0,
  length: 1,
  chunked: 2,
  /** To the end of the connection; responses only. */
  untilClose: 3,
} as const;
export type BodyKind = (typeof BodyKind)[keyof typeof BodyKind];

/** The fields of one connection, taken out of a head. */
export interface ConnectionFields {
  /** Bytes of the body, -1 when content-length is absent. */
  contentLength: number;
  /** Number of Transfer-Encoding lines, and the value of the last. */
  transferEncodings: number;
  transferEncoding: string;
  hosts: number;
  host: string;
  /** Connection options. */
  close: boolean;
  keepAlive: boolean;
  upgradeOption: boolean;
  http2SettingsOption: boolean;
  /** Field names that Connection names besides; they end with this hop (RFC 9110 §7.6.1). */
  nominated: string[] | null;
  /** Value of Upgrade, several lines joined. */
  upgrade: string | null;
  expect: string | null;
  http2SettingsCount: number;
  http2Settings: string | null;
}

export function emptyConnectionFields(): ConnectionFields {
  return {
    contentLength: -1,
    transferEncodings: 0,
    transferEncoding: '',
    hosts: 0,
    host: '',
    close: false,
    keepAlive: false,
    upgradeOption: false,
    http2SettingsOption: false,
    nominated: null,
    upgrade: null,
    expect: null,
    http2SettingsCount: 0,
    http2Settings: null,
  };
}

/** The number that `digits` spells, or -1 when it is not 1 to 16 ASCII digits, or -2 when it is above 2^53 - 1. */
export function parseContentLength(digits: string): number {
  if (digits.length === 0) return -1;
  let value = 0;
  for (let i = 0; i < digits.length; i++) {
    const digit = digits.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return digits.length > CONTENT_LENGTH_DIGITS_MAX || value > Number.MAX_SAFE_INTEGER ? -2 : value;
}

/** Largest chunk a size line can announce. */
export const CHUNK_BYTES_MAX: number = 16 ** CHUNK_SIZE_DIGITS_MAX - 1;

/** Drops the fields that Connection nominated. */
export function dropNominated(flat: string[], nominated: readonly string[]): void {
  let kept = 0;
  for (let i = 0; i < flat.length; i += 2) {
    if (nominated.includes(flat[i] as string)) continue;
    flat[kept] = flat[i] as string;
    flat[kept + 1] = flat[i + 1] as string;
    kept += 2;
  }
  flat.length = kept;
}
