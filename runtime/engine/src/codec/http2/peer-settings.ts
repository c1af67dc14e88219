/** Applies a SETTINGS payload of the peer (RFC 9113 §6.5.2). */
import { ErrorCode, FRAME_BYTES_DEFAULT, FRAME_BYTES_MAX, Setting, WINDOW_MAX } from './constants.js';
import { readU32 } from './frame-writer.js';
import { TABLE_BYTES_DEFAULT } from './hpack-decoder.js';
import type { Sender } from './sender.js';
import type { Http2Stream } from './stream.js';

export class PeerSettings {
  /** MAX_CONCURRENT_STREAMS. RFC 9113 recommends at least 100; assumed until the peer says. */
  streamsMax = 100;
  headerListBytesMax: number = Number.POSITIVE_INFINITY;
  #tableLowered = false;

  /** Windows of `streams` move with INITIAL_WINDOW_SIZE. What is wrong, or null. */
  apply(
    buffer: Buffer,
    start: number,
    end: number,
    sender: Sender,
    streams: Iterable<Http2Stream>,
  ): { readonly code: number; readonly message: string } | null {
    for (let at = start; at < end; at += 6) {
      const value = readU32(buffer, at + 2);
      switch (((buffer[at] as number) << 8) | (buffer[at + 1] as number)) {
        case Setting.HEADER_TABLE_SIZE:
          // We use no table, but a peer that allows less than the default must be told so once (RFC 9113 §4.3.1).
          if (value < TABLE_BYTES_DEFAULT && !this.#tableLowered) {
            this.#tableLowered = true;
            sender.owesTableUpdate = true;
          }
          break;
        case Setting.ENABLE_PUSH:
          if (value > 1) return problem(ErrorCode.PROTOCOL_ERROR, 'ENABLE_PUSH is neither 0 nor 1');
          break;
        case Setting.MAX_CONCURRENT_STREAMS:
          this.streamsMax = value;
          break;
        case Setting.INITIAL_WINDOW_SIZE: {
          if (value > WINDOW_MAX) return problem(ErrorCode.FLOW_CONTROL_ERROR, 'INITIAL_WINDOW_SIZE is too large');
          const delta = value - sender.initialWindow;
          sender.initialWindow = value;
          for (const stream of streams) {
            stream.sendWindow += delta;
            if (stream.sendWindow > WINDOW_MAX) {
              return problem(ErrorCode.FLOW_CONTROL_ERROR, 'a window grew beyond its limit');
            }
          }
          break;
        }
        case Setting.MAX_FRAME_SIZE:
          // Checked and not used: our frames stay at the default, so that streams take turns often.
          if (value < FRAME_BYTES_DEFAULT || value > FRAME_BYTES_MAX) {
            return problem(ErrorCode.PROTOCOL_ERROR, 'MAX_FRAME_SIZE is out of range');
          }
          break;
        case Setting.MAX_HEADER_LIST_SIZE:
          this.headerListBytesMax = value;
          break;
      }
    }
    return null;
  }
}

function problem(code: number, message: string): { readonly code: number; readonly message: string } {
  return { code, message };
}
