import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import { emittedCodecs } from '../gen/codecs.js';
import type { MessageCodec } from './message-codec.js';
import { protobufCodec } from './protobuf-codec.js';

/** The fastest codec there is for a message: the emitted one of a message of ours, else protobuf-es. */
export function codecOf<Desc extends DescMessage>(schema: Desc): MessageCodec<MessageShape<Desc>> {
  const emitted = emittedCodecs.get(schema.typeName) as MessageCodec<MessageShape<Desc>> | undefined;
  return emitted ?? protobufCodec(schema);
}
