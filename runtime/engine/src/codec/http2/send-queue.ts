/** What a stream wants to send and may not yet: no window, or a connection whose peer does not read. */

export interface SendItem {
  /** A header block without its frame header, or data. */
  readonly headers: boolean;
  readonly bytes: Buffer;
  /** Data already sent. */
  offset: number;
  endStream: boolean;
}

export class SendQueue {
  readonly #items: SendItem[] = [];
  #head = 0;
  /** Bytes of data and header blocks that wait. */
  bytes = 0;

  /** `bytes` is the queue's from now on. */
  push(headers: boolean, bytes: Buffer, endStream: boolean): void {
    this.#items.push({ headers, bytes, offset: 0, endStream });
    this.bytes += bytes.length;
  }

  /** Ends the stream after what waits. */
  end(): void {
    const last = this.#items[this.#items.length - 1];
    if (last !== undefined && !last.headers && this.#head < this.#items.length) last.endStream = true;
    else this.push(false, Buffer.alloc(0), true);
  }

  get first(): SendItem | undefined {
    return this.#items[this.#head];
  }

  shift(): void {
    this.#head++;
    if (this.#head === this.#items.length) {
      this.#items.length = 0;
      this.#head = 0;
    } else if (this.#head > 64) {
      this.#items.splice(0, this.#head);
      this.#head = 0;
    }
  }
}
