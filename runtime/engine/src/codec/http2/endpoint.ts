/**
 * One end of an HTTP/2 connection, apart from its frames: the streams, how they and the connection end, what a hostile
 * peer may spend, and the times that are watched.
 */
import type { Clock, Timer } from '../../base/clock.js';
import { type Http2Limits, http2Limits } from '../../base/limits.js';
import { type Logger, silentLogger } from '../../base/log.js';
import { systemClock } from '../../base/system-clock.js';
import type { Transport } from '../../network/transport.js';
import type { ResetReason, StreamReset } from '../http/stream.js';
import { Budget } from './budget.js';
import { ErrorCode } from './constants.js';
import { Http2Counters } from './counters.js';
import { writeGoaway, writePing, writeRstStream } from './frame-writer.js';
import type { HeaderBlock } from './header-block.js';
import { Keepalive, type KeepaliveOptions } from './keepalive.js';
import { PeerSettings } from './peer-settings.js';
import { ReceiveCredit } from './receive-credit.js';
import { Sender, type SenderEvents } from './sender.js';
import type { Http2Stream } from './stream.js';
import { codeName, deafReceiver, reasonOfCode } from './stream-receiver.js';

export interface Http2Options {
  readonly clock?: Clock;
  readonly log?: Logger;
  readonly limits?: Http2Limits;
  readonly counters?: Http2Counters;
  /** Pings a peer that has been silent for `intervalMs`; closes when it stays silent for `timeoutMs` more. */
  readonly keepalive?: KeepaliveOptions;
  /** The connection has ended; called once. */
  readonly onClosed?: () => void;
}

/** Streams that we reset lately: what the peer had already sent for them is dropped without a word. */
const RESETS_REMEMBERED = 1024;
export const PING_PAYLOAD: Buffer = Buffer.from('outrigg\0', 'latin1');

export abstract class Http2Endpoint implements SenderEvents {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits: Http2Limits;
  readonly counters: Http2Counters;
  readonly sender: Sender;
  readonly peerSettings: PeerSettings = new PeerSettings();
  readonly streams: Map<number, Http2Stream> = new Map();
  /** Nothing more is read or sent: the connection failed or finished, or the transport closed. */
  stopped = false;
  /** What the peer did for which we ended the connection. */
  failure: string | undefined;
  protected readonly credit: ReceiveCredit;
  protected readonly keepalive: Keepalive | null;
  /** Streams the peer may reset. */
  protected readonly resetBudget: Budget;
  /** Frames without use the peer may send. */
  protected readonly controlBudget: Budget;
  /** No new streams: GOAWAY was sent or received. */
  protected draining = false;
  readonly #onClosed: (() => void) | undefined;
  readonly #recentResets: Set<number> = new Set();
  /** Replies written while the peer did not read. */
  #blockedReplies = 0;
  #closedTold = false;
  #patience: Timer | undefined;
  #linger: Timer | undefined;
  #lastStream: Http2Stream | undefined;

  constructor(transport: Transport, options: Http2Options) {
    this.transport = transport;
    this.clock = options.clock ?? systemClock;
    this.log = options.log ?? silentLogger;
    this.limits = options.limits ?? http2Limits;
    this.counters = options.counters ?? new Http2Counters();
    this.#onClosed = options.onClosed;
    this.sender = new Sender(transport, this.limits, this);
    this.credit = new ReceiveCredit(this.sender, this.limits);
    this.resetBudget = new Budget(this.clock, this.limits.resetBurst, this.limits.resetsPerSecond);
    this.controlBudget = new Budget(this.clock, this.limits.controlBurst, this.limits.controlPerSecond);
    this.counters.connections++;
    this.counters.connectionsOpen++;
    const { keepalive } = options;
    this.keepalive =
      keepalive === undefined
        ? null
        : new Keepalive(
            this.clock,
            keepalive,
            () => this.ping(),
            () => this.#onSilence(keepalive),
          );
  }

  /** The last stream of the peer that we took up, for GOAWAY. */
  protected abstract readonly lastPeerStream: number;
  protected onStreamClosed(_stream: Http2Stream): void {}
  protected onTransportClosed(): void {}
  /** `stopped` became true. */
  protected onStopped(): void {}

  // What the transport tells.

  onDrain(): void {
    this.#blockedReplies = 0;
    if (!this.stopped) this.sender.transportDrained();
  }

  onEnd(): void {
    if (this.stopped) this.transport.end();
    else this.#stop('the peer ended the connection');
  }

  onClose(error: Error | null): void {
    this.stopped = true;
    this.calm();
    this.#linger?.cancel();
    this.keepalive?.stop();
    this.#loseStreams(error === null ? 'the connection was closed' : `the connection was lost: ${error.message}`);
    if (this.#closedTold) return;
    this.#closedTold = true;
    this.counters.connectionsOpen--;
    this.onTransportClosed();
    this.#onClosed?.();
  }

  // What the sender tells.

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
      this.receiverFailed(stream, error);
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
    if (stream.endSent && stream.remoteEnded) this.resetBudget.give();
    this.sender.forget(stream);
    this.credit.forget(stream);
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

  protected receiverFailed(stream: Http2Stream, error: unknown): void {
    this.log.error({ err: error, stream: stream.id }, 'a stream receiver threw');
    this.abortStream(stream, ErrorCode.INTERNAL_ERROR, 'internal', 'the receiver failed');
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
      this.receiverFailed(stream, error);
      return;
    }
    if (endSent) this.closeStream(stream);
  }

  /** Nothing pauses the stream any more: give back what it held. */
  streamResumed(stream: Http2Stream): void {
    if (this.stopped) this.credit.forget(stream);
    else this.credit.resumed(stream);
  }

  // Ending

  /** Ends the connection for a mistake of the peer, or ours. */
  fail(code: number, message: string): void {
    if (this.stopped) return;
    if (code === ErrorCode.ENHANCE_YOUR_CALM) this.counters.floods++;
    else if (code !== ErrorCode.NO_ERROR) this.counters.protocolErrors++;
    this.log.debug(
      { code: codeName(code), remote: this.transport.remote, reason: message },
      'ending an HTTP/2 connection',
    );
    this.failure = message;
    this.sendGoaway(this.lastPeerStream, code, message);
    this.#stop(message);
  }

  /** Closes in order once nothing is left to do. */
  protected finish(): void {
    if (!this.stopped) this.#stop('the connection is done');
  }

  /** Sends what is written and our end; a peer that does not follow is cut off. */
  #stop(message: string): void {
    this.stopped = true;
    this.calm();
    this.keepalive?.stop();
    this.#loseStreams(message);
    this.transport.end();
    this.#linger ??= this.clock.after(this.limits.lingerMs, () => this.transport.destroy());
    this.onStopped();
  }

  #loseStreams(message: string): void {
    if (this.streams.size === 0) return;
    for (const stream of [...this.streams.values()]) {
      this.closeStream(stream);
      this.tellReset(stream, { reason: 'connection-lost', message, unprocessed: false });
    }
  }

  protected sendGoaway(lastId: number, code: number, debug: string): void {
    writeGoaway(this.sender.control(), lastId, code, debug);
    this.sender.written();
  }

  protected ping(): void {
    writePing(this.sender.control(), 0, PING_PAYLOAD, 0);
    this.sender.written();
  }

  /** Counts a frame without use; false when the peer went too far and the connection was ended. */
  protected spend(what: string): boolean {
    if (this.controlBudget.take()) return true;
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

  /** Something has begun that must be complete within `handshakeMs`; until `calm`. */
  protected expectSoon(): void {
    this.#patience?.cancel();
    this.#patience = this.clock.after(this.limits.handshakeMs, () => {
      this.fail(ErrorCode.PROTOCOL_ERROR, `nothing whole arrived within ${this.limits.handshakeMs} ms`);
    });
  }

  protected calm(): void {
    this.#patience?.cancel();
  }

  #onSilence(keepalive: KeepaliveOptions): void {
    this.counters.keepaliveTimeouts++;
    this.transport.destroy(new Error(`no answer to a keepalive ping within ${keepalive.timeoutMs} ms`));
  }
}
