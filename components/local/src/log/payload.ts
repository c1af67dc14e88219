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
  /** The cache holds its bytes. */
  cached = false;
  /** Read since the cache last looked. */
  used = false;
  /** Its value or message is gone. */
  isDropped = false;
  /** Of a copy that is on its way into a snapshot: the payload that will be found there. */
  source: Payload | undefined;

  constructor(length: number, crc: number) {
    this.length = length;
    this.crc = crc;
  }
}

export interface PayloadCache {
  /** Takes a payload that is on the disk with its bytes, or lets the bytes go. */
  add(payload: Payload): void;
  /** The payload is not needed any more. */
  drop(payload: Payload): void;
  readonly bytes: number;
}

/**
 * What goes first was added first and not read since (second chance). A plain queue: a Set from whose front one deletes
 * again and again steps over all that it deleted before.
 */
export function createPayloadCache(
  bytesMax: number = cacheBytesMax,
  valueBytesMax: number = cacheValueBytesMax,
): PayloadCache {
  let queue: Payload[] = [];
  let head = 0;
  let count = 0;
  let bytes = 0;

  function forget(payload: Payload): void {
    payload.cached = false;
    payload.bytes = undefined;
    bytes -= payload.length;
    count--;
  }

  function evict(): void {
    while (bytes > bytesMax && head < queue.length) {
      const payload = queue[head++]!;
      if (!payload.cached) continue;
      if (payload.used) {
        payload.used = false;
        queue.push(payload);
      } else forget(payload);
    }
  }

  /** Dropped payloads stay in the queue for a while; there are never more of them than of the others, and some. */
  function tidy(): void {
    if (queue.length < 2 * count + 1024) return;
    queue = queue.slice(head).filter(({ cached }) => cached);
    head = 0;
  }

  return {
    add(payload) {
      if (payload.length > valueBytesMax) {
        payload.bytes = undefined;
        return;
      }
      if (payload.bytes === undefined || payload.cached || payload.isDropped) return;
      payload.cached = true;
      queue.push(payload);
      count++;
      bytes += payload.length;
      evict();
      tidy();
    },
    drop(payload) {
      payload.isDropped = true;
      if (payload.cached) forget(payload);
      payload.bytes = undefined;
    },
    get bytes() {
      return bytes;
    },
  };
}
