/** Dubbo bodies in fastjson2: each value is JSONB behind its length (u32), so arguments are skipped unseen. */
import type { Slab } from '../../network/transport.js';
import { appendBytes, readU32, writeI32 } from '../xprotocol/bytes.js';
import { type Frame, FrameKind } from '../xprotocol/frame.js';
import type { HeaderKey } from '../xprotocol/header-key.js';
import type { HeaderChanges } from '../xprotocol/protocol.js';
import { type DubboBody, isReplaced, Leading } from './body.js';
import { Result } from './constants.js';
import { JSONB_NULL, JSONB_OBJECT, JSONB_OBJECT_END, JsonbReader, writeJsonbString } from './jsonb.js';

const NOT_FOUND = -1;

/** Used within one call only. */
const reader: JsonbReader = new JsonbReader();

class Fastjson2Body implements DubboBody {
  readonly nullBytes: Buffer = Buffer.from([0, 0, 0, 1, JSONB_NULL]);
  readonly readonlyBytes: Buffer = Buffer.from([0, 0, 0, 2, 0x4a, 0x52]);

  leading(frame: Frame, index: number): string | undefined {
    const at = valueAt(frame, index);
    if (at === NOT_FOUND) return undefined;
    reader.open(frame.buffer, at + 4, endOfValue(frame, at));
    return reader.peek() === JSONB_NULL ? '' : reader.string();
  }

  attachmentsAt(frame: Frame): number {
    if (frame.memo === 0) frame.memo = findAttachments(frame);
    return frame.memo;
  }

  attachment(frame: Frame, key: HeaderKey): string | undefined {
    if (!enterAttachments(frame, this.attachmentsAt(frame))) return undefined;
    while (reader.peek() !== JSONB_OBJECT_END) {
      const name = reader.string();
      if (name === undefined) return undefined;
      const value = reader.scalar();
      if (value === false) return undefined;
      if (name === key.name) return value;
    }
    return undefined;
  }

  result(frame: Frame): number {
    const at = valueAt(frame, 0);
    if (at === NOT_FOUND) return NOT_FOUND;
    reader.open(frame.buffer, at + 4, endOfValue(frame, at));
    return reader.int() ?? NOT_FOUND;
  }

  writeChanged(frame: Frame, changes: HeaderChanges, slab: Slab): boolean {
    const { buffer } = frame;
    const at = this.attachmentsAt(frame);
    if (!enterAttachments(frame, at)) return false;
    const begin = slab.end;
    appendBytes(slab, buffer, frame.headerStart, reader.at);
    while (reader.peek() !== JSONB_OBJECT_END) {
      const pair = reader.at;
      const name = reader.string();
      if (name === undefined || reader.scalar() === false) {
        slab.end = begin;
        return false;
      }
      if (!isReplaced(changes, name)) appendBytes(slab, buffer, pair, reader.at);
    }
    for (const [name, value] of changes.set) {
      writeJsonbString(slab, name);
      writeJsonbString(slab, value);
    }
    appendBytes(slab, buffer, reader.at, reader.end);
    const lengthAt = begin + at - frame.headerStart;
    writeI32(slab.buffer, lengthAt, slab.end - lengthAt - 4);
    appendBytes(slab, buffer, reader.end, frame.headerEnd);
    return true;
  }

  writeString(slab: Slab, text: string): void {
    slab.ensure(4);
    const lengthAt = slab.end;
    slab.end += 4;
    writeJsonbString(slab, text);
    writeI32(slab.buffer, lengthAt, slab.end - lengthAt - 4);
  }
}

/** Where the length of the `index`th value lies, or -1. */
function valueAt(frame: Frame, index: number): number {
  let at = frame.headerStart;
  for (let i = 0; ; i++) {
    const next = endOfValue(frame, at);
    if (next === NOT_FOUND) return NOT_FOUND;
    if (i === index) return at;
    at = next;
  }
}

/** Where the value whose length lies at `at` ends, or -1 when that is not within the body. */
function endOfValue(frame: Frame, at: number): number {
  if (at + 4 > frame.headerEnd) return NOT_FOUND;
  const end = at + 4 + readU32(frame.buffer, at);
  return end > frame.headerEnd ? NOT_FOUND : end;
}

/** Attachments are the last value: of a request behind its strings, of a response if its result says so. */
function findAttachments(frame: Frame): number {
  let at = frame.headerStart;
  let values = 0;
  let last = NOT_FOUND;
  while (at < frame.headerEnd) {
    const next = endOfValue(frame, at);
    if (next === NOT_FOUND) return NOT_FOUND;
    last = at;
    at = next;
    values++;
  }
  if (frame.kind !== FrameKind.RESPONSE) return values > Leading.TYPES + 1 ? last : NOT_FOUND;
  return fastjson2Body.result(frame) >= Result.EXCEPTION_WITH_ATTACHMENTS && values > 1 ? last : NOT_FOUND;
}

/** Puts the reader on the first pair. */
function enterAttachments(frame: Frame, at: number): boolean {
  if (at === NOT_FOUND) return false;
  reader.open(frame.buffer, at + 4, endOfValue(frame, at));
  if (reader.peek() !== JSONB_OBJECT) return false;
  reader.at++;
  return true;
}

export const fastjson2Body: DubboBody = new Fastjson2Body();
