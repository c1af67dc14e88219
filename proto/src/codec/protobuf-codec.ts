import { type DescMessage, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';
import type { MessageCodec } from './message-codec.js';

const codecs = new WeakMap<DescMessage, MessageCodec<never>>();

/** The codec of any message: protobuf-es by reflection. Dear beside an emitted codec, and right for every type. */
export function protobufCodec<Desc extends DescMessage>(schema: Desc): MessageCodec<MessageShape<Desc>> {
  const known = codecs.get(schema);
  if (known !== undefined) return known as unknown as MessageCodec<MessageShape<Desc>>;
  const codec: MessageCodec<MessageShape<Desc>> = {
    typeName: schema.typeName,
    decode(buffer, start, end) {
      // protobuf-es leaves `bytes` and unknown fields as views of its input, which is the transport's read buffer.
      const owned = new Uint8Array(end - start);
      owned.set(buffer.subarray(start, end));
      return fromBinary(schema, owned);
    },
    encode(message, writer) {
      const bytes = toBinary(schema, message);
      writer.ensure(bytes.length);
      writer.buffer.set(bytes, writer.end);
      writer.end += bytes.length;
    },
  };
  codecs.set(schema, codec as unknown as MessageCodec<never>);
  return codec;
}
