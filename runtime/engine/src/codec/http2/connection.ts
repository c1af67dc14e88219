/**
 * The frames of one HTTP/2 connection (RFC 9113 §6) as servers and clients read them. A mistake of the peer ends its
 * stream or its connection, never more.
 */
import type { Transport, TransportReceiver } from '../../network/transport.js';
import { ErrorCode, Flag, FRAME_BYTES_DEFAULT, FrameType, Setting, STREAM_ID_MAX, WINDOW_MAX } from './constants.js';
import { Http2Endpoint, type Http2Options, PING_PAYLOAD } from './endpoint.js';
import { FrameReader, type FrameSink } from './frame-reader.js';
import { readU32, writePing, writeSettings, writeSettingsAck } from './frame-writer.js';
import { HeaderAssembler } from './header-assembler.js';
import type { HeaderBlock } from './header-block.js';
import type { Http2Stream } from './stream.js';
import { codeName, reasonOfCode } from './stream-receiver.js';

/** What of a peer's GOAWAY text is kept. */
const GOAWAY_DEBUG_MAX = 1024;

export abstract class Http2Connection extends Http2Endpoint implements TransportReceiver, FrameSink {
  protected readonly headers: HeaderAssembler;
  readonly #reader: FrameReader;
  #settingsSeen = false;
  /** SETTINGS frames of ours that the peer has not acknowledged: did they refuse its dynamic table? */
  readonly #unacknowledged: boolean[] = [];

  constructor(transport: Transport, options: Http2Options, expectPreface: boolean) {
    super(transport, options);
    this.#reader = new FrameReader(this, FRAME_BYTES_DEFAULT, expectPreface);
    this.headers = new HeaderAssembler(this.limits);
    transport.receiver = this;
    this.expectSoon();
  }

  // What servers and clients do differently.

  protected abstract onHeaders(id: number, block: HeaderBlock, endStream: boolean): void;
  /** Stream ids the peer or we have not used yet. */
  protected abstract isIdle(id: number): boolean;
  protected abstract onGoaway(lastId: number, code: number, debug: string): void;
  /** A decoded block, or why it could not be decoded. */
  protected abstract decodeBlock(buffer: Buffer, start: number, end: number): HeaderBlock | string;
  /** The acknowledgement of a PING of `ping`. */
  protected onPingAck(): void {}
  protected onPeerSettings(): void {}
  /** A client checks that the head came first. */
  protected mayReceiveData(_stream: Http2Stream): boolean {
    return true;
  }

  onBytes(buffer: Buffer, start: number, end: number): void {
    if (this.stopped) return;
    if (this.keepalive !== null) this.keepalive.heard = true;
    this.#reader.read(buffer, start, end);
    if (!this.stopped) this.credit.settle();
  }

  onBadPreface(): void {
    this.fail(ErrorCode.PROTOCOL_ERROR, 'the connection preface is not that of HTTP/2');
  }

  onFrameTooLong(length: number): void {
    this.fail(ErrorCode.FRAME_SIZE_ERROR, `a frame of ${length} bytes exceeds ${FRAME_BYTES_DEFAULT}`);
  }

  onFrame(buffer: Buffer, start: number, end: number, type: number, flags: number, id: number): void {
    if (this.headers.open && !(type === FrameType.CONTINUATION && id === this.headers.streamId)) {
      this.fail(ErrorCode.PROTOCOL_ERROR, 'a header block was interrupted');
      return;
    }
    if (!this.#settingsSeen && (type !== FrameType.SETTINGS || (flags & Flag.ACK) !== 0)) {
      this.fail(ErrorCode.PROTOCOL_ERROR, 'the first frame is not SETTINGS');
      return;
    }
    switch (type) {
      case FrameType.DATA:
        this.#onData(buffer, start, end, flags, id);
        return;
      case FrameType.HEADERS:
        this.#onHeadersFrame(buffer, start, end, flags, id);
        return;
      case FrameType.PRIORITY:
        this.#onPriority(buffer, start, end, id);
        return;
      case FrameType.RST_STREAM:
        this.#onRstStream(buffer, start, end, id);
        return;
      case FrameType.SETTINGS:
        this.#onSettings(buffer, start, end, flags, id);
        return;
      case FrameType.PUSH_PROMISE:
        this.fail(ErrorCode.PROTOCOL_ERROR, 'PUSH_PROMISE although push is off');
        return;
      case FrameType.PING:
        this.#onPing(buffer, start, end, flags, id);
        return;
      case FrameType.GOAWAY:
        this.#onGoawayFrame(buffer, start, end, id);
        return;
      case FrameType.WINDOW_UPDATE:
        this.#onWindowUpdate(buffer, start, end, id);
        return;
      case FrameType.CONTINUATION:
        this.#onContinuation(buffer, start, end, flags, id);
        return;
      default:
        // Unknown frames are ignored (RFC 9113 §4.1), but not without end.
        this.spend('unknown frames');
    }
  }

  /** `settings` apply to what the peer sends once it has acknowledged them. */
  protected sendSettings(settings: readonly (readonly [id: number, value: number])[]): void {
    this.#unacknowledged.push(settings.some(([id]) => id === Setting.HEADER_TABLE_SIZE));
    writeSettings(this.sender.control(), settings);
  }

  #onSettingsAck(): void {
    const refusedTable = this.#unacknowledged.shift();
    if (refusedTable === undefined) this.spend('unasked SETTINGS acknowledgements');
    else if (refusedTable) this.headers.decoder.setLimit(0);
  }

  #onData(buffer: Buffer, start: number, end: number, flags: number, id: number): void {
    if (id === 0) {
      this.fail(ErrorCode.PROTOCOL_ERROR, 'DATA on stream 0');
      return;
    }
    const frameBytes = end - start;
    if (!this.credit.take(frameBytes)) {
      this.fail(ErrorCode.FLOW_CONTROL_ERROR, 'more data than the window of the connection allows');
      return;
    }
    let from = start;
    let to = end;
    if ((flags & Flag.PADDED) !== 0) {
      to = this.#unpad(buffer, from, to);
      from++;
      if (to < from) {
        this.fail(ErrorCode.PROTOCOL_ERROR, 'padding longer than its frame');
        return;
      }
    }
    const stream = this.stream(id);
    if (stream === undefined) {
      this.#onDataWithoutStream(id);
      return;
    }
    if (stream.remoteEnded) {
      this.streamError(stream, ErrorCode.STREAM_CLOSED, 'DATA after END_STREAM');
      return;
    }
    const endStream = (flags & Flag.END_STREAM) !== 0;
    stream.receiveWindow -= frameBytes;
    if (stream.receiveWindow < 0) {
      this.streamError(stream, ErrorCode.FLOW_CONTROL_ERROR, 'more data than the window of the stream allows');
      return;
    }
    if (from < to) this.controlBudget.give();
    else if (!endStream && !this.spend('empty DATA frames')) return;
    if (stream.bodyLeft >= 0) {
      stream.bodyLeft -= to - from;
      if (stream.bodyLeft < 0) {
        this.streamError(stream, ErrorCode.PROTOCOL_ERROR, 'the body is longer than its content-length');
        return;
      }
    }
    if (!this.mayReceiveData(stream)) return;
    if (endStream) {
      if (!this.bodyComplete(stream)) return;
      // Before the receiver is told: an answer it gives now closes the stream without a reset.
      stream.remoteEnded = true;
    } else if (frameBytes > 0) {
      this.credit.credit(stream, frameBytes);
    }
    if (from < to) {
      try {
        stream.receiver.onData(buffer, from, to);
      } catch (error) {
        this.receiverFailed(stream, error);
        return;
      }
    }
    if (endStream && !stream.closed) this.endRemote(stream, null);
  }

  #onDataWithoutStream(id: number): void {
    if (this.isIdle(id)) this.fail(ErrorCode.PROTOCOL_ERROR, 'DATA on an idle stream');
    else if (this.spend('frames on closed streams') && !this.wasReset(id)) this.rst(id, ErrorCode.STREAM_CLOSED);
  }

  /** The end of a padded payload, whose first octet is the length of the padding. */
  #unpad(buffer: Buffer, start: number, end: number): number {
    return start === end ? -1 : end - (buffer[start] as number);
  }

  #onHeadersFrame(buffer: Buffer, start: number, end: number, flags: number, id: number): void {
    if (id === 0) {
      this.fail(ErrorCode.PROTOCOL_ERROR, 'HEADERS on stream 0');
      return;
    }
    let from = start;
    let to = end;
    if ((flags & Flag.PADDED) !== 0) {
      to = this.#unpad(buffer, from, to);
      from++;
    }
    if ((flags & Flag.PRIORITY) !== 0) {
      if (to - from < 5) {
        this.fail(ErrorCode.FRAME_SIZE_ERROR, 'HEADERS too short for its priority');
        return;
      }
      if ((readU32(buffer, from) & STREAM_ID_MAX) === id) {
        this.fail(ErrorCode.PROTOCOL_ERROR, 'a stream depends on itself');
        return;
      }
      from += 5;
    }
    if (to < from) {
      this.fail(ErrorCode.PROTOCOL_ERROR, 'padding longer than its frame');
      return;
    }
    const endStream = (flags & Flag.END_STREAM) !== 0;
    if ((flags & Flag.END_HEADERS) !== 0) {
      this.#onBlock(buffer, from, to, id, endStream);
    } else {
      this.headers.begin(buffer, from, to, id, endStream);
      this.expectSoon();
    }
  }

  #onContinuation(buffer: Buffer, start: number, end: number, flags: number, id: number): void {
    if (!this.headers.open) {
      this.fail(ErrorCode.PROTOCOL_ERROR, 'CONTINUATION without a header block');
      return;
    }
    if (!this.headers.append(buffer, start, end)) {
      this.fail(ErrorCode.ENHANCE_YOUR_CALM, 'a header block is too long or in too many pieces');
      return;
    }
    if ((flags & Flag.END_HEADERS) === 0) return;
    this.calm();
    const { endStream } = this.headers;
    const block = this.headers.take();
    this.#onBlock(block, 0, block.length, id, endStream);
  }

  #onBlock(buffer: Buffer, start: number, end: number, id: number, endStream: boolean): void {
    if (end - start > this.limits.headerBlockBytesMax) {
      this.fail(ErrorCode.ENHANCE_YOUR_CALM, 'a header block is too long');
      return;
    }
    const block = this.decodeBlock(buffer, start, end);
    if (typeof block === 'string') this.fail(ErrorCode.COMPRESSION_ERROR, block);
    else this.onHeaders(id, block, endStream);
  }

  #onPriority(buffer: Buffer, start: number, end: number, id: number): void {
    if (id === 0) {
      this.fail(ErrorCode.PROTOCOL_ERROR, 'PRIORITY on stream 0');
    } else if (end - start !== 5) {
      // RFC 9113 §6.3 makes it a stream error; for a stream that may not exist, ending the connection is allowed (§5.4.2).
      this.fail(ErrorCode.FRAME_SIZE_ERROR, 'PRIORITY is not five octets');
    } else if ((readU32(buffer, start) & STREAM_ID_MAX) === id) {
      this.fail(ErrorCode.PROTOCOL_ERROR, 'a stream depends on itself');
    } else {
      this.spend('PRIORITY frames');
    }
  }

  #onRstStream(buffer: Buffer, start: number, end: number, id: number): void {
    if (id === 0 || this.isIdle(id)) {
      this.fail(ErrorCode.PROTOCOL_ERROR, 'RST_STREAM on an idle stream');
      return;
    }
    if (end - start !== 4) {
      this.fail(ErrorCode.FRAME_SIZE_ERROR, 'RST_STREAM is not four octets');
      return;
    }
    const stream = this.stream(id);
    if (stream === undefined) {
      this.spend('frames on closed streams');
      return;
    }
    this.counters.resetsReceived++;
    const code = readU32(buffer, start);
    this.closeStream(stream);
    this.tellReset(stream, {
      reason: reasonOfCode(code),
      message: `the peer reset the stream: ${codeName(code)}`,
      unprocessed: code === ErrorCode.REFUSED_STREAM,
    });
    if (!this.resetBudget.take()) this.fail(ErrorCode.ENHANCE_YOUR_CALM, 'too many streams reset');
  }

  #onSettings(buffer: Buffer, start: number, end: number, flags: number, id: number): void {
    if (id !== 0) {
      this.fail(ErrorCode.PROTOCOL_ERROR, 'SETTINGS on a stream');
      return;
    }
    if ((flags & Flag.ACK) !== 0) {
      if (start !== end) this.fail(ErrorCode.FRAME_SIZE_ERROR, 'an acknowledgement with settings');
      else this.#onSettingsAck();
      return;
    }
    if ((end - start) % 6 !== 0) {
      this.fail(ErrorCode.FRAME_SIZE_ERROR, 'SETTINGS is not a multiple of six octets');
      return;
    }
    if (!this.#settingsSeen) {
      this.#settingsSeen = true;
      this.calm();
    } else if (!this.spend('SETTINGS frames')) {
      return;
    }
    const before = this.sender.initialWindow;
    if (!this.applySettings(buffer, start, end)) return;
    // The acknowledgement goes first: what the new window releases follows it.
    writeSettingsAck(this.sender.control());
    this.replied();
    if (this.stopped) return;
    if (this.sender.initialWindow !== before) {
      this.sender.windowsMoved(this.streams.values(), this.sender.initialWindow - before);
    }
    this.onPeerSettings();
  }

  /** Payload of a SETTINGS frame; false when it was an error and the connection was ended. */
  protected applySettings(buffer: Buffer, start: number, end: number): boolean {
    const problem = this.peerSettings.apply(buffer, start, end, this.sender, this.streams.values());
    if (problem !== null) this.fail(problem.code, problem.message);
    return problem === null;
  }

  #onPing(buffer: Buffer, start: number, end: number, flags: number, id: number): void {
    if (id !== 0) {
      this.fail(ErrorCode.PROTOCOL_ERROR, 'PING on a stream');
    } else if (end - start !== 8) {
      this.fail(ErrorCode.FRAME_SIZE_ERROR, 'PING is not eight octets');
    } else if ((flags & Flag.ACK) !== 0) {
      if (PING_PAYLOAD.compare(buffer, start, end) === 0) this.onPingAck();
      else this.spend('unasked PING acknowledgements');
    } else if (this.spend('PING frames')) {
      writePing(this.sender.control(), Flag.ACK, buffer, start);
      this.replied();
    }
  }

  #onGoawayFrame(buffer: Buffer, start: number, end: number, id: number): void {
    if (id !== 0) {
      this.fail(ErrorCode.PROTOCOL_ERROR, 'GOAWAY on a stream');
    } else if (end - start < 8) {
      this.fail(ErrorCode.FRAME_SIZE_ERROR, 'GOAWAY is too short');
    } else if (this.spend('GOAWAY frames')) {
      const debug = buffer.toString('latin1', start + 8, Math.min(end, start + 8 + GOAWAY_DEBUG_MAX));
      this.onGoaway(readU32(buffer, start) & STREAM_ID_MAX, readU32(buffer, start + 4), debug);
    }
  }

  #onWindowUpdate(buffer: Buffer, start: number, end: number, id: number): void {
    if (end - start !== 4) {
      this.fail(ErrorCode.FRAME_SIZE_ERROR, 'WINDOW_UPDATE is not four octets');
      return;
    }
    const bytes = readU32(buffer, start) & WINDOW_MAX;
    const { sender } = this;
    if (id === 0) {
      sender.window += bytes;
      if (bytes === 0) this.fail(ErrorCode.PROTOCOL_ERROR, 'WINDOW_UPDATE of 0');
      else if (sender.window > WINDOW_MAX)
        this.fail(ErrorCode.FLOW_CONTROL_ERROR, 'the window of the connection overflows');
      else sender.connectionWindowOpened();
      return;
    }
    const stream = this.stream(id);
    if (stream === undefined) {
      if (this.isIdle(id)) this.fail(ErrorCode.PROTOCOL_ERROR, 'WINDOW_UPDATE on an idle stream');
      else this.spend('frames on closed streams');
      return;
    }
    stream.sendWindow += bytes;
    if (bytes === 0) this.streamError(stream, ErrorCode.PROTOCOL_ERROR, 'WINDOW_UPDATE of 0');
    else if (stream.sendWindow > WINDOW_MAX) {
      this.streamError(stream, ErrorCode.FLOW_CONTROL_ERROR, 'the window of the stream overflows');
    } else sender.streamWindowOpened(stream);
  }
}
