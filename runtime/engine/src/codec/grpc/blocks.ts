/** Header blocks of gRPC, encoded once: our encoder never indexes, so the same bytes are right on every connection. */
import type { Logger } from '../../base/log.js';
import { ScratchSlab } from '../../network/slab.js';
import type { Slab } from '../../network/transport.js';
import { HeaderList } from '../http/headers.js';
import type { HeaderBlock } from '../http2/header-block.js';
import { encodeField, encodeStatus, FieldError } from '../http2/hpack-encoder.js';
import { Metadata } from './metadata.js';

function blockOf(encode: (slab: Slab) => void): Uint8Array {
  const slab = new ScratchSlab(256);
  encode(slab);
  return new Uint8Array(slab.buffer.subarray(0, slab.end));
}

/** `:status 200`, `content-type: application/grpc`. */
export const responseHead: Uint8Array = blockOf((slab) => {
  encodeStatus(slab, 200);
  encodeField(slab, 'content-type', 'application/grpc');
});

/** The same, for messages that may be compressed. */
export const responseHeadGzip: Uint8Array = blockOf((slab) => {
  encodeStatus(slab, 200);
  encodeField(slab, 'content-type', 'application/grpc');
  encodeField(slab, 'grpc-encoding', 'gzip');
});

/** `grpc-status: 0`. */
export const trailersOk: Uint8Array = blockOf((slab) => encodeField(slab, 'grpc-status', '0'));

/** Belong to the protocol: an application cannot set them through its metadata. */
const reserved: ReadonlySet<string> = new Set([
  'content-type',
  'te',
  'user-agent',
  'grpc-status',
  'grpc-message',
  'grpc-status-details-bin',
  'grpc-encoding',
  'grpc-accept-encoding',
  'grpc-timeout',
  'grpc-message-type',
  'content-length',
]);

export function isReserved(name: string): boolean {
  return reserved.has(name);
}

/** Leaves out what is reserved; a field that cannot be sent is logged and left out as well. */
export function encodeMetadata(slab: Slab, metadata: Metadata, log: Logger): void {
  const { flat } = metadata.fields;
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i] as string;
    // A server names what it accepts when it refuses an encoding.
    if (reserved.has(name) && name !== 'grpc-accept-encoding') continue;
    const before = slab.end;
    try {
      encodeField(slab, name, flat[i + 1] as string);
    } catch (error) {
      if (!(error instanceof FieldError)) throw error;
      slab.end = before;
      log.warn({ err: error }, 'a metadata field was left out');
    }
  }
}

/** What the application may see: not the fields that only concern the protocol. */
export function applicationMetadata(block: HeaderBlock): Metadata {
  const flat: string[] = [];
  const { fields } = block;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    if (!isReserved(name) || name === 'user-agent' || name === 'content-type') flat.push(name, fields[i + 1] as string);
  }
  return new Metadata(new HeaderList(flat));
}
