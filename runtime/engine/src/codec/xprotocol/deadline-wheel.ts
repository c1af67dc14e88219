/**
 * Deadlines of slots: a wheel of buckets of 10 ms, each a list linked through columns, so that a request costs neither a
 * timer nor an object. The one timer behind it is set for the first bucket that holds anything; a deadline that was
 * removed in time costs no wake-up of its own.
 */
import type { Clock, Timer } from '../../base/clock.js';
import { grown } from './slot-table.js';

const TICK_MS = 10;
const BUCKETS = 1024;
/** The list of those that are due now. */
const DUE: number = BUCKETS;
const NONE = -1;

export class DeadlineWheel {
  readonly #clock: Clock;
  readonly #onDue: (slot: number) => void;
  readonly #heads: Int32Array = new Int32Array(BUCKETS + 1).fill(NONE);
  #next: Int32Array = new Int32Array(0);
  #previous: Int32Array = new Int32Array(0);
  /** Which list a slot is in, plus one; 0 when it has no deadline. */
  #list: Int32Array = new Int32Array(0);
  /** The tick a slot is due at. */
  #tick: Float64Array = new Float64Array(0);
  /** Buckets up to and with this tick were looked at. */
  #passed = 0;
  #alarm: Timer | undefined;
  #alarmTick = 0;

  /** `onDue` may add and remove deadlines. */
  constructor(clock: Clock, onDue: (slot: number) => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  /** `slot` has no deadline yet. It is due `delayMs` from now, or up to two ticks later. */
  add(slot: number, delayMs: number): void {
    if (slot >= this.#list.length) this.#grow(slot);
    const now = this.#now();
    if (this.#alarm === undefined) this.#passed = now;
    const tick = Math.max(now + Math.ceil(delayMs / TICK_MS), this.#passed) + 1;
    this.#tick[slot] = tick;
    this.#insert(slot, tick & (BUCKETS - 1));
    if (this.#alarm === undefined || tick < this.#alarmTick) this.#arm(tick);
  }

  /** Does nothing when `slot` has no deadline. */
  remove(slot: number): void {
    const list = this.#list[slot];
    if (list === undefined || list === 0) return;
    const next = this.#next[slot] as number;
    const previous = this.#previous[slot] as number;
    if (previous === NONE) this.#heads[list - 1] = next;
    else this.#next[previous] = next;
    if (next !== NONE) this.#previous[next] = previous;
    this.#list[slot] = 0;
  }

  stop(): void {
    this.#alarm?.cancel();
    this.#alarm = undefined;
  }

  #now(): number {
    return Math.floor(this.#clock.now() / TICK_MS);
  }

  #insert(slot: number, list: number): void {
    const head = this.#heads[list] as number;
    this.#list[slot] = list + 1;
    this.#next[slot] = head;
    this.#previous[slot] = NONE;
    if (head !== NONE) this.#previous[head] = slot;
    this.#heads[list] = slot;
  }

  #arm(tick: number): void {
    this.#alarm?.cancel();
    this.#alarmTick = tick;
    this.#alarm = this.#clock.after(Math.max(0, tick * TICK_MS - this.#clock.now()), () => this.#wake());
  }

  #wake(): void {
    const now = this.#now();
    for (let tick = Math.max(this.#passed + 1, now - BUCKETS + 1); tick <= now; tick++) {
      let slot = this.#heads[tick & (BUCKETS - 1)] as number;
      while (slot !== NONE) {
        const next = this.#next[slot] as number;
        // The others are for a later turn of the wheel.
        if ((this.#tick[slot] as number) <= now) {
          this.remove(slot);
          this.#insert(slot, DUE);
        }
        slot = next;
      }
    }
    this.#passed = now;
    for (let slot = this.#heads[DUE] as number; slot !== NONE; slot = this.#heads[DUE] as number) {
      this.remove(slot);
      this.#onDue(slot);
    }
    this.#alarm = undefined;
    for (let tick = now + 1; tick <= now + BUCKETS; tick++) {
      if (this.#heads[tick & (BUCKETS - 1)] === NONE) continue;
      this.#arm(tick);
      return;
    }
  }

  #grow(slot: number): void {
    const length = Math.max(1024, 2 ** Math.ceil(Math.log2(slot + 1)));
    this.#next = grown(this.#next, length);
    this.#previous = grown(this.#previous, length);
    this.#list = grown(this.#list, length);
    const tick = new Float64Array(length);
    tick.set(this.#tick);
    this.#tick = tick;
  }
}
