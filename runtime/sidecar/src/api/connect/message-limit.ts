/** The limit on messages, which is the same, in the same words, on every protocol. connect's own limits stay out of it. */
import { Code, ConnectError } from '@connectrpc/connect';
import { type MessageCodec, ScratchSlab } from '@outrigger/engine';

/** Flags and length in front of each message of a stream, and of every gRPC-Web message. */
const PREFIX_BYTES = 5;

export interface MessageLimit {
  /** The request body as it is, until a message of it is too large: then RESOURCE_EXHAUSTED is thrown. */
  requests(body: AsyncIterable<Uint8Array>, header: Headers): AsyncIterable<Uint8Array>;
  /** Throws RESOURCE_EXHAUSTED. */
  checkResponse<T>(codec: MessageCodec<T>, message: T): void;
}

/** One message after the other, each behind its prefix. Connect's unary calls send the message alone. */
export function isEnveloped(contentType: string): boolean {
  return contentType.startsWith('application/connect+') || contentType.startsWith('application/grpc-web');
}

export function createMessageLimit(bytesMax: number, setting: string): MessageLimit {
  const scratch = new ScratchSlab();
  const tooLarge = (what: string, size: number | string): ConnectError =>
    new ConnectError(
      `${what} message of ${size} bytes exceeds the limit of ${bytesMax} bytes (${setting})`,
      Code.ResourceExhausted,
    );

  async function* enveloped(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    const prefix = Buffer.alloc(PREFIX_BYTES);
    let have = 0;
    let left = 0;
    for await (const chunk of body) {
      for (let at = 0; at < chunk.length; ) {
        if (left > 0) {
          const take = Math.min(left, chunk.length - at);
          left -= take;
          at += take;
          continue;
        }
        prefix[have++] = chunk[at++] as number;
        if (have < PREFIX_BYTES) continue;
        have = 0;
        left = prefix.readUInt32BE(1);
        if (left > bytesMax) throw tooLarge('received', left);
      }
      yield chunk;
    }
  }

  async function* alone(body: AsyncIterable<Uint8Array>, declared: number): AsyncGenerator<Uint8Array> {
    if (declared > bytesMax) throw tooLarge('received', declared);
    let size = 0;
    for await (const chunk of body) {
      size += chunk.length;
      if (size > bytesMax) throw tooLarge('received', `more than ${bytesMax}`);
      yield chunk;
    }
  }

  return {
    requests(body, header) {
      if (isEnveloped(header.get('content-type') ?? '')) return enveloped(body);
      return alone(body, Number(header.get('content-length') ?? 0));
    },
    checkResponse(codec, message) {
      scratch.clear();
      codec.encode(message, scratch);
      const size = scratch.end;
      scratch.clear();
      if (size > bytesMax) throw tooLarge('response', size);
    },
  };
}
