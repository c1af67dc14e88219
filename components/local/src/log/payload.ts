/**
 * The bytes of a value or message: always in the log, and in memory as well while the cache has room. A payload knows
 * its place and its checksum, so that damage on disk is noticed when it is read.
 */
import { cacheBytesMax, cacheValueBytesMax } from '../limits.js';

export class Payload {
  readonly length: number;
  readonly crc: number;
  /** Number of the file, and position in it; 0 until it is committed. */
  file = 0;
  at = 0;
  bytes: Uint8Array | undefined;
  /** Read since the cache last looked. */
  used = false;

  constructor(length: number, crc: number) {
    this.length = length;
    this.crc = crc;
  }
}

export interface PayloadCache {
  /** Takes a committed payload with its bytes, or lets the bytes go. */
  add(payload: Payload): void;
  /** The payload is not needed any more. */
  drop(payload: Payload): void;
  readonly bytes: number;
}

/** What is dropped first was added first and not read since (second chance). */
export function createPayloadCache(
  bytesMax: number = cacheBytesMax,
  valueBytesMax: number = cacheValueBytesMax,
): PayloadCache {
  const held = new Set<Payload>();
  let bytes = 0;

  function evict(): void {
    for (const payload of held) {
      if (bytes <= bytesMax) return;
      held.delete(payload);
      if (payload.used) {
        payload.used = false;
        held.add(payload);
        continue;
      }
      bytes -= payload.length;
      payload.bytes = undefined;
    }
  }

  return {
    add(payload) {
      if (payload.length > valueBytesMax) {
        payload.bytes = undefined;
        return;
      }
      if (payload.bytes === undefined || held.has(payload)) return;
      held.add(payload);
      bytes += payload.length;
      if (bytes > bytesMax) evict();
    },
    drop(payload) {
      if (held.delete(payload)) bytes -= payload.length;
      payload.bytes = undefined;
    },
    get bytes() {
      return bytes;
    },
  };
}
