/** Puts a header block together over HEADERS and CONTINUATION frames, and decodes it, from memory where possible. */
import type { Http2Limits } from '../../base/limits.js';
import type { HeaderBlock } from './header-block.js';
import type { BlockMemo } from './header-memo.js';
import { HpackDecoder, HpackProblem } from './hpack-decoder.js';

export class HeaderAssembler {
  readonly decoder: HpackDecoder = new HpackDecoder();
  readonly #limits: Http2Limits;
  /** A block has begun and not ended. */
  open = false;
  streamId = 0;
  endStream = false;
  #pieces: Buffer[] = [];
  #bytes = 0;

  constructor(limits: Http2Limits) {
    this.#limits = limits;
  }

  begin(buffer: Buffer, start: number, end: number, streamId: number, endStream: boolean): void {
    this.open = true;
    this.streamId = streamId;
    this.endStream = endStream;
    this.#pieces = [Buffer.from(buffer.subarray(start, end))];
    this.#bytes = end - start;
  }

  /** False when the block is longer, or in more pieces, than the limits allow (CVE-2024-27316 and kin). */
  append(buffer: Buffer, start: number, end: number): boolean {
    this.#pieces.push(Buffer.from(buffer.subarray(start, end)));
    this.#bytes += end - start;
    return this.#bytes <= this.#limits.headerBlockBytesMax && this.#pieces.length <= this.#limits.continuationsMax;
  }

  /** The whole block, after its last piece. */
  take(): Buffer {
    const block = Buffer.concat(this.#pieces, this.#bytes);
    this.#pieces = [];
    this.#bytes = 0;
    this.open = false;
    return block;
  }

  /** `finish` checks a block that was not seen before. The result, or why it cannot be decoded. */
  decode(
    memo: BlockMemo,
    buffer: Buffer,
    start: number,
    end: number,
    finish: (block: HeaderBlock) => void,
  ): HeaderBlock | string {
    const known = memo.get(buffer, start, end);
    // Another listener may allow more than this one.
    if (known !== undefined && known.listBytes <= this.#limits.headerListBytesMax) return known;
    const block = this.decoder.decode(buffer, start, end, this.#limits.headerListBytesMax);
    if (block instanceof HpackProblem) return block.message;
    finish(block);
    if (block.repeatable && !block.tooLarge) memo.put(buffer, start, end, block);
    return block;
  }
}
