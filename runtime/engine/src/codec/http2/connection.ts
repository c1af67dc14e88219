/**
 * One HTTP/2 connection (RFC 9113), the part that servers and clients share: frames in, windows, SETTINGS, PING, GOAWAY,
 * keepalive, and what a hostile peer may spend. A mistake of the peer ends its stream or its connection, never more.
 */
import type { Clock, Timer } from '../../base/clock.js';
import { type Http2Limits, http2Limits } from '../../base/limits.js';
import { type Logger, silentLogger } from '../../base/log.js';
import { systemClock } from '../../base/system-clock.js';
import type { Transport, TransportReceiver } from '../../network/transport.js';
import type { ResetReason, StreamReset } from '../http/stream.js';
import { Budget } from './budget.js';
import {
  ErrorCode,
  Flag,
  FRAME_BYTES_DEFAULT,
  FRAME_BYTES_MAX,
  FrameType,
  Setting,
  STREAM_ID_MAX,
  WINDOW_DEFAULT,
  WINDOW_MAX,
} from './constants.js';
import { Http2Counters } from './counters.js';
import { FrameReader, type FrameSink } from './frame-reader.js';
import {
  readU32,
  writeGoaway,
  writePing,
  writeRstStream,
  writeSettings,
  writeSettingsAck,
  writeWindowUpdate,
} from './frame-writer.js';
import { HeaderAssembler } from './header-assembler.js';
import type { HeaderBlock } from './header-block.js';
import { TABLE_BYTES_DEFAULT } from './hpack-decoder.js';
import { Sender, type SenderEvents } from './sender.js';
import type { Http2Stream } from './stream.js';
import { codeName, deafReceiver, reasonOfCode } from './stream-receiver.js';

export interface Http2Options {
  readonly clock?: Clock;
  readonly log?: Logger;
  readonly limits?: Http2Limits;
  readonly counters?: Http2Counters;
  /** Pings a peer that has been silent for `intervalMs`; closes when it stays silent for `timeoutMs` more. */
  readonly keepalive?: { readonly intervalMs: number; readonly timeoutMs: number };
  /** The connection has ended; called once. */
  readonly onClosed?: () => void;
}

/** Streams that we reset lately: what the peer had already sent for them is dropped without a word. */
const RESETS_REMEMBERED = 1024;

export abstract class Http2Connection implements TransportReceiver, FrameSink, SenderEvents {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits: Http2Limits;
  readonly counters: Http2Counters;
  readonly sender: Sender;
  readonly streams: Map<number, Http2Stream> = new Map();
  /** Nothing more is read or sent: the connection failed, or the transport closed. */
  stopped = false;
  /** The peer's SETTINGS_MAX_CONCURRENT_STREAMS. RFC 9113 recommends at least 100; assumed until it says. */
  peerStreamsMax = 100;
  peerHeaderListBytesMax: number = Number.POSITIVE_INFINITY;
  protected readonly reader: FrameReader;
  protected readonly headers: HeaderAssembler;
  /** The peer may not open streams any more, or has been told that we will not. */
  protected draining = false;
  readonly #onClosed: (() => void) | undefined;
  readonly #resets: Budget;
  readonly #control: Budget;
  readonly #recentResets: Set<number> = new Set();
  #receiveWindow: number = WINDOW_DEFAULT;
  #uncredited = 0;
  /** Bytes that came for paused streams and have not been credited. */
  #parked = 0;
  /** Replies written while the peer did not read. */
  #blockedReplies = 0;
  #settingsSeen = false;
  /** SETTINGS frames of ours that the peer has not acknowledged: did they refuse its dynamic table? */
  readonly #unacknowledged: boolean[] = [];
  #tableLowered = false;
  #closedTold = false;
  #handshake: Timer | undefined;
  #linger: Timer | undefined;
  #keepalive: Timer | undefined;
  /** Something was received since keepalive looked last. */
  #heard = false;
  #lastStream: Http2Stream | undefined;

  constructor(transport: Transport, options: Http2Options, expectPreface: boolean) {
    this.transport = transport;
    this.clock = options.clock ?? systemClock;
    this.log = options.log ?? silentLogger;
    this.limits = options.limits ?? http2Limits;
    this.counters = options.counters ?? new Http2Counters();
    this.#onClosed = options.onClosed;
    this.sender = new Sender(transport, this.limits, this);
    this.reader = new FrameReader(this, FRAME_BYTES_DEFAULT, expectPreface);
    this.headers = new HeaderAssembler(this.limits);
    this.#resets = new Budget(this.clock, this.limits.resetBurst, this.limits.resetsPerSecond);
    this.#control = new Budget(this.clock, this.limits.controlBurst, this.limits.controlPerSecond);
    this.counters.connections++;
    this.counters.connectionsOpen++;
    transport.receiver = this;
    this.#startHandshakeTimer();
    if (options.keepalive !== undefined) this.#armKeepalive(options.keepalive);
  }

  // What server and client do differently.

  protected abstract onHeaders(id: number, block: HeaderBlock, endStream: boolean): void;
  /** Stream ids the peer or we have not used yet. */
  protected abstract isIdle(id: number): boolean;
  protected abstract onGoaway(lastId: number, code: number, debug: string): void;
  /** The last stream of the peer that we took up, for GOAWAY. */
  protected abstract readonly lastPeerStream: number;
  /** The acknowledgement of a PING of `ping`. */
  protected onPingAck(): void {}
  protected onStreamClosed(_stream: Http2Stream): void {}
  protected onPeerSettings(): void {}

  // TransportReceiver

  onBytes(buffer: Buffer, start: number, end: number): void {
    if (this.stopped) return;
    this.#heard = true;
    this.reader.read(buffer, start, end);
    if (this.#uncredited * 2 >= this.limits.connectionWindowBytes) this.#creditConnection();
  }

  onDrain(): void {
    this.#blockedReplies = 0;
    if (!this.stopped) this.sender.transportDrained();
  }

  onEnd(): void {
    if (this.stopped) {
      this.transport.end();
      return;
    }
    this.stopped = true;
    this.#loseStreams('the peer ended the connection');
    this.transport.end();
    this.#startLinger();
    this.onStopped();
  }

  onClose(error: Error | null): void {
    this.stopped = true;
    this.#handshake?.cancel();
    this.#linger?.cancel();
    this.#keepalive?.cancel();
    this.#loseStreams(error === null ? 'the connection was closed' : `the connection was lost: ${error.message}`);
    if (this.#closedTold) return;
    this.#closedTold = true;
    this.counters.connectionsOpen--;
    this.onTransportClosed();
    this.#onClosed?.();
  }

  protected onTransportClosed(): void {}
  /** `stopped` became true. */
  protected onStopped(): void {}

  // FrameSink

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

  // SenderEvents

  onEndSent(stream: Http2Stream): void {
    stream.endSent = true;
    if (stream.remoteEnded) this.closeStream(stream);
    else this.onEndSentEarly(stream);
  }

  /** We ended while the peer has not. */
  protected onEndSentEarly(_stream: Http2Stream): void {}

  onStreamDrain(stream: Http2Stream): void {
    if (stream.localEnded) return;
    try {
      stream.receiver.onDrain();
    } catch (error) {
      this.#receiverFailed(stream, error);
    }
  }

  onDribble(): void {
    this.spend('a window of a few bytes');
  }

  onQueueOverflow(stream: Http2Stream): void {
    this.abortStream(stream, ErrorCode.INTERNAL_ERROR, 'too-large', 'more bytes are queued than the stream may hold');
  }

  // Streams

  protected stream(id: number): Http2Stream | undefined {
    const last = this.#lastStream;
    if (last !== undefined && last.id === id && !last.closed) return last;
    const found = this.streams.get(id);
    if (found !== undefined) this.#lastStream = found;
    return found;
  }

  protected addStream(stream: Http2Stream): void {
    this.streams.set(stream.id, stream);
    this.#lastStream = stream;
    this.counters.streams++;
    this.counters.streamsOpen++;
  }

  closeStream(stream: Http2Stream): void {
    if (stream.closed) return;
    stream.closed = true;
    stream.localEnded = true;
    if (stream.endSent && stream.remoteEnded) this.#resets.give();
    this.sender.forget(stream);
    this.#unpark(stream);
    this.streams.delete(stream.id);
    this.counters.streamsOpen--;
    if (this.#lastStream === stream) this.#lastStream = undefined;
    this.onStreamClosed(stream);
  }

  /** Sends RST_STREAM and forgets the stream; its receiver is not told. */
  resetStream(stream: Http2Stream, code: number): void {
    if (stream.closed) return;
    this.closeStream(stream);
    this.rst(stream.id, code);
  }

  /** Resets the stream and tells its receiver why. */
  abortStream(stream: Http2Stream, code: number, reason: ResetReason, message: string): void {
    if (stream.closed) return;
    this.resetStream(stream, code);
    this.tellReset(stream, { reason, message, unprocessed: false });
  }

  /** A mistake of the peer on one stream. */
  protected streamError(stream: Http2Stream, code: number, message: string): void {
    if (!this.spend('stream errors')) return;
    this.abortStream(stream, code, reasonOfCode(code), message);
  }

  protected rst(id: number, code: number): void {
    this.#recentResets.add(id);
    if (this.#recentResets.size > RESETS_REMEMBERED) {
      this.#recentResets.delete(this.#recentResets.values().next().value as number);
    }
    this.counters.resetsSent++;
    writeRstStream(this.sender.control(), id, code);
    this.replied();
  }

  protected wasReset(id: number): boolean {
    return this.#recentResets.has(id);
  }

  protected tellReset(stream: Http2Stream, reset: StreamReset): void {
    const { receiver } = stream;
    stream.receiver = deafReceiver;
    try {
      receiver.onReset(reset);
    } catch (error) {
      this.log.error({ err: error, stream: stream.id }, 'a stream receiver threw in onReset');
    }
  }

  /** False when the body fell short of its content-length, which ends the stream. */
  protected bodyComplete(stream: Http2Stream): boolean {
    if (stream.bodyLeft <= 0) return true;
    this.streamError(stream, ErrorCode.PROTOCOL_ERROR, 'the body is shorter than its content-length');
    return false;
  }

  /** The peer's direction ended. */
  protected endRemote(stream: Http2Stream, trailers: HeaderBlock | null): void {
    stream.remoteEnded = true;
    const { endSent } = stream;
    try {
      stream.receiver.onEnd(trailers === null ? null : trailers.toHeaderList());
    } catch (error) {
      this.#receiverFailed(stream, error);
      return;
    }
    if (endSent) this.closeStream(stream);
  }

  /** Nothing pauses the stream any more: give back what it held. */
  streamResumed(stream: Http2Stream): void {
    this.#unpark(stream);
    if (this.stopped) return;
    if (!stream.remoteEnded && stream.uncredited * 2 >= this.limits.streamWindowBytes) this.#creditStream(stream);
    if (this.#uncredited * 2 >= this.limits.connectionWindowBytes) this.#creditConnection();
  }

  // Ending

  /** Ends the connection for a mistake of the peer, or ours. */
  fail(code: number, message: string): void {
    if (this.stopped) return;
    this.stopped = true;
    if (code === ErrorCode.ENHANCE_YOUR_CALM) this.counters.floods++;
    else if (code !== ErrorCode.NO_ERROR) this.counters.protocolErrors++;
    this.log.debug(
      { code: codeName(code), remote: this.transport.remote, reason: message },
      'ending an HTTP/2 connection',
    );
    writeGoaway(this.sender.control(), this.lastPeerStream, code, message);
    this.sender.written();
    this.#loseStreams(message);
    this.transport.end();
    this.#startLinger();
    this.onStopped();
  }

  /** Closes in order once nothing is left to do. */
  protected finish(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.#keepalive?.cancel();
    this.transport.end();
    this.#startLinger();
    this.onStopped();
  }

  protected sendGoaway(lastId: number, code: number, debug: string): void {
    writeGoaway(this.sender.control(), lastId, code, debug);
    this.sender.written();
  }

  /** `onPingAck` follows unless the connection ends. */
  protected ping(): void {
    writePing(this.sender.control(), 0, PING_PAYLOAD, 0);
    this.sender.written();
  }

  /** Counts a frame without use; false when the peer went too far and the connection was ended. */
  protected spend(what: string): boolean {
    if (this.#control.take()) return true;
    this.fail(ErrorCode.ENHANCE_YOUR_CALM, `too many ${what}`);
    return false;
  }

  /** A reply was written that the peer can make us write at will. */
  protected replied(): void {
    if (!this.transport.writable && ++this.#blockedReplies > this.limits.blockedRepliesMax) {
      this.fail(ErrorCode.ENHANCE_YOUR_CALM, 'replies wait and nobody reads them');
      this.transport.destroy();
      return;
    }
    this.sender.written();
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

  /** Opens the connection's window to what the limits say; with our SETTINGS. */
  protected openWindow(): void {
    const more = this.limits.connectionWindowBytes - WINDOW_DEFAULT;
    if (more <= 0) return;
    this.#receiveWindow += more;
    writeWindowUpdate(this.sender.control(), 0, more);
  }

  // Frames

  #onData(buffer: Buffer, start: number, end: number, flags: number, id: number): void {
    if (id === 0) {
      this.fail(ErrorCode.PROTOCOL_ERROR, 'DATA on stream 0');
      return;
    }
    const frameBytes = end - start;
    this.#receiveWindow -= frameBytes;
    if (this.#receiveWindow < 0) {
      this.fail(ErrorCode.FLOW_CONTROL_ERROR, 'more data than the window of the connection allows');
      return;
    }
    this.#uncredited += frameBytes;
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
    if (from < to) this.#control.give();
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
      this.#credit(stream, frameBytes);
    }
    if (from < to) {
      try {
        stream.receiver.onData(buffer, from, to);
      } catch (error) {
        this.#receiverFailed(stream, error);
        return;
      }
    }
    if (endStream && !stream.closed) this.endRemote(stream, null);
  }

  /** A client checks that the head came first. */
  protected mayReceiveData(_stream: Http2Stream): boolean {
    return true;
  }

  #onDataWithoutStream(id: number): void {
    if (this.isIdle(id)) this.fail(ErrorCode.PROTOCOL_ERROR, 'DATA on an idle stream');
    else if (this.spend('frames on closed streams') && !this.wasReset(id)) this.rst(id, ErrorCode.STREAM_CLOSED);
  }

  #credit(stream: Http2Stream, bytes: number): void {
    stream.uncredited += bytes;
    if (stream.paused) {
      stream.parked += bytes;
      this.#parked += bytes;
    } else if (stream.uncredited * 2 >= this.limits.streamWindowBytes) {
      this.#creditStream(stream);
    }
  }

  #creditStream(stream: Http2Stream): void {
    const bytes = stream.uncredited;
    stream.uncredited = 0;
    stream.receiveWindow += bytes;
    writeWindowUpdate(this.sender.control(), stream.id, bytes);
    this.sender.written();
  }

  #creditConnection(): void {
    if (this.#parked > this.limits.parkedBytesMax || this.stopped) return;
    const bytes = this.#uncredited;
    this.#uncredited = 0;
    this.#receiveWindow += bytes;
    writeWindowUpdate(this.sender.control(), 0, bytes);
    this.sender.written();
  }

  #unpark(stream: Http2Stream): void {
    this.#parked -= stream.parked;
    stream.parked = 0;
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
      this.#startHandshakeTimer();
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
    this.#handshake?.cancel();
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

  /** A decoded block, or why it could not be decoded. */
  protected abstract decodeBlock(buffer: Buffer, start: number, end: number): HeaderBlock | string;

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
    if (!this.#resets.take()) this.fail(ErrorCode.ENHANCE_YOUR_CALM, 'too many streams reset');
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
      this.#handshake?.cancel();
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
    const { sender } = this;
    for (let at = start; at < end; at += 6) {
      const value = readU32(buffer, at + 2);
      switch (((buffer[at] as number) << 8) | (buffer[at + 1] as number)) {
        case Setting.HEADER_TABLE_SIZE:
          // We use no table, but a peer that allows less than the default must be told so once (RFC 9113 §4.3.1).
          if (value < TABLE_BYTES_DEFAULT && !this.#tableLowered) {
            this.#tableLowered = true;
            sender.owesTableUpdate = true;
          }
          break;
        case Setting.ENABLE_PUSH:
          if (value > 1) return this.#settingsError(ErrorCode.PROTOCOL_ERROR, 'ENABLE_PUSH is neither 0 nor 1');
          break;
        case Setting.MAX_CONCURRENT_STREAMS:
          this.peerStreamsMax = value;
          break;
        case Setting.INITIAL_WINDOW_SIZE: {
          if (value > WINDOW_MAX)
            return this.#settingsError(ErrorCode.FLOW_CONTROL_ERROR, 'INITIAL_WINDOW_SIZE is too large');
          const delta = value - sender.initialWindow;
          sender.initialWindow = value;
          for (const stream of this.streams.values()) {
            stream.sendWindow += delta;
            if (stream.sendWindow > WINDOW_MAX) {
              return this.#settingsError(ErrorCode.FLOW_CONTROL_ERROR, 'a window grew beyond its limit');
            }
          }
          break;
        }
        case Setting.MAX_FRAME_SIZE:
          if (value < FRAME_BYTES_DEFAULT || value > FRAME_BYTES_MAX) {
            return this.#settingsError(ErrorCode.PROTOCOL_ERROR, 'MAX_FRAME_SIZE is out of range');
          }
          break;
        case Setting.MAX_HEADER_LIST_SIZE:
          this.peerHeaderListBytesMax = value;
          break;
      }
    }
    return true;
  }

  #settingsError(code: number, message: string): false {
    this.fail(code, message);
    return false;
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

  // Times

  #startHandshakeTimer(): void {
    this.#handshake?.cancel();
    this.#handshake = this.clock.after(this.limits.handshakeMs, () => {
      this.fail(ErrorCode.PROTOCOL_ERROR, `nothing whole arrived within ${this.limits.handshakeMs} ms`);
    });
  }

  #startLinger(): void {
    this.#handshake?.cancel();
    this.#linger ??= this.clock.after(this.limits.lingerMs, () => this.transport.destroy());
  }

  #armKeepalive(keepalive: { readonly intervalMs: number; readonly timeoutMs: number }): void {
    this.#heard = false;
    this.#keepalive = this.clock.after(keepalive.intervalMs, () => {
      if (this.stopped) return;
      if (this.#heard) {
        this.#armKeepalive(keepalive);
        return;
      }
      this.ping();
      this.#keepalive = this.clock.after(keepalive.timeoutMs, () => {
        if (this.stopped) return;
        if (this.#heard) {
          this.#armKeepalive(keepalive);
          return;
        }
        this.counters.keepaliveTimeouts++;
        this.transport.destroy(new Error(`no answer to a keepalive ping within ${keepalive.timeoutMs} ms`));
      });
    });
  }

  #loseStreams(message: string): void {
    if (this.streams.size === 0) return;
    for (const stream of [...this.streams.values()]) {
      this.closeStream(stream);
      this.tellReset(stream, { reason: 'connection-lost', message, unprocessed: false });
    }
  }

  #receiverFailed(stream: Http2Stream, error: unknown): void {
    this.log.error({ err: error, stream: stream.id }, 'a stream receiver threw');
    this.abortStream(stream, ErrorCode.INTERNAL_ERROR, 'internal', 'the receiver failed');
  }
}

const PING_PAYLOAD: Buffer = Buffer.from('outrigg\0', 'latin1');
const GOAWAY_DEBUG_MAX = 1024;
