/** How a call that failed is answered. */
import type { GrpcCode } from '../../base/error.js';
import type { Logger } from '../../base/log.js';
import { encodeField } from '../http2/hpack-encoder.js';
import type { Http2ServerStream } from '../http2/server-stream.js';
import { encodeMetadata, responseHead } from './blocks.js';
import type { Metadata } from './metadata.js';
import { encodeMessage } from './percent.js';

/** Trailers, or trailers alone when no head was sent. */
export function sendFailure(
  stream: Http2ServerStream,
  code: number,
  message: string,
  details: Uint8Array | undefined,
  trailers: Metadata | null,
  messageBytesMax: number,
  log: Logger,
): void {
  if (stream.closed || stream.localEnded) return;
  const { connection } = stream;
  const { sender } = connection;
  stream.localEnded = true;
  const slab = sender.beginHeaders(stream);
  if (!stream.responded) {
    stream.responded = true;
    slab.ensure(responseHead.length);
    slab.buffer.set(responseHead, slab.end);
    slab.end += responseHead.length;
  }
  encodeField(slab, 'grpc-status', String(code));
  // A peer that takes small header lists must still learn the status.
  const room = Math.min(messageBytesMax, connection.peerSettings.headerListBytesMax / 2);
  const encoded = encodeMessage(message);
  if (encoded !== '') encodeField(slab, 'grpc-message', encoded.length <= room ? encoded : cutEncoded(encoded, room));
  if (details !== undefined) {
    const text = Buffer.from(details.buffer, details.byteOffset, details.length).toString('base64').replace(/=+$/, '');
    if (text.length <= room) encodeField(slab, 'grpc-status-details-bin', text);
  }
  if (trailers !== null) encodeMetadata(slab, trailers, log);
  sender.endHeaders(stream, true);
}

/** Cuts between two encoded characters, never inside `%E2`. */
function cutEncoded(encoded: string, length: number): string {
  return encoded.slice(0, length).replace(/%[0-9A-F]?$/, '');
}

/** Answers a call that no method takes. */
export function refuseCall(stream: Http2ServerStream, code: GrpcCode, message: string): void {
  sendFailure(stream, code, message, undefined, null, 4096, stream.connection.log);
}
