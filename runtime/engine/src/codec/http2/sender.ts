/**
 * The sending half of a connection: frames go straight into the transport's slab while the stream's window, the
 * connection's window and the transport allow; what they do not allow waits on its stream, and streams take turns.
 */
import type { Http2Limits } from '../../base/limits.js';
import { ScratchSlab } from '../../network/slab.js';
import type { Slab, Transport } from '../../network/transport.js';
import { Flag, FRAME_BYTES_DEFAULT, FRAME_HEADER_BYTES, FrameType, WINDOW_DEFAULT } from './constants.js';
import { finishHeaders, patchFrameLength, writeFrameHeader } from './frame-writer.js';
import { encodeTableSizeZero } from './hpack-encoder.js';
import { SendQueue } from './send-queue.js';
import type { Http2Stream } from './stream.js';

/** A data frame shorter than this, cut by a window the peer keeps tiny, counts against its budget (CVE-2019-9517). */
const DRIBBLE_BYTES = 64;

/** For what cannot go into the transport at once. Used only between a begin and its end, so one serves the thread. */
const scratch: ScratchSlab = new ScratchSlab();

export interface SenderEvents {
  /** END_STREAM went out. */
  onEndSent(stream: Http2Stream): void;
  /** The stream may be written to again. */
  onStreamDrain(stream: Http2Stream): void;
  /** The peer makes us send crumbs. */
  onDribble(): void;
  /** More waits on a stream or connection than may: its writer ignored back-pressure. */
  onQueueOverflow(stream: Http2Stream): void;
}

export class Sender {
  readonly transport: Transport;
  /** Connection window. */
  window: number = WINDOW_DEFAULT;
  /** The peer's SETTINGS_INITIAL_WINDOW_SIZE and SETTINGS_MAX_FRAME_SIZE (we use no more than the default of that). */
  initialWindow: number = WINDOW_DEFAULT;
  frameBytesMax: number = FRAME_BYTES_DEFAULT;
  /** The peer lowered its table below what it assumes of us: the next block says so. */
  owesTableUpdate = false;
  /** Bytes that wait on all streams. */
  queuedBytes = 0;
  readonly #limits: Http2Limits;
  readonly #events: SenderEvents;
  /** Streams with a queue whose own window is open, in turn. */
  readonly #ready: Set<Http2Stream> = new Set();
  /** Streams whose last write returned false. */
  readonly #waiting: Set<Http2Stream> = new Set();
  /** The frame begun and not ended yet: its place in the transport's slab, or -1 when it goes into `scratch`. */
  #at = -1;
  #owedUpdate = false;
  /** The data frame written last, while nothing was written after it: END_STREAM can still be set on it. */
  #lastData: Http2Stream | null = null;
  #lastDataAt = 0;
  #lastDataEnd = 0;

  constructor(transport: Transport, limits: Http2Limits, events: SenderEvents) {
    this.transport = transport;
    this.#limits = limits;
    this.#events = events;
  }

  /** The slab, to write a control frame into; `written` follows. */
  control(): Slab {
    this.#lastData = null;
    return this.transport.slab;
  }

  written(): void {
    this.transport.markDirty();
  }

  /** Begins a header block: encode fields into what is returned, then `endHeaders` or `cancelHeaders`. */
  beginHeaders(stream: Http2Stream, atOnce = false): Slab {
    this.#lastData = null;
    if (atOnce || (stream.queue === null && this.transport.writable)) {
      const { slab } = this.transport;
      this.#at = slab.end;
      writeFrameHeader(slab, 0, FrameType.HEADERS, 0, stream.id);
      this.#payUpdate(slab);
      return slab;
    }
    this.#at = -1;
    scratch.clear();
    return scratch;
  }

  endHeaders(stream: Http2Stream, endStream: boolean): void {
    if (this.#at < 0) {
      this.#enqueue(stream, true, Buffer.from(scratch.buffer.subarray(0, scratch.end)), endStream);
      return;
    }
    const { slab } = this.transport;
    if (endStream) slab.buffer[this.#at + 4] = Flag.END_STREAM;
    finishHeaders(slab, this.#at, this.frameBytesMax);
    this.transport.markDirty();
    if (endStream) this.#events.onEndSent(stream);
  }

  /** Takes back what `beginHeaders` began. */
  cancelHeaders(): void {
    if (this.#at < 0) return;
    this.transport.slab.end = this.#at;
    if (this.#owedUpdate) this.owesTableUpdate = true;
  }

  /** A block that was encoded before. It must not depend on anything but static entries and literals. */
  sendBlock(stream: Http2Stream, block: Uint8Array, endStream: boolean): void {
    this.#lastData = null;
    if (stream.queue !== null || !this.transport.writable) {
      this.#enqueue(stream, true, Buffer.from(block), endStream);
      return;
    }
    this.#writeBlock(stream, block, endStream);
    this.transport.markDirty();
    if (endStream) this.#events.onEndSent(stream);
  }

  /**
   * Begins a data frame: write the payload into what is returned, then `endData`, or `cancelData` to take it back. The
   * payload may be longer than a frame or a window.
   */
  beginData(stream: Http2Stream): Slab {
    this.#lastData = null;
    if (stream.queue === null && this.transport.writable) {
      const { slab } = this.transport;
      this.#at = slab.end;
      writeFrameHeader(slab, 0, FrameType.DATA, 0, stream.id);
      return slab;
    }
    this.#at = -1;
    scratch.clear();
    return scratch;
  }

  cancelData(): void {
    if (this.#at >= 0) this.transport.slab.end = this.#at;
  }

  /** True when more may be written. */
  endData(stream: Http2Stream, endStream: boolean): boolean {
    if (this.#at < 0) {
      this.#enqueue(stream, false, Buffer.from(scratch.buffer.subarray(0, scratch.end)), endStream);
      return this.#mayWrite(stream);
    }
    const { slab } = this.transport;
    const at = this.#at;
    const bytes = slab.end - at - FRAME_HEADER_BYTES;
    if (bytes > this.frameBytesMax || bytes > stream.sendWindow || bytes > this.window) {
      const payload = Buffer.from(slab.buffer.subarray(at + FRAME_HEADER_BYTES, slab.end));
      slab.end = at;
      return this.sendData(stream, payload, 0, bytes, endStream, true);
    }
    patchFrameLength(slab, at);
    stream.sendWindow -= bytes;
    this.window -= bytes;
    this.#dataWritten(stream, at, slab, endStream);
    return this.#mayWrite(stream);
  }

  /**
   * Sends `chunk[start, end)`, copying what cannot go out at once unless the chunk is `owned`. True when more may be
   * written; after false the stream drains.
   */
  sendData(
    stream: Http2Stream,
    chunk: Uint8Array,
    start: number,
    end: number,
    endStream: boolean,
    owned = false,
  ): boolean {
    this.#lastData = null;
    let at = start;
    if (stream.queue === null) {
      const { transport } = this;
      while (transport.writable) {
        const bytes = Math.min(end - at, this.frameBytesMax, stream.sendWindow, this.window);
        if (bytes <= 0 && at < end) break;
        const last = at + bytes === end;
        this.#writeData(stream, chunk, at, bytes, last && endStream);
        at += bytes;
        if (last) return this.#mayWrite(stream);
      }
    }
    const rest = chunk.subarray(at, end);
    const kept = owned ? Buffer.from(rest.buffer, rest.byteOffset, rest.length) : Buffer.from(rest);
    this.#enqueue(stream, false, kept, endStream);
    return this.#mayWrite(stream);
  }

  /** Ends the stream without trailers. */
  sendEnd(stream: Http2Stream): void {
    if (stream.queue !== null) {
      stream.queue.end();
      return;
    }
    const { slab } = this.transport;
    if (this.#lastData === stream && slab.end === this.#lastDataEnd) {
      slab.buffer[this.#lastDataAt + 4] = Flag.END_STREAM;
      this.#lastData = null;
      this.#events.onEndSent(stream);
      return;
    }
    this.#lastData = null;
    if (this.transport.writable) this.#writeData(stream, EMPTY, 0, 0, true);
    else this.#enqueue(stream, false, Buffer.alloc(0), true);
  }

  /** The stream's own window opened. */
  streamWindowOpened(stream: Http2Stream): void {
    if (stream.queue === null || stream.sendWindow <= 0) return;
    this.#ready.add(stream);
    this.#pump(false);
  }

  connectionWindowOpened(): void {
    if (this.#ready.size > 0) this.#pump(false);
  }

  /** Every window moved by `delta` (RFC 9113 §6.9.2). */
  windowsMoved(streams: Iterable<Http2Stream>, delta: number): void {
    for (const stream of streams) {
      if (stream.queue !== null && stream.sendWindow > 0 && delta > 0) this.#ready.add(stream);
    }
    this.#pump(false);
  }

  /** The transport takes bytes again. */
  transportDrained(): void {
    this.#pump(true);
    for (const stream of this.#waiting) {
      if (!this.transport.writable) return;
      this.#wake(stream);
    }
  }

  /** The stream is gone: nothing of it is sent any more. */
  forget(stream: Http2Stream): void {
    if (stream.queue !== null) {
      this.queuedBytes -= stream.queue.bytes;
      stream.queue = null;
    }
    if (this.#ready.size > 0) this.#ready.delete(stream);
    if (stream.wantsDrain) this.#waiting.delete(stream);
    if (this.#lastData === stream) this.#lastData = null;
  }

  #payUpdate(slab: Slab): void {
    this.#owedUpdate = this.owesTableUpdate;
    if (!this.owesTableUpdate) return;
    this.owesTableUpdate = false;
    encodeTableSizeZero(slab);
  }

  #writeBlock(stream: Http2Stream, block: Uint8Array, endStream: boolean): void {
    const { slab } = this.transport;
    const at = slab.end;
    const { length } = block;
    slab.ensure(FRAME_HEADER_BYTES + 1 + length);
    writeFrameHeader(slab, 0, FrameType.HEADERS, endStream ? Flag.END_STREAM : 0, stream.id);
    this.#payUpdate(slab);
    if (length < 48) {
      const { buffer } = slab;
      let to = slab.end;
      for (let i = 0; i < length; i++) buffer[to++] = block[i] as number;
    } else {
      slab.buffer.set(block, slab.end);
    }
    slab.end += length;
    finishHeaders(slab, at, this.frameBytesMax);
  }

  #writeData(stream: Http2Stream, chunk: Uint8Array, start: number, bytes: number, endStream: boolean): void {
    const { slab } = this.transport;
    slab.ensure(FRAME_HEADER_BYTES + bytes);
    const at = slab.end;
    writeFrameHeader(slab, bytes, FrameType.DATA, 0, stream.id);
    if (bytes > 0) {
      slab.buffer.set(bytes === chunk.length ? chunk : chunk.subarray(start, start + bytes), slab.end);
      slab.end += bytes;
      stream.sendWindow -= bytes;
      this.window -= bytes;
    }
    this.#dataWritten(stream, at, slab, endStream);
  }

  #dataWritten(stream: Http2Stream, at: number, slab: Slab, endStream: boolean): void {
    if (endStream) {
      slab.buffer[at + 4] = Flag.END_STREAM;
    } else {
      this.#lastData = stream;
      this.#lastDataAt = at;
      this.#lastDataEnd = slab.end;
    }
    this.transport.markDirty();
    if (endStream) this.#events.onEndSent(stream);
  }

  #enqueue(stream: Http2Stream, headers: boolean, bytes: Buffer, endStream: boolean): void {
    stream.queue ??= new SendQueue();
    const { queue } = stream;
    queue.push(headers, bytes, endStream);
    this.queuedBytes += bytes.length;
    if (canGo(stream, queue)) this.#ready.add(stream);
    const limits = this.#limits;
    if (queue.bytes > limits.streamQueueBytesMax || this.queuedBytes > 2 * limits.connectionQueueBytesMax) {
      this.#events.onQueueOverflow(stream);
    }
  }

  #mayWrite(stream: Http2Stream): boolean {
    if (stream.closed) return false;
    const { queue } = stream;
    if (this.transport.writable && (queue === null || queue.bytes < this.#limits.streamQueueHighBytes)) return true;
    stream.wantsDrain = true;
    this.#waiting.add(stream);
    return false;
  }

  /** Streams take turns, one frame each: a stream that has sent goes to the end of the set. */
  #pump(drained: boolean): void {
    const { transport } = this;
    for (const stream of this.#ready) {
      if (!transport.writable) return;
      const item = stream.queue?.first;
      if (item !== undefined && !item.headers && this.window <= 0 && item.bytes.length > 0) {
        // Only header blocks can go, and those begin a queue only when the transport was full.
        if (drained) continue;
        return;
      }
      this.#ready.delete(stream);
      if (item === undefined) continue;
      this.#step(stream);
      if (stream.queue !== null && canGo(stream, stream.queue)) this.#ready.add(stream);
      if (stream.wantsDrain) this.#wake(stream);
    }
  }

  /** Sends the next frame of a queue. */
  #step(stream: Http2Stream): void {
    const queue = stream.queue as SendQueue;
    const item = queue.first;
    if (item === undefined) {
      stream.queue = null;
      return;
    }
    this.#lastData = null;
    const left = item.bytes.length - item.offset;
    if (item.headers) {
      queue.shift();
      this.#sent(stream, queue, left);
      this.#writeBlock(stream, item.bytes, item.endStream);
      this.transport.markDirty();
      if (item.endStream) this.#events.onEndSent(stream);
      return;
    }
    const bytes = Math.min(left, this.frameBytesMax, stream.sendWindow, this.window);
    if (bytes <= 0 && left > 0) return;
    if (bytes < left && bytes < DRIBBLE_BYTES) this.#events.onDribble();
    if (stream.closed) return;
    const done = bytes === left;
    const from = item.offset;
    item.offset += bytes;
    if (done) queue.shift();
    this.#sent(stream, queue, bytes);
    this.#writeData(stream, item.bytes, from, bytes, done && item.endStream);
  }

  #sent(stream: Http2Stream, queue: SendQueue, bytes: number): void {
    queue.bytes -= bytes;
    this.queuedBytes -= bytes;
    if (queue.first === undefined) stream.queue = null;
  }

  #wake(stream: Http2Stream): void {
    const { queue } = stream;
    if (!this.transport.writable || (queue !== null && queue.bytes > this.#limits.streamQueueLowBytes)) return;
    stream.wantsDrain = false;
    this.#waiting.delete(stream);
    this.#events.onStreamDrain(stream);
  }
}

/** Header blocks and a bare END_STREAM need no window. */
function canGo(stream: Http2Stream, queue: SendQueue): boolean {
  if (stream.sendWindow > 0) return true;
  const { first } = queue;
  return first === undefined || first.headers || first.bytes.length === first.offset;
}

const EMPTY: Uint8Array = new Uint8Array(0);
