import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import type { MessageCodec } from './message-codec.js';
import { protobufCodec } from './protobuf-codec.js';

/** The fastest codec there is for a message: the emitted one of a hot message, else protobuf-es. */
export function codecOf<Desc extends DescMessage>(schema: Desc): MessageCodec<MessageShape<Desc>> {
  return protobufCodec(schema);
}
