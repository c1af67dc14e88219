/**
 * Timers in buckets of one tick each, the ticks in a binary heap. Deadlines of requests that arrive together share a
 * bucket, so adding and cancelling is a list operation, and the next tick to wake for is known without walking a wheel.
 */
import type { Timer } from './clock.js';

class QueuedTimer implements Timer {
  next: QueuedTimer | null = null;
  previous: QueuedTimer | null = null;
  bucket: Bucket | null = null;
  fire: (() => void) | null;
  readonly queue: TimerQueue;

  constructor(queue: TimerQueue, fire: () => void) {
    this.queue = queue;
    this.fire = fire;
  }

  cancel(): void {
    if (this.bucket === null) return;
    this.fire = null;
    this.queue.remove(this);
  }
}

/** Timers of one tick, first added first fired. */
class Bucket {
  readonly tick: number;
  head: QueuedTimer | null = null;
  tail: QueuedTimer | null = null;

  constructor(tick: number) {
    this.tick = tick;
  }
}

export class TimerQueue {
  /** Timers that have neither fired nor been cancelled. */
  pending = 0;
  readonly #buckets = new Map<number, Bucket>();
  /** Binary min-heap of the ticks in `#buckets`. */
  readonly #heap: Bucket[] = [];
  /** A callback that throws must not keep the others of its tick from firing. */
  readonly #onError: (error: unknown) => void;

  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  add(tick: number, fire: () => void): Timer {
    let bucket = this.#buckets.get(tick);
    if (bucket === undefined) {
      bucket = new Bucket(tick);
      this.#buckets.set(tick, bucket);
      this.#push(bucket);
    }
    const timer = new QueuedTimer(this, fire);
    timer.bucket = bucket;
    timer.previous = bucket.tail;
    if (bucket.tail === null) bucket.head = timer;
    else bucket.tail.next = timer;
    bucket.tail = timer;
    this.pending++;
    return timer;
  }

  remove(timer: QueuedTimer): void {
    const bucket = timer.bucket;
    if (bucket === null) return;
    if (timer.previous === null) bucket.head = timer.next;
    else timer.previous.next = timer.next;
    if (timer.next === null) bucket.tail = timer.previous;
    else timer.next.previous = timer.previous;
    timer.bucket = timer.next = timer.previous = null;
    this.pending--;
  }

  /** The first tick that has a timer, or -1. Buckets whose timers were all cancelled are dropped on the way. */
  nextTick(): number {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined) return -1;
      if (first.head !== null) return first.tick;
      this.#pop();
    }
  }

  /** Fires everything due at or before `tick`, in order of tick, then of adding. */
  run(tick: number): void {
    for (;;) {
      const due = this.nextTick();
      if (due < 0 || due > tick) return;
      const timer = (this.#heap[0] as Bucket).head as QueuedTimer;
      const fire = timer.fire;
      this.remove(timer);
      timer.fire = null;
      try {
        fire?.();
      } catch (error) {
        this.#onError(error);
      }
    }
  }

  #push(bucket: Bucket): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(bucket);
    while (i > 0) {
      const up = (i - 1) >> 1;
      const parent = heap[up] as Bucket;
      if (parent.tick <= bucket.tick) break;
      heap[i] = parent;
      i = up;
    }
    heap[i] = bucket;
  }

  #pop(): void {
    const heap = this.#heap;
    const first = heap[0] as Bucket;
    const last = heap.pop() as Bucket;
    this.#buckets.delete(first.tick);
    if (heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && (heap[child + 1] as Bucket).tick < (heap[child] as Bucket).tick) child++;
      if ((heap[child] as Bucket).tick >= last.tick) break;
      heap[i] = heap[child] as Bucket;
      i = child;
    }
    heap[i] = last;
  }
}
