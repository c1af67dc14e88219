/** Decides how a response is framed and writes its head (RFC 9112 §6). */
import type { Slab } from '../../network/transport.js';
import type { HeaderList } from '../http/headers.js';
import type { ResponseHead } from '../http/stream.js';
import type { Http1Failure } from './failure.js';
import { parseContentLength } from './head.js';
import { writeAscii, writeFields, writeStatusLine } from './serializer.js';

/** How the bytes of our direction go out. */
export const OutKind = {
  /** No body: HEAD, 204, 304, or a head that ended the message. What is written is dropped. */
  none: 0,
  length: 1,
  chunked: 2,
  untilClose: 3,
} as const;
export type OutKind = (typeof OutKind)[keyof typeof OutKind];

export interface ResponseFraming {
  kind: OutKind;
  /** Of OutKind.length: bytes still owed. */
  left: number;
  /** The connection goes on after this response. */
  persist: boolean;
}

/** What the request allows. */
export interface ResponseContext {
  readonly method: string;
  readonly minor: number;
}

/**
 * Writes the head and fills `framing`, whose `persist` says what the connection would like. Returns one sentence that
 * says what is wrong with the head, or null; on error nothing stays in the slab.
 */
export function writeResponseHead(
  slab: Slab,
  head: ResponseHead,
  end: boolean,
  context: ResponseContext,
  framing: ResponseFraming,
): string | null {
  const { status, headers } = head;
  if (!Number.isInteger(status) || status < 200 || status > 999)
    return `${status} is not the status of a final response`;
  const declared = declaredLength(headers);
  if (declared < -1) return 'content-length is not one plain decimal number';
  const mark = slab.end;
  writeStatusLine(slab, status);
  const bodiless = status === 204 || status === 304 || context.method === 'HEAD';
  // 204 must not have a length (RFC 9110 §8.6); with 304 and HEAD it describes what GET would have given.
  const describes = bodiless && status !== 204;
  const refused = writeFields(slab, headers, describes || (!bodiless && !end));
  if (refused !== null) {
    slab.end = mark;
    return `field ${JSON.stringify(refused)} has a name or value that cannot go on the wire`;
  }
  if (bodiless) {
    framing.kind = OutKind.none;
  } else if (end) {
    framing.kind = OutKind.none;
    writeAscii(slab, 'content-length: 0\r\n');
  } else if (declared >= 0) {
    framing.kind = OutKind.length;
    framing.left = declared;
  } else if (context.minor >= 1) {
    framing.kind = OutKind.chunked;
    writeAscii(slab, 'transfer-encoding: chunked\r\n');
  } else {
    framing.kind = OutKind.untilClose;
    framing.persist = false;
  }
  if (framing.persist && asksToClose(headers)) framing.persist = false;
  if (!framing.persist) writeAscii(slab, 'connection: close\r\n\r\n');
  else if (context.minor === 0) writeAscii(slab, 'connection: keep-alive\r\n\r\n');
  else writeAscii(slab, '\r\n');
  return null;
}

/** A whole response that says why a message was refused and that the connection ends. */
export function writeRefusal(slab: Slab, { status, sentence }: Http1Failure): void {
  writeStatusLine(slab, status);
  writeAscii(slab, 'content-type: text/plain; charset=utf-8\r\nconnection: close\r\n');
  writeAscii(slab, `content-length: ${sentence.length + 1}\r\n\r\n${sentence}\n`);
}

/** The declared content-length, -1 when there is none, below that when it is not one plain number. */
export function declaredLength(headers: HeaderList): number {
  const { flat } = headers;
  let declared = -1;
  for (let i = 0; i < flat.length; i += 2) {
    if (flat[i] !== 'content-length') continue;
    if (declared !== -1) return -2;
    declared = parseContentLength(flat[i + 1] as string);
    if (declared < 0) return -2;
  }
  return declared;
}

/** A handler ends the connection by `connection: close`, as it would with other servers. */
function asksToClose(headers: HeaderList): boolean {
  const { flat } = headers;
  for (let i = 0; i < flat.length; i += 2) {
    if (flat[i] === 'connection' && (flat[i + 1] as string).toLowerCase().includes('close')) return true;
  }
  return false;
}
