/** What a peer may still send us, and when it is given more: as data is taken, not as long as a stream is paused. */
import type { Http2Limits } from '../../base/limits.js';
import { WINDOW_DEFAULT } from './constants.js';
import { writeWindowUpdate } from './frame-writer.js';
import type { Sender } from './sender.js';
import type { Http2Stream } from './stream.js';

export class ReceiveCredit {
  readonly #sender: Sender;
  readonly #limits: Http2Limits;
  /** What the peer may still send on the connection. */
  #window: number = WINDOW_DEFAULT;
  /** Received on the connection and not given back yet. */
  #uncredited = 0;
  /** What streams received while they were paused and still are. */
  #parked = 0;

  constructor(sender: Sender, limits: Http2Limits) {
    this.#sender = sender;
    this.#limits = limits;
  }

  /** Raises the window of the connection to what the limits say; written with our SETTINGS. */
  open(): void {
    const more = this.#limits.connectionWindowBytes - WINDOW_DEFAULT;
    if (more <= 0) return;
    this.#window += more;
    writeWindowUpdate(this.#sender.control(), 0, more);
  }

  /** A data frame came; false when it exceeds the window of the connection. */
  take(bytes: number): boolean {
    this.#window -= bytes;
    this.#uncredited += bytes;
    return this.#window >= 0;
  }

  /** The stream's part of it. */
  credit(stream: Http2Stream, bytes: number): void {
    stream.uncredited += bytes;
    if (stream.paused) {
      stream.parked += bytes;
      this.#parked += bytes;
    } else if (stream.uncredited * 2 >= this.#limits.streamWindowBytes) {
      this.#creditStream(stream);
    }
  }

  /** Gives the connection what is due; called after each read. */
  settle(): void {
    if (this.#uncredited * 2 < this.#limits.connectionWindowBytes || this.#parked > this.#limits.parkedBytesMax) return;
    const bytes = this.#uncredited;
    this.#uncredited = 0;
    this.#window += bytes;
    writeWindowUpdate(this.#sender.control(), 0, bytes);
    this.#sender.written();
  }

  resumed(stream: Http2Stream): void {
    this.forget(stream);
    if (!stream.remoteEnded && stream.uncredited * 2 >= this.#limits.streamWindowBytes) this.#creditStream(stream);
    this.settle();
  }

  forget(stream: Http2Stream): void {
    this.#parked -= stream.parked;
    stream.parked = 0;
  }

  #creditStream(stream: Http2Stream): void {
    const bytes = stream.uncredited;
    stream.uncredited = 0;
    stream.receiveWindow += bytes;
    writeWindowUpdate(this.#sender.control(), stream.id, bytes);
    this.#sender.written();
  }
}
