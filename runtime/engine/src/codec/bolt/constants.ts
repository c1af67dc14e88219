/**
 * Bolt, big-endian throughout (sofa-bolt: RpcProtocol, RpcProtocolV2). Both versions may share one connection.
 *
 * | v1 | v2 | |
 * |---|---|---|
 * | 0 | 0 | protocol: 1 or 2 |
 * |   | 1 | ver1: 1, or 2 with checksums |
 * | 1 | 2 | type |
 * | 2 | 3 | command (u16) |
 * | 4 | 5 | ver2 |
 * | 5 | 6 | request id (u32) |
 * | 9 | 10 | codec of class, header and content |
 * |   | 11 | switch: bit 0 = a CRC-32 ends the frame, if ver1 is 2 |
 * | 10 | 12 | requests: timeout in ms (i32); responses: status (u16) |
 * | 14 / 12 | 16 / 14 | length of class (u16), of header (u16), of content (u32); then these three |
 */
export const PROTOCOL_V1 = 1;
export const PROTOCOL_V2 = 2;

export const Type = { RESPONSE: 0, REQUEST: 1, ONEWAY: 2 } as const;

export const Command = {
  HEARTBEAT: 0,
  REQUEST: 1,
  RESPONSE: 2,
  /** MOSN's: no more requests on this connection. sofa-bolt does not know it and closes the connection. */
  GOAWAY: 100,
} as const;

/** hessian; what sofa-bolt puts into every frame that has no content of its own, whatever the request's codec was. */
export const CODEC_HESSIAN = 1;

export const SWITCH_CRC = 1;
export const CRC_BYTES = 4;

/** com.alipay.remoting.ResponseStatus */
export const Status = {
  SUCCESS: 0,
  ERROR: 1,
  SERVER_EXCEPTION: 2,
  UNKNOWN: 3,
  SERVER_THREADPOOL_BUSY: 4,
  ERROR_COMM: 5,
  NO_PROCESSOR: 6,
  TIMEOUT: 7,
  CLIENT_SEND_ERROR: 8,
  CODEC_EXCEPTION: 9,
  CONNECTION_CLOSED: 0x10,
  SERVER_SERIAL_EXCEPTION: 0x11,
  SERVER_DESERIAL_EXCEPTION: 0x12,
} as const;

/** sofa-bolt reads this length as a signed short. */
export const HEADER_BYTES_MAX = 0x7fff;
