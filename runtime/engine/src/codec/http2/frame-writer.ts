/** Writes frames (RFC 9113 §6) into a slab. */
import type { Slab } from '../../network/transport.js';
import { Flag, FRAME_HEADER_BYTES, FrameType } from './constants.js';

/** Room for the nine octets is made here, room for the payload by whoever writes it. */
export function writeFrameHeader(slab: Slab, length: number, type: number, flags: number, id: number): void {
  slab.ensure(FRAME_HEADER_BYTES);
  const { buffer } = slab;
  const at = slab.end;
  buffer[at] = length >>> 16;
  buffer[at + 1] = length >>> 8;
  buffer[at + 2] = length;
  buffer[at + 3] = type;
  buffer[at + 4] = flags;
  writeU32(buffer, at + 5, id);
  slab.end = at + FRAME_HEADER_BYTES;
}

/** Sets the length of a frame at `at` whose payload ends where the slab ends. */
export function patchFrameLength(slab: Slab, at: number): void {
  const length = slab.end - at - FRAME_HEADER_BYTES;
  const { buffer } = slab;
  buffer[at] = length >>> 16;
  buffer[at + 1] = length >>> 8;
  buffer[at + 2] = length;
}

export function writeU32(buffer: Buffer, at: number, value: number): void {
  buffer[at] = value >>> 24;
  buffer[at + 1] = value >>> 16;
  buffer[at + 2] = value >>> 8;
  buffer[at + 3] = value;
}

export function readU32(buffer: Buffer, at: number): number {
  return (
    (((buffer[at] as number) << 24) |
      ((buffer[at + 1] as number) << 16) |
      ((buffer[at + 2] as number) << 8) |
      (buffer[at + 3] as number)) >>>
    0
  );
}

/**
 * Turns the HEADERS frame at `at`, whose block ends where the slab ends, into HEADERS and CONTINUATION frames when the
 * block is longer than a frame may be; sets the lengths and END_HEADERS.
 */
export function finishHeaders(slab: Slab, at: number, frameBytesMax: number): void {
  const blockBytes = slab.end - at - FRAME_HEADER_BYTES;
  if (blockBytes <= frameBytesMax) {
    patchFrameLength(slab, at);
    slab.buffer[at + 4] = (slab.buffer[at + 4] as number) | Flag.END_HEADERS;
    return;
  }
  const block = Buffer.from(slab.buffer.subarray(at + FRAME_HEADER_BYTES, slab.end));
  const flags = slab.buffer[at + 4] as number;
  const id = readU32(slab.buffer, at + 5);
  slab.end = at;
  for (let offset = 0; offset < blockBytes; offset += frameBytesMax) {
    const length = Math.min(frameBytesMax, blockBytes - offset);
    const last = offset + length === blockBytes ? Flag.END_HEADERS : 0;
    if (offset === 0) writeFrameHeader(slab, length, FrameType.HEADERS, flags | last, id);
    else writeFrameHeader(slab, length, FrameType.CONTINUATION, last, id);
    slab.ensure(length);
    block.copy(slab.buffer, slab.end, offset, offset + length);
    slab.end += length;
  }
}

export function writeRstStream(slab: Slab, id: number, code: number): void {
  writeFrameHeader(slab, 4, FrameType.RST_STREAM, 0, id);
  slab.ensure(4);
  writeU32(slab.buffer, slab.end, code);
  slab.end += 4;
}

export function writeWindowUpdate(slab: Slab, id: number, bytes: number): void {
  writeFrameHeader(slab, 4, FrameType.WINDOW_UPDATE, 0, id);
  slab.ensure(4);
  writeU32(slab.buffer, slab.end, bytes);
  slab.end += 4;
}

export function writeSettings(slab: Slab, settings: readonly (readonly [id: number, value: number])[]): void {
  writeFrameHeader(slab, settings.length * 6, FrameType.SETTINGS, 0, 0);
  slab.ensure(settings.length * 6);
  const { buffer } = slab;
  let at = slab.end;
  for (const [id, value] of settings) {
    buffer[at] = id >>> 8;
    buffer[at + 1] = id;
    writeU32(buffer, at + 2, value);
    at += 6;
  }
  slab.end = at;
}

export function writeSettingsAck(slab: Slab): void {
  writeFrameHeader(slab, 0, FrameType.SETTINGS, Flag.ACK, 0);
}

/** `payload[at, at + 8)` is echoed. */
export function writePing(slab: Slab, flags: number, payload: Buffer, at: number): void {
  writeFrameHeader(slab, 8, FrameType.PING, flags, 0);
  slab.ensure(8);
  payload.copy(slab.buffer, slab.end, at, at + 8);
  slab.end += 8;
}

export function writeGoaway(slab: Slab, lastId: number, code: number, debug: string): void {
  const text = Buffer.from(debug);
  writeFrameHeader(slab, 8 + text.length, FrameType.GOAWAY, 0, 0);
  slab.ensure(8 + text.length);
  writeU32(slab.buffer, slab.end, lastId);
  writeU32(slab.buffer, slab.end + 4, code);
  text.copy(slab.buffer, slab.end + 8);
  slab.end += 8 + text.length;
}
