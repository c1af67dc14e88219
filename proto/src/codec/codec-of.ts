import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import { hotCodecs } from '../gen/hot.js';
import type { MessageCodec } from './message-codec.js';
import { protobufCodec } from './protobuf-codec.js';

/** The fastest codec there is for a message: the emitted one of a hot message (buf.gen.yaml), else protobuf-es. */
export function codecOf<Desc extends DescMessage>(schema: Desc): MessageCodec<MessageShape<Desc>> {
  const hot = hotCodecs.get(schema.typeName) as MessageCodec<MessageShape<Desc>> | undefined;
  return hot ?? protobufCodec(schema);
}
