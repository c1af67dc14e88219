/** Bolt v1 and v2, SOFARPC's protocol, mixed frame by frame on one connection. */
import type { Slab } from '../../network/transport.js';
import { appendBytes, readI32, readU16, readU32, writeI32, writeU16 } from '../xprotocol/bytes.js';
import { type Frame, FrameKind, NO_TIMEOUT } from '../xprotocol/frame.js';
import { equalsKey, type HeaderKey, headerKey } from '../xprotocol/header-key.js';
import {
  FrameFault,
  type HeaderChanges,
  INCOMPLETE,
  type ProtocolMatch,
  type RpcAttributes,
  type RpcFailure,
  type RpcProtocol,
} from '../xprotocol/protocol.js';
import {
  CODEC_HESSIAN,
  Command,
  CRC_BYTES,
  HEADER_BYTES_MAX,
  PROTOCOL_V1,
  PROTOCOL_V2,
  Status,
  SWITCH_CRC,
  Type,
} from './constants.js';
import { crc32, patchCrc32 } from './crc32.js';
import { appendPair, copyPairs, findHeader, findValue } from './header-map.js';

export interface BoltOptions {
  /** Check the checksum of frames that have one. Default true. */
  readonly verifyChecksums?: boolean;
}

/** MOSN's mapping; SOFARPC's client makes an exception type of its own of 4, 7, 9 and 16. */
const statusOf: Record<RpcFailure, number> = {
  noRoute: Status.NO_PROCESSOR,
  noHost: Status.NO_PROCESSOR,
  connect: Status.ERROR_COMM,
  closed: Status.CONNECTION_CLOSED,
  overload: Status.SERVER_THREADPOOL_BUSY,
  timeout: Status.TIMEOUT,
  denied: Status.SERVER_EXCEPTION,
  codec: Status.CODEC_EXCEPTION,
  tooLong: Status.CODEC_EXCEPTION,
  unsupported: Status.UNKNOWN,
};

/** SOFARPC answers a business exception, and an unknown service, with status 0 and this header. */
const RESPONSE_ERROR: HeaderKey = headerKey('sofa_head_response_error');

const TRUE_BYTES: Buffer = Buffer.from('true');

export class BoltProtocol implements RpcProtocol {
  readonly name = 'bolt';
  readonly wideIds = false;
  readonly headBytesMax = 24;
  readonly goawayUnderstood = false;
  /** Variant = protocol | ver1 << 8. */
  readonly defaultVariant: number = PROTOCOL_V1;
  readonly attributes: RpcAttributes = {
    service: headerKey('service'),
    method: headerKey('sofa_head_method_name'),
    callerApp: headerKey('app'),
    targetApp: headerKey('sofa_head_target_app'),
  };
  readonly #verifyChecksums: boolean;

  constructor(options: BoltOptions = {}) {
    this.#verifyChecksums = options.verifyChecksums ?? true;
  }

  match(buffer: Buffer, start: number, end: number): ProtocolMatch {
    if (start === end) return 'more';
    const protocol = buffer[start] as number;
    if (protocol !== PROTOCOL_V1 && protocol !== PROTOCOL_V2) return 'no';
    let at = start + 1;
    if (protocol === PROTOCOL_V2) {
      if (at === end) return 'more';
      if (!isVer1(buffer[at] as number)) return 'no';
      at++;
    }
    if (at === end) return 'more';
    return (buffer[at] as number) <= Type.ONEWAY ? 'yes' : 'no';
  }

  parse(frame: Frame, buffer: Buffer, start: number, end: number): number {
    const available = end - start;
    const protocol = buffer[start] as number;
    /** Everything up to the codec lies one byte later in v2, everything behind it two. */
    const shift = protocol - PROTOCOL_V1;
    if (shift !== 0 && shift !== 1) return FrameFault.MAGIC;
    if (shift + 1 >= available)
      return available > 1 && !isVer1(buffer[start + 1] as number) ? FrameFault.VERSION : INCOMPLETE;
    const ver1 = shift === 0 ? 0 : (buffer[start + 1] as number);
    if (shift === 1 && !isVer1(ver1)) return FrameFault.VERSION;
    const head = start + shift;
    const type = buffer[head + 1] as number;
    if (type > Type.ONEWAY) return FrameFault.TYPE;
    const lengths = head + shift + (type === Type.RESPONSE ? 12 : 14);
    if (lengths + 8 > end) return INCOMPLETE;

    const headerStart = lengths + 8 + readU16(buffer, lengths);
    const headerEnd = headerStart + readU16(buffer, lengths + 2);
    const hasChecksum = ver1 === 2 && ((buffer[head + 10] as number) & SWITCH_CRC) !== 0;
    const contentEnd = headerEnd + readU32(buffer, lengths + 4);
    const frameEnd = hasChecksum ? contentEnd + CRC_BYTES : contentEnd;
    const command = readU16(buffer, head + 2);
    frame.buffer = buffer;
    frame.start = start;
    frame.headerStart = headerStart;
    frame.headerEnd = headerEnd;
    frame.end = frameEnd;
    frame.id = readI32(buffer, head + 5);
    frame.idHigh = 0;
    frame.variant = protocol | (ver1 << 8);
    frame.checksumBytes = frameEnd - contentEnd;
    frame.memo = 0;
    if (type === Type.RESPONSE) {
      frame.kind = command === Command.HEARTBEAT ? FrameKind.HEARTBEAT_REPLY : FrameKind.RESPONSE;
      frame.status = readU16(buffer, head + shift + 10);
      frame.timeoutMs = NO_TIMEOUT;
    } else {
      frame.kind =
        command === Command.HEARTBEAT
          ? FrameKind.HEARTBEAT
          : command === Command.GOAWAY
            ? FrameKind.GOAWAY
            : type === Type.ONEWAY
              ? FrameKind.ONEWAY
              : FrameKind.REQUEST;
      frame.status = 0;
      const timeoutMs = readI32(buffer, head + shift + 10);
      frame.timeoutMs = timeoutMs > 0 ? timeoutMs : NO_TIMEOUT;
    }
    if (hasChecksum && frameEnd <= end && this.#verifyChecksums) {
      if (crc32(buffer, start, contentEnd) !== readI32(buffer, contentEnd)) return FrameFault.CHECKSUM;
    }
    return frameEnd - start;
  }

  header(frame: Frame, key: HeaderKey): string | undefined {
    return findHeader(frame.buffer, frame.headerStart, frame.headerEnd, key);
  }

  patchId(frame: Frame, id: number, _idHigh: number): void {
    const { buffer, end, checksumBytes } = frame;
    const at = frame.start + ((frame.variant & 0xff) === PROTOCOL_V1 ? 5 : 6);
    if (checksumBytes !== 0) {
      const contentEnd = end - CRC_BYTES;
      const sum = patchCrc32(readI32(buffer, contentEnd), frame.id ^ id, contentEnd - at - 4);
      writeI32(buffer, contentEnd, sum);
    }
    writeI32(buffer, at, id);
    frame.id = id;
  }

  writeChanged(frame: Frame, changes: HeaderChanges, slab: Slab): boolean {
    const { buffer, headerStart, headerEnd } = frame;
    const { start: from } = frame;
    const begin = slab.end;
    const dropped = [...changes.remove, ...changes.set.map(([name]) => name)].map(headerKey);
    appendBytes(slab, buffer, from, headerStart);
    const headerAt = slab.end;
    const isDropped = (bytes: Buffer, start: number, end: number): boolean =>
      dropped.some((key) => equalsKey(key, bytes, start, end));
    if (!copyPairs(slab, buffer, headerStart, headerEnd, isDropped)) {
      slab.end = begin;
      return false;
    }
    for (const [name, value] of changes.set) appendPair(slab, name, value);
    const headerBytes = slab.end - headerAt;
    if (headerBytes > HEADER_BYTES_MAX) {
      slab.end = begin;
      return false;
    }
    writeU16(slab.buffer, begin + this.#lengthsAt(frame) - from + 2, headerBytes);
    const contentEnd = frame.end - frame.checksumBytes;
    appendBytes(slab, buffer, headerEnd, contentEnd);
    if (frame.checksumBytes !== 0) {
      slab.ensure(CRC_BYTES);
      writeI32(slab.buffer, slab.end, crc32(slab.buffer, begin, slab.end));
      slab.end += CRC_BYTES;
    }
    return true;
  }

  succeeded(frame: Frame): boolean {
    if (frame.status !== Status.SUCCESS) return false;
    const { buffer } = frame;
    const at = findValue(buffer, frame.headerStart, frame.headerEnd, RESPONSE_ERROR);
    return at < 0 || readI32(buffer, at - 4) !== TRUE_BYTES.length || TRUE_BYTES.compare(buffer, at, at + 4) !== 0;
  }

  /** Bolt's errors have no place for a text that its clients would show. */
  writeFailure(slab: Slab, id: number, _idHigh: number, variant: number, failure: RpcFailure, _text: string): void {
    writeResponse(slab, Command.RESPONSE, id, variant, statusOf[failure]);
  }

  writeHeartbeat(slab: Slab, id: number, _idHigh: number, variant: number): void {
    writeRequest(slab, Command.HEARTBEAT, id, variant, NO_TIMEOUT);
  }

  writeHeartbeatReply(slab: Slab, heartbeat: Frame): void {
    writeResponse(slab, Command.HEARTBEAT, heartbeat.id, heartbeat.variant, Status.SUCCESS);
  }

  writeGoaway(slab: Slab, id: number, _idHigh: number, variant: number): void {
    writeRequest(slab, Command.GOAWAY, id, variant, 0);
  }

  /** Where the three lengths begin. */
  #lengthsAt(frame: Frame): number {
    const shift = (frame.variant & 0xff) - PROTOCOL_V1;
    const type = frame.buffer[frame.start + shift + 1];
    return frame.start + 2 * shift + (type === Type.RESPONSE ? 12 : 14);
  }
}

function isVer1(ver1: number): boolean {
  return ver1 === 1 || ver1 === 2;
}

/** The head up to and with the switch, which is off: returns where the rest goes. */
function writeHead(slab: Slab, type: number, command: number, id: number, variant: number): number {
  const { buffer } = slab;
  const protocol = variant & 0xff;
  let at = slab.end;
  buffer[at++] = protocol;
  if (protocol === PROTOCOL_V2) buffer[at++] = variant >>> 8;
  buffer[at] = type;
  writeU16(buffer, at + 1, command);
  buffer[at + 3] = 1;
  writeI32(buffer, at + 4, id);
  buffer[at + 8] = CODEC_HESSIAN;
  at += 9;
  if (protocol === PROTOCOL_V2) buffer[at++] = 0;
  return at;
}

function writeRequest(slab: Slab, command: number, id: number, variant: number, timeoutMs: number): void {
  slab.ensure(24);
  const at = writeHead(slab, Type.REQUEST, command, id, variant);
  writeI32(slab.buffer, at, timeoutMs);
  slab.buffer.fill(0, at + 4, at + 12);
  slab.end = at + 12;
}

function writeResponse(slab: Slab, command: number, id: number, variant: number, status: number): void {
  slab.ensure(22);
  const at = writeHead(slab, Type.RESPONSE, command, id, variant);
  writeU16(slab.buffer, at, status);
  slab.buffer.fill(0, at + 2, at + 10);
  slab.end = at + 10;
}
