/** Reads the first bytes of a connection to tell HTTP/2 with prior knowledge (RFC 9113 §3.3) from HTTP/1.1. */
import type { Clock, Timer } from '../base/clock.js';
import { PREFACE } from '../codec/http2/constants.js';
import type { Transport, TransportReceiver } from '../network/transport.js';

export type SniffedProtocol = 'h2' | 'http/1.1';

/** Gives the transport its receiver; the bytes read so far follow by its `onBytes`. */
export type OnSniffed = (transport: Transport, protocol: SniffedProtocol) => void;

export class Sniffer implements TransportReceiver {
  private readonly transport: Transport;
  private readonly onSniffed: OnSniffed;
  private readonly timer: Timer;
  /** Bytes of the preface that have come, all of them right. */
  private matched = 0;

  /** A peer that is silent for `timeoutMs` is closed. */
  constructor(transport: Transport, clock: Clock, timeoutMs: number, onSniffed: OnSniffed) {
    this.transport = transport;
    this.onSniffed = onSniffed;
    this.timer = clock.after(timeoutMs, () => transport.destroy());
    transport.receiver = this;
  }

  onBytes(buffer: Buffer, start: number, end: number): void {
    let pos = start;
    let { matched } = this;
    while (pos < end && matched < PREFACE.length && buffer[pos] === PREFACE[matched]) {
      pos++;
      matched++;
    }
    if (matched === PREFACE.length) this.decide('h2', buffer, start, end);
    else if (pos < end) this.decide('http/1.1', buffer, start, end);
    else this.matched = matched;
  }

  onDrain(): void {}

  onEnd(): void {
    this.transport.destroy();
  }

  onClose(): void {
    this.timer.cancel();
  }

  private decide(protocol: SniffedProtocol, buffer: Buffer, start: number, end: number): void {
    this.timer.cancel();
    const { transport, matched } = this;
    this.onSniffed(transport, protocol);
    // What came in earlier reads was the beginning of the preface.
    if (matched > 0) transport.receiver.onBytes(PREFACE, 0, matched);
    transport.receiver.onBytes(buffer, start, end);
  }
}
