/** Pipelined bytes that wait for the exchange before them; when too many wait, the transport stops reading. */
import type { Transport } from '../../network/transport.js';
import { Carry } from './carry.js';

export class ParkedBytes {
  private readonly transport: Transport;
  private readonly bytesMax: number;
  private readonly carry: Carry = new Carry();
  private paused = false;

  constructor(transport: Transport, bytesMax: number) {
    this.transport = transport;
    this.bytesMax = bytesMax;
  }

  get length(): number {
    return this.carry.length;
  }

  append(buffer: Buffer, start: number, end: number): void {
    this.carry.append(buffer, start, end);
    if (this.paused || this.carry.length < this.bytesMax) return;
    this.paused = true;
    this.transport.pause('limit');
  }

  /** Hands the bytes over; reading goes on. */
  detach(): Buffer {
    const bytes = this.carry.detach();
    this.resume();
    return bytes;
  }

  clear(): void {
    this.carry.clear();
    this.resume();
  }

  private resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.transport.resume('limit');
  }
}
