/**
 * The contract of every request/response protocol (MOSN calls it X-Protocol): Bolt, Dubbo, and whatever comes after. An
 * implementation is stateless and touches no socket; one more protocol is one module that implements this, and one row
 * where protocols are listed.
 */
import type { Slab } from '../../network/transport.js';
import type { Frame } from './frame.js';
import type { HeaderKey } from './header-key.js';

export type ProtocolMatch = 'yes' | 'no' | 'more';

/**
 * What `parse` returns where there is no size: 0 while the head is incomplete, negative when the bytes are not this
 * protocol. TOO_LONG, PARTIAL_OVERFLOW are found by the frame reader.
 */
export const INCOMPLETE = 0;
export const FrameFault = {
  /** The magic number is missing: the peer speaks something else, or lost count of its bytes. */
  MAGIC: -1,
  VERSION: -2,
  /** A frame type the protocol does not have. */
  TYPE: -3,
  /** A length that contradicts another one. */
  LENGTH: -4,
  CHECKSUM: -5,
  /** The frame says it is longer than `frameBytesMax`. The descriptor's id, kind and variant are right. */
  TOO_LONG: -6,
  /** All connections together hold more than `partialBytesMax` of incomplete frames. */
  PARTIAL_OVERFLOW: -7,
} as const;
export type FrameFault = (typeof FrameFault)[keyof typeof FrameFault];

const faultTexts: Record<FrameFault, string> = {
  [FrameFault.MAGIC]: 'the magic number is missing',
  [FrameFault.VERSION]: 'the protocol version is unknown',
  [FrameFault.TYPE]: 'the frame type is unknown',
  [FrameFault.LENGTH]: 'the length fields contradict one another',
  [FrameFault.CHECKSUM]: 'the checksum is wrong',
  [FrameFault.TOO_LONG]: 'the frame is longer than frameBytesMax',
  [FrameFault.PARTIAL_OVERFLOW]: 'incomplete frames hold more than partialBytesMax',
};

export function describeFrameFault(fault: FrameFault): string {
  return faultTexts[fault];
}

/** Why a request was answered here and not by its service. Every protocol has its own status for each. */
export type RpcFailure =
  /** No route matches. */
  | 'noRoute'
  /** The cluster has no host that may be used. */
  | 'noHost'
  /** The host could not be connected to; it has not seen the request. */
  | 'connect'
  /** The connection to the host was lost while the request was under way. */
  | 'closed'
  /** A limit of ours: too much is pending. */
  | 'overload'
  | 'timeout'
  /** Refused by access control or a rate limit. */
  | 'denied'
  /** The request could not be understood. */
  | 'codec'
  | 'tooLong'
  /** We speak this protocol, but do not do this. */
  | 'unsupported';

/**
 * Under which header keys a protocol carries what routes, metrics and logs ask for; absent where it has no such thing.
 */
export interface RpcAttributes {
  readonly service: HeaderKey;
  readonly method?: HeaderKey;
  readonly version?: HeaderKey;
  readonly group?: HeaderKey;
  readonly callerApp?: HeaderKey;
  readonly targetApp?: HeaderKey;
  /** Milliseconds, as decimal text; only where the timeout is not in the fixed part of a frame. */
  readonly timeout?: HeaderKey;
}

export interface HeaderChanges {
  /** Names in `set` replace what is there. */
  readonly set: readonly (readonly [name: string, value: string])[];
  readonly remove: readonly string[];
}

export interface RpcProtocol {
  readonly name: string;
  /** Ids have 64 bits; otherwise `idHigh` is 0 and stays so. */
  readonly wideIds: boolean;
  /** With this many bytes `parse` can tell every frame's size. */
  readonly headBytesMax: number;
  readonly attributes: RpcAttributes;
  /** Whether peers in the field understand `writeGoaway`; those of Bolt break over it. */
  readonly goawayUnderstood: boolean;

  /** Whether a connection that begins with `buffer[start, end)` speaks this protocol. Looks at what is there, keeps nothing. */
  match(buffer: Buffer, start: number, end: number): ProtocolMatch;

  /**
   * Fills `frame` for the frame that begins at `start`. Returns its size, INCOMPLETE, or a FrameFault. The size may exceed
   * `end - start`: then only `start`, `end`, `id`, `idHigh`, `kind` and `variant` need be right, and the frame is
   * parsed again when it is whole.
   */
  parse(frame: Frame, buffer: Buffer, start: number, end: number): number;

  /** The value of a header; undefined when it is absent or cannot be found. Reads just as far as it must. */
  header(frame: Frame, key: HeaderKey): string | undefined;

  /** Puts another id into the frame where it lies, and mends its checksum. */
  patchId(frame: Frame, id: number, idHigh: number): void;

  /**
   * Writes the frame with other headers. False, and nothing written, when that cannot be done: the serialization is not
   * known, or the headers would exceed what the protocol can say.
   */
  writeChanged(frame: Frame, changes: HeaderChanges, slab: Slab): boolean;

  /**
   * Whether a response reports success, by meaning: a business exception under a good status is a failure to metrics,
   * retries and breakers.
   */
  succeeded(frame: Frame): boolean;

  /** Writes an error response. `text` reaches the caller where the protocol has a place for it. */
  writeFailure(slab: Slab, id: number, idHigh: number, variant: number, failure: RpcFailure, text: string): void;

  writeHeartbeat(slab: Slab, id: number, idHigh: number, variant: number): void;

  /** Answers a heartbeat; writes nothing when it asks for no answer. */
  writeHeartbeatReply(slab: Slab, heartbeat: Frame): void;

  writeGoaway(slab: Slab, id: number, idHigh: number, variant: number): void;

  /** The variant of frames that are not an answer to anything (heartbeats of an upstream connection). */
  readonly defaultVariant: number;
}

/**
 * Which of `protocols` a connection speaks by its first bytes: the protocol, `more` when one of them may yet match, or
 * `no`.
 */
export function detectProtocol(
  protocols: readonly RpcProtocol[],
  buffer: Buffer,
  start: number,
  end: number,
): RpcProtocol | 'no' | 'more' {
  let answer: 'no' | 'more' = 'no';
  for (const protocol of protocols) {
    const match = protocol.match(buffer, start, end);
    if (match === 'yes') return protocol;
    if (match === 'more') answer = 'more';
  }
  return answer;
}
