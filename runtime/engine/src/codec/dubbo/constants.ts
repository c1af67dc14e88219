/**
 * Dubbo 2, big-endian (org.apache.dubbo.remoting.exchange.codec.ExchangeCodec):
 * 0 magic (u16) · 2 flags · 3 status of a response · 4 id (u64) · 12 length of the body (u32) · 16 body.
 */
export const MAGIC_HIGH = 0xda;
export const MAGIC_LOW = 0xbb;
export const HEAD_BYTES = 16;

export const Flag = {
  REQUEST: 0x80,
  TWO_WAY: 0x40,
  /** Heartbeats, and the read-only notice of a server that shuts down. */
  EVENT: 0x20,
  SERIALIZATION: 0x1f,
} as const;

/** Those whose bodies are looked into; all others pass as they are. */
export const Serialization = {
  HESSIAN2: 2,
  /** Caucho's own library, which writes the same grammar. */
  NATIVE_HESSIAN: 10,
  FASTJSON2: 23,
} as const;

/** org.apache.dubbo.remoting.exchange.Response */
export const Status = {
  OK: 20,
  SERVER_TIMEOUT: 31,
  CHANNEL_INACTIVE: 35,
  BAD_REQUEST: 40,
  SERVICE_NOT_FOUND: 60,
  SERVER_ERROR: 80,
  SERVER_THREADPOOL_EXHAUSTED_ERROR: 100,
} as const;

/** The first value of a response's body (DubboCodec). The last three are followed by attachments at the end. */
export const Result = {
  EXCEPTION: 0,
  VALUE: 1,
  NULL: 2,
  EXCEPTION_WITH_ATTACHMENTS: 3,
  VALUE_WITH_ATTACHMENTS: 4,
  NULL_WITH_ATTACHMENTS: 5,
} as const;

/** A heartbeat's body is a null in the writer's serialization; Dubbo itself looks at no more than 50 bytes of an event. */
export const EVENT_BYTES_MAX = 64;
/** The rest of an error's text is cut off. */
export const ERROR_TEXT_MAX = 1024;
