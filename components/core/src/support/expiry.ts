/**
 * Removes entries whose time has come. One timer serves all entries and is armed only while one is pending. Where readers
 * check the expiry of what they read themselves, this only gives the memory back, and may be late by a second.
 */
import type { ComponentClock, ComponentTimer } from '../component.js';

/** Unless the config says otherwise, sweeps come no closer together than this. */
const sweepIntervalMsDefault = 1000;
/** Longest wait of the timer, so that a wall clock that was set is noticed. */
const timerMsMax = 3_600_000;
/** Entries looked at in one turn of the event loop. */
const sweepEntriesMax = 2000;

export interface ExpiryConfig<K> {
  readonly clock: ComponentClock;
  /** How late an entry may be removed, so that one sweep serves many (default 1000); 0 where the time itself matters. */
  readonly slackMs?: number;
  /** When the entry of `key` expires now (wall-clock ms); undefined when it is gone or has no expiry. */
  expiresAtMs(key: K): number | undefined;
  expire(key: K): void;
}

export interface ExpiryQueue<K> {
  /** Says that the entry of `key` expires at `atMs`. Call again after each change; old notes are ignored. */
  note(key: K, atMs: number): void;
  close(): void;
  /** Notes held, stale ones included (never more than twice the pending entries plus a constant). */
  readonly size: number;
}

interface Note<K> {
  readonly atMs: number;
  readonly key: K;
}

export function createExpiryQueue<K>(config: ExpiryConfig<K>): ExpiryQueue<K> {
  const { clock } = config;
  const sweepIntervalMs = config.slackMs ?? sweepIntervalMsDefault;
  let heap: Note<K>[] = [];
  let rebuildAt = 1024;
  let timer: ComponentTimer | undefined;
  let timerAtMs = Number.POSITIVE_INFINITY;
  let closed = false;

  function up(start: number): void {
    let index = start;
    const note = heap[index]!;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (heap[parent]!.atMs <= note.atMs) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = note;
  }

  function down(start: number): void {
    let index = start;
    const note = heap[index]!;
    for (;;) {
      let child = index * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.atMs < heap[child]!.atMs) child++;
      if (heap[child]!.atMs >= note.atMs) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = note;
  }

  function pop(): void {
    const last = heap.pop()!;
    if (heap.length === 0) return;
    heap[0] = last;
    down(0);
  }

  /** A key written again and again leaves stale notes; they go when the heap has doubled. */
  function rebuild(): void {
    heap = heap.filter((note) => config.expiresAtMs(note.key) === note.atMs);
    for (let index = (heap.length >> 1) - 1; index >= 0; index--) down(index);
    rebuildAt = Math.max(1024, heap.length * 2);
  }

  function arm(minimumMs: number): void {
    const first = heap[0];
    if (first === undefined || closed) return;
    const now = clock.wallMs();
    const delayMs = Math.min(Math.max(first.atMs - now, minimumMs), timerMsMax);
    if (timer !== undefined && timerAtMs <= now + delayMs) return;
    timer?.cancel();
    timerAtMs = now + delayMs;
    timer = clock.after(delayMs, sweep);
  }

  function sweep(): void {
    timer = undefined;
    timerAtMs = Number.POSITIVE_INFINITY;
    const now = clock.wallMs();
    let left = sweepEntriesMax;
    while (left > 0 && heap.length > 0 && heap[0]!.atMs <= now) {
      const { key } = heap[0]!;
      pop();
      left--;
      const atMs = config.expiresAtMs(key);
      if (atMs !== undefined && atMs <= now) config.expire(key);
    }
    arm(left === 0 ? 1 : sweepIntervalMs);
  }

  return {
    note(key, atMs) {
      if (closed) return;
      heap.push({ atMs, key });
      up(heap.length - 1);
      if (heap.length >= rebuildAt) rebuild();
      arm(sweepIntervalMs);
    },
    close() {
      closed = true;
      timer?.cancel();
      timer = undefined;
      heap = [];
    },
    get size() {
      return heap.length;
    },
  };
}
