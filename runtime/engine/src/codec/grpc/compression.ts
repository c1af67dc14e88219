/** gzip, the one encoding besides identity. Output is capped in size and in ratio: a small message cannot become a large one. */
import { gunzipSync, gzipSync } from 'node:zlib';
import { GrpcCode } from '../../base/error.js';

/** Messages that repeat themselves reach 1000:1; real ones stay far below this. */
const RATIO_MAX = 200;
/** Under this the ratio does not matter: an honest message of zeros passes it (those of gRPC's interop cases do). */
const RATIO_FREE_BYTES = 1024 * 1024;
/** Compressing less than this costs more than it saves. */
export const COMPRESS_BYTES_MIN = 1024;

export type Inflated = { readonly bytes: Buffer } | { readonly tooLarge: true; readonly limit: number } | null;

/** Null when the bytes are not gzip. */
export function inflate(bytes: Buffer, sizeMax: number): Inflated {
  const limit = Math.min(sizeMax, Math.max(RATIO_FREE_BYTES, bytes.length * RATIO_MAX));
  try {
    return { bytes: gunzipSync(bytes, { maxOutputLength: limit }) };
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE' ? { tooLarge: true, limit } : null;
  }
}

export function deflate(bytes: Uint8Array): Buffer {
  return gzipSync(bytes, { level: 1 });
}

/** Does a grpc-accept-encoding list name gzip? */
export function acceptsGzip(list: string): boolean {
  if (list === '') return false;
  return list.split(',').some((name) => name.trim() === 'gzip');
}

/** Why a flagged message cannot be read. */
export interface Unreadable {
  readonly code: GrpcCode;
  readonly message: string;
}

/** A message whose flag is not 0, as it was before compression. */
export function inflateMessage(
  buffer: Buffer,
  start: number,
  end: number,
  flag: number,
  encoding: string,
  bytesMax: number,
  setting: string,
): Buffer | Unreadable {
  if (flag !== 1 || encoding !== 'gzip') {
    const message = 'a message is flagged as compressed, and grpc-encoding names no compression we know';
    return { code: GrpcCode.INTERNAL, message };
  }
  const inflated = inflate(buffer.subarray(start, end), bytesMax);
  if (inflated === null) return { code: GrpcCode.INTERNAL, message: 'a message is not valid gzip' };
  if ('bytes' in inflated) return inflated.bytes;
  const what = `received message of ${end - start} bytes, decompressed, exceeds`;
  const limit =
    inflated.limit === bytesMax ? `the limit of ${bytesMax} bytes (${setting})` : `${RATIO_MAX} times its size`;
  return { code: GrpcCode.RESOURCE_EXHAUSTED, message: `${what} ${limit}` };
}
