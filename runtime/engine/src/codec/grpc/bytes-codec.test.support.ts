/** Message codecs for tests: bytes as they are, and text in UTF-8. */
import type { MessageCodec } from './method.js';

export const bytesCodec: MessageCodec<Uint8Array> = {
  typeName: 'test.Bytes',
  decode: (buffer, start, end) => Buffer.from(buffer.subarray(start, end)),
  encode: (message, writer) => {
    writer.ensure(message.length);
    writer.buffer.set(message, writer.end);
    writer.end += message.length;
  },
};

/** Refuses the text `bad` both ways. */
export const textCodec: MessageCodec<string> = {
  typeName: 'test.Text',
  decode: (buffer, start, end) => {
    const text = buffer.toString('utf8', start, end);
    if (text === 'bad') throw new Error('unreadable');
    return text;
  },
  encode: (message, writer) => {
    if (message === 'bad') throw new Error('unwritable');
    const bytes = Buffer.from(message);
    writer.ensure(bytes.length);
    writer.buffer.set(bytes, writer.end);
    writer.end += bytes.length;
  },
};
