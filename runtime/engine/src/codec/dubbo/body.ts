/** What a codec may ask of a Dubbo body, whatever it was serialized with. */
import type { Slab } from '../../network/transport.js';
import type { Frame } from '../xprotocol/frame.js';
import type { HeaderKey } from '../xprotocol/header-key.js';
import type { HeaderChanges } from '../xprotocol/protocol.js';

/** The strings a request begins with, in their order. */
export const Leading = { DUBBO: 0, PATH: 1, VERSION: 2, METHOD: 3, TYPES: 4 } as const;

export interface DubboBody {
  /** One of the leading strings of a request; undefined when the body is malformed, '' for null. */
  leading(frame: Frame, index: number): string | undefined;
  /** Where the attachments begin, or -1: there are none, or the body cannot be followed to them. Kept in `frame.memo`. */
  attachmentsAt(frame: Frame): number;
  attachment(frame: Frame, key: HeaderKey): string | undefined;
  /** The first value of a response: one of `Result`, or -1. */
  result(frame: Frame): number;
  /** Writes the body with other attachments; false, and nothing written, when it cannot. */
  writeChanged(frame: Frame, changes: HeaderChanges, slab: Slab): boolean;
  /** Writes one string. */
  writeString(slab: Slab, text: string): void;
  /** A heartbeat's body. */
  readonly nullBytes: Buffer;
  /** The body of the event by which a server says that it takes no more requests ("R"). */
  readonly readonlyBytes: Buffer;
}

/** Parameters in a JVM descriptor (`Ljava/lang/String;[I`); -1 when it is none. */
export function countParameters(buffer: Buffer, start: number, end: number): number {
  let count = 0;
  let at = start;
  while (at < end) {
    while (buffer[at] === 0x5b && at < end) at++; // [
    if (at === end) return -1;
    if (buffer[at] === 0x4c) {
      // L…;
      do at++;
      while (at < end && buffer[at] !== 0x3b);
      if (at === end) return -1;
    }
    at++;
    count++;
  }
  return count;
}

/** Whether a change drops what is there under a name. */
export function isReplaced(changes: HeaderChanges, name: string): boolean {
  return changes.remove.includes(name) || changes.set.some(([set]) => set === name);
}
