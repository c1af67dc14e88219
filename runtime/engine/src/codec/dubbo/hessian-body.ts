/** Dubbo bodies in Hessian 2. */
import type { Slab } from '../../network/transport.js';
import { appendBytes } from '../xprotocol/bytes.js';
import { type Frame, FrameKind } from '../xprotocol/frame.js';
import { equalsKey, type HeaderKey } from '../xprotocol/header-key.js';
import type { HeaderChanges } from '../xprotocol/protocol.js';
import { readText } from '../xprotocol/text.js';
import { countParameters, type DubboBody, isReplaced, Leading } from './body.js';
import { Result } from './constants.js';
import { HessianWalker, hessianStringBytes, writeHessianString } from './hessian-walker.js';

const MAP = 0x48;
const TYPED_MAP = 0x4d;
const END = 0x5a;
const NOT_FOUND = -1;

/** Values are walked within one call, so one walker serves all. */
const walker: HessianWalker = new HessianWalker();

class HessianBody implements DubboBody {
  readonly nullBytes: Buffer = Buffer.from('N');
  readonly readonlyBytes: Buffer = Buffer.from('\x01R');

  leading(frame: Frame, index: number): string | undefined {
    walker.open(frame.buffer, frame.headerStart, frame.headerEnd);
    for (let i = 0; i <= index; i++) if (!walker.string()) return undefined;
    return readText(frame.buffer, walker.textStart, walker.textEnd);
  }

  attachmentsAt(frame: Frame): number {
    if (frame.memo === 0) frame.memo = findAttachments(frame);
    return frame.memo;
  }

  attachment(frame: Frame, key: HeaderKey): string | undefined {
    const at = this.attachmentsAt(frame);
    if (at === NOT_FOUND) return undefined;
    walker.open(frame.buffer, at, frame.headerEnd);
    let found = enterMap() ? search(key) : null;
    // An attachment may be an object of a class that an argument defined: once more, from the beginning.
    if (found === null && findAttachments(frame) !== NOT_FOUND && enterMap()) found = search(key);
    return found ?? undefined;
  }

  result(frame: Frame): number {
    walker.open(frame.buffer, frame.headerStart, frame.headerEnd);
    return walker.int() ?? NOT_FOUND;
  }

  writeChanged(frame: Frame, changes: HeaderChanges, slab: Slab): boolean {
    const { buffer } = frame;
    if (findAttachments(frame) === NOT_FOUND || !enterMap()) return false;
    const begin = slab.end;
    appendBytes(slab, buffer, frame.headerStart, walker.at);
    const give = (): boolean => {
      slab.end = begin;
      return false;
    };
    while (walker.peek() !== END) {
      const pair = walker.at;
      if (!walker.string()) return give();
      const name = readText(buffer, walker.textStart, walker.textEnd);
      const dropped = isReplaced(changes, name);
      // An object may be referred to, or its class used, further on: taking it out would shift all that follows.
      if (dropped && !isScalar(walker.peek())) return give();
      if (!walker.skip()) return give();
      if (!dropped) appendBytes(slab, buffer, pair, walker.at);
    }
    for (const [name, value] of changes.set) {
      if (name.length > 0xffff || value.length > 0xffff) return give();
      this.writeString(slab, name);
      this.writeString(slab, value);
    }
    appendBytes(slab, buffer, walker.at, frame.headerEnd);
    return true;
  }

  writeString(slab: Slab, text: string): void {
    slab.ensure(hessianStringBytes(text));
    slab.end = writeHessianString(slab.buffer, slab.end, text);
  }
}

/** The attachment under `key`; undefined when it is absent or no scalar, null when the walker could not go on. */
function search(key: HeaderKey): string | undefined | null {
  while (walker.peek() !== END) {
    if (!walker.string()) return null;
    if (equalsKey(key, walker.buffer, walker.textStart, walker.textEnd)) return readScalar();
    if (!walker.skip()) return null;
  }
  return undefined;
}

/** From the attachments' beginning to their first pair. */
function enterMap(): boolean {
  const tag = walker.peek();
  walker.at++;
  return tag === MAP || walker.skipType();
}

/** Walks to the attachments; the walker is left there, knowing the classes that came before. */
function findAttachments(frame: Frame): number {
  walker.open(frame.buffer, frame.headerStart, frame.headerEnd);
  if (frame.kind === FrameKind.RESPONSE) {
    const result = walker.int();
    if (result === undefined || result < Result.EXCEPTION_WITH_ATTACHMENTS) return NOT_FOUND;
    if (result !== Result.NULL_WITH_ATTACHMENTS && !walker.skip()) return NOT_FOUND;
  } else {
    for (let i = 0; i <= Leading.TYPES; i++) if (!walker.string()) return NOT_FOUND;
    const parameters = countParameters(frame.buffer, walker.textStart, walker.textEnd);
    if (parameters < 0) return NOT_FOUND;
    for (let i = 0; i < parameters; i++) if (!walker.skip()) return NOT_FOUND;
  }
  const tag = walker.peek();
  return tag === MAP || tag === TYPED_MAP ? walker.at : NOT_FOUND;
}

function isScalar(tag: number): boolean {
  return tag >= 0x80 || tag < 0x40 || 'NTFRSILYJK'.includes(String.fromCharCode(tag));
}

function readScalar(): string | undefined {
  const { buffer } = walker;
  const tag = walker.peek();
  if (tag === 0x4e) return undefined;
  if (tag === 0x54) return 'true';
  if (tag === 0x46) return 'false';
  if (walker.string()) return readText(buffer, walker.textStart, walker.textEnd);
  return walker.int()?.toString();
}

export const hessianBody: DubboBody = new HessianBody();
