/**
 * Requests under way, in columns: a slot's number is the id under which a request goes upstream, so an answer finds its
 * request by an index (D3). The rest of the id is the slot's generation, by which an answer that comes after its request
 * was given up is told from the answer to the request that has the slot now: 12 bits beside the 20 of the slot, or the
 * high half of an id of 64 bits.
 *
 * Slots are reused first in, first out. Together with at least `SLOTS_MIN` slots that keeps two uses of one narrow id
 * 2^24 requests apart, minutes at any rate we reach.
 */
import { SLOTS_MAX, SLOTS_MIN } from './limits.js';

const SLOT_BITS = 20;
const SLOT_MASK: number = SLOTS_MAX - 1;
const NARROW_GENERATION = 0xfff;
const NONE = -1;

/** `Owner` awaits the answer, `Link` owes it. */
export class SlotTable<Owner, Link> {
  /** Columns, by slot. They are replaced when the table grows: read them anew in every call. */
  owner: (Owner | null)[] = [];
  link: (Link | null)[] = [];
  /** The id that the owner knows. */
  id: Int32Array = new Int32Array(0);
  idHigh: Int32Array = new Int32Array(0);
  variant: Int32Array = new Int32Array(0);
  /** Slots in use. */
  size = 0;
  /** Slots that exist; a slot is below this. */
  capacity = 0;
  readonly #slotsMax: number;
  readonly #wide: boolean;
  #generation: Int32Array = new Int32Array(0);
  /** The free list. */
  #next: Int32Array = new Int32Array(0);
  #first = NONE;
  #last = NONE;

  constructor(slotsMax: number, wideIds: boolean) {
    this.#slotsMax = Math.min(slotsMax, SLOTS_MAX);
    this.#wide = wideIds;
  }

  /** A free slot for `owner`, or -1 when as many as may be are in use. */
  acquire(owner: Owner, link: Link): number {
    if (this.size >= this.#slotsMax) return NONE;
    if (this.#first === NONE) this.#grow();
    const slot = this.#first;
    this.#first = this.#next[slot] as number;
    if (this.#first === NONE) this.#last = NONE;
    this.owner[slot] = owner;
    this.link[slot] = link;
    this.size++;
    return slot;
  }

  /** What goes upstream for `slot`. */
  upstreamId(slot: number): number {
    return this.#wide ? slot : slot | ((this.#generation[slot] as number) << SLOT_BITS);
  }

  upstreamIdHigh(slot: number): number {
    return this.#wide ? (this.#generation[slot] as number) : 0;
  }

  /** The slot in use under this upstream id, or -1: it was given up, or never was. */
  find(id: number, idHigh: number): number {
    const slot = this.#wide ? id : id & SLOT_MASK;
    if (slot < 0 || slot >= this.capacity || this.link[slot] === null) return NONE;
    const generation = this.#wide ? idHigh : id >>> SLOT_BITS;
    return this.#generation[slot] === generation ? slot : NONE;
  }

  /** The slot's id is never valid again until its generations have gone round. */
  release(slot: number): void {
    this.owner[slot] = null;
    this.link[slot] = null;
    const generation = (this.#generation[slot] as number) + 1;
    this.#generation[slot] = this.#wide ? generation : generation & NARROW_GENERATION;
    this.#next[slot] = NONE;
    if (this.#last === NONE) this.#first = slot;
    else this.#next[this.#last] = slot;
    this.#last = slot;
    this.size--;
  }

  /** Doubles, though never beyond what ids can name. More slots than may be in use keep ids longer apart. */
  #grow(): void {
    const from = this.capacity;
    const to = Math.min(Math.max(from * 2, SLOTS_MIN), SLOTS_MAX);
    this.id = grown(this.id, to);
    this.idHigh = grown(this.idHigh, to);
    this.variant = grown(this.variant, to);
    this.#generation = grown(this.#generation, to);
    this.#next = grown(this.#next, to);
    for (let slot = from; slot < to; slot++) {
      this.owner.push(null);
      this.link.push(null);
      this.#next[slot] = slot + 1 === to ? NONE : slot + 1;
    }
    this.#first = from;
    this.#last = to - 1;
    this.capacity = to;
  }
}

export function grown(column: Int32Array, length: number): Int32Array {
  const larger = new Int32Array(length);
  larger.set(column);
  return larger;
}
