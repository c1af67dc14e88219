/** gzip for gRPC-Web and Connect, with the engine's guard against bombs. */
import { Code, ConnectError } from '@connectrpc/connect';
import type { Compression } from '@connectrpc/connect/protocol';
import { deflate, GrpcCode, inflateMessage } from '@outrigger/engine';

/** connect's type asks for a plain array over memory of its own. */
type Bytes = Uint8Array<ArrayBuffer>;

const FLAG_COMPRESSED = 1;

export function gzipWithin(messageBytesMax: number, setting: string): Compression {
  return {
    name: 'gzip',
    compress: async (bytes) => Uint8Array.from(deflate(bytes)),
    async decompress(bytes): Promise<Bytes> {
      // Nothing is nothing, with or without gzip around it.
      if (bytes.length === 0) return new Uint8Array(0);
      const message = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const plain = inflateMessage(message, 0, message.length, FLAG_COMPRESSED, 'gzip', messageBytesMax, setting);
      if (Buffer.isBuffer(plain)) return plain as unknown as Bytes;
      throw new ConnectError(
        plain.message,
        plain.code === GrpcCode.RESOURCE_EXHAUSTED ? Code.ResourceExhausted : Code.InvalidArgument,
      );
    },
  };
}
