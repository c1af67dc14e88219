/**
 * A whole protocol in one small module, the way MOSN's x_example goes: 'x', type (0 heartbeat, 1 message, 2 goaway),
 * direction (0 request, 1 response), id (u32); requests: length (u32); responses: status (u16), length (u32). A message
 * is `service method` followed by a line feed and the payload; a request whose payload is `!` wants no answer.
 */
import type { Slab } from '../../network/transport.js';
import { appendBytes, readI32, readU16, readU32, writeI32, writeU16 } from './bytes.js';
import { type Frame, FrameKind, NO_TIMEOUT } from './frame.js';
import { type HeaderKey, headerKey } from './header-key.js';
import { FrameFault, INCOMPLETE, type RpcFailure, type RpcProtocol } from './protocol.js';

const MAGIC = 0x78;
const OK = 0;
const failures: readonly RpcFailure[] = [
  'noRoute',
  'noHost',
  'connect',
  'closed',
  'overload',
  'timeout',
  'denied',
  'codec',
  'tooLong',
  'unsupported',
];

function write(slab: Slab, type: number, direction: number, id: number, status: number): void {
  slab.ensure(13);
  const { buffer, end } = slab;
  buffer[end] = MAGIC;
  buffer[end + 1] = type;
  buffer[end + 2] = direction;
  writeI32(buffer, end + 3, id);
  if (direction === 1) writeU16(buffer, end + 7, status);
  const lengthAt = end + 7 + 2 * direction;
  writeI32(buffer, lengthAt, 0);
  slab.end = lengthAt + 4;
}

export const toyProtocol: RpcProtocol = {
  name: 'toy',
  wideIds: false,
  headBytesMax: 13,
  goawayUnderstood: true,
  defaultVariant: 0,
  attributes: { service: headerKey('service'), method: headerKey('method') },

  match: (buffer, start, end) => (start === end ? 'more' : buffer[start] === MAGIC ? 'yes' : 'no'),

  parse(frame, buffer, start, end) {
    if (buffer[start] !== MAGIC) return FrameFault.MAGIC;
    if (end - start < 3) return INCOMPLETE;
    const type = buffer[start + 1] as number;
    const direction = buffer[start + 2] as number;
    if (type > 2 || direction > 1) return FrameFault.TYPE;
    const head = start + 11 + 2 * direction;
    if (head > end) return INCOMPLETE;
    frame.buffer = buffer;
    frame.start = start;
    frame.headerStart = head;
    frame.end = head + readU32(buffer, head - 4);
    frame.headerEnd = frame.end;
    frame.id = readI32(buffer, start + 3);
    frame.status = direction === 1 ? readU16(buffer, start + 7) : OK;
    frame.timeoutMs = NO_TIMEOUT;
    if (type === 2) frame.kind = FrameKind.GOAWAY;
    else if (type === 0) frame.kind = direction === 1 ? FrameKind.HEARTBEAT_REPLY : FrameKind.HEARTBEAT;
    else if (direction === 1) frame.kind = FrameKind.RESPONSE;
    else frame.kind = frame.end <= end && buffer[frame.end - 1] === 0x21 ? FrameKind.ONEWAY : FrameKind.REQUEST;
    return frame.end - start;
  },

  header(frame: Frame, key: HeaderKey) {
    const [line] = frame.buffer.toString('utf8', frame.headerStart, frame.headerEnd).split('\n');
    const place = ['service', 'method'].indexOf(key.name);
    return place < 0 ? undefined : line?.split(' ')[place];
  },

  patchId(frame, id) {
    writeI32(frame.buffer, frame.start + 3, id);
    frame.id = id;
  },

  writeChanged: () => false,
  succeeded: (frame) => frame.status === OK,

  writeFailure(slab, id, _idHigh, _variant, failure, text) {
    write(slab, 1, 1, id, 1 + failures.indexOf(failure));
    const bytes = Buffer.from(text);
    writeI32(slab.buffer, slab.end - 4, bytes.length);
    appendBytes(slab, bytes, 0, bytes.length);
  },

  writeHeartbeat: (slab, id) => write(slab, 0, 0, id, 0),
  writeHeartbeatReply: (slab, heartbeat) => write(slab, 0, 1, heartbeat.id, OK),
  writeGoaway: (slab, id) => write(slab, 2, 0, id, 0),
};

export function toyRequest(id: number, text: string): Buffer {
  const body = Buffer.from(text);
  const head = Buffer.from([MAGIC, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  head.writeInt32BE(id, 3);
  head.writeUInt32BE(body.length, 7);
  return Buffer.concat([head, body]);
}

export function toyResponse(id: number, status: number, text: string): Buffer {
  const body = Buffer.from(text);
  const head = Buffer.from([MAGIC, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  head.writeInt32BE(id, 3);
  head.writeUInt16BE(status, 7);
  head.writeUInt32BE(body.length, 9);
  return Buffer.concat([head, body]);
}
