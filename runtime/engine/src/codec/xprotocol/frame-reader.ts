/**
 * Cuts the byte stream of a connection into frames. Whole frames are handed on where they lie in the read buffer; only a
 * frame that a read has cut is copied, and its buffer grows with the bytes that come, not with the length that a peer
 * claims.
 */
import { ByteBudget } from './byte-budget.js';
import { Frame } from './frame.js';
import { CARRIES_FREE_MAX, CARRY_BYTES, type RpcLimits, rpcLimits } from './limits.js';
import { FrameFault, INCOMPLETE, type RpcProtocol } from './protocol.js';

export interface FrameSink {
  /** `frame` and its bytes are valid only during the call. */
  onFrame(frame: Frame): void;
  /**
   * The bytes from here on cannot be read; the reader has stopped. After TOO_LONG `frame` tells id, kind and variant,
   * otherwise nothing of it may be believed.
   */
  onFault(fault: FrameFault, frame: Frame): void;
}

const free: Buffer[] = [];

function acquire(bytes: number): Buffer {
  return bytes > CARRY_BYTES ? Buffer.allocUnsafeSlow(bytes) : (free.pop() ?? Buffer.allocUnsafeSlow(CARRY_BYTES));
}

function release(buffer: Buffer): void {
  if (buffer.length === CARRY_BYTES && free.length < CARRIES_FREE_MAX) free.push(buffer);
}

export class FrameReader {
  /** No more frames are read: a fault, or `stop`. */
  stopped = false;
  readonly #protocol: RpcProtocol;
  readonly #sink: FrameSink;
  readonly #frameBytesMax: number;
  readonly #budget: ByteBudget;
  readonly #frame: Frame = new Frame();
  #carry: Buffer | null = null;
  #carried = 0;
  /** Size of the carried frame; INCOMPLETE until its head is whole. */
  #size = INCOMPLETE;

  /** `budget` is shared by the connections of a listener or pool. */
  constructor(
    protocol: RpcProtocol,
    sink: FrameSink,
    limits: Pick<RpcLimits, 'frameBytesMax'> = rpcLimits,
    budget: ByteBudget = new ByteBudget(rpcLimits.partialBytesMax),
  ) {
    this.#protocol = protocol;
    this.#sink = sink;
    this.#frameBytesMax = limits.frameBytesMax;
    this.#budget = budget;
  }

  /**
   * The bytes of the frame that is not whole yet; empty at a frame boundary. Outside `read` this is everything that
   * another reader must be given first in order to go on in this one's place.
   */
  residual(): Buffer {
    return this.#carry === null ? Buffer.alloc(0) : Buffer.from(this.#carry.subarray(0, this.#carried));
  }

  read(buffer: Buffer, start: number, end: number): void {
    if (this.stopped) return;
    let at = start;
    if (this.#carry !== null) {
      at = this.#complete(buffer, start, end);
      if (this.stopped || this.#carry !== null) return;
    }
    const frame = this.#frame;
    const sink = this.#sink;
    while (at < end) {
      const size = this.#protocol.parse(frame, buffer, at, end);
      if (size > end - at || size <= INCOMPLETE) {
        if (this.#isGood(size)) this.#keep(buffer, at, end, size);
        return;
      }
      if (size > this.#frameBytesMax) {
        this.#fail(FrameFault.TOO_LONG);
        return;
      }
      at += size;
      sink.onFrame(frame);
      if (this.stopped) return;
    }
  }

  /** Reads no more and holds nothing. */
  stop(): void {
    this.stopped = true;
    this.#dropCarry();
  }

  #fail(fault: FrameFault): void {
    this.stop();
    this.#sink.onFault(fault, this.#frame);
  }

  /** Checks what `parse` returned for a frame that is not whole. */
  #isGood(size: number): boolean {
    if (size >= INCOMPLETE && size <= this.#frameBytesMax) return true;
    this.#fail(size < INCOMPLETE ? (size as FrameFault) : FrameFault.TOO_LONG);
    return false;
  }

  #keep(buffer: Buffer, at: number, end: number, size: number): void {
    const carry = acquire(end - at);
    if (!this.#budget.take(carry.length)) {
      this.#fail(FrameFault.PARTIAL_OVERFLOW);
      return;
    }
    buffer.copy(carry, 0, at, end);
    this.#carry = carry;
    this.#carried = end - at;
    this.#size = size;
  }

  /** Adds to the carried frame, and hands it on when it is whole. Returns where the next frame begins. */
  #complete(buffer: Buffer, start: number, end: number): number {
    let at = start;
    for (;;) {
      const want = this.#size === INCOMPLETE ? this.#protocol.headBytesMax : this.#size;
      const take = Math.min(want - this.#carried, end - at);
      if (!this.#append(buffer, at, at + take)) return end;
      at += take;
      if (this.#size !== INCOMPLETE && this.#carried < this.#size) return at;
      const carry = this.#carry as Buffer;
      let size = this.#protocol.parse(this.#frame, carry, 0, this.#carried);
      if (size === INCOMPLETE) {
        if (at === end && this.#carried < want) return at;
        // More than headBytesMax and still no size: the protocol broke its word, and no peer may gain by it.
        size = FrameFault.LENGTH;
      }
      if (!this.#isGood(size)) return end;
      this.#size = size;
      if (this.#carried < size) continue;
      // A head may be shorter than headBytesMax: what was taken too much belongs to the next frame.
      at -= this.#carried - size;
      this.#carry = null;
      this.#budget.give(carry.length);
      this.#sink.onFrame(this.#frame);
      release(carry);
      return at;
    }
  }

  #append(buffer: Buffer, start: number, end: number): boolean {
    let carry = this.#carry as Buffer;
    const need = this.#carried + (end - start);
    if (need > carry.length) {
      // Twice as large each time, so that a frame in many pieces is copied about once; never more than the frame.
      const bytes = Math.max(need, Math.min(carry.length * 2, Math.max(this.#size, need)));
      if (!this.#budget.take(bytes - carry.length)) {
        this.#fail(FrameFault.PARTIAL_OVERFLOW);
        return false;
      }
      const larger = Buffer.allocUnsafeSlow(bytes);
      carry.copy(larger, 0, 0, this.#carried);
      release(carry);
      this.#carry = carry = larger;
    }
    buffer.copy(carry, this.#carried, start, end);
    this.#carried = need;
    return true;
  }

  #dropCarry(): void {
    const carry = this.#carry;
    if (carry === null) return;
    this.#carry = null;
    this.#budget.give(carry.length);
    release(carry);
  }
}
