/** Records on their way to the disk: one batch, written at once and synced once. */
import { ComponentError } from '@outrigger/components-core';
import { frameBytesMax } from '../limits.js';
import { type Entry, entry } from '../record.js';
import { type PayloadMark, Writer } from '../wire/writer.js';
import { crc32 } from './crc32.js';
import { batchHeadBytes, encodeBatchHead, recordHeadBytes } from './format.js';

const capacity = 64 * 1024;

export class Batch {
  readonly #writer = new Writer(capacity);
  #records = 0;

  constructor() {
    this.reset();
  }

  reset(): void {
    this.#writer.reset();
    this.#writer.position = batchHeadBytes;
    this.#records = 0;
  }

  get records(): number {
    return this.#records;
  }

  get bytes(): number {
    return this.#writer.position;
  }

  /** Throws `too-large`, and then has added nothing. */
  add(added: Entry): void {
    const writer = this.#writer;
    const start = writer.position;
    const marks = writer.marks.length;
    writer.reserve(recordHeadBytes);
    writer.position += recordHeadBytes;
    entry.write(writer, added);
    const length = writer.position - start - recordHeadBytes;
    if (length > frameBytesMax) {
      writer.position = start;
      writer.marks.length = marks;
      throw new ComponentError(
        'too-large',
        `a write of ${length} bytes is more than the ${frameBytesMax} that one may have`,
      );
    }
    const { buffer } = writer;
    buffer.writeUInt32LE(length, start);
    buffer.writeUInt32LE(crc32(buffer.subarray(start + recordHeadBytes, writer.position)), start + 4);
    this.#records++;
  }

  /** The bytes to write at `position` of a file; valid until the next use of the batch. */
  encode(batch: number, place: { storeId: string; fileId: number; position: number }): Buffer {
    const { buffer, position } = this.#writer;
    encodeBatchHead(buffer, batch, position - batchHeadBytes, place);
    return buffer.subarray(0, position);
  }

  /** The batch stands at `position` of `file`: its payloads learn their places. */
  placed(file: number, position: number): void {
    for (const { payload, at } of this.#writer.marks) {
      payload.file = file;
      payload.at = position + at;
    }
  }

  /** Places without assigning them, for a snapshot, whose file counts only when it is complete. */
  *places(position: number): Generator<PayloadMark> {
    for (const { payload, at } of this.#writer.marks) yield { payload: payload.source ?? payload, at: position + at };
  }
}
