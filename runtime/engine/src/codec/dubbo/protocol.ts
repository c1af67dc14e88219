/** Dubbo 2. Ids have 64 bits; every serialization passes, the bodies of Hessian 2 and fastjson2 can be looked into. */
import type { Slab } from '../../network/transport.js';
import { appendBytes, readI32, readU32, writeI32 } from '../xprotocol/bytes.js';
import { type Frame, FrameKind, NO_TIMEOUT } from '../xprotocol/frame.js';
import { type HeaderKey, headerKey } from '../xprotocol/header-key.js';
import {
  FrameFault,
  type HeaderChanges,
  INCOMPLETE,
  type ProtocolMatch,
  type RpcAttributes,
  type RpcFailure,
  type RpcProtocol,
} from '../xprotocol/protocol.js';
import { type DubboBody, Leading } from './body.js';
import {
  ERROR_TEXT_MAX,
  EVENT_BYTES_MAX,
  Flag,
  HEAD_BYTES,
  MAGIC_HIGH,
  MAGIC_LOW,
  Result,
  Serialization,
  Status,
} from './constants.js';
import { fastjson2Body } from './fastjson2-body.js';
import { hessianBody } from './hessian-body.js';

/** A Dubbo client makes a timeout of 30 and 31, and shows the text of all others. */
const statusOf: Record<RpcFailure, number> = {
  noRoute: Status.SERVICE_NOT_FOUND,
  noHost: Status.SERVICE_NOT_FOUND,
  connect: Status.CHANNEL_INACTIVE,
  closed: Status.CHANNEL_INACTIVE,
  overload: Status.SERVER_THREADPOOL_EXHAUSTED_ERROR,
  timeout: Status.SERVER_TIMEOUT,
  denied: Status.SERVER_ERROR,
  codec: Status.BAD_REQUEST,
  tooLong: Status.BAD_REQUEST,
  unsupported: Status.SERVICE_NOT_FOUND,
};

/** Names under which the leading strings of a request are headers, as in MOSN. Attachments go by their own names. */
const leadingNames: ReadonlyMap<string, number> = new Map([
  ['dubbo', Leading.DUBBO],
  ['service', Leading.PATH],
  ['version', Leading.VERSION],
  ['method', Leading.METHOD],
]);

function bodyOf(serialization: number): DubboBody | null {
  switch (serialization) {
    case Serialization.HESSIAN2:
    case Serialization.NATIVE_HESSIAN:
      return hessianBody;
    case Serialization.FASTJSON2:
      return fastjson2Body;
    default:
      return null;
  }
}

/** What we write ourselves: in the peer's serialization where we know it, else in the one that every Dubbo has. */
function replySerialization(variant: number): number {
  const serialization = variant & Flag.SERIALIZATION;
  return bodyOf(serialization) === null ? Serialization.HESSIAN2 : serialization;
}

export class DubboProtocol implements RpcProtocol {
  readonly name = 'dubbo';
  readonly wideIds = true;
  readonly headBytesMax: number = HEAD_BYTES;
  readonly goawayUnderstood = true;
  /** Variant = the flags. */
  readonly defaultVariant: number = Serialization.HESSIAN2;
  readonly attributes: RpcAttributes = {
    service: headerKey('service'),
    method: headerKey('method'),
    version: headerKey('version'),
    group: headerKey('group'),
    callerApp: headerKey('remote.application'),
    timeout: headerKey('timeout'),
  };

  match(buffer: Buffer, start: number, end: number): ProtocolMatch {
    if (start === end) return 'more';
    if (buffer[start] !== MAGIC_HIGH) return 'no';
    if (start + 1 === end) return 'more';
    return buffer[start + 1] === MAGIC_LOW ? 'yes' : 'no';
  }

  parse(frame: Frame, buffer: Buffer, start: number, end: number): number {
    if (buffer[start] !== MAGIC_HIGH) return FrameFault.MAGIC;
    if (end - start < HEAD_BYTES) {
      return end - start > 1 && buffer[start + 1] !== MAGIC_LOW ? FrameFault.MAGIC : INCOMPLETE;
    }
    if (buffer[start + 1] !== MAGIC_LOW) return FrameFault.MAGIC;
    const flags = buffer[start + 2] as number;
    const body = start + HEAD_BYTES;
    const frameEnd = body + readU32(buffer, start + 12);
    frame.buffer = buffer;
    frame.start = start;
    frame.headerStart = body;
    frame.headerEnd = frameEnd;
    frame.end = frameEnd;
    frame.idHigh = readI32(buffer, start + 4);
    frame.id = readI32(buffer, start + 8);
    frame.timeoutMs = NO_TIMEOUT;
    frame.variant = flags;
    frame.checksumBytes = 0;
    frame.memo = 0;
    if ((flags & Flag.REQUEST) === 0) {
      frame.status = buffer[start + 3] as number;
      frame.kind = (flags & Flag.EVENT) !== 0 ? FrameKind.HEARTBEAT_REPLY : FrameKind.RESPONSE;
    } else {
      frame.status = 0;
      if ((flags & Flag.EVENT) === 0) {
        frame.kind = (flags & Flag.TWO_WAY) !== 0 ? FrameKind.REQUEST : FrameKind.ONEWAY;
      } else frame.kind = frameEnd <= end && isReadonly(frame) ? FrameKind.GOAWAY : FrameKind.HEARTBEAT;
    }
    return frameEnd - start;
  }

  /**
   * `dubbo`, `service`, `version` and `method` are the strings a request begins with; every other name is an
   * attachment, for which the arguments are walked over once.
   */
  header(frame: Frame, key: HeaderKey): string | undefined {
    const body = bodyOf(frame.variant & Flag.SERIALIZATION);
    if (body === null || !isCall(frame)) return undefined;
    const leading = frame.kind === FrameKind.RESPONSE ? undefined : leadingNames.get(key.name);
    return leading === undefined ? body.attachment(frame, key) : body.leading(frame, leading);
  }

  patchId(frame: Frame, id: number, idHigh: number): void {
    const { buffer, start } = frame;
    writeI32(buffer, start + 4, idHigh);
    writeI32(buffer, start + 8, id);
    frame.id = id;
    frame.idHigh = idHigh;
  }

  /** Changes attachments; the leading strings stay. */
  writeChanged(frame: Frame, changes: HeaderChanges, slab: Slab): boolean {
    const body = bodyOf(frame.variant & Flag.SERIALIZATION);
    if (body === null || !isCall(frame)) return false;
    const begin = slab.end;
    appendBytes(slab, frame.buffer, frame.start, frame.headerStart);
    if (!body.writeChanged(frame, changes, slab)) {
      slab.end = begin;
      return false;
    }
    writeI32(slab.buffer, begin + 12, slab.end - begin - HEAD_BYTES);
    return true;
  }

  /** A business exception has status 20; only the first value of its body tells. */
  succeeded(frame: Frame): boolean {
    if (frame.status !== Status.OK) return false;
    const body = bodyOf(frame.variant & Flag.SERIALIZATION);
    if (body === null) return true;
    const result = body.result(frame);
    return result !== Result.EXCEPTION && result !== Result.EXCEPTION_WITH_ATTACHMENTS;
  }

  writeFailure(slab: Slab, id: number, idHigh: number, variant: number, failure: RpcFailure, text: string): void {
    const serialization = replySerialization(variant);
    const begin = writeHead(slab, serialization, statusOf[failure], id, idHigh);
    bodyOf(serialization)?.writeString(slab, text.slice(0, ERROR_TEXT_MAX));
    endBody(slab, begin);
  }

  writeHeartbeat(slab: Slab, id: number, idHigh: number, variant: number): void {
    const serialization = replySerialization(variant);
    const begin = writeHead(slab, Flag.REQUEST | Flag.TWO_WAY | Flag.EVENT | serialization, 0, id, idHigh);
    appendBody(slab, bodyOf(serialization)?.nullBytes);
    endBody(slab, begin);
  }

  /** With the body of the heartbeat: it is a null in the peer's serialization, whichever that is. */
  writeHeartbeatReply(slab: Slab, heartbeat: Frame): void {
    if ((heartbeat.variant & Flag.TWO_WAY) === 0) return;
    const serialization = heartbeat.variant & Flag.SERIALIZATION;
    const begin = writeHead(slab, Flag.EVENT | serialization, Status.OK, heartbeat.id, heartbeat.idHigh);
    if (heartbeat.end - heartbeat.headerStart <= EVENT_BYTES_MAX) {
      appendBytes(slab, heartbeat.buffer, heartbeat.headerStart, heartbeat.end);
    } else appendBody(slab, bodyOf(serialization)?.nullBytes);
    endBody(slab, begin);
  }

  writeGoaway(slab: Slab, id: number, idHigh: number, variant: number): void {
    const serialization = replySerialization(variant);
    const begin = writeHead(slab, Flag.REQUEST | Flag.EVENT | serialization, 0, id, idHigh);
    appendBody(slab, bodyOf(serialization)?.readonlyBytes);
    endBody(slab, begin);
  }
}

/** Whether the body is an invocation or its result: an event's is not, and a failed response's is one string. */
function isCall(frame: Frame): boolean {
  const { kind } = frame;
  return (
    kind === FrameKind.REQUEST ||
    kind === FrameKind.ONEWAY ||
    (kind === FrameKind.RESPONSE && frame.status === Status.OK)
  );
}

function isReadonly(frame: Frame): boolean {
  const bytes = bodyOf(frame.variant & Flag.SERIALIZATION)?.readonlyBytes;
  const { headerStart, headerEnd } = frame;
  return (
    bytes !== undefined &&
    headerEnd - headerStart === bytes.length &&
    bytes.compare(frame.buffer, headerStart, headerEnd) === 0
  );
}

/** Returns where the frame begins; `endBody` puts its length in. */
function writeHead(slab: Slab, flags: number, status: number, id: number, idHigh: number): number {
  slab.ensure(HEAD_BYTES);
  const { buffer, end } = slab;
  buffer[end] = MAGIC_HIGH;
  buffer[end + 1] = MAGIC_LOW;
  buffer[end + 2] = flags;
  buffer[end + 3] = status;
  writeI32(buffer, end + 4, idHigh);
  writeI32(buffer, end + 8, id);
  slab.end = end + HEAD_BYTES;
  return end;
}

function appendBody(slab: Slab, bytes: Buffer | undefined): void {
  if (bytes !== undefined) appendBytes(slab, bytes, 0, bytes.length);
}

function endBody(slab: Slab, begin: number): void {
  writeI32(slab.buffer, begin + 12, slab.end - begin - HEAD_BYTES);
}
