/**
 * Writes every dirty transport once per event-loop turn (performance rule 1). A turn that holds a single read gains
 * nothing by waiting and loses the cost of a setImmediate (0.90× at one request in flight), so the flusher adapts: while
 * turns hold one read each it flushes as soon as that read was handled, and looks again every `EAGER_READS` reads.
 */
export interface Flushable {
  flush(): void;
}

const EAGER_READS = 16;

export class Flusher {
  #dirty: Flushable[] = [];
  #spare: Flushable[] = [];
  /** Reads (or batches of writes outside a read) that may still be flushed at once before the turn is looked at again. */
  #eagerLeft = 0;
  /** Reads and batches in this turn; counted only while an immediate is scheduled. */
  #batches = 0;
  #immediate = false;
  #tick = false;
  #depth = 0;
  readonly #onImmediate: () => void;
  readonly #onTick: () => void;

  constructor() {
    this.#onImmediate = () => {
      this.#immediate = false;
      if (this.#batches <= 1) this.#eagerLeft = EAGER_READS;
      this.#batches = 0;
      this.#flushAll();
    };
    this.#onTick = () => {
      this.#tick = false;
      this.#flushAll();
    };
  }

  /** A transport became dirty. */
  add(transport: Flushable): void {
    this.#dirty.push(transport);
    if (this.#depth === 0) this.#schedule();
  }

  /** A read begins: what it makes dirty is flushed by `leave`. */
  enter(): void {
    this.#depth++;
  }

  leave(): void {
    if (--this.#depth > 0) return;
    if (this.#immediate) this.#batches++;
    if (this.#dirty.length === 0) return;
    if (this.#eagerLeft > 0) {
      this.#eagerLeft--;
      this.#flushAll();
    } else if (!this.#immediate) {
      this.#immediate = true;
      this.#batches = 1;
      setImmediate(this.#onImmediate);
    }
  }

  #schedule(): void {
    if (this.#immediate) {
      this.#batches++;
      return;
    }
    if (this.#tick) return;
    if (this.#eagerLeft > 0) {
      // Outside a read the caller may be about to write more; its microtasks end before the tick.
      this.#eagerLeft--;
      this.#tick = true;
      process.nextTick(this.#onTick);
    } else {
      this.#immediate = true;
      this.#batches = 1;
      setImmediate(this.#onImmediate);
    }
  }

  #flushAll(): void {
    const list = this.#dirty;
    this.#dirty = this.#spare;
    for (let i = 0; i < list.length; i++) (list[i] as Flushable).flush();
    list.length = 0;
    this.#spare = list;
  }
}

/** The flusher of this thread. */
export const flusher: Flusher = new Flusher();
