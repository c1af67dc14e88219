/** One frame of a request/response protocol, as offsets into the bytes it came in. */

export const FrameKind = {
  /** Awaits one response with the same id. */
  REQUEST: 0,
  ONEWAY: 1,
  RESPONSE: 2,
  HEARTBEAT: 3,
  HEARTBEAT_REPLY: 4,
  /** The sender asks for no more requests on this connection; what is under way ends as usual. */
  GOAWAY: 5,
} as const;
export type FrameKind = (typeof FrameKind)[keyof typeof FrameKind];

const NOTHING: Buffer = Buffer.alloc(0);

/** No timeout was given, or it is not in the fixed part of the frame (Dubbo: an attachment, see `header`). */
export const NO_TIMEOUT = -1;

/**
 * What a codec tells about a frame without decoding it. One descriptor is filled anew for every frame of a connection:
 * it and the bytes it points into are valid only during the callback (D6). `buffer` may be written to, which is how ids
 * are patched.
 */
export class Frame {
  buffer: Buffer = NOTHING;
  start = 0;
  end = 0;
  /** The part that carries the headers: Bolt's header map, Dubbo's whole body. */
  headerStart = 0;
  headerEnd = 0;
  kind: FrameKind = FrameKind.REQUEST;
  /** Low 32 bits of the id, as a signed integer. Codecs never look inside an id, and small integers cost nothing. */
  id = 0;
  /** High 32 bits, likewise; 0 where ids have 32. */
  idHigh = 0;
  /** Responses: the protocol's own status. */
  status = 0;
  timeoutMs: number = NO_TIMEOUT;
  /** What a reply to this frame must know besides the id (version, serialization), packed by its codec. Fits an Int32Array. */
  variant = 0;
  /** Bytes of a checksum at the end. */
  checksumBytes = 0;
  /** What the codec has found out about this frame and may need again; its own affair, 0 after `parse`. */
  memo = 0;
}
